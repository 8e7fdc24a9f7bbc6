//! Owns what a path may look like: bytes, `/` between segments, never a way up. Must not know any
//! file system: that a path stays under its root once links are followed is the opener's work.
//!
//! Paths arrive here decoded; nothing is decoded a second time.

use std::fmt;

/// Longest path taken, in bytes: Linux's `PATH_MAX` without the closing NUL.
const MAX: usize = 4095;

/// A path to a file below some directory: `a/b.txt`.
///
/// It has at least one segment, and none is empty, `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelativePath(Vec<u8>);

impl RelativePath {
    /// The bytes, to keep.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Takes a path without leading slash; `.` and empty segments are dropped, `..` is refused.
    pub fn parse(path: &[u8]) -> Result<Self, PathError> {
        match path {
            [] => Err(PathError::Empty),
            [b'/', ..] => Err(PathError::Absolute),
            [first, ..] if *first != b'.' && is_normal(path) => Ok(Self(path.to_vec())),
            _ => to_file(path, vec![]).map(Self),
        }
    }

    /// The path's bytes, without a slash at either end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last segment.
    pub fn file_name(&self) -> &[u8] {
        last_segment(&self.0)
    }

    /// This path below `subdir`: `b.txt` under `a` is `a/b.txt`.
    pub fn under(&self, subdir: &RelativePath) -> Result<RelativePath, PathError> {
        let joined = [subdir.as_bytes(), self.as_bytes()].join(&b'/');
        if joined.len() > MAX { Err(PathError::TooLong) } else { Ok(Self(joined)) }
    }
}

/// A path to a file from the root: `/srv/media/a.txt`. Otherwise like a [`RelativePath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AbsolutePath(Vec<u8>);

impl From<RelativePath> for AbsolutePath {
    /// As seen from the root.
    fn from(path: RelativePath) -> Self {
        Self([b"/", path.as_bytes()].concat())
    }
}

impl AbsolutePath {
    /// As [`AbsolutePath::parse`], without a copy where nothing has to be done. A path that is
    /// refused is given back.
    pub fn from_vec(path: Vec<u8>) -> Result<Self, (PathError, Vec<u8>)> {
        if path.first() == Some(&b'/') && is_normal(&path) {
            return Ok(Self(path));
        }
        Self::parse(&path).map_err(|error| (error, path))
    }

    /// Takes a path with leading slash; `.` and empty segments are dropped, `..` is refused.
    pub fn parse(path: &[u8]) -> Result<Self, PathError> {
        rooted(path)?;
        to_file(path, vec![b'/']).map(Self)
    }

    /// The bytes, to keep.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The path's bytes, with the leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A directory as a prefix of paths: `/srv/media/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Directory(Vec<u8>);

impl Directory {
    /// Takes an absolute path with or without trailing slash; `.` and empty segments are dropped,
    /// `..` is refused.
    pub fn parse(path: &[u8]) -> Result<Self, PathError> {
        rooted(path)?;
        let mut directory = normalize(path, vec![b'/'])?;
        if directory != b"/" {
            directory.push(b'/');
        }
        Ok(Self(directory))
    }

    /// The directory's bytes, with exactly one trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path of a file below this directory, from here; the path itself if it is not below.
    pub fn relative(&self, path: AbsolutePath) -> Result<RelativePath, AbsolutePath> {
        match self.strip(&path) {
            // What is left of a path that was looked over needs no second look.
            Some(rest) if !rest.is_empty() => {
                let cut = path.0.len().saturating_sub(rest.len());
                let mut rest = path.0;
                rest.drain(..cut);
                Ok(RelativePath(rest))
            }
            _ => Err(path),
        }
    }

    /// What of `path` is below this directory: `a/b` of `/srv/a/b` below `/srv/`.
    pub fn strip<'p>(&self, path: &'p AbsolutePath) -> Option<&'p [u8]> {
        // The trailing slash keeps /srv/files-old from being taken for a part of /srv/files.
        path.0.strip_prefix(self.0.as_slice())
    }
}

