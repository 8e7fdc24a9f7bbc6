//! How a file leaves: from disk, by another location, from memory. What is said about it is
//! the same for all three.

mod metadata;
pub(crate) mod relay;

use nginx_download_core::grant::Grant;

pub(crate) use metadata::Metadata;

use crate::Request;
use crate::exchange::Exchange;
use crate::locate::Target;
use crate::nginx::{Body, Symlinks};
use crate::refusal::{Outcome, Refusal};

/// What the app granted, and the cookies that it set on the occasion. They go out with the
/// file, and not with the error page of a file that is not there.
pub(crate) struct Granted<'a> {
    pub(crate) grant: &'a Grant,
    pub(crate) cookies: Vec<&'a [u8]>,
}

/// Sends the target, with what the grant (if there is one) and the location say about it.
pub(crate) fn deliver<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    target: Target<'_>,
    granted: Option<&Granted<'_>>,
) -> Outcome {
    match target {
        Target::Disk { place, storage, root, path, symlinks } => {
            remember(exchange, storage, &[root, b"/", path.as_bytes()].concat());
            let metadata = Metadata::new(request, exchange, granted, path.file_name())?;
            let disk = Disk { place: &place, root, path: path.as_bytes(), symlinks };
            from_disk(request, &disk, &metadata)
        }
        Target::Location { storage, uri, args } => {
            remember(exchange, Some(storage), &uri);
            let name = uri.rsplit(|&c| c == b'/').next().unwrap_or_default();
            let metadata = Metadata::new(request, exchange, granted, name)?;
            exchange.pending.replace(Some(metadata));
            let (uri, args) = (request.pool().copy(&uri)?, request.pool().copy(&args)?);
            Ok(request.redirect(uri, args))
        }
        Target::Memory(bytes) => {
            let metadata = Metadata::new(request, exchange, granted, b"")?;
            let bytes = request.pool().copy(bytes)?;
            let response = request.response();
            response.set_file(bytes.len() as u64, None);
            metadata.describe(response)?;
            Ok(response.send(Body::Memory(bytes)))
        }
    }
}

fn remember(exchange: &Exchange, storage: Option<&str>, file: &[u8]) {
    // Set once: an exchange delivers once.
    let _ = exchange.file.set(file.to_vec());
    if let Some(storage) = storage {
        let _ = exchange.storage.set(storage.to_owned());
    }
}

struct Disk<'a> {
    place: &'a str,
    root: &'a [u8],
    path: &'a [u8],
    symlinks: Symlinks,
}

fn from_disk(request: Request<'_>, disk: &Disk<'_>, metadata: &Metadata) -> Outcome {
    let file = request
        .open(disk.root, disk.path, disk.symlinks)
        .map_err(|error| Refusal::open(&error, disk.path, disk.place))?;
    metadata.warn_of_size(request, file.size(), disk.place);
    let response = request.response();
    response.set_file(file.size(), Some(file.modified()));
    if metadata.etag.is_none() {
        response.set_file_etag()?;
    }
    metadata.describe(response)?;
    Ok(response.send(Body::File(file)))
}
