//! Owns the grant: the app's answer "this request may have this file, described like so". Must
//! not know how it arrived, whether the file exists, or who serves it.

use crate::etag::EntityTag;
use crate::header::{HeaderName, HeaderValue};
use crate::media::{Charset, ContentCoding, MediaType};

mod json;

pub use json::GrantError;

/// One file, and what the app says about it. What is `None` the app left to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The file.
    pub file: File,
    /// The name to save it under, not yet fit for that; never empty.
    /// See [`disposition::basename`](crate::disposition::basename).
    pub basename: Option<String>,
    /// Save it (`true`), or show it.
    pub attachment: Option<bool>,
    /// `Content-Type`.
    pub mimetype: Option<MediaType>,
    /// `Content-Type`'s charset.
    pub charset: Option<Charset>,
    /// `Content-Encoding`; `identity`: none, whatever is configured.
    pub encoding: Option<ContentCoding>,
    /// `ETag`; wins over the file's.
    pub etag: Option<EntityTag>,
    /// `Last-Modified` in Unix seconds, `0..=253402300799` (the end of the year 9999); wins over
    /// the file's.
    pub modified: Option<i64>,
    /// Bytes, at most `i64::MAX`; loses against the file's.
    pub size: Option<u64>,
    /// Fields for the client, in the app's order; no name twice. None is hop-by-hop, framing,
    /// accel, or has a field of its own above.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Bytes per second, at most `i64::MAX`; 0: no limit.
    pub limit_rate: Option<u64>,
    /// Bytes sent before [`limit_rate`](Self::limit_rate) applies, at most `i64::MAX`.
    pub limit_rate_after: Option<u64>,
    /// How long the decision may be remembered.
    pub cache: Option<Cache>,
}

impl Grant {
    /// A grant for `file` that says nothing else about it.
    pub fn new(file: File) -> Self {
        Self {
            file,
            basename: None,
            attachment: None,
            mimetype: None,
            charset: None,
            encoding: None,
            etag: None,
            modified: None,
            size: None,
            headers: Vec::new(),
            limit_rate: None,
            limit_rate_after: None,
            cache: None,
        }
    }
}

/// How long a decision may be remembered, and by what it is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Seconds, at most `i64::MAX`; 0: not at all; `None`: as configured.
    pub ttl: Option<u64>,
    /// What a revocation may name; none is empty.
    pub tags: Vec<String>,
}

/// What a grant refers to. Strings are as the app wrote them, not empty, free of CR, LF and NUL;
/// whether they lead anywhere is for rules and storages to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// A file in a named storage.
    Storage {
        /// The storage's name.
        storage: String,
        /// Where in it.
        path: String,
    },
    /// A path the app knows; a rule says where it is.
    Path(String),
    /// An internal location's URI.
    Location(String),
    /// A remote file.
    Url(String),
    /// The body itself, as text; may be empty.
    Content(Vec<u8>),
    /// The body itself, decoded; may be empty.
    Base64(Vec<u8>),
    /// The index of a descriptor that came with the grant.
    Descriptor(u32),
}

impl File {
    /// The word for this kind of file, as in the grant's JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Storage { .. } => "storage",
            Self::Path(_) => "path",
            Self::Location(_) => "location",
            Self::Url(_) => "url",
            Self::Content(_) => "content",
            Self::Base64(_) => "base64",
            Self::Descriptor(_) => "descriptor",
        }
    }
}
