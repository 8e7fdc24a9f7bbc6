//! The app's own answer, where it grants nothing: passed on with status, header and body.

use nginx_download_core::header;

use crate::exchange::Exchange;
use crate::nginx::{Answer, Body, End, NoMemory, Status};
use crate::{Request, explain};

/// Sends what the app said. A body that did not arrive whole is replaced by nginx's own page
/// for the status.
pub(crate) fn relay(request: Request<'_>, exchange: &Exchange, answer: &Answer<'_>) -> Status {
    if explain::is_on(exchange) {
        return explain::instead_of_status(request, exchange, answer.status());
    }
    if let Err(status) = request.discard_body() {
        return status;
    }
    try_relay(request, answer).unwrap_or_else(Status::from)
}

fn try_relay(request: Request<'_>, answer: &Answer<'_>) -> Result<Status, NoMemory> {
    let response = request.response();
    for (name, value) in answer.headers() {
        // nginx says itself who it is, and when; it hides these of proxied apps, not of FastCGI's.
        let is = |own: &str| name.eq_ignore_ascii_case(own.as_bytes());
        if !header::is_servers_business(name) && !is("Date") && !is("Server") {
            let pool = request.pool();
            response.add(pool.copy(name)?, pool.copy(value)?)?;
        }
    }
    if answer.end() != End::Whole {
        return Ok(Status::http(answer.status()));
    }
    response.set_status(answer.status());
    response.keep_status();
    let content_type = request.pool().copy(answer.content_type())?;
    response.set_content_type(content_type, answer.content_type_essence());
    if !answer.charset().is_empty() {
        response.set_charset(request.pool().copy(answer.charset())?);
    }
    if answer.status() == 304 {
        return Ok(response.send(Body::Memory(b"")));
    }
    let body = request.pool().copy(answer.body())?;
    response.set_length(body.len() as u64);
    Ok(response.send(Body::Memory(body)))
}
