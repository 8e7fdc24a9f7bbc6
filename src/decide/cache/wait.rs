//! Waiting for the answer to a question that another request has asked.

use nginx_download_core::cache::Key;
use nginx_download_core::counters::CacheEvent;
use nginx_download_core::failure::Failure;

use super::queue::{self, Queued};
use super::{CLAIM, decide, serve, stale};
use crate::Request;
use crate::config::{Cache, View};
use crate::exchange::Exchange;
use crate::nginx::{Status, now_msec};
use crate::refusal::{Outcome, Refusal};

/// So long, in milliseconds, a request waits at most; proxy_read_timeout has the same default.
const PATIENCE: u64 = 60_000;

/// So long, in milliseconds, a request waits where there is a stale grant to serve.
const PATIENCE_WITH_STALE: u64 = 5_000;

/// The first of those that wait in a worker looks so often, in milliseconds, whether another worker
/// has the answer.
const POLL: u64 = 20;

/// Somebody else asks already.
pub(super) fn wait<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    cache: &Cache,
    key: Key,
) -> Outcome {
    let now = now_msec();
    let since = exchange.waits_since.get().unwrap_or(now);
    exchange.waits_since.set(Some(since));
    exchange.saw(CacheEvent::Wait);
    let waited = now.saturating_sub(since);
    if waited >= PATIENCE_WITH_STALE
        && let Some(known) = stale(cache, &key, now)?
    {
        exchange.saw(CacheEvent::Stale);
        return serve(request, exchange, cache, &known);
    }
    if waited >= PATIENCE {
        return Err(Refusal::new(
            Failure::AppTimeout,
            format!("no answer in {} s to those who asked before this request", PATIENCE / 1000),
        ));
    }
    let is_first = match &*exchange.queued.borrow() {
        Some(place) => place.is_first(),
        None => queue::is_empty(key.hash()),
    };
    let id = request.sleep(if is_first { POLL } else { CLAIM }, resume)?;
    if exchange.queued.borrow().is_none() {
        exchange.queued.replace(Some(Queued::take(key.hash(), id)));
    }
    Ok(Status::DONE)
}

/// A request that waited looks again.
fn resume(request: Request<'_>) -> Status {
    let (conf, exchange) = (request.loc_conf(), request.exchange());
    let (Some(exchange), Some(cache), Some(View::Object(ask))) =
        (exchange, conf.cache(), conf.view.as_ref())
    else {
        return Status::INTERNAL_SERVER_ERROR;
    };
    let decided = decide(request, exchange, cache, ask);
    decided.unwrap_or_else(|refusal| {
        exchange.queued.take();
        refusal.conclude(request, exchange)
    })
}
