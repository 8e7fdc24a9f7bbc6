//! Right before a request is answered, by whomever: proxy_pass, the static module, ours.

use nginx_download_core::{counters, header};

use crate::config::{Signature, View};
use crate::exchange::Exchange;
use crate::nginx::Status;
use crate::{Request, decide};

/// What the client may not tell the app in the server's name is withheld; a link that must be
/// signed is checked.
pub(crate) fn before_content(request: Request<'_>) -> Result<(), Status> {
    let conf = request.loc_conf();
    if conf.intercept().is_on() {
        request.withhold(header::is_accel)?;
    }
    match (conf.signature(), &conf.view) {
        (Some(signature), None | Some(View::Off)) => check(request, signature),
        // A download checks by itself, where it knows what to say of it.
        _ => Ok(()),
    }
}

fn check(request: Request<'_>, signature: &Signature) -> Result<(), Status> {
    let exchange = match request.exchange() {
        Some(exchange) => exchange,
        None => request.begin(Exchange::new(counters::View::Signed))?,
    };
    decide::signed::check(request, exchange, signature)
        .map_err(|refusal| refusal.conclude(request, exchange))
}
