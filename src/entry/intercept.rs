//! Responses of ordinary proxied locations that refer to a file, by X-Accel-Redirect, X-Sendfile
//! or one of their kin: the file is sent in the app's stead, with the app's header fields.

use nginx_download_core::counters::View;
use nginx_download_core::failure::Failure;
use nginx_download_core::header::{self, HeaderName, HeaderValue};
use nginx_download_core::media;
use nginx_download_core::reference::Convention;

use super::gate;
use crate::config::Intercept;
use crate::decide;
use crate::deliver::{self, AppResponse, Granted, Metadata, Said};
use crate::exchange::{Decision, Exchange};
use crate::locate::{self, Passed, Reference, Target};
use crate::nginx::{End, Method, NoMemory, Status};
use crate::refusal::{Outcome, Refusal};
use crate::{Request, explain};

/// Sees the header of each response of an app.
pub(crate) fn header(request: Request<'_>) -> Result<(), Status> {
    let intercept = request.loc_conf().intercept();
    if !intercept.is_on() {
        return Ok(());
    }
    let response = request.response();
    if request.exchange().is_some_and(|exchange| exchange.url.get().is_some()) {
        // A server elsewhere has no say in what is sent from here.
        response.remove_where(header::is_accel);
        return Ok(());
    }
    let reference = find(request.app_headers(), intercept);
    // A 206 is the app's own idea of a range of a body that it did not send. Any other status
    // says something of its own.
    let is_success = matches!(response.status(), 200 | 206);
    if is_success && matches!(reference, Ok(Some(_))) {
        response.remove_where(header::is_servers_business);
    } else {
        response.remove_where(header::is_accel);
    }
    if !is_success {
        return Ok(());
    }
    let Some(reference) = reference.transpose() else {
        return if intercept.grant && response.status() == 200 { hold(request) } else { Ok(()) };
    };

    let exchange = begin(request)?;
    exchange.decision.set(Decision::Asked);
    if !request.leave_app() {
        return Err(refuse_cached(request, exchange));
    }
    let outcome = reference.and_then(|found| answer(request, exchange, found));
    let status = outcome.unwrap_or_else(|refusal| {
        // An error page says nothing of what the app said of a file.
        response.take_headers();
        refusal.conclude(request, exchange)
    });
    Err(request.conclude(status))
}

fn refuse_cached(request: Request<'_>, exchange: &Exchange) -> Status {
    let why = "a cached response of the app refers to a file: proxy_cache and its kin cannot be \
               used for these";
    // Not to be explained: the cached response is on its way, and only an error stops it.
    Refusal::new(Failure::Unsupported, why).note(request, exchange);
    Status::http(Failure::Unsupported.status())
}

/// An app that was reached by a reference of another may refer to a file in its turn.
fn begin(request: Request<'_>) -> Result<&Exchange, NoMemory> {
    let exchange = gate::begin(request, View::Intercept)?;
    explain::begin(request, exchange)?;
    Ok(exchange)
}

/// Sends the file that a response refers to.
fn answer(request: Request<'_>, exchange: &Exchange, found: Found<'_>) -> Outcome {
    match refer(request, exchange, found, &|| request.take_descriptor())? {
        // The common case, in which the app's header fields can stay where they are.
        Reference::Target(Target::Disk(disk)) => {
            deliver::in_place(request, exchange, disk, found.limit_rate)
        }
        reference => {
            let response = request.response();
            let (content_type, charset) = response.content_type();
            let modified = response.last_modified();
            let mut fields = response.take_headers();
            fields.extend(request.app_headers().filter(|(name, _)| header::is_accel(name)));
            let app = AppResponse { content_type, charset, modified, fields };
            send(request, exchange, reference, Metadata::of_app(request, app))
        }
    }
}

