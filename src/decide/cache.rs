//! Decisions that are remembered: a grant serves all requests with its key, in all workers, until
//! it expires or is revoked.
//!
//! A request looks among what its worker has at hand, then in the zone. If there is nothing, it
//! asks, with a claim: those that come after it wait ([`queue`]) for what it learns.

mod queue;

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

use nginx_download_core::cache::{
    Answer as Freshness, Claim, Decision as Remembered, Id, Key, KeyBuilder, Lookup, Stored, Times,
};
use nginx_download_core::failure::Failure;
use nginx_download_core::grant::{File, Grant};

pub(crate) use self::queue::Queued;
use super::ask;
use crate::config::{Cache, LocalUri, View};
use crate::deliver::{self, Granted, Prepared, Said};
use crate::exchange::{Decision, Exchange};
use crate::nginx::{Answer, Level, Status, now_msec};
use crate::refusal::{Outcome, Refusal};
use crate::zone::{Found, Known, Signal, Signals, Zone};
use crate::{Request, explain, locate};

/// So long, in milliseconds, others wait for one who asks, before one of them asks as well;
/// proxy_cache_lock_age has the same default.
const CLAIM: u64 = 5_000;

/// So long, in milliseconds, a request waits at most; proxy_read_timeout has the same default.
const PATIENCE: u64 = 60_000;

/// So long, in milliseconds, a request waits where there is a stale grant to serve.
const PATIENCE_WITH_STALE: u64 = 5_000;

/// The first of those that wait in a worker looks so often, in milliseconds, whether another worker
/// has the answer.
const POLL: u64 = 20;

/// So long, in milliseconds, the app is left alone after it failed, if there is a grant to serve.
const RESPITE: u64 = 1_000;

/// So long, in milliseconds, it is remembered that there is nothing to remember.
const PASS: u64 = 5_000;

/// So often the app is asked for a grant that is revoked each time before it is there.
const ASKED_AGAIN: u32 = 3;

/// What is to become of the answer that a request asks for.
pub(crate) struct Memo {
    zone: Rc<Zone>,
    key: Key,
    /// The position and the signal of the zone before the app was asked.
    since: u64,
    cut: u64,
    claim: Option<Claim>,
}

/// What a transfer that has begun depends on.
pub(crate) struct Watch {
    zone: Rc<Zone>,
    ids: Rc<[Id]>,
    since: u64,
    /// The zone's signal, when it was looked at last.
    seen: Cell<u64>,
}

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
    let Some(key) = key(request, cache)? else { return ask::ask(request, exchange, ask) };
    let (now, signals) = (now_msec(), Signals::of(&cache.zone));
    let known = cache.zone.known.borrow_mut().find(&key, now, signals.forgotten);
    match known {
        Some(known) => serve(request, exchange, cache, &known),
        None => look(request, exchange, cache, key, ask),
    }
}

/// What the location's key comes to; `None` where a part is empty.
fn key(request: Request<'_>, cache: &Cache) -> Result<Option<Key>, Refusal> {
    let Some(secret) = cache.zone.secret() else { return Ok(None) };
    let mut key = KeyBuilder::new(cache.scope);
    for part in cache.key.iter() {
        if key.push(request.eval(part)?).is_none() {
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
    let parts = cache.key.iter().map(|part| request.eval(part)).collect::<Result<Vec<_>, _>>()?;
    let tell = |state, expires_in| {
        explain::cache(exchange, cache.zone.name(), parts.iter().copied(), state, expires_in);
    };
    let Some(key) = key(request, cache)? else {
        tell("not remembered: a part of the key is empty, or it is too long", None);
        return ask::ask(request, exchange, ask);
    };
    let now = now_msec();
    let signals = Signals::of(&cache.zone);
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
        Lookup::Wait => return wait(request, exchange, cache, key),
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
            exchange.queued.take();
            return Ok(denied(request, exchange, status));
        }
        Lookup::Grant { value, tags, expires } => {
            let found = Found { now, expires, signals, position };
            let known = know(cache, key, &value, &tags, found)?;
            return serve(request, exchange, cache, &known);
        }
    };
    let (zone, cut) = (Rc::clone(&cache.zone), signals.cut);
    exchange.memo.replace(Some(Memo { zone, key, since: position, cut, claim }));
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
    exchange.queued.take();
    exchange.decision.set(Decision::Cached);
    exchange.source.set(Some(known.grant.file.kind()));
    watch(exchange, &cache.zone, Rc::clone(&known.ids), known.position, known.cut);
    if exchange.claims.get().is_none()
        && !explain::is_on(exchange)
        && let Some(prepared) = prepared(request, known)?
    {
        return prepared.deliver(request, exchange);
    }
    let target = locate::locate(request, &known.grant.file)?;
    let granted = Granted { grant: known.grant.clone(), cookies: Vec::new() };
    deliver::deliver(request, exchange, target, Said::Granted(granted))
}

