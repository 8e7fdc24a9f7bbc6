//! What admins and apps turn to, instead of a download.

mod health;
mod revoke;
mod status;

pub(crate) use health::Memory;

use crate::Request;
use crate::config::Endpoint;
use crate::nginx::{Body, NoMemory, Status};

pub(crate) fn handle(request: Request<'_>, endpoint: &Endpoint) -> Status {
    match endpoint {
        Endpoint::Revoke => revoke::handle(request),
        Endpoint::Status(format) => status::handle(request, *format),
        Endpoint::Health(health) => health::handle(request, health),
    }
}

fn answer_json(request: Request<'_>, status: u16, json: &[u8]) -> Result<Status, NoMemory> {
    let response = request.response();
    response.set_status(status);
    response.keep_status();
    response.set(b"Cache-Control", b"no-store")?;
    response.set_content_type(b"application/json", 16);
    response.set_length(json.len() as u64);
    Ok(response.send(Body::Memory(request.pool().copy(json)?)))
}
