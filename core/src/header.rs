//! Owns header field names and values (RFC 9110, section 5) and the sets of names that must not
//! pass. Must not know requests or responses: it is asked about one field at a time.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::syntax;

/// Fields about one connection (RFC 9110, section 7.6.1) and fields by which nginx itself
/// delimits the body it sends.
const HOP_BY_HOP_OR_FRAMING: [&[u8]; 12] = [
    b"accept-ranges",
    b"connection",
    b"content-length",
    b"content-range",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// How apps and servers tell each other where a file is.
const ACCEL_PREFIXES: [&[u8]; 4] = [b"x-accel-", b"x-sendfile", b"x-lighttpd-", b"x-reproxy-"];

/// Fields that ask for a part or a form of the file: the app answers a grant, nginx applies them.
/// And fields about a request body, which the app does not get.
const WITHHELD: [&[u8]; 9] = [
    b"accept-encoding",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"expect",
    b"range",
    b"te",
    b"trailer",
    b"transfer-encoding",
];

/// Whether a field of this name describes a connection or delimits a body, and so is never the
/// app's to set.
#[inline]
pub fn is_hop_by_hop_or_framing(name: &[u8]) -> bool {
    // Asked of each field of each response: most have another length than any of these.
    const LENGTHS: u32 = lengths(&HOP_BY_HOP_OR_FRAMING);
    name.len() < 32
        && LENGTHS >> name.len() & 1 == 1
        && HOP_BY_HOP_OR_FRAMING.iter().any(|known| is(name, known))
}

/// A bit for each length of a name.
#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn lengths(names: &[&[u8]]) -> u32 {
    let (mut bits, mut i) = (0, 0);
    while i < names.len() {
        assert!(names[i].len() < 32);
        bits |= 1 << names[i].len();
        i += 1;
    }
    bits
}

/// Whether a field of this name steers a server (`X-Accel-*`, `X-Sendfile*`, `X-LIGHTTPD-*`,
/// `X-Reproxy-*`), and so neither comes from a client nor goes to one.
#[inline]
pub fn is_accel(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'X' | b'x'))
        && ACCEL_PREFIXES.iter().any(|prefix| starts_with(name, prefix))
}

/// Whether a field of an app's response that refers to a file is between app and server, and no
/// part of what is said of the file.
#[must_use]
pub fn is_servers_business(name: &[u8]) -> bool {
    is_accel(name) || is_hop_by_hop_or_framing(name)
}

/// Whether a field of this name makes a request conditional (RFC 9110, section 13.1).
pub fn is_condition(name: &[u8]) -> bool {
    starts_with(name, b"if-")
}

/// Whether a field of this name makes a request conditional, or one for a part.
pub fn is_condition_or_range(name: &[u8]) -> bool {
    is_condition(name) || is(name, b"range")
}

/// What a client sent as its credentials, which are for this server and for no other.
#[must_use]
pub fn is_credential(name: &[u8]) -> bool {
    ["cookie", "authorization", "proxy-authorization"]
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

/// Whether a field of this name in the client's request is kept from the app: conditions
/// (`If-*`), ranges, codings, the request body's description, and all that [`is_accel`].
pub fn withheld_from_app(name: &[u8]) -> bool {
    starts_with(name, b"if-") || is_accel(name) || WITHHELD.iter().any(|known| is(name, known))
}

/// Whether `name` is `known`, which is given in lower case.
pub(crate) fn is(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len() && starts_with(name, known)
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.len() >= prefix.len() && name.iter().zip(prefix).all(|(byte, known)| fold(*byte) == *known)
}

/// CGI-style gateways write `-` as `_`, so that `X_Accel_Redirect` would arrive as the other.
fn fold(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

/// A field name (RFC 9110, section 5.1): a token. It keeps its spelling, and compares without
/// regard to ASCII case.
#[derive(Clone, Debug)]
pub struct HeaderName(Box<str>);

impl HeaderName {
    /// Takes a token.
    pub fn parse(name: &[u8]) -> Result<Self, HeaderError> {
        syntax::token(name).map(|name| Self(name.into())).ok_or(HeaderError::Name)
    }

    /// Is it `name`, in whatever case?
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }

    /// The name as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn lower(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for HeaderName {}

impl PartialOrd for HeaderName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HeaderName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.lower().cmp(other.lower())
    }
}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xff);
    }
}

