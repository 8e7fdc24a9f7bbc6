//! Declared remote origins, and the URLs below them. An app or a variable can pick a URL below
//! a declared base and nothing else: no other host, no user, no way up.
//!
//! RFC 3986. Knows nothing of how a URL is fetched.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use crate::path::RelativePath;

/// What a path segment cannot carry as it is (RFC 3986, section 3.3), and `%` itself.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The base of the URLs of a storage: scheme, host and a path that ends in a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Neither `http://` nor `https://`.
    Scheme,
    /// No host, or a user before it.
    Host,
    /// The base does not end in a slash, or has a query or a fragment.
    Base,
    /// Not below the base.
    Outside,
    /// A `..` segment, encoded or not.
    DotDot,
    /// A character that cannot stand in a URL.
    Character,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URL must begin with http:// or https://",
            Self::Host => "the URL must name a host, and no user",
            Self::Base => "the URL must end in a slash, without query or fragment",
            Self::Outside => "the URL is below no declared url=",
            Self::DotDot => "the URL contains a \"..\" segment",
            Self::Character => "the URL contains a character that must be percent-encoded",
        })
    }
}

impl std::error::Error for UrlError {}

impl Origin {
    /// A base such as `https://files.example/exports/`.
    pub fn parse(base: &[u8]) -> Result<Self, UrlError> {
        check(base)?;
        let text = str::from_utf8(base).map_err(|_| UrlError::Character)?;
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))
            .ok_or(UrlError::Scheme)?;
        let (host, path) = rest.split_once('/').ok_or(UrlError::Base)?;
        let plain = |c: u8| c.is_ascii_alphanumeric() || b".-_:[]".contains(&c);
        if host.is_empty() || !host.bytes().all(plain) || host.starts_with("unix:") {
            return Err(UrlError::Host);
        }
        if !(path.is_empty() || path.ends_with('/')) || path.contains(['?', '#']) {
            return Err(UrlError::Base);
        }
        Ok(Self(text.to_owned()))
    }

    /// The base.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of a file below the base, percent-encoded.
    #[must_use]
    pub fn url_of(&self, path: &RelativePath) -> String {
        let mut url = self.0.clone();
        for piece in path.as_bytes().utf8_chunks() {
            url.extend(utf8_percent_encode(piece.valid(), SEGMENT));
            for byte in piece.invalid() {
                url.push_str(percent_encoding::percent_encode_byte(*byte));
            }
        }
        url
    }

    /// Makes sure that `url` is below the base; gives the rest of it.
    pub fn below<'u>(&self, url: &'u [u8]) -> Result<&'u [u8], UrlError> {
        let rest = url.strip_prefix(self.0.as_bytes()).ok_or(UrlError::Outside)?;
        check(url)?;
        Ok(rest)
    }
}

/// Only what a URL may consist of, and no way up, however often it is decoded on the way.
fn check(url: &[u8]) -> Result<(), UrlError> {
    if !url.iter().all(|c| c.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(c)) {
        return Err(UrlError::Character);
    }
    let path = url.split(|&c| c == b'?').next().unwrap_or_default();
    let mut decoded = path.to_vec();
    loop {
        if decoded.split(|&c| c == b'/' || c == b'\\').any(|segment| segment == b"..") {
            return Err(UrlError::DotDot);
        }
        let again: Vec<u8> = percent_decode(&decoded).collect();
        if again == decoded {
            return Ok(());
        }
        decoded = again;
    }
}

/// The name of the file that a URL's path ends in, decoded.
#[must_use]
pub fn file_name(url: &[u8]) -> Vec<u8> {
    let path = url.split(|&c| c == b'?').next().unwrap_or_default();
    let last = path.rsplit(|&c| c == b'/').next().unwrap_or_default();
    percent_decode(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases() {
        for good in ["https://files.example/", "http://10.0.0.1:8080/x/y/", "http://[::1]/"] {
            assert_eq!(Origin::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("ftp://a/", UrlError::Scheme),
            ("//a/", UrlError::Scheme),
            ("file:///etc/", UrlError::Scheme),
            ("http:///x/", UrlError::Host),
            ("http://user@a/", UrlError::Host),
            ("http://unix:/run/x/", UrlError::Host),
            ("http://a", UrlError::Base),
            ("http://a/x", UrlError::Base),
            ("http://a/?x/", UrlError::Base),
            ("http://a/../", UrlError::DotDot),
            ("http://a/ b/", UrlError::Character),
        ] {
            assert_eq!(Origin::parse(bad.as_bytes()), Err(why), "{bad}");
        }
    }

    #[test]
    fn below_the_base_and_nowhere_else() {
        let origin = Origin::parse(b"https://a.example/x/").unwrap();
        assert_eq!(origin.below(b"https://a.example/x/y/z.txt?v=1"), Ok(&b"y/z.txt?v=1"[..]));
        for (bad, why) in [
            ("https://a.example.evil/x/y", UrlError::Outside),
            ("https://a.example/xy", UrlError::Outside),
            ("http://a.example/x/y", UrlError::Outside),
            ("https://a.example@evil/x/y", UrlError::Outside),
            ("https://a.example/x/../y", UrlError::DotDot),
            ("https://a.example/x/%2e%2E/y", UrlError::DotDot),
            ("https://a.example/x/%252e%252e/y", UrlError::DotDot),
            ("https://a.example/x/..%5cy", UrlError::DotDot),
            ("https://a.example/x/a\r\nb", UrlError::Character),
            ("https://a.example/x/a b", UrlError::Character),
            ("https://a.example/x/a#b", UrlError::Character),
        ] {
            assert_eq!(origin.below(bad.as_bytes()), Err(why), "{bad}");
        }
    }

    #[test]
    fn urls_of_paths() {
        let origin = Origin::parse(b"http://a/x/").unwrap();
        let url = |path: &[u8]| origin.url_of(&RelativePath::parse(path).unwrap());
        assert_eq!(url(b"a b/50%?#.txt"), "http://a/x/a%20b/50%25%3F%23.txt");
        assert_eq!(url("é".as_bytes()), "http://a/x/%C3%A9");
        assert_eq!(url(b"\xe9"), "http://a/x/%E9");
        for path in ["a b", "50%", "é?#", "..a"] {
            assert!(origin.below(url(path.as_bytes()).as_bytes()).is_ok(), "{path}");
            assert_eq!(file_name(url(path.as_bytes()).as_bytes()), path.as_bytes());
        }
    }
}
