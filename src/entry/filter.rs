//! The header filter at the top of the chain: what a grant says of a file that another
//! location sends is said here, as the response passes by.

use nginx_download_core::failure::Failure;
use nginx_download_core::header;

use crate::Request;
use crate::deliver::Metadata;
use crate::exchange::Exchange;
use crate::nginx::{Level, Status};
use crate::refusal::Refusal;

pub(crate) fn header(request: Request<'_>, exchange: &Exchange) -> Result<(), Status> {
    let pending = exchange.pending.take();
    if pending.is_empty() {
        return Ok(());
    }
    let response = request.response();
    // An error page that is sent as 200 is no file either.
    if matches!(response.status(), 200 | 206 | 304) && !request.is_error_page() {
        response.remove_where(header::is_accel);
        if pending.iter().any(Metadata::has_version) {
            response.compare_here();
        }
        for metadata in pending.iter().rev() {
            if let (200, Some(length)) = (response.status(), response.length()) {
                metadata.warn_of_size(request, length, &"what the internal location sends");
            }
            metadata.overwrite(response)?;
        }
        return Ok(());
    }
    let status = response.status();
    let failure = match status {
        // The target's own answers to ranges and conditions.
        412 | 416 => return Ok(()),
        // An error page that says 200, or a redirect, or no such file.
        200 | 206 | 300..=499 => Failure::TargetMissing,
        _ => Failure::TargetError,
    };
    let uri = exchange.file(request.main_conf()).unwrap_or_default();
    let uri = uri.escape_ascii();
    Refusal::new(failure, format!("the internal location \"{uri}\" answered {status}"))
        .note(request, exchange);

    let keeps = match status {
        404 => !request.has_app_response() || request.has_error_page(),
        300..=499 => false,
        200 | 206 => true,
        _ => request.has_error_page(),
    };
    // Neither a redirect that shows an internal prefix, nor what an internal server says.
    if keeps { Ok(()) } else { Err(request.replace_response(failure.status())) }
}

/// A transfer goes on, unless its grant was revoked and it is to be cut.
pub(crate) fn body(request: Request<'_>, exchange: &Exchange) -> Result<(), Status> {
    match &*exchange.watch.borrow() {
        Some(watch) if watch.is_cut() => {
            let view = exchange.view.label();
            request.log(
                Level::Info,
                0,
                format_args!("download {view}: cut, as the grant was revoked"),
            );
            exchange.cut.set(true);
            Err(Status::ERROR)
        }
        _ => Ok(()),
    }
}