/// The response that the grant leads to, made beforehand, if it can be.
fn prepared(request: Request<'_>, known: &Known) -> Result<Option<Rc<Prepared>>, Refusal> {
    let location = ptr::from_ref(request.loc_conf()).addr();
    if let Some(prepared) = known.prepared_for(location) {
        return Ok(prepared);
    }
    let target = locate::locate(request, &known.grant.file)?;
    let prepared = Prepared::new(request, &known.grant, &target)?.map(Rc::new);
    known.keep_prepared(location, prepared.clone());
    Ok(prepared)
}

/// Somebody else asks already.
fn wait<'r>(request: Request<'r>, exchange: &'r Exchange, cache: &Cache, key: Key) -> Outcome {
    let now = now_msec();
    let since = exchange.waits_since.get().unwrap_or(now);
    exchange.waits_since.set(Some(since));
    let waited = now.saturating_sub(since);
    if waited >= PATIENCE_WITH_STALE
        && let Some(known) = stale(cache, &key, now)?
    {
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

/// The app granted: remembers it, where that is asked for and allowed. `false`: it was revoked
/// meanwhile, and must not serve.
pub(super) fn granted(
    request: Request<'_>,
    exchange: &Exchange,
    answer: &Answer<'_>,
    grant: &Grant,
) -> bool {
    let Some((memo, cache)) = open_memo(request, exchange) else { return true };
    let tags = grant.cache.iter().flat_map(|cache| &cache.tags);
    let Some(secret) = memo.zone.secret() else { return true };
    let tags: Vec<Id> = tags.map(|tag| Id::of_tag(secret, tag.as_bytes())).collect();
    let ids = std::iter::once(memo.key.id()).chain(tags.iter().copied()).collect();
    watch(exchange, &memo.zone, ids, memo.since, memo.cut);

    let mut freshness =
        Freshness { ttl: grant.cache.as_ref().and_then(|cache| cache.ttl), ..Freshness::default() };
    for (name, value) in answer.headers() {
        freshness.see(name, value);
    }
    // A descriptor came with this one answer.
    let lifetime = match grant.file {
        File::Descriptor(_) => None,
        _ => freshness.lifetime(cache.valid),
    };
    let decision = Remembered::Grant { value: answer.body(), tags: &tags };
    let stored = match lifetime {
        Some(msec) => memo.store(decision, msec, cache.stale),
        None => memo.pass(&tags),
    };
    if stored == Some(Stored::TooLarge) {
        let zone = memo.zone.name();
        let text = format_args!("download object: the grant is too large for the zone \"{zone}\"");
        request.log(Level::Warn, 0, text);
        memo.pass(&tags);
    }
    stored != Some(Stored::Revoked)
}

/// The grant was revoked while the app was asked: the app may think otherwise now.
pub(super) fn ask_again(request: Request<'_>, exchange: &Exchange) -> Outcome {
    let asked = exchange.revoked.get() + 1;
    exchange.revoked.set(asked);
    let (conf, again) = (request.loc_conf(), request.exchange());
    match (again, conf.cache(), conf.view.as_ref()) {
        (Some(exchange), Some(cache), Some(View::Object(ask))) if asked < ASKED_AGAIN => {
            decide(request, exchange, cache, ask)
        }
        _ => Err(Refusal::new(Failure::Revoked, format!("{asked} times while the app was asked"))),
    }
}

/// The app said something else than a grant, by this status.
pub(super) fn not_granted(request: Request<'_>, exchange: &Exchange, status: u16) {
    let Some((memo, cache)) = open_memo(request, exchange) else { return };
    // These say all there is to say; others come with a challenge, a delay, a place to go to.
    if matches!(status, 403 | 404 | 410) && cache.denied > 0 {
        memo.store(Remembered::Denial(status), cache.denied, 0);
    } else {
        memo.pass(&[]);
    }
}

/// Nothing came of asking: those who waited need not try the same, and what the app said earlier
/// counts no more.
pub(super) fn failed(request: Request<'_>, exchange: &Exchange, failure: Failure) {
    if let Some((memo, _)) = open_memo(request, exchange) {
        memo.store(Remembered::Failure(failure.number()), RESPITE, 0);
    }
}

/// The app is down: what it said earlier may do.
pub(super) fn app_is_down<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    refusal: Refusal,
) -> Outcome {
    let Some((memo, cache)) = open_memo(request, exchange) else { return Err(refusal) };
    match stale(cache, &memo.key, now_msec())? {
        None => {
            exchange.memo.replace(Some(memo));
            Err(refusal)
        }
        Some(known) => {
            refusal.note(request, exchange);
            exchange.failure.set(None);
            serve(request, exchange, cache, &known)
        }
    }
}

