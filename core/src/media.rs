//! Owns how a representation is described: media type, charset, content coding (RFC 9110,
//! section 8), and which media type announces a grant. Must not know where the words come from.

use std::fmt;

use crate::syntax::{self, WHITESPACE};

const GRANT: &[u8] = b"application/vnd.nginx-download.grant+json";
const JSON: &[u8] = b"application/json";

/// Whether a `Content-Type` announces a grant to one who asked for it: the grant's own media
/// type or plain JSON, whatever the parameters.
pub fn is_grant(content_type: &[u8]) -> bool {
    is(content_type, GRANT) || is(content_type, JSON)
}

/// Whether a `Content-Type` is the grant's own media type, whatever the parameters.
pub fn is_grant_exactly(content_type: &[u8]) -> bool {
    is(content_type, GRANT)
}

/// Is it that media type, whatever the parameters? Most have none.
fn is(content_type: &[u8], media_type: &[u8]) -> bool {
    let essence = || content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    content_type.eq_ignore_ascii_case(media_type)
        || syntax::trim(essence()).eq_ignore_ascii_case(media_type)
}

/// A media type with its parameters (RFC 9110, section 8.3.1), ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType {
    text: String,
    /// Bytes of `text` before the parameters and the whitespace ahead of them.
    essence: usize,
}

impl MediaType {
    /// Takes `type/subtype` and perhaps `; name=value` parameters, without whitespace around.
    pub fn parse(text: &[u8]) -> Result<Self, MediaError> {
        Self::parsed(text).ok_or(MediaError::MediaType)
    }

    fn parsed(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let (before, parameters) = text.split_once(';').unwrap_or((text, ""));
        let essence = before.trim_end_matches(WHITESPACE);
        // Whitespace may stand before a semicolon only, not at the very end.
        if text.ends_with(WHITESPACE) {
            return None;
        }
        let (main, sub) = essence.split_once('/')?;
        syntax::token(main.as_bytes())?;
        syntax::token(sub.as_bytes())?;
        let sound = Parameters(parameters).all(|parameter| parameter.is_some());
        sound.then(|| Self { text: text.to_owned(), essence: essence.len() })
    }

    /// All of it, as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `type/subtype`, without the parameters.
    pub fn essence(&self) -> &str {
        self.text.get(..self.essence).unwrap_or_default()
    }

    /// The first `charset` parameter, if there is one and it is a token once unquoted.
    pub fn charset(&self) -> Option<Charset> {
        let (_, parameters) = self.text.split_once(';')?;
        let (_, value) = Parameters(parameters)
            .flatten()
            .find(|(name, _)| name.eq_ignore_ascii_case("charset"))?;
        // What needs a backslash is not a token, so there is nothing to unescape.
        let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Charset::parse(unquoted.unwrap_or(value).as_bytes()).ok()
    }
}

/// The parameters in what follows the first semicolon, as `(name, value)`, the value perhaps a
/// quoted string; `None` and the end where the text goes wrong.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = Option<(&'a str, &'a str)>;

    fn next(&mut self) -> Option<Self::Item> {
        // RFC 9110, section 5.6.6: a parameter may be missing between two semicolons.
        let text = self.0.trim_start_matches([' ', '\t', ';']);
        self.0 = "";
        if text.is_empty() {
            return None;
        }
        let parameter = parameter(text);
        if let Some((_, _, rest)) = parameter {
            self.0 = rest;
        }
        Some(parameter.map(|(name, value, _)| (name, value)))
    }
}

/// Splits the first parameter off: its name, its value as written, what follows.
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    syntax::token(name.as_bytes())?;
    let end = match rest.starts_with('"') {
        true => quoted_string(rest)?,
        false => rest.find([';', ' ', '\t']).unwrap_or(rest.len()),
    };
    let (value, rest) = rest.split_at_checked(end)?;
    if !value.starts_with('"') {
        syntax::token(value.as_bytes())?;
    }
    let rest = rest.trim_start_matches(WHITESPACE);
    (rest.is_empty() || rest.starts_with(';')).then_some((name, value, rest))
}

/// The length of the quoted string (RFC 9110, section 5.6.4) that `text` begins with.
fn quoted_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if !matches!(byte, b'\t' | b' '..=b'~') => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// A charset's name (RFC 9110, section 8.3.2): a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Charset(Box<str>);

