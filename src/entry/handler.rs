//! The content handler of locations with a `download` directive.

use std::ptr;

use nginx_download_core::failure::Failure;

use super::gate;
use crate::config::{Names, View};
use crate::deliver::Said;
use crate::exchange::Exchange;
use crate::locate::Target;
use crate::nginx::{Method, Status};
use crate::refusal::{Outcome, Refusal};
use crate::{Request, answer, decide, deliver, endpoint, explain, locate};

pub(crate) fn handle(request: Request<'_>) -> Status {
    if let Some(endpoint) = &request.loc_conf().endpoint {
        return endpoint::handle(request, endpoint);
    }
    let (view, name) = match request.loc_conf().view.as_ref().map(|view| (view, view.name())) {
        // `download off` in an `if` block of a location that has a view.
        None | Some((_, None)) => return Status::DECLINED,
        Some((view, Some(name))) => (view, name),
    };
    let location = ptr::from_ref(request.loc_conf()).addr();
    let checked = request
        .exchange()
        .filter(|exchange| exchange.view == name && exchange.checked_for.take() == Some(location));
    let exchange = match checked.map_or_else(|| gate::begin(request, name), Ok) {
        Ok(exchange) => exchange,
        Err(failed) => return failed.into(),
    };
    if !matches!(request.method(), Method::Get | Method::Head) {
        return refuse_method(request, exchange);
    }
    if let Err(failed) = explain::begin(request, exchange) {
        return failed.into();
    }
    let checked = match request.loc_conf().signature() {
        Some(signature) if checked.is_none() => decide::signed::check(request, exchange, signature),
        _ => Ok(()),
    };
    checked
        .and_then(|()| start(request, exchange, view))
        .unwrap_or_else(|refusal| refusal.conclude(request, exchange))
}

fn refuse_method(request: Request<'_>, exchange: &Exchange) -> Status {
    Refusal::new(Failure::Method, "only GET and HEAD are answered").note(request, exchange);
    answer::refuse_method(request, b"GET, HEAD")
}

fn start<'r>(request: Request<'r>, exchange: &'r Exchange, view: &'r View) -> Outcome {
    let target = match view {
        View::Off => return Ok(Status::DECLINED),
        View::Object(ask) => {
            return match request.loc_conf().cache() {
                Some(cache) => decide::cache::decide(request, exchange, cache, ask),
                None => decide::ask::ask(request, exchange, ask),
            };
        }
        View::Storage { storage, names } => {
            let path = match names {
                Names::Template(template) => request.eval(template)?,
                Names::UriBelow(prefix) => locate::below(request.uri(), prefix)?,
            };
            exchange.source.set(Some("storage"));
            let storage = locate::storage(request, storage.as_bytes())?;
            locate::in_storage(storage, path, Failure::BadPath)?
        }
        View::Http(template) => {
            exchange.source.set(Some("url"));
            locate::in_declared_origin(request, request.eval(template)?, Failure::BadPath)?
        }
        View::Virtual(uri) => {
            exchange.source.set(Some("location"));
            let (uri, args) = decide::ask::evaluate(request, uri)?;
            Target::Location { storage: None, uri: uri.to_vec(), args: args.to_vec() }
        }
        View::Path { root, template } => {
            exchange.source.set(Some("path"));
            locate::in_root(root, request.eval(template)?)?
        }
    };
    deliver::deliver(request, exchange, target, Said::ByLocation)
}