fn open_memo<'r>(request: Request<'r>, exchange: &Exchange) -> Option<(Memo, &'r Cache)> {
    Some((exchange.memo.take()?, request.loc_conf().cache()?))
}

impl Memo {
    /// Remembers for so many milliseconds.
    fn store(&self, decision: Remembered<'_>, msec: u64, stale: u64) -> Option<Stored> {
        let now = now_msec();
        let expires = now.saturating_add(msec);
        let times = Times { now, expires, stale_until: expires.saturating_add(stale) };
        let (stored, replaced) = self.zone.with(|table| {
            let replaced = table.has_grant(&self.key, now);
            (table.store(&self.key, decision, times, self.since), replaced)
        })?;
        if replaced {
            // Other workers have it at hand.
            self.zone.raise(Signal::Forgotten);
        }
        Some(stored)
    }

    /// Remembers that there is nothing to remember. What the answer can be revoked by may have
    /// been revoked all the same.
    fn pass(&self, tags: &[Id]) -> Option<Stored> {
        let ids = || std::iter::once(self.key.id()).chain(tags.iter().copied());
        let stored = self.store(Remembered::Pass, PASS, 0);
        match self.zone.with(|table| table.is_revoked(self.since, ids())) {
            Some(true) => Some(Stored::Revoked),
            _ => stored,
        }
    }
}

impl Drop for Memo {
    /// The client went away, or there is an answer: somebody else can go on.
    fn drop(&mut self) {
        if let Some(claim) = self.claim {
            self.zone.with(|table| table.release(&self.key, claim));
        }
        queue::wake_first(self.key.hash());
    }
}

fn watch(exchange: &Exchange, zone: &Rc<Zone>, ids: Rc<[Id]>, since: u64, cut: u64) {
    let seen = Cell::new(cut);
    let watch = Watch { zone: Rc::clone(zone), ids, since, seen };
    exchange.watch.replace(Some(watch));
}

impl Watch {
    /// Was the transfer to be cut?
    pub(crate) fn is_cut(&self) -> bool {
        let signal = self.zone.signal(Signal::Cut);
        if signal == self.seen.get() {
            return false;
        }
        self.seen.set(signal);
        let ids = || self.ids.iter().copied();
        self.zone.with(|table| table.is_cut(self.since, ids())).unwrap_or(true)
    }
}
