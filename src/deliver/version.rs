//! What tells one version of a file from another, in words: ETag and Last-Modified as nginx
//! writes them, without its printf, which takes a tenth of the time of a whole response.

use std::cell::Cell;

use nginx_download_core::date;
use nginx_download_core::etag::FileTag;

use crate::nginx::{Body, NoMemory, Response, Status};

/// The words for a version, made when they are needed.
pub(super) trait Words {
    /// An entity tag made of modification time and length.
    fn tag(&self, modified: i64, length: u64) -> FileTag;
    /// Last-Modified.
    fn date(&self, modified: i64) -> Option<[u8; 29]>;
}

/// Made anew each time.
pub(super) struct Anew;

impl Words for Anew {
    fn tag(&self, modified: i64, length: u64) -> FileTag {
        FileTag::new(modified, length)
    }

    fn date(&self, modified: i64) -> Option<[u8; 29]> {
        date::imf_fixdate(modified)
    }
}

/// Kept for the next time, which is often about the same version.
#[derive(Default)]
pub(super) struct Last {
    tag: Cell<Option<(i64, u64, FileTag)>>,
    date: Cell<Option<(i64, [u8; 29])>>,
}

impl Words for Last {
    fn tag(&self, modified: i64, length: u64) -> FileTag {
        match self.tag.get() {
            Some((of, long, tag)) if of == modified && long == length => tag,
            _ => {
                let tag = Anew.tag(modified, length);
                self.tag.set(Some((modified, length, tag)));
                tag
            }
        }
    }

    fn date(&self, modified: i64) -> Option<[u8; 29]> {
        match self.date.get() {
            Some((of, text)) if of == modified => Some(text),
            _ => {
                let text = Anew.date(modified)?;
                self.date.set(Some((modified, text)));
                Some(text)
            }
        }
    }
}

/// An ETag made of length and modification time, where the location's `etag` is on: that of
/// ngx_http_set_etag(), so that clients need not fetch anew what nginx sent them before.
pub(super) fn tag(
    response: Response<'_>,
    modified: i64,
    length: u64,
    words: &impl Words,
) -> Result<(), NoMemory> {
    if response.has_file_etags() {
        let tag = words.tag(modified, length);
        response.set_etag(response.pool().copy(tag.as_bytes())?)?;
    }
    Ok(())
}

/// Sends the response, with its Last-Modified in words.
pub(super) fn send<'r>(
    response: Response<'r>,
    body: Body<'r>,
    words: &impl Words,
) -> Result<Status, NoMemory> {
    if let Some(modified) = response.unspelled_last_modified()
        && let Some(text) = words.date(modified)
    {
        response.spell_last_modified(response.pool().copy(&text)?)?;
    }
    Ok(response.send(body))
}
