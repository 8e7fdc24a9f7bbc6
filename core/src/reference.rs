//! What an app's response header refers to: X-Accel-Redirect URIs, X-Sendfile paths.
//!
//! X-Accel-Redirect is read as nginx reads it (`ngx_http_parse_unsafe_uri()`): the first literal
//! `?` starts the arguments, which stay as they are, and the path is percent-decoded once.
//! X-Sendfile is a path; servers differ in whether it is percent-encoded, and it cannot be told
//! by looking, so the admin says. X-Sendfile2 is lighttpd's list of parts of files.

use std::fmt;

use percent_encoding::percent_decode;

/// The conventions that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// `X-Accel-Redirect`: an internal URI (nginx).
    AccelRedirect,
    /// `X-Sendfile` and `X-LIGHTTPD-send-file`: a path (Apache, lighttpd, Rack).
    Sendfile,
    /// `X-Sendfile-Temporary`: a path that is deleted once it was sent (mod_xsendfile).
    SendfileTemporary,
    /// `X-Sendfile2`: parts of files (lighttpd).
    Sendfile2,
    /// `X-Sendfile-Fd`: an open descriptor that came with the response.
    SendfileFd,
}

impl Convention {
    /// The convention that a response header field of that name follows.
    #[must_use]
    pub fn of_header(name: &[u8]) -> Option<Self> {
        // Asked of each field of each response: most are told apart by their first letter.
        if !matches!(name.first(), Some(b'X' | b'x')) {
            return None;
        }
        [
            ("X-Accel-Redirect", Self::AccelRedirect),
            ("X-Sendfile", Self::Sendfile),
            ("X-LIGHTTPD-send-file", Self::Sendfile),
            ("X-Sendfile-Temporary", Self::SendfileTemporary),
            ("X-Sendfile2", Self::Sendfile2),
            ("X-Sendfile-Fd", Self::SendfileFd),
        ]
        .into_iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
        .map(|(_, convention)| convention)
    }

    /// Is its value percent-encoded, where the admin does not say?
    #[must_use]
    pub fn is_encoded(self) -> bool {
        matches!(self, Self::AccelRedirect | Self::Sendfile2)
    }
}

/// Why a value refers to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// There is nothing in it.
    Empty,
    /// It is no `path start-[end]` list.
    Parts,
    /// It is no number.
    Number,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the value is empty",
            Self::Parts => "the value is no list of \"path start-[end]\"",
            Self::Number => "the value is no number of a descriptor",
        })
    }
}

impl std::error::Error for ReferenceError {}

/// What X-Accel-Redirect refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accel {
    /// A named location, with its `@`.
    Named(Vec<u8>),
    /// A URI, decoded, and its arguments, raw.
    Uri {
        /// Whatever it is: it has not been looked at for `..` and the like.
        path: Vec<u8>,
        /// What follows the first question mark.
        args: Vec<u8>,
    },
}

/// The value of X-Accel-Redirect. Not `encoded`: all of it is the path.
pub fn accel_redirect(value: &[u8], encoded: bool) -> Result<Accel, ReferenceError> {
    if value.first() == Some(&b'@') {
        return Ok(Accel::Named(value.to_vec()));
    }
    // Most have neither. A loop without a way out of it looks at many bytes at once.
    let special = value.iter().fold(false, |any, &c| any | (c == b'?') | (c == b'%'));
    if !special && !value.is_empty() {
        return Ok(Accel::Uri { path: value.to_vec(), args: Vec::new() });
    }
    let (path, args) = match value.iter().position(|&c| c == b'?').filter(|_| encoded) {
        Some(mark) => {
            let (path, rest) = value.split_at(mark);
            (path, rest.get(1..).unwrap_or_default())
        }
        None => (value, &b""[..]),
    };
    if path.is_empty() {
        return Err(ReferenceError::Empty);
    }
    Ok(Accel::Uri { path: decoded(path, encoded), args: args.to_vec() })
}

/// The value of X-Sendfile and its twins: a path.
pub fn sendfile(value: &[u8], encoded: bool) -> Result<Vec<u8>, ReferenceError> {
    if value.is_empty() { Err(ReferenceError::Empty) } else { Ok(decoded(value, encoded)) }
}

/// A part of a file: bytes `first` to `last`, both included, or to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The path.
    pub path: Vec<u8>,
    /// The first byte.
    pub first: u64,
    /// The last byte; `None` for the end of the file.
    pub last: Option<u64>,
}

