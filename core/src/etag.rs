//! Owns the entity tag (RFC 9110, section 8.8.3). Must not know when one matches: nginx compares.

use std::fmt;

/// An entity tag, weak or strong, as it stands in an `ETag` field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag(String);

/// What frameworks make of an empty body: Express, and the MD5 and SHA-1 of nothing.
const OF_NOTHING: [&str; 3] = [
    "0-2jmj7l5rSw0yVb/vlWAYkK/YBwk",
    "d41d8cd98f00b204e9800998ecf8427e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
];

/// Is it the tag of an empty body, which an app sent in place of a file, and not of the file?
#[must_use]
pub fn is_of_nothing(tag: &[u8]) -> bool {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    OF_NOTHING.iter().any(|known| {
        opaque.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""))
            == Some(known.as_bytes())
    })
}

/// The entity tag that nginx makes of a file's modification time and length: `"%xT-%xO"`.
#[derive(Clone, Copy, Debug)]
pub struct FileTag {
    /// The tag stands at the end.
    text: [u8; Self::MAX],
    start: usize,
}

impl FileTag {
    /// Two numbers of 64 bits in hexadecimal, a hyphen, two quotes.
    const MAX: usize = 2 * 16 + 3;

    /// `modified` is in Unix seconds.
    #[must_use]
    pub fn new(modified: i64, length: u64) -> Self {
        let mut text = [0; Self::MAX];
        let mut room = text.iter_mut().rev();
        let mut push = |byte| room.next().map(|next| *next = byte).unwrap_or_default();
        push(b'"');
        hexadecimal_from_the_end(length, &mut push);
        push(b'-');
        hexadecimal_from_the_end(modified.cast_unsigned(), &mut push);
        push(b'"');
        let start = room.len();
        Self { text, start }
    }

    /// As it stands in the field.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(self.start..).unwrap_or_default()
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[inline]
fn hexadecimal_from_the_end(mut number: u64, push: &mut impl FnMut(u8)) {
    loop {
        push(DIGITS.get((number & 0xf) as usize).copied().unwrap_or_default());
        number >>= 4;
        if number == 0 {
            return;
        }
    }
}

impl EntityTag {
    /// Takes `"opaque"` or `W/"opaque"`, quotes included.
    ///
    /// Bytes above ASCII (`obs-text`) must be UTF-8; that is stricter than the RFC.
    pub fn parse(text: &[u8]) -> Result<Self, EntityTagError> {
        let text = str::from_utf8(text).map_err(|_| EntityTagError::Character)?;
        let opaque = text
            .strip_prefix("W/")
            .unwrap_or(text)
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .ok_or(EntityTagError::Unquoted)?;
        if !opaque.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'~' | 0x80..)) {
            return Err(EntityTagError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// The tag as written, with its quotes and, if weak, its `W/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it only promises equivalence, not identity byte by byte.
    pub fn is_weak(&self) -> bool {
        self.0.starts_with("W/")
    }
}

/// Why something is not an entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityTagError {
    /// The double quotes are missing.
    Unquoted,
    /// Whitespace, a quote, a control character, or not UTF-8.
    Character,
}

impl fmt::Display for EntityTagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unquoted => r#"an entity tag stands in double quotes: "v1" or W/"v1""#,
            Self::Character => {
                "an entity tag contains no whitespace, quote or control character, and is UTF-8"
            }
        })
    }
}

impl std::error::Error for EntityTagError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_nothing() {
        assert!(is_of_nothing(b"W/\"0-2jmj7l5rSw0yVb/vlWAYkK/YBwk\""));
        assert!(is_of_nothing(b"\"d41d8cd98f00b204e9800998ecf8427e\""));
        assert!(!is_of_nothing(b"\"v1\"") && !is_of_nothing(b"") && !is_of_nothing(b"\""));
    }

    #[test]
    fn tags_of_files() {
        let tag = |modified, length| {
            String::from_utf8(FileTag::new(modified, length).as_bytes().to_vec()).unwrap()
        };
        assert_eq!(tag(0, 0), "\"0-0\"");
        assert_eq!(tag(-1, 16), "\"ffffffffffffffff-10\"");
        assert_eq!(tag(i64::MIN, u64::MAX), "\"8000000000000000-ffffffffffffffff\"");
        for n in [1, 0xf, 0x10, 0xabc, 0x692a_1f04, u64::MAX >> 1] {
            assert_eq!(tag(n as i64, n), format!("\"{n:x}-{n:x}\""));
            assert!(EntityTag::parse(FileTag::new(n as i64, n).as_bytes()).is_ok());
        }
    }

    #[test]
    fn weak_and_strong() {
        for good in [r#""v17""#, r#"W/"v17""#, r#""""#, r#"W/"""#, r#""a\b'é""#] {
            let tag = EntityTag::parse(good.as_bytes()).unwrap();
            assert_eq!(tag.as_str(), good);
            assert_eq!(tag.is_weak(), good.starts_with('W'));
        }
    }

    #[test]
    fn refused() {
        for bad in ["", "v17", "\"", "W/", "W/\"", "w/\"a\"", "\"a", "a\"", " \"a\"", "\"a\" "] {
            assert_eq!(EntityTag::parse(bad.as_bytes()), Err(EntityTagError::Unquoted), "{bad}");
        }
        for bad in [&b"\"a b\""[..], b"\"a\"b\"", b"\"a\r\n\"", b"\"\0\"", b"\"\x7f\"", b"\"\xe9\""]
        {
            assert_eq!(EntityTag::parse(bad), Err(EntityTagError::Character), "{bad:?}");
        }
    }
}
