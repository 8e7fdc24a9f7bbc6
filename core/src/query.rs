//! Owns the query string as forms write it (WHATWG URL, `application/x-www-form-urlencoded`):
//! `name=value` between `&`, percent-encoded, `+` for a space. Must not know what an argument
//! means.
//!
//! Stricter than browsers: a `%` without two hexadecimal digits is an error, not itself.

use std::borrow::Cow;
use std::{fmt, iter};

/// An argument, as it stands in the query string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument<'q> {
    /// What is before the first `=`, raw.
    pub name: &'q [u8],
    /// What is after it, raw; empty if there is no `=`.
    pub value: &'q [u8],
}

impl Argument<'_> {
    /// Is that its name, decoded? A name with a bad escape is none at all.
    #[must_use]
    pub fn is(&self, name: &[u8]) -> bool {
        // What is decoded is no longer than it was.
        self.name.len() >= name.len() && decode(self.name).is_ok_and(|decoded| *decoded == *name)
    }
}

/// The arguments of `query`, which comes without its `?`, in their order.
pub fn arguments(query: &[u8]) -> impl Iterator<Item = Argument<'_>> {
    let mut rest = Some(query);
    let pairs = iter::from_fn(move || {
        let (pair, after) = cut(rest?, b'&');
        rest = after;
        Some(pair)
    });
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = cut(pair, b'=');
        Argument { name, value: value.unwrap_or_default() }
    })
}

/// What is before the first `mark`, and what is after it.
fn cut(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(mark, text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// A name or a value, decoded once; `+` is a space. Only what has escapes is copied.
pub fn decode(raw: &[u8]) -> Result<Cow<'_, [u8]>, EscapeError> {
    unescape(raw, b' ')
}

/// A URL's path, decoded once; `+` is itself. Only what has escapes is copied.
pub fn decode_path(raw: &[u8]) -> Result<Cow<'_, [u8]>, EscapeError> {
    unescape(raw, b'+')
}

fn unescape(raw: &[u8], plus: u8) -> Result<Cow<'_, [u8]>, EscapeError> {
    // Most have none. A loop without a way out of it looks at many bytes at once.
    if !raw.iter().fold(false, |any, &c| any | (c == b'%') | (c == b'+')) {
        return Ok(raw.into());
    }
    let mut rest = raw.iter().copied();
    let bytes = iter::from_fn(|| {
        Some(match rest.next()? {
            b'%' => escaped(rest.next(), rest.next()).ok_or(EscapeError),
            b'+' => Ok(plus),
            byte => Ok(byte),
        })
    });
    bytes.collect::<Result<_, _>>().map(Cow::Owned)
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |c: Option<u8>| char::from(c?).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// A `%` is not followed by two hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscapeError;

impl fmt::Display for EscapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a \"%\" is not followed by two hexadecimal digits")
    }
}

impl std::error::Error for EscapeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        for (query, pairs) in [
            ("", &[][..]),
            ("&&", &[]),
            ("a=1", &[("a", "1")]),
            ("a=1&&b=2&", &[("a", "1"), ("b", "2")]),
            ("a&b=&=c", &[("a", ""), ("b", ""), ("", "c")]),
            ("a==b=c;d=e&a=2", &[("a", "=b=c;d=e"), ("a", "2")]),
            ("a%20=%26", &[("a%20", "%26")]),
        ] {
            let expected = pairs
                .iter()
                .map(|(name, value)| Argument { name: name.as_bytes(), value: value.as_bytes() });
            assert!(arguments(query.as_bytes()).eq(expected), "{query}");
        }
    }

    #[test]
    fn names() {
        let is = |name: &str, meant: &str| {
            Argument { name: name.as_bytes(), value: b"" }.is(meant.as_bytes())
        };
        assert!(is("tag", "tag") && is("t%61g", "tag") && is("a+b", "a b") && is("%2B", "+"));
        assert!(!is("Tag", "tag") && !is("ta", "tag") && !is("tags", "tag") && !is("t%61", "tag"));
        assert!(!is("%", "%") && !is("%zz", "%zz2"));
    }

    #[test]
    fn decoded_once() {
        for (raw, form, path) in [
            ("", "", ""),
            ("plain", "plain", "plain"),
            ("a+b", "a b", "a+b"),
            ("a%2Bb%2bc", "a+b+c", "a+b+c"),
            ("%2520%25", "%20%", "%20%"),
            ("%C3%A9\u{e9}", "éé", "éé"),
        ] {
            assert_eq!(decode(raw.as_bytes()).unwrap(), form.as_bytes(), "{raw}");
            assert_eq!(decode_path(raw.as_bytes()).unwrap(), path.as_bytes(), "{raw}");
        }
        assert_eq!(decode(b"%00%ff%FF").unwrap(), &b"\0\xff\xff"[..]);
        assert!(matches!(decode(b"plain"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn bad_escapes() {
        for bad in ["%", "a%", "%a", "%%20", "%zz", "%4", "%4g", "%+4", "% 4", "%-1", "%é"] {
            assert_eq!(decode(bad.as_bytes()), Err(EscapeError), "{bad}");
            assert_eq!(decode_path(bad.as_bytes()), Err(EscapeError), "{bad}");
        }
    }
}
