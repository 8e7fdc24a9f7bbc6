//! Decisions that are remembered: a grant serves all requests with its key, in all workers, until
//! it expires or is revoked.
//!
//! A request looks among what its worker has at hand, then in the zone. If there is nothing, it
//! asks, with a claim: those that come after it [wait] for what it learns. What is to become
//! of the answer is in a [memo]; what becomes of the transfer, a [watch] sees to.

mod memo;
mod queue;
mod wait;
mod watch;

use std::ptr;
use std::rc::Rc;

use nginx_download_core::cache::{Id, Key, KeyBuilder, Lookup};
use nginx_download_core::counters::CacheEvent;
use nginx_download_core::failure::Failure;
use nginx_download_core::grant::Grant;

pub(crate) use self::memo::Memo;
pub(super) use self::memo::{app_is_down, ask_again, failed, granted, not_granted};
pub(crate) use self::queue::Queued;
pub(crate) use self::watch::Watch;
use super::ask;
use crate::config::{Cache, LocalUri};
use crate::deliver::{self, Granted, Prepared, Said};
use crate::exchange::{Decision, Exchange};
use crate::locate::{Passed, Target};
use crate::nginx::{NoDescriptor, Status, now_msec};
use crate::refusal::{Outcome, Refusal};
use crate::zone::{Found, Held, Known, Signals};
use crate::{Request, explain, locate};

/// So long, in milliseconds, others wait for one who asks, before one of them asks as well;
/// proxy_cache_lock_age has the same default.
const CLAIM: u64 = 5_000;

/// So long, in milliseconds, the app is left alone after it failed, if there is a grant to serve.
const RESPITE: u64 = 1_000;

/// What comes along with a decision that is remembered.
const NOTHING_PASSED: Passed<'_> = &|| Err(NoDescriptor::None);

/// Decides by what is remembered, or asks.
pub(crate) fn decide<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    cache: &Cache,
    ask: &LocalUri,
) -> Outcome {
    if explain::is_on(exchange) {
        return explained(request, exchange, cache, ask);
    }
    let Some(key) = key(request, cache)? else {
        // Nothing is remembered, and what is granted can be revoked all the same.
        let (zone, signals) = (Rc::clone(&cache.zone), Signals::of(&cache.zone));
        if let Some(position) = zone.with(|table| table.position()) {
            exchange.memo.replace(Some(Memo::new(zone, None, position, signals.cut, None)));
        }
        return ask::ask(request, exchange, ask);
    };
    let (now, signals) = (now_msec(), Signals::of(&cache.zone));
    let known = cache.zone.known.borrow_mut().find(&key, now, signals.forgotten);
    if let Some(known) = known {
        exchange.saw(CacheEvent::Hit);
        return serve(request, exchange, cache, &known);
    }
    match cache.zone.held.find(&key, now, signals.forgotten) {
        Some(held) => {
            exchange.saw(CacheEvent::Hit);
            serve_held(request, exchange, cache, held)
        }
        None => look(request, exchange, cache, key, ask),
    }
}

/// What the location's key comes to; `None` where a part is empty.
fn key(request: Request<'_>, cache: &Cache) -> Result<Option<Key>, Refusal> {
    let Some(secret) = cache.zone.secret() else { return Ok(None) };
    let mut key = KeyBuilder::new(cache.scope);
    for part in cache.key.iter() {
        for needed in &part.needed {
            if request.eval(needed)?.is_empty() {
                return Ok(None);
            }
        }
        if key.push(request.eval(&part.value)?).is_none() {
            return Ok(None);
        }
    }
    Ok(key.finish(secret))
}

/// Decides for an explanation: what is remembered is told, and stays as it is.
fn explained<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    cache: &Cache,
    ask: &LocalUri,
) -> Outcome {
    let parts =
        cache.key.iter().map(|part| request.eval(&part.value)).collect::<Result<Vec<_>, _>>()?;
    let tell = |state, expires_in| {
        explain::cache(exchange, cache.zone.name(), parts.iter().copied(), state, expires_in);
    };
    let Some(key) = key(request, cache)? else {
        tell("not remembered: a part of the key is empty, or it is too long", None);
        return ask::ask(request, exchange, ask);
    };
    let now = now_msec();
    let signals = Signals::of(&cache.zone);
    if let Some(held) = cache.zone.held.find(&key, now, signals.forgotten) {
        let expires_in = held.known.expires().saturating_sub(now);
        tell("hit: this worker keeps the descriptor", Some(expires_in));
        return serve_held(request, exchange, cache, held);
    }
    let looked = cache.zone.with(|table| (table.look(&key, now, None, None), table.position()));
    match looked {
        Some((Lookup::Grant { value, tags, expires }, position)) => {
            tell("hit", Some(expires.saturating_sub(now)));
            explain::granted(exchange, &value);
            let found = Found { now, expires, signals, position };
            let known = know(cache, key, &value, &tags, found)?;
            return serve(request, exchange, cache, &known);
        }
        Some((Lookup::Denial(status), _)) => {
            tell("the app denied it a while ago", None);
            return Ok(denied(request, exchange, status));
        }
        Some((Lookup::Pass, _)) => tell("the app's answers are not to be remembered", None),
        _ => tell("miss", None),
    }
    ask::ask(request, exchange, ask)
}

