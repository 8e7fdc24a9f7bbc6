//! Short answers that are made here, and are no files: what endpoints and explanations say.

use crate::Request;
use crate::nginx::{Body, NoMemory, Status};

/// A media type, perhaps with parameters, and its length without them.
pub(crate) type MediaType = (&'static [u8], usize);

pub(crate) const JSON: MediaType = (b"application/json", 16);

/// Sends `body`, which no cache is to keep.
pub(crate) fn send<'r>(
    request: Request<'r>,
    status: u16,
    (media_type, essence): MediaType,
    body: &'r [u8],
) -> Result<Status, NoMemory> {
    let response = request.response();
    response.set_status(status);
    response.keep_status();
    response.set(b"Cache-Control", b"no-store")?;
    response.set_content_type(media_type, essence);
    response.set_length(body.len() as u64);
    Ok(response.send(Body::Memory(body)))
}

/// Sends JSON that was made for the occasion.
pub(crate) fn json(request: Request<'_>, status: u16, json: &[u8]) -> Status {
    let body = request.pool().copy(json);
    body.and_then(|body| send(request, status, JSON, body)).unwrap_or_else(Status::from)
}

/// nginx's page for 405; `allow` is what is answered.
pub(crate) fn refuse_method(request: Request<'_>, allow: &'static [u8]) -> Status {
    match request.response().set(b"Allow", allow) {
        Ok(()) => Status::http(405),
        Err(failed) => failed.into(),
    }
}