/// A field value (RFC 9110, section 5.5): no control characters but HTAB, no whitespace around
/// it, perhaps empty, perhaps not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderValue(Box<[u8]>);

impl HeaderValue {
    /// Takes a value and drops the whitespace around it.
    pub fn parse(value: &[u8]) -> Result<Self, HeaderError> {
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(HeaderError::Value);
        }
        Ok(Self(syntax::trim(value).into()))
    }

    /// The value's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why something is not a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The name is not a token.
    Name,
    /// The value contains a control character.
    Value,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "not a header name: letters, digits and - only",
            Self::Value => "a header value contains no control characters, CR and LF included",
        })
    }
}

impl std::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_spelling_and_compare_without_case() {
        let name = HeaderName::parse(b"X-Frame-Options").unwrap();
        assert_eq!(name.as_str(), "X-Frame-Options");
        assert_eq!(name, HeaderName::parse(b"x-frame-OPTIONS").unwrap());
        assert_ne!(name, HeaderName::parse(b"X-Frame_Options").unwrap());
        for bad in [&b""[..], b"A B", b"A:", b"A\r\n", b"A\0", "É".as_bytes()] {
            assert_eq!(HeaderName::parse(bad), Err(HeaderError::Name), "{bad:?}");
        }
    }

    #[test]
    fn values_are_trimmed_and_without_controls() {
        assert_eq!(HeaderValue::parse(b"\t a\tb \xe9 ").unwrap().as_bytes(), b"a\tb \xe9");
        assert_eq!(HeaderValue::parse(b"  ").unwrap().as_bytes(), b"");
        for bad in [&b"a\rb"[..], b"a\n", b"\0", b"\x1b", b"\x7f", b"a\r\n b"] {
            assert_eq!(HeaderValue::parse(bad), Err(HeaderError::Value), "{bad:?}");
        }
    }

    #[test]
    fn accel_names() {
        for name in ["X-Accel-Redirect", "x-accel-mapping", "X_ACCEL_Limit-Rate", "X-Sendfile"] {
            assert!(is_accel(name.as_bytes()), "{name}");
        }
        for name in ["x-SENDFILE-type", "X-Sendfile2", "X-LIGHTTPD-send-file", "X-REPROXY-URL"] {
            assert!(is_accel(name.as_bytes()) && withheld_from_app(name.as_bytes()), "{name}");
        }
        for name in ["", "X-Accel", "X-Send-File", "XAccel-Redirect", "Accept", "X-Request-Id"] {
            assert!(!is_accel(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn withheld_names() {
        for name in ["Range", "If-Range", "if-none-match", "IF_MODIFIED_SINCE", "Accept-Encoding"] {
            assert!(withheld_from_app(name.as_bytes()), "{name}");
        }
        for name in ["Content-Length", "content_length", "Transfer-Encoding", "Expect", "TE"] {
            assert!(withheld_from_app(name.as_bytes()), "{name}");
        }
        for name in
            ["", "Host", "Cookie", "Authorization", "Accept", "Ranges", "If", "Content-Type"]
        {
            assert!(!withheld_from_app(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn known_names_are_in_lower_case() {
        for known in HOP_BY_HOP_OR_FRAMING.iter().chain(&WITHHELD).chain(&ACCEL_PREFIXES) {
            assert!(starts_with(known, known));
        }
        assert!(is_hop_by_hop_or_framing(b"Transfer_Encoding"));
        assert!(!is_hop_by_hop_or_framing(b"Trailers"));
    }
}
