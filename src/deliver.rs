//! How a file leaves: from disk, by the descriptor that the app passed, by another location, from
//! memory. What is said about it is the same for all of them.

mod metadata;
mod prepared;
pub(crate) mod relay;
mod version;

use std::borrow::Borrow;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nginx_download_core::failure::Failure;
use nginx_download_core::grant::Grant;
use nginx_download_core::path::RelativePath;
use nginx_download_core::reference::Part;
use nginx_download_core::{etag, header, media, url};

pub(crate) use metadata::{AppResponse, Metadata};
pub(crate) use prepared::Prepared;
use version::{Anew, Words};

use crate::config::Storage;
use crate::exchange::{Below, Exchange, Place};
use crate::locate::{Disk, Target};
use crate::nginx::{Body, NoMemory, OpenError, OpenFile, Response, Status};
use crate::refusal::{Outcome, Refusal};
use crate::{Request, explain};

/// What the app granted, and the cookies that it set on the occasion. They go out with the
/// file, and not with the error page of a file that is not there.
pub(crate) struct Granted {
    pub(crate) grant: Grant,
    pub(crate) cookies: Vec<Vec<u8>>,
}

/// Who says what there is to say of a file.
pub(crate) enum Said {
    /// The options of the location.
    ByLocation,
    /// A grant, and the options where it is silent.
    Granted(Granted),
    /// The app's own response.
    ByApp(Metadata),
}

impl Said {
    /// `file_name` is the last part of the file's path, or empty.
    fn of(
        self,
        request: Request<'_>,
        exchange: &Exchange,
        file_name: &[u8],
    ) -> Result<Metadata, Refusal> {
        match self {
            Self::ByLocation => Metadata::new(request, exchange, None),
            Self::Granted(granted) => Metadata::new(request, exchange, Some(granted)),
            Self::ByApp(metadata) => Ok(metadata.for_file(file_name)),
        }
    }
}

/// Sends the target, with what there is to say of it.
pub(crate) fn deliver<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    target: Target<'r>,
    said: Said,
) -> Outcome {
    // Not before the app was asked: nginx gives subrequests a part in the discarding of a body
    // that still arrives, and reads away what it then takes for theirs.
    if let Err(status) = request.discard_body() {
        return Ok(status);
    }
    match target {
        Target::Disk(disk) => {
            let disk = remember_disk(exchange, disk)?;
            let metadata = said.of(request, exchange, disk.path.file_name())?;
            let describe = |response| metadata.describe(response, disk.path.file_name());
            from_disk(request, exchange, &disk, &metadata, &Anew, describe)
        }
        Target::Location { storage, uri, args } => {
            let name = uri.rsplit(|&c| c == b'/').next().unwrap_or_default();
            let metadata = said.of(request, exchange, name)?.named(exchange, name);
            let redirected = request.pool().copy(&uri)?;
            let args = request.pool().copy(&args)?;
            remember(exchange, storage, None, Below::Uri(uri))?;
            hand_over(request, exchange, metadata, || Ok(request.redirect(redirected, args)))
        }
        Target::Remote { storage, url, via } => {
            let name = url::file_name(&url);
            let metadata = said.of(request, exchange, &name)?.named(exchange, &name);
            let _ = exchange.url.set(url);
            let redirected = request.pool().copy(&via)?;
            remember(exchange, Some(storage), None, Below::Uri(via))?;
            hand_over(request, exchange, metadata, || {
                request.withhold(header::is_credential).map_err(|_| NoMemory)?;
                Ok(request.redirect(redirected, b""))
            })
        }
        Target::Passed(descriptor) => {
            let file = open_passed(request, descriptor)?;
            let metadata = said.of(request, exchange, b"")?.named(exchange, b"");
            from_descriptor(request, exchange, file, &metadata)
        }
        Target::Memory(bytes) => {
            let metadata = said.of(request, exchange, b"")?.named(exchange, b"");
            metadata.warn_of_size(request, bytes.len() as u64, &"the content");
            let response = request.response();
            response.set_file(bytes.len() as u64, None);
            metadata.describe(response, b"")?;
            send(request, exchange, Body::Memory(bytes), &Anew)
        }
    }
}