/// Holds a response back when it is a grant.
fn hold(request: Request<'_>) -> Result<(), Status> {
    let response = request.response();
    let (content_type, _) = response.content_type();
    if !request.is_main() || !media::is_grant_exactly(content_type) {
        return Ok(());
    }
    let exchange = begin(request)?;
    if request.is_cached() {
        return Err(refuse_cached(request, exchange));
    }
    let taken = response.take_headers().into_iter();
    let kept = taken.filter(|(name, _)| !header::is_hop_by_hop_or_framing(name));
    exchange.held.replace(kept.map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
    request.collect(request.loc_conf().grant_max_size(), held)?;
    Err(Status::OK)
}

/// The body of a response that was held back is there.
fn held(request: Request<'_>, end: End, body: &[u8]) -> Status {
    let Some(exchange) = request.exchange() else { return Status::INTERNAL_SERVER_ERROR };
    grant(request, exchange, end, body)
        .unwrap_or_else(|refusal| refusal.conclude(request, exchange))
}

fn grant(request: Request<'_>, exchange: &Exchange, end: End, body: &[u8]) -> Outcome {
    let coded = |(name, _): &&(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"content-encoding");
    if let Some((_, coding)) = exchange.held.borrow().iter().find(coded) {
        return Err(decide::ask::refuse_coded(coding));
    }
    if body.is_empty() && request.method() == Method::Head {
        let why =
            "the answer to HEAD has no body for a grant: ask the app by GET (proxy_method GET)";
        return Err(Refusal::new(Failure::NotAGrant, why));
    }
    let (mut grant, target) =
        decide::ask::read(request, exchange, end, body, &|| request.take_descriptor())?;
    // The app's other fields stand where the grant itself is silent.
    for (name, value) in exchange.held.take() {
        let (Ok(name), Ok(value)) = (HeaderName::parse(&name), HeaderValue::parse(&value)) else {
            continue;
        };
        if !OF_THE_GRANT.iter().any(|own| name.is(own))
            && !grant.headers.iter().any(|(other, _)| *other == name && !name.is("set-cookie"))
        {
            grant.headers.push((name, value));
        }
    }
    deliver::deliver(
        request,
        exchange,
        target,
        Said::Granted(Granted { grant, cookies: Vec::new() }),
    )
}

/// What the response says of the grant, not of the file.
const OF_THE_GRANT: &[&str] =
    &["Content-Type", "Content-Encoding", "Content-Disposition", "ETag", "Last-Modified"];

/// A reference to a file in the header of an app's response.
#[derive(Clone, Copy)]
pub(crate) struct Found<'r> {
    convention: Convention,
    value: &'r [u8],
    /// X-Accel-Limit-Rate, which nginx heeds if it is a number.
    limit_rate: Option<&'r [u8]>,
}

/// The one reference of a response, if it has one.
pub(crate) fn find<'r>(
    fields: impl Iterator<Item = (&'r [u8], &'r [u8])>,
    intercept: Intercept,
) -> Result<Option<Found<'r>>, Refusal> {
    let (mut found, mut limit_rate) = (None, None);
    if !intercept.is_on() {
        return Ok(None);
    }
    for (name, value) in fields {
        // What servers are told begins with an X; most else does not.
        if !matches!(name.first(), Some(b'X' | b'x')) {
            continue;
        }
        if let Some(convention) = Convention::of_header(name).filter(|c| intercept.takes(*c)) {
            if found.replace((convention, value)).is_some() {
                return Err(Refusal::new(
                    Failure::Ambiguous,
                    "the app's response refers to more than one file",
                ));
            }
        } else if name.eq_ignore_ascii_case(b"x-accel-limit-rate") {
            limit_rate = Some(value);
        }
    }
    Ok(found.map(|(convention, value)| Found { convention, value, limit_rate }))
}

/// What a header field of an app's response refers to.
pub(crate) fn refer<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    Found { convention, value, .. }: Found<'_>,
    passed: Passed<'_>,
) -> Result<Reference<'r>, Refusal> {
    let decode = request.loc_conf().intercept().decode;
    let encoded = decode.unwrap_or(convention.is_encoded());
    let reference = locate::refer(request, convention, value, encoded, passed)?;
    exchange.source.set(Some(reference.kind()));
    Ok(reference)
}

/// Sends what an app's response refers to, with what the app says of it.
pub(crate) fn send<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    reference: Reference<'r>,
    metadata: Metadata,
) -> Outcome {
    match reference {
        Reference::Target(target) => {
            deliver::deliver(request, exchange, target, Said::ByApp(metadata))
        }
        Reference::Parts(parts) => deliver::parts(request, exchange, &parts, metadata),
        Reference::Named(name) => {
            let name = request.pool().copy(&name)?;
            deliver::hand_over(request, exchange, metadata, || Ok(request.redirect_to_named(name)))
        }
    }
}