/// Is there nothing to drop or refuse after the first byte? Of names that begin with a dot it says
/// no, to be quick.
#[inline]
fn is_normal(path: &[u8]) -> bool {
    // Is a slash followed by a slash or a dot? Without a way out of the loop in its middle the
    // compiler looks at many bytes at once.
    let pairs = path.iter().zip(path.iter().skip(1));
    let odd = pairs.fold(false, |odd, (byte, next)| {
        odd | (*byte == 0) | (*byte == b'/') & ((*next == b'/') | (*next == b'.'))
    });
    !odd && path.len() <= MAX && !matches!(path.last(), Some(b'/' | 0))
}

fn rooted(path: &[u8]) -> Result<(), PathError> {
    match path {
        [] => Err(PathError::Empty),
        [b'/', ..] => Ok(()),
        _ => Err(PathError::Relative),
    }
}

fn to_file(path: &[u8], start: Vec<u8>) -> Result<Vec<u8>, PathError> {
    let normal = normalize(path, start)?;
    match last_segment(path) {
        b"" | b"." => Err(PathError::Directory),
        _ => Ok(normal),
    }
}

/// Appends the segments of `path` to `normal`, with one slash between two.
fn normalize(path: &[u8], mut normal: Vec<u8>) -> Result<Vec<u8>, PathError> {
    if path.len() > MAX {
        return Err(PathError::TooLong);
    }
    if path.contains(&0) {
        return Err(PathError::Nul);
    }
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => continue,
            b".." => return Err(PathError::DotDot),
            _ => {}
        }
        if !matches!(normal.as_slice(), [] | [.., b'/']) {
            normal.push(b'/');
        }
        normal.extend_from_slice(segment);
    }
    Ok(normal)
}

fn last_segment(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Why something is not the path it was meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// Nothing there.
    Empty,
    /// The leading slash is missing.
    Relative,
    /// There is a leading slash.
    Absolute,
    /// A NUL byte.
    Nul,
    /// A `..` segment.
    DotDot,
    /// It names a directory: the end is `/` or `/.`.
    Directory,
    /// More than 4,095 bytes.
    TooLong,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the path is empty",
            Self::Relative => "the path must begin with a slash",
            Self::Absolute => "the path must not begin with a slash",
            Self::Nul => "the path contains a NUL byte",
            Self::DotDot => "the path contains a \"..\" segment",
            Self::Directory => "the path names a directory, not a file",
            Self::TooLong => "the path is longer than 4095 bytes",
        })
    }
}