/// Another location sends the file, to which `redirect` leads, unless the request is to be
/// explained; what there is to say is said as its response passes by.
///
/// If that includes a version, the client's conditions are about this version, which the other
/// location cannot know: it does not get to see them, and nginx looks at them here.
pub(crate) fn hand_over(
    request: Request<'_>,
    exchange: &Exchange,
    metadata: Metadata,
    redirect: impl FnOnce() -> Result<Status, NoMemory>,
) -> Outcome {
    if explain::is_on(exchange) {
        metadata.overwrite(request.response())?;
        return Ok(explain::instead_of_redirect(request, exchange));
    }
    if metadata.has_version() {
        let conditions = if request.has_header("If-Range") {
            header::is_condition_or_range
        } else {
            header::is_condition
        };
        request.withhold(conditions).map_err(|_| NoMemory)?;
    }
    exchange.pending.borrow_mut().push(metadata);
    Ok(redirect()?)
}

/// Sends parts of files, one after the other, as one file that is as young as the youngest. It
/// has no ETag but the app's: length and time do not tell one choice of parts from another.
pub(crate) fn parts<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    parts: &[(Disk<'r>, Part)],
    metadata: Metadata,
) -> Outcome {
    let (mut opened, mut total, mut modified) = (Vec::new(), 0_u64, 0);
    let mut name = &b""[..];
    for (disk, part) in parts {
        let file = open(request, disk)?;
        let end = part.last.map_or(file.size(), |last| last.saturating_add(1));
        let length = end.checked_sub(part.first).filter(|_| end <= file.size());
        let length = length.ok_or_else(|| {
            let (size, byte) = (file.size(), part.last.unwrap_or(part.first));
            Refusal::new(Failure::Missing, format!("{disk} has {size} bytes, and no byte {byte}"))
        })?;
        name = disk.path.file_name();
        total = total.saturating_add(length);
        modified = modified.max(file.modified());
        opened.push((file, part.first, length));
    }
    let metadata = metadata.for_file(name).named(exchange, name);
    let response = request.response();
    response.set_file(total, Some(modified));
    response.allow_one_range();
    metadata.describe(response, name)?;
    send(request, exchange, Body::Parts(opened), &Anew)
}

/// Sends a file from disk in an app's stead, with the app's header fields, which stand in the
/// response already.
pub(crate) fn in_place(
    request: Request<'_>,
    exchange: &Exchange,
    disk: Disk<'_>,
    limit_rate: Option<&[u8]>,
) -> Outcome {
    if let Err(status) = request.discard_body() {
        return Ok(status);
    }
    let disk = remember_disk(exchange, disk)?;
    let file = open(request, &disk)?;
    let name = disk.path.file_name();
    let response = request.response();
    // A coding is that of the body that the app did not send, unless the name says the same.
    if response.content_encoding().is_some_and(|coding| !media::is_coding_of(name, coding)) {
        response.remove(b"Content-Encoding");
    }
    if response.etag().is_some_and(etag::is_of_nothing) {
        response.remove(b"ETag");
    }
    if !response.has_content_type() {
        response.guess_content_type(name)?;
    }
    if let Some(rate) = limit_rate.and_then(|value| metadata::limit_rate(request, value)) {
        response.set_limit_rate(rate);
    }
    response.turn_into_file(file.size(), file.modified())?;
    if response.etag().is_none() {
        version::tag(response, file.modified(), file.size(), &Anew)?;
    }
    send(request, exchange, Body::File(file), &Anew)
}

/// Sends the response, or an account of it.
fn send<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    body: Body<'r>,
    words: &impl Words,
) -> Outcome {
    if explain::is_on(exchange) {
        return Ok(explain::instead_of_file(request, exchange));
    }
    Ok(version::send(request.response(), body, words)?)
}

