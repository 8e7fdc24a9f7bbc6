//! The header filter at the top of the chain: what a grant says of a file that another
//! location sends is said here, as the response passes by.

use nginx_download_core::failure::Failure;

use crate::Request;
use crate::exchange::Exchange;
use crate::nginx::Status;
use crate::refusal::Refusal;

pub(crate) fn header(request: Request<'_>, exchange: &Exchange) -> Result<(), Status> {
    let Some(metadata) = exchange.pending.take() else { return Ok(()) };
    let response = request.response();
    // An error page that is sent as 200 is no file either.
    if matches!(response.status(), 200 | 206 | 304) && !request.is_error_page() {
        return metadata.overwrite(response).map_err(Status::from);
    }
    let (status, uri) = (response.status(), exchange.file.get());
    let uri = uri.map(Vec::as_slice).unwrap_or_default().escape_ascii();
    Refusal::new(Failure::Target, format!("\"{uri}\" was answered with {status}"))
        .note(request, exchange);
    Ok(())
}