/// A denial that is remembered.
fn denied(request: Request<'_>, exchange: &Exchange, status: u16) -> Status {
    let detail = format!("the app answered {status} a while ago");
    Refusal::new(Failure::Denied, detail).note(request, exchange);
    match explain::is_on(exchange) {
        true => explain::instead_of_status(request, exchange, status),
        false => Status::http(status),
    }
}

/// Looks into the zone.
fn look<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    cache: &Cache,
    key: Key,
    ask: &LocalUri,
) -> Outcome {
    let now = now_msec();
    let signals = Signals::of(&cache.zone);
    let claim_until = cache.lock.then(|| now.saturating_add(CLAIM));
    let looked = cache.zone.with(|table| {
        let looked = table.look(&key, now, claim_until, exchange.waits_since.get());
        (looked, table.position())
    });
    let Some((looked, position)) = looked else { return ask::ask(request, exchange, ask) };
    let claim = match looked {
        Lookup::Wait => return wait::wait(request, exchange, cache, key),
        Lookup::Miss(claim) => claim,
        Lookup::Pass => None,
        Lookup::Failure(number) => {
            exchange.queued.take();
            let failure = Failure::of_number(number).unwrap_or(Failure::AppError);
            return Err(Refusal::new(
                failure,
                "so it went for the request that this one waited for",
            ));
        }
        Lookup::Denial(status) => {
            exchange.saw(CacheEvent::Denied);
            exchange.queued.take();
            return Ok(denied(request, exchange, status));
        }
        Lookup::Grant { value, tags, expires } => {
            let found = Found { now, expires, signals, position };
            let known = know(cache, key, &value, &tags, found)?;
            exchange.saw(CacheEvent::Hit);
            return serve(request, exchange, cache, &known);
        }
    };
    exchange.saw(CacheEvent::Miss);
    let (zone, cut) = (Rc::clone(&cache.zone), signals.cut);
    exchange.memo.replace(Some(Memo::new(zone, Some(key), position, cut, claim)));
    exchange.queued.take();
    ask::ask(request, exchange, ask)
}

/// A grant out of the zone, at hand from now on.
fn know(
    cache: &Cache,
    key: Key,
    value: &[u8],
    tags: &[Id],
    found: Found,
) -> Result<Rc<Known>, Refusal> {
    ask::memory_to_read(value)?;
    // It was read before it was stored.
    let grant = Grant::from_json(value)
        .map_err(|error| Refusal::new(Failure::Internal, format!("a remembered grant: {error}")))?;
    let known = Rc::new(Known::new(key, grant, value.len(), tags, found));
    Ok(cache.zone.known.borrow_mut().keep(known))
}

/// Serves what a grant refers to that was given a while ago.
fn serve<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    cache: &Cache,
    known: &Rc<Known>,
) -> Outcome {
    begin(exchange, cache, known);
    if exchange.claims.get().is_none()
        && !explain::is_on(exchange)
        && let Some(prepared) = prepared(request, known)?
    {
        return prepared.deliver(request, exchange);
    }
    let target = locate::locate(request, &known.grant.file, NOTHING_PASSED)?;
    let granted = Granted { grant: known.grant.clone(), cookies: Vec::new() };
    deliver::deliver(request, exchange, target, Said::Granted(granted))
}

/// Serves a file that the app has opened a while ago.
fn serve_held<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    cache: &Cache,
    Held { known, descriptor }: Held,
) -> Outcome {
    begin(exchange, cache, &known);
    let granted = Granted { grant: known.grant.clone(), cookies: Vec::new() };
    deliver::deliver(request, exchange, Target::Passed(descriptor), Said::Granted(granted))
}

fn begin(exchange: &Exchange, cache: &Cache, known: &Known) {
    exchange.queued.take();
    exchange.decision.set(Decision::Cached);
    exchange.source.set(Some(known.grant.file.kind()));
    Watch::begin(exchange, &cache.zone, Rc::clone(&known.ids), known.position, known.cut);
}

/// The response that the grant leads to, made beforehand, if it can be.
fn prepared(request: Request<'_>, known: &Known) -> Result<Option<Rc<Prepared>>, Refusal> {
    let location = ptr::from_ref(request.loc_conf()).addr();
    if let Some(prepared) = known.prepared_for(location) {
        return Ok(prepared);
    }
    let target = locate::locate(request, &known.grant.file, NOTHING_PASSED)?;
    let prepared = Prepared::new(request, &known.grant, &target)?.map(Rc::new);
    known.keep_prepared(location, prepared.clone());
    Ok(prepared)
}

/// A grant that has expired, if it may serve.
fn stale(cache: &Cache, key: &Key, now: u64) -> Result<Option<Rc<Known>>, Refusal> {
    if cache.stale == 0 {
        return Ok(None);
    }
    let signals = Signals::of(&cache.zone);
    let found = cache.zone.with(|table| {
        let found = table.stale(key, now, now.saturating_add(RESPITE));
        (found, table.position())
    });
    let Some((Some(Lookup::Grant { value, tags, expires }), position)) = found else {
        return Ok(None);
    };
    let found = Found { now, expires, signals, position };
    know(cache, key.clone(), &value, &tags, found).map(Some)
}
