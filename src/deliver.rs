//! How a file leaves: from disk, by another location, from memory. What is said about it is
//! the same for all three.

mod metadata;
pub(crate) mod relay;

use nginx_download_core::grant::Grant;

pub(crate) use metadata::Metadata;

use crate::Request;
use crate::exchange::Exchange;
use crate::locate::{Disk, Target};
use crate::nginx::Body;
use crate::refusal::{Outcome, Refusal};

/// What the app granted, and the cookies that it set on the occasion. They go out with the
/// file, and not with the error page of a file that is not there.
pub(crate) struct Granted {
    pub(crate) grant: Grant,
    pub(crate) cookies: Vec<Vec<u8>>,
}

/// Sends the target, with what the grant (if there is one) and the location say about it.
pub(crate) fn deliver<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    target: Target<'r>,
    granted: Option<Granted>,
) -> Outcome {
    // Not before the app was asked: nginx gives subrequests a part in the discarding of a body
    // that still arrives, and reads away what it then takes for theirs.
    if let Err(status) = request.discard_body() {
        return Ok(status);
    }
    match target {
        Target::Disk(disk) => {
            let path = [disk.root, b"/", disk.path.as_bytes()].concat();
            remember(exchange, disk.storage, path);
            let metadata = Metadata::new(request, exchange, granted, disk.path.file_name())?;
            from_disk(request, &disk, &metadata)
        }
        Target::Location { storage, uri, args } => {
            remember(exchange, Some(storage), uri.clone());
            let name = uri.rsplit(|&c| c == b'/').next().unwrap_or_default();
            let metadata = Metadata::new(request, exchange, granted, name)?;
            exchange.pending.borrow_mut().push(metadata);
            let (uri, args) = (request.pool().copy(&uri)?, request.pool().copy(&args)?);
            Ok(request.redirect(uri, args))
        }
        Target::Memory(bytes) => {
            let metadata = Metadata::new(request, exchange, granted, b"")?;
            metadata.warn_of_size(request, bytes.len() as u64, &"the content");
            let response = request.response();
            response.set_file(bytes.len() as u64, None);
            metadata.describe(response)?;
            Ok(response.send(Body::Memory(bytes)))
        }
    }
}

fn remember(exchange: &Exchange, storage: Option<&str>, file: Vec<u8>) {
    // Set once: an exchange delivers once.
    let _ = exchange.file.set(file);
    if let Some(storage) = storage {
        let _ = exchange.storage.set(storage.to_owned());
    }
}

fn from_disk(request: Request<'_>, disk: &Disk<'_>, metadata: &Metadata) -> Outcome {
    let file = request
        .open(disk.root, disk.path.as_bytes(), disk.symlinks)
        .map_err(|error| Refusal::open(&error, disk))?;
    metadata.warn_of_size(request, file.size(), disk);
    let response = request.response();
    response.set_file(file.size(), Some(file.modified()));
    if !metadata.has_etag() {
        response.set_file_etag()?;
    }
    metadata.describe(response)?;
    Ok(response.send(Body::File(file)))
}
