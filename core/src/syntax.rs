//! Owns the terminals that the parsers share (RFC 9110, section 5.6) and the quoting of foreign
//! text in messages. Must not know what the parsers build from them.

use std::fmt;

/// Characters of foreign text that a message repeats at most.
const QUOTED_MAX: usize = 100;

/// `text`, if it is a token (RFC 9110, section 5.6.2).
pub(crate) fn token(text: &[u8]) -> Option<&str> {
    if text.is_empty() || !text.iter().copied().all(is_tchar) {
        return None;
    }
    str::from_utf8(text).ok()
}

/// `tchar` (RFC 9110, section 5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Optional whitespace, `OWS`, is of these (RFC 9110, section 5.6.3).
pub(crate) const WHITESPACE: [char; 2] = [' ', '\t'];

/// `text` without the optional whitespace around it.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Shows foreign text in a message: quoted, on one line, nothing invisible, not too long.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(QUOTED_MAX).and_then(|(at, _)| self.0.get(..at)) {
            // Debug escapes all that is not printable.
            Some(start) => write!(f, "{start:?}..."),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert_eq!(token(b"X-a!#$%&'*+.^_`|~0"), Some("X-a!#$%&'*+.^_`|~0"));
        for bad in
            [&b""[..], b"a b", b"a:", b"\"a\"", b"a\0", "é".as_bytes(), b"a/b", b"(", b"\x7f"]
        {
            assert_eq!(token(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn whitespace_around() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t"), b"");
        assert_eq!(trim(b"\ra\n"), b"\ra\n");
    }

    #[test]
    fn quoted_is_one_short_visible_line() {
        assert_eq!(Quoted("a\r\n\0\u{202e}\"b").to_string(), r#""a\r\n\0\u{202e}\"b""#);
        assert_eq!(Quoted(&"é".repeat(100)).to_string(), format!("\"{}\"", "é".repeat(100)));
        assert_eq!(Quoted(&"é".repeat(101)).to_string(), format!("\"{}\"...", "é".repeat(100)));
    }
}
