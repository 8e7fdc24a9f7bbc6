//! What is to become of the answer that a request asks for: it is remembered, or that there is
//! nothing to remember; and those who wait get to know.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use nginx_download_core::cache::{
    Answer as Freshness, Claim, Decision as Remembered, Id, Key, Stored, Times,
};
use nginx_download_core::counters::CacheEvent;
use nginx_download_core::failure::Failure;
use nginx_download_core::grant::Grant;

use super::watch::Watch;
use super::{RESPITE, decide, queue, serve, stale};
use crate::Request;
use crate::config::{Cache, View};
use crate::exchange::Exchange;
use crate::locate::Target;
use crate::nginx::{Answer, Level, now_msec};
use crate::refusal::{Outcome, Refusal};
use crate::zone::{Found, Held, Known, Signal, Signals, Zone};

/// So long, in milliseconds, it is remembered that there is nothing to remember.
const PASS: u64 = 5_000;

/// So often the app is asked for a grant that is revoked each time before it is there.
const ASKED_AGAIN: u32 = 3;

/// What is to become of the answer that a request asks for.
pub(crate) struct Memo {
    zone: Rc<Zone>,
    /// `None`: nothing is to be remembered.
    key: Option<Key>,
    /// The position and the signal of the zone before the app was asked.
    since: u64,
    cut: u64,
    claim: Option<Claim>,
}

/// The app granted: remembers it, where that is asked for and allowed. `false`: it was revoked
/// meanwhile, and must not serve.
pub(in crate::decide) fn granted(
    request: Request<'_>,
    exchange: &Exchange,
    answer: &Answer<'_>,
    grant: &Grant,
    target: &Target<'_>,
) -> bool {
    let Some((memo, cache)) = open_memo(request, exchange) else { return true };
    let tags = grant.cache.iter().flat_map(|cache| &cache.tags);
    let Some(secret) = memo.zone.secret() else { return true };
    let tags: Vec<Id> = tags.map(|tag| Id::of_tag(secret, tag.as_bytes())).collect();
    let ids = memo.ids(&tags).collect();
    Watch::begin(exchange, &memo.zone, ids, memo.since, memo.cut);

    let mut freshness =
        Freshness { ttl: grant.cache.as_ref().and_then(|cache| cache.ttl), ..Freshness::default() };
    for (name, value) in answer.headers() {
        freshness.see(name, value);
    }
    let holds = match (target, freshness.lifetime(cache.valid)) {
        (Target::Passed(descriptor), Some(msec)) => memo.hold(grant, descriptor, msec, &tags),
        (_, Some(msec)) => {
            let decision = Remembered::Grant { value: answer.body(), tags: &tags };
            let stored = memo.store(decision, msec, cache.stale);
            if stored == Some(Stored::TooLarge) {
                let zone = memo.zone.name();
                let text =
                    format_args!("download object: the grant is too large for the zone \"{zone}\"");
                request.log(Level::Warn, 0, text);
                memo.pass(&tags);
            }
            stored != Some(Stored::Revoked)
        }
        (_, None) => memo.pass(&tags) != Some(Stored::Revoked),
    };
    if !holds {
        exchange.memo.replace(Some(memo));
    }
    holds
}