/// The value of X-Sendfile2: `path start-[end]`, separated by commas; a comma in a path is
/// written `%2c`.
pub fn sendfile2(value: &[u8], encoded: bool) -> Result<Vec<Part>, ReferenceError> {
    let parts = value.split(|&c| c == b',').map(|part| {
        let part = part.trim_ascii();
        let space = part.iter().rposition(|&c| c == b' ').ok_or(ReferenceError::Parts)?;
        let (path, range) = part.split_at(space);
        let range = str::from_utf8(range.trim_ascii()).map_err(|_| ReferenceError::Parts)?;
        let (first, last) = range.split_once('-').ok_or(ReferenceError::Parts)?;
        let first = number(first)?;
        let last = if last.is_empty() { None } else { Some(number(last)?) };
        if path.is_empty() || last.is_some_and(|last| last < first) {
            return Err(ReferenceError::Parts);
        }
        Ok(Part { path: decoded(path, encoded), first, last })
    });
    parts.collect()
}

/// The value of X-Sendfile-Fd: which of the descriptors that came with the response.
pub fn sendfile_fd(value: &[u8]) -> Result<u32, ReferenceError> {
    let digits = str::from_utf8(value).map_err(|_| ReferenceError::Number)?;
    if !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(ReferenceError::Number);
    }
    digits.parse().map_err(|_| ReferenceError::Number)
}

/// Digits and nothing else, below 2^63.
fn number(digits: &str) -> Result<u64, ReferenceError> {
    if !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(ReferenceError::Parts);
    }
    let number: i64 = digits.parse().map_err(|_| ReferenceError::Parts)?;
    u64::try_from(number).map_err(|_| ReferenceError::Parts)
}

fn decoded(value: &[u8], encoded: bool) -> Vec<u8> {
    if encoded { percent_decode(value).collect() } else { value.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(path: &[u8], args: &[u8]) -> Result<Accel, ReferenceError> {
        Ok(Accel::Uri { path: path.into(), args: args.into() })
    }

    #[test]
    fn accel_redirects() {
        assert_eq!(
            accel_redirect(b"/p/a%20b.txt?x=%20&y=?", true),
            uri(b"/p/a b.txt", b"x=%20&y=?")
        );
        assert_eq!(accel_redirect(b"/p/a%2Fb%252e", true), uri(b"/p/a/b%2e", b""));
        assert_eq!(accel_redirect(b"/p/50%?.txt", false), uri(b"/p/50%?.txt", b""));
        assert_eq!(accel_redirect(b"/p/50%zz", true), uri(b"/p/50%zz", b""));
        assert_eq!(accel_redirect(b"/%00", true), uri(b"/\0", b""));
        assert_eq!(accel_redirect(b"/caf\xe9", true), uri(b"/caf\xe9", b""));
        assert_eq!(accel_redirect(b"@x%20", true), Ok(Accel::Named(b"@x%20".into())));
        for nothing in [&b""[..], b"?a=b"] {
            assert_eq!(accel_redirect(nothing, true), Err(ReferenceError::Empty));
        }
    }

    #[test]
    fn sendfiles() {
        assert_eq!(sendfile(b"/a%20b", false).unwrap(), b"/a%20b");
        assert_eq!(sendfile(b"/a%20b", true).unwrap(), b"/a b");
        assert_eq!(sendfile(b"", true), Err(ReferenceError::Empty));
    }

    #[test]
    fn sendfile2_lists() {
        let part = |path: &[u8], first, last| Part { path: path.into(), first, last };
        assert_eq!(
            sendfile2(b"/a b%2c 0-,/c 5-9 , /d 0-0", true).unwrap(),
            [part(b"/a b,", 0, None), part(b"/c", 5, Some(9)), part(b"/d", 0, Some(0))]
        );
        for bad in [
            "",
            "/a",
            "/a ",
            "/a -5",
            "/a 5",
            "/a 9-5",
            "/a 0-1,",
            "/a +1-2",
            " 0-1",
            "/a 0-9223372036854775808",
            "/a 0-1-2",
            "/a 0x1-2",
        ] {
            assert_eq!(sendfile2(bad.as_bytes(), true), Err(ReferenceError::Parts), "{bad:?}");
        }
    }

    #[test]
    fn sendfile_fds() {
        assert_eq!(sendfile_fd(b"0"), Ok(0));
        assert_eq!(sendfile_fd(b"4294967295"), Ok(u32::MAX));
        for bad in ["", "-1", "+0", "0 ", "x", "4294967296", "0x0", "\u{661}"] {
            assert_eq!(sendfile_fd(bad.as_bytes()), Err(ReferenceError::Number), "{bad:?}");
        }
    }

    #[test]
    fn headers() {
        assert_eq!(Convention::of_header(b"x-accel-redirect"), Some(Convention::AccelRedirect));
        assert_eq!(Convention::of_header(b"X-LIGHTTPD-SEND-FILE"), Some(Convention::Sendfile));
        assert_eq!(Convention::of_header(b"X-Sendfile-Type"), None);
        assert_eq!(Convention::of_header(b"x-sendfile-fd"), Some(Convention::SendfileFd));
        assert!(Convention::AccelRedirect.is_encoded() && !Convention::Sendfile.is_encoded());
    }
}