impl Charset {
    /// Takes a token.
    pub fn parse(text: &[u8]) -> Result<Self, MediaError> {
        syntax::token(text).map(|name| Self(name.into())).ok_or(MediaError::Charset)
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One content coding (RFC 9110, section 8.4.1): a token, such as `gzip`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentCoding(Box<str>);

impl ContentCoding {
    /// Takes a token. `identity` is one, though no `Content-Encoding` may say it: it is how an
    /// app states that a file is not coded, whatever is configured.
    pub fn parse(text: &[u8]) -> Result<Self, MediaError> {
        syntax::token(text).map(|name| Self(name.into())).ok_or(MediaError::ContentCoding)
    }

    /// The coding as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for "no coding", so that no `Content-Encoding` is to be sent.
    pub fn is_identity(&self) -> bool {
        self.0.eq_ignore_ascii_case("identity")
    }
}

/// What something was meant to be and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaError {
    /// Not a [`MediaType`].
    MediaType,
    /// Not a [`Charset`].
    Charset,
    /// Not a [`ContentCoding`].
    ContentCoding,
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MediaType => "not a media type such as text/plain or text/html; charset=utf-8",
            Self::Charset => "not a charset such as utf-8",
            Self::ContentCoding => "not one content coding such as gzip",
        })
    }
}

impl std::error::Error for MediaError {}

/// Does the name of a file say that it is in this coding: `archive.tar.gz` in gzip?
#[must_use]
pub fn is_coding_of(file_name: &[u8], coding: &[u8]) -> bool {
    let Some(dot) = file_name.iter().rposition(|&c| c == b'.') else { return false };
    let extension = file_name.get(dot..).unwrap_or_default().to_ascii_lowercase();
    let of_extension = match extension.as_slice() {
        b".gz" | b".tgz" | b".taz" | b".svgz" => "gzip",
        b".br" => "br",
        b".bz2" | b".tbz2" => "bzip2",
        b".xz" | b".txz" => "xz",
        b".zst" => "zstd",
        b".z" => "compress",
        _ => return false,
    };
    let said = coding.strip_prefix(b"x-").unwrap_or(coding);
    said.eq_ignore_ascii_case(of_extension.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(text: &str) -> MediaType {
        MediaType::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn media_types() {
        assert_eq!(media("application/pdf").essence(), "application/pdf");
        assert_eq!(media("application/pdf").charset(), None);
        let html = media("Text/HTML \t; ;Charset=\"UTF-8\" ; a=\"x;\\\"y\"");
        assert_eq!(html.essence(), "Text/HTML");
        assert_eq!(html.charset().unwrap().as_str(), "UTF-8");
        assert_eq!(html.as_str(), "Text/HTML \t; ;Charset=\"UTF-8\" ; a=\"x;\\\"y\"");
        assert_eq!(media("a/b;charset=x;charset=y").charset().unwrap().as_str(), "x");
        assert_eq!(media("a/b;charset=\"not a token\"").charset(), None);
        assert_eq!(media("a/b;x=\"charset=z\"").charset(), None);
        assert_eq!(media("a/b;").essence(), "a/b");
    }

    #[test]
    fn no_media_types() {
        for bad in [
            "",
            "text",
            "/",
            "text/",
            "/html",
            "a/b/c",
            "a b/c",
            "a/b c",
            " a/b",
            "a/b ",
            "a/b; ",
            "a/b;x",
            "a/b;x=",
            "a/b;=x",
            "a/b;x =y",
            "a/b;x= y",
            "a/b;x=y z",
            "a/b,c/d",
            "a/b;x=\"",
            "a/b;x=\"y",
            "a/b;x=\"y\"z",
            "a/b;x=\"y\\\"",
            "a/b;x=\"é\"",
            "a/b;x=é",
            "a/b\r\n",
            "a/b;x=\"\n\"",
            "a/b;x=\"\0\"",
            "é/b",
        ] {
            assert_eq!(MediaType::parse(bad.as_bytes()), Err(MediaError::MediaType), "{bad}");
        }
        assert_eq!(MediaType::parse(b"a/\xff"), Err(MediaError::MediaType));
    }

    #[test]
    fn charsets_and_codings() {
        assert_eq!(Charset::parse(b"utf-8").unwrap().as_str(), "utf-8");
        assert_eq!(Charset::parse(b"utf-8;"), Err(MediaError::Charset));
        assert_eq!(ContentCoding::parse(b"br").unwrap().as_str(), "br");
        assert!(!ContentCoding::parse(b"br").unwrap().is_identity());
        assert!(ContentCoding::parse(b"Identity").unwrap().is_identity());
        assert_eq!(ContentCoding::parse(b"gzip, br"), Err(MediaError::ContentCoding));
        assert_eq!(ContentCoding::parse(b""), Err(MediaError::ContentCoding));
    }

    #[test]
    fn grants() {
        for own in [
            "application/vnd.nginx-download.grant+json",
            "Application/VND.nginx-Download.grant+JSON ; v=1",
        ] {
            assert!(is_grant(own.as_bytes()) && is_grant_exactly(own.as_bytes()), "{own}");
        }
        for json in ["application/json", " APPLICATION/json;charset=utf-8"] {
            assert!(is_grant(json.as_bytes()) && !is_grant_exactly(json.as_bytes()), "{json}");
        }
        for other in [
            "",
            ";",
            "text/html",
            "application/jsonp",
            "application/problem+json",
            "application/json, a/b",
        ] {
            assert!(!is_grant(other.as_bytes()), "{other}");
        }
    }
}
