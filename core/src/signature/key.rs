//! Owns the keys: what a key file looks like. Must not know what is signed with them, and never
//! shows one.

use std::fmt;

/// A secret that links are signed with: at least one byte, no line end and no NUL in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// The keys in a key file, one a line, at least one; lines end in LF or CRLF, empty ones are
    /// skipped. The bytes of the line are the key: nothing is decoded.
    pub fn all_in(file: &[u8]) -> Result<Vec<Self>, KeyError> {
        if file.contains(&0) {
            return Err(KeyError::Nul);
        }
        let lines = file.split(|&c| c == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let keys = (1..)
            .zip(lines)
            .filter(|(_, line)| !line.is_empty())
            .map(|(number, line)| match line {
                [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => Err(KeyError::Space(number)),
                _ => Ok(Self(line.to_vec())),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(KeyError::None) } else { Ok(keys) }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why a key file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no key in it.
    None,
    /// The line of that number, from 1, begins or ends with a space or a tab, which nobody means.
    Space(usize),
    /// A NUL byte: it is no text.
    Nul,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("the key file contains no key: write one on each line"),
            Self::Space(line) => {
                write!(f, "line {line} of the key file begins or ends with a space or a tab")
            }
            Self::Nul => f.write_str("the key file contains a NUL byte: it must be text"),
        }
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_key() {
        for (file, keys) in [
            ("one", &["one"][..]),
            ("one\n", &["one"]),
            ("one\r\ntwo\r\n", &["one", "two"]),
            ("\n\n\r\none\n\ntwo", &["one", "two"]),
            ("in the middle\n#no comment\n", &["in the middle", "#no comment"]),
            ("a\rb\r\r\n", &["a\rb\r"]),
            ("clé", &["clé"]),
        ] {
            let read = Key::all_in(file.as_bytes()).unwrap();
            assert!(read.iter().map(Key::as_bytes).eq(keys.iter().map(|key| key.as_bytes())));
        }
        assert_eq!(Key::all_in(b"\xff\x01").unwrap()[0].as_bytes(), b"\xff\x01");
    }

    #[test]
    fn refused() {
        for (file, why) in [
            ("", KeyError::None),
            ("\n\r\n\n", KeyError::None),
            (" one", KeyError::Space(1)),
            ("one\ntwo \nthree", KeyError::Space(2)),
            ("one\r\n\r\n\ttwo\r\n", KeyError::Space(3)),
            ("one\t\r\n", KeyError::Space(1)),
            ("one\n \n", KeyError::Space(2)),
            ("one\ntw\0o", KeyError::Nul),
        ] {
            assert_eq!(Key::all_in(file.as_bytes()), Err(why), "{file:?}");
        }
    }

    #[test]
    fn never_shown() {
        assert_eq!(format!("{:?}", Key::all_in(b"hush\nshh").unwrap()), "[Key(..), Key(..)]");
    }
}
