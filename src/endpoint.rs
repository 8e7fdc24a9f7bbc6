//! What admins and apps turn to, instead of a download.

mod health;
mod revoke;
mod status;

pub(crate) use health::Memory;

use crate::Request;
use crate::config::Endpoint;
use crate::nginx::Status;

pub(crate) fn handle(request: Request<'_>, endpoint: &Endpoint) -> Status {
    match endpoint {
        Endpoint::Revoke => revoke::handle(request),
        Endpoint::Status(format) => status::handle(request, *format),
        Endpoint::Health(health) => health::handle(request, health),
    }
}