impl std::error::Error for PathError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(path: &[u8]) -> Result<Vec<u8>, PathError> {
        RelativePath::parse(path).map(|path| path.0)
    }

    fn absolute(path: &[u8]) -> Result<Vec<u8>, PathError> {
        AbsolutePath::parse(path).map(|path| path.0)
    }

    #[test]
    fn without_a_copy_the_same() {
        for path in
            ["/a/b", "/a//b", "/a/./b", "/../a", "/a/..", "a", "", "/", "/a/", "/a\0", "/.a"]
        {
            let owned = AbsolutePath::from_vec(path.as_bytes().to_vec());
            let parsed = AbsolutePath::parse(path.as_bytes());
            assert_eq!(
                owned,
                parsed.map_err(|error| (error, path.as_bytes().to_vec())),
                "{path:?}"
            );
        }
        assert_eq!(AbsolutePath::from_vec(vec![b'/'; 5000]).unwrap_err().0, PathError::TooLong);
    }

    #[test]
    fn the_short_way_leads_to_the_same() {
        for path in
            ["a", "a/b", "a//b", "a/./b", "a/../b", "a/..", "a/", "a\0", "a/.b", ".a", ".", "a."]
        {
            let long = to_file(path.as_bytes(), vec![]);
            assert_eq!(relative(path.as_bytes()), long, "{path:?}");
        }
    }

    #[test]
    fn relative_paths() {
        assert_eq!(relative(b"a").unwrap(), b"a");
        assert_eq!(relative(b"./a//b/./c.txt").unwrap(), b"a/b/c.txt");
        assert_eq!(relative(b".//a").unwrap(), b"a");
        assert_eq!(relative(b"...").unwrap(), b"...");
        assert_eq!(relative(b"..a/b..").unwrap(), b"..a/b..");
        assert_eq!(relative(b"%2e%2e/\xff\\..").unwrap(), b"%2e%2e/\xff\\..");
        assert_eq!(RelativePath::parse(b"a/b.txt").unwrap().file_name(), b"b.txt");
        assert_eq!(RelativePath::parse(b"b.txt").unwrap().file_name(), b"b.txt");
    }

    #[test]
    fn absolute_paths() {
        assert_eq!(absolute(b"/a").unwrap(), b"/a");
        assert_eq!(absolute(b"//a/.//b").unwrap(), b"/a/b");
        assert_eq!(absolute(b"/./a").unwrap(), b"/a");
    }

    #[test]
    fn refused() {
        assert_eq!(relative(b""), Err(PathError::Empty));
        assert_eq!(absolute(b""), Err(PathError::Empty));
        assert_eq!(relative(b"/a"), Err(PathError::Absolute));
        assert_eq!(absolute(b"a"), Err(PathError::Relative));
        for path in [&b".."[..], b"../a", b"a/..", b"a/../b", b"a/b/../", b"./..", b"a//.."] {
            assert_eq!(relative(path), Err(PathError::DotDot), "{path:?}");
            assert_eq!(absolute(&[b"/", path].concat()), Err(PathError::DotDot), "{path:?}");
        }
        for path in [&b"."[..], b"./", b"a/", b"a/.", b"a//", b"a/./"] {
            assert_eq!(relative(path), Err(PathError::Directory), "{path:?}");
            assert_eq!(absolute(&[b"/", path].concat()), Err(PathError::Directory), "{path:?}");
        }
        assert_eq!(absolute(b"/"), Err(PathError::Directory));
        assert_eq!(relative(b"a\0b"), Err(PathError::Nul));
        assert_eq!(relative(b"a/..\0"), Err(PathError::Nul));
        assert_eq!(relative(&[b'a'; 4096]), Err(PathError::TooLong));
        assert_eq!(relative(&[b'a'; 4095]).unwrap().len(), 4095);
    }

    #[test]
    fn joined() {
        let (dir, file) =
            (RelativePath::parse(b"a/b").unwrap(), RelativePath::parse(b"c").unwrap());
        assert_eq!(file.under(&dir).unwrap().as_bytes(), b"a/b/c");
        let long = RelativePath::parse(&[b'a'; 4093]).unwrap();
        assert_eq!(file.under(&long).unwrap().as_bytes().len(), 4095);
        assert_eq!(long.under(&dir), Err(PathError::TooLong));
    }

    #[test]
    fn directories() {
        for path in [&b"/srv/files"[..], b"/srv/files/", b"//srv/./files//", b"/srv/files/."] {
            assert_eq!(Directory::parse(path).unwrap().as_bytes(), b"/srv/files/");
        }
        for path in [&b"/"[..], b"//", b"/."] {
            assert_eq!(Directory::parse(path).unwrap().as_bytes(), b"/");
        }
        assert_eq!(Directory::parse(b""), Err(PathError::Empty));
        assert_eq!(Directory::parse(b"srv"), Err(PathError::Relative));
        assert_eq!(Directory::parse(b"/srv/.."), Err(PathError::DotDot));
        assert_eq!(Directory::parse(b"/\0"), Err(PathError::Nul));
    }

    #[test]
    fn what_is_below() {
        let below = |directory: &str, path: &str| {
            let path = AbsolutePath::parse(path.as_bytes()).unwrap();
            Directory::parse(directory.as_bytes()).unwrap().strip(&path).map(<[u8]>::to_vec)
        };
        assert_eq!(below("/srv/files", "/srv/files/a/b").unwrap(), b"a/b");
        assert_eq!(below("/srv/files", "/srv//files/./a").unwrap(), b"a");
        assert_eq!(below("/", "/a").unwrap(), b"a");
        for sibling in ["/srv/files-old/a", "/srv/filesa", "/srv/files", "/srv", "/Srv/files/a"] {
            assert_eq!(below("/srv/files", sibling), None, "{sibling}");
        }
    }
}