/// Opens a file on disk; the name of a temporary one goes.
pub(crate) fn open<'r, P: Borrow<RelativePath>>(
    request: Request<'r>,
    disk: &Disk<'_, P>,
) -> Result<OpenFile<'r>, Refusal> {
    // The next file of that name is another.
    let cached = !disk.temporary;
    let path = disk.path.borrow().as_bytes();
    let file = request
        .open(disk.root, path, disk.symlinks, cached)
        .map_err(|error| Refusal::open(&error, disk))?;
    if disk.temporary {
        request.remove_file(disk.root, path, disk.symlinks);
    }
    Ok(file)
}

/// What log lines call it.
const DESCRIPTOR: &str = "the descriptor that came with the app's response";

/// The file that the app has opened.
pub(crate) fn open_passed<'r>(
    request: Request<'r>,
    descriptor: Rc<OwnedFd>,
) -> Result<OpenFile<'r>, Refusal> {
    request.open_passed(descriptor).map_err(|error| match error {
        OpenError::NotRegular(kind) => {
            Refusal::new(Failure::BadDescriptor, format!("{DESCRIPTOR} is {kind}, not a file"))
        }
        OpenError::Os(libc::EBADF) => {
            let why = format!("{DESCRIPTOR} was not opened for reading");
            Refusal::new(Failure::BadDescriptor, why)
        }
        error => Refusal::open(&error, &DESCRIPTOR),
    })
}

/// Set once: an exchange delivers once.
fn remember(
    exchange: &Exchange,
    storage: Option<&Storage>,
    root: Option<&[u8]>,
    path: Below,
) -> Result<(), Refusal> {
    let storage = storage.map(|storage| storage.index);
    let root = root.filter(|_| storage.is_none()).map(<[u8]>::to_vec);
    let delivered = |_| Refusal::new(Failure::Internal, "delivered twice");
    exchange.place.set(Place { storage, root, path }).map_err(delivered)
}

/// Leaves the path to the exchange, and borrows it from there.
fn remember_disk<'x, 'r: 'x>(
    exchange: &'x Exchange,
    disk: Disk<'r>,
) -> Result<Disk<'x, &'x RelativePath>, Refusal> {
    let Disk { storage, root, path, symlinks, temporary } = disk;
    let temporary = temporary && !explain::is_on(exchange);
    remember(exchange, storage, Some(root), Below::Path(path))?;
    match exchange.place.get() {
        Some(Place { path: Below::Path(path), .. }) => {
            Ok(Disk { storage, root, path, symlinks, temporary })
        }
        _ => Err(Refusal::new(Failure::Internal, "nothing delivered")),
    }
}

/// Sends a file from disk. `describe` says what `metadata` has to say, and may know how to do so
/// without copies.
fn from_disk<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    disk: &Disk<'_, &RelativePath>,
    metadata: &Metadata,
    words: &impl Words,
    describe: impl FnOnce(Response<'r>) -> Result<(), NoMemory>,
) -> Outcome {
    let file = open(request, disk)?;
    metadata.warn_of_size(request, file.size(), disk);
    let response = request.response();
    response.set_file(file.size(), Some(file.modified()));
    if !metadata.has_etag() {
        version::tag(response, file.modified(), file.size(), words)?;
    }
    describe(response)?;
    send(request, exchange, Body::File(file), words)
}

/// Sends a file that the app has opened.
fn from_descriptor<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    file: OpenFile<'r>,
    metadata: &Metadata,
) -> Outcome {
    metadata.warn_of_size(request, file.size(), &DESCRIPTOR);
    let response = request.response();
    // What was made for this response says nothing of its version by its age: what is made the
    // next time in the same second may differ.
    let modified = file.has_name().then(|| file.modified());
    response.set_file(file.size(), modified);
    if let Some(modified) = modified.filter(|_| !metadata.has_etag()) {
        version::tag(response, modified, file.size(), &Anew)?;
    }
    metadata.describe(response, b"")?;
    send(request, exchange, Body::File(file), &Anew)
}
