//! Right before a request is answered, by whomever: proxy_pass, the static module, ours.

use std::ptr;

use nginx_download_core::{counters, header};

use crate::config::View;
use crate::exchange::Exchange;
use crate::nginx::{NoMemory, Status};
use crate::{Request, decide, explain};

/// What the client may not tell the app in the server's name is withheld; a link that must be
/// signed is checked.
pub(crate) fn before_content(request: Request<'_>) -> Result<(), Status> {
    let conf = request.loc_conf();
    if conf.intercept().is_on() {
        request.withhold(header::is_accel)?;
    }
    let Some(signature) = conf.signature() else { return Ok(()) };
    let exchange = match conf.view.as_ref().and_then(View::name) {
        // An account is answered in the content phase, which checks by itself.
        Some(_) if explain::is_wished(request)? => return Ok(()),
        Some(view) => begin(request, view)?,
        None => match request.exchange() {
            Some(exchange) => exchange,
            None => request.begin(Exchange::new(counters::View::Signed))?,
        },
    };
    decide::signed::check(request, exchange, signature)
        .map_err(|refusal| refusal.conclude(request, exchange))?;
    exchange.checked_for.set(Some(ptr::from_ref(conf).addr()));
    Ok(())
}

/// The exchange of a download, or of an app's response that refers to a file. With a download the
/// content phase goes on with it if the link was checked before: try_files and mirror come in
/// between.
pub(super) fn begin(request: Request<'_>, view: counters::View) -> Result<&Exchange, NoMemory> {
    let earlier = request.exchange().filter(|_| !request.is_error_page());
    let exchange = request.begin(Exchange::new(view))?;
    if let Some(earlier) = earlier {
        exchange.follow(earlier);
    }
    Ok(exchange)
}