/// The grant was revoked while the app was asked: the app may think otherwise now.
pub(in crate::decide) fn ask_again(request: Request<'_>, exchange: &Exchange) -> Outcome {
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
pub(in crate::decide) fn not_granted(request: Request<'_>, exchange: &Exchange, status: u16) {
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
pub(in crate::decide) fn failed(request: Request<'_>, exchange: &Exchange, failure: Failure) {
    if let Some((memo, _)) = open_memo(request, exchange) {
        memo.store(Remembered::Failure(failure.number()), RESPITE, 0);
    }
}

/// The app is down: what it said earlier may do.
pub(in crate::decide) fn app_is_down<'r>(
    request: Request<'r>,
    exchange: &'r Exchange,
    refusal: Refusal,
) -> Outcome {
    let Some((memo, cache)) = open_memo(request, exchange) else { return Err(refusal) };
    let known = match &memo.key {
        Some(key) => stale(cache, key, now_msec())?,
        None => None,
    };
    match known {
        None => {
            exchange.memo.replace(Some(memo));
            Err(refusal)
        }
        Some(known) => {
            refusal.note(request, exchange);
            exchange.failure.set(None);
            exchange.saw(CacheEvent::Stale);
            serve(request, exchange, cache, &known)
        }
    }
}

fn open_memo<'r>(request: Request<'r>, exchange: &Exchange) -> Option<(Memo, &'r Cache)> {
    Some((exchange.memo.take()?, request.loc_conf().cache()?))
}

impl Memo {
    /// A memo, with the position and the signal of the zone before the app is asked.
    pub(super) fn new(
        zone: Rc<Zone>,
        key: Option<Key>,
        since: u64,
        cut: u64,
        claim: Option<Claim>,
    ) -> Self {
        Self { zone, key, since, cut, claim }
    }

    /// Remembers for so many milliseconds.
    fn store(&self, decision: Remembered<'_>, msec: u64, stale: u64) -> Option<Stored> {
        let Some(key) = &self.key else { return self.revoked_of(decision) };
        let now = now_msec();
        let expires = now.saturating_add(msec);
        let times = Times { now, expires, stale_until: expires.saturating_add(stale) };
        let (stored, replaced) = self.zone.with(|table| {
            let replaced = table.has_grant(key, now);
            (table.store(key, decision, times, self.since), replaced)
        })?;
        if replaced {
            // Other workers have it at hand.
            self.zone.raise(Signal::Forgotten);
        }
        Some(stored)
    }

    /// Has this worker keep a descriptor, which others cannot have, for so many milliseconds.
    /// `false`: it was revoked meanwhile.
    fn hold(&self, grant: &Grant, descriptor: &Rc<OwnedFd>, msec: u64, tags: &[Id]) -> bool {
        let (now, signals) = (now_msec(), Signals::of(&self.zone));
        if self.zone.with(|table| table.is_revoked(self.since, self.ids(tags))) != Some(false) {
            return false;
        }
        if let Some(key) = &self.key {
            let expires = now.saturating_add(msec);
            let signals = Signals { cut: self.cut, ..signals };
            let found = Found { now, expires, signals, position: self.since };
            let known = Rc::new(Known::new(key.clone(), grant.clone(), 0, tags, found));
            self.zone.held.keep(Held { known, descriptor: Rc::clone(descriptor) }, now);
        }
        true
    }

    /// Remembers that there is nothing to remember. What the answer can be revoked by may have
    /// been revoked all the same.
    fn pass(&self, tags: &[Id]) -> Option<Stored> {
        let stored = self.store(Remembered::Pass, PASS, 0);
        let revoked = self.zone.with(|table| table.is_revoked(self.since, self.ids(tags)));
        if revoked == Some(true) { Some(Stored::Revoked) } else { stored }
    }

    /// What the answer can be revoked by.
    fn ids(&self, tags: &[Id]) -> impl Iterator<Item = Id> {
        self.key.iter().map(Key::id).chain(tags.iter().copied())
    }

    /// Without a key: was what would be remembered revoked?
    fn revoked_of(&self, decision: Remembered<'_>) -> Option<Stored> {
        let Remembered::Grant { tags, .. } = decision else { return None };
        let revoked = self.zone.with(|table| table.is_revoked(self.since, self.ids(tags)))?;
        revoked.then_some(Stored::Revoked)
    }
}

impl Drop for Memo {
    /// The client went away, or there is an answer: somebody else can go on.
    fn drop(&mut self) {
        let Some(key) = &self.key else { return };
        if let Some(claim) = self.claim {
            self.zone.with(|table| table.release(key, claim));
        }
        queue::wake_first(key.hash());
    }
}
