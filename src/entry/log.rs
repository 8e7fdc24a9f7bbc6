//! The log phase: a request is over, and is counted, once. Requests that explain themselves are
//! no downloads.

use nginx_download_core::counters::{Counter, Event, Outcome, masked};

use crate::Request;
use crate::exchange::{Exchange, Noted};
use crate::refusal::errno_in_words;
use crate::tally::Tally;

/// `exchange` is the last one of the request: `error_page` and redirects may have led it through
/// several locations.
pub(crate) fn log(request: Request<'_>, exchange: &Exchange) {
    let main = request.main_conf();
    let Some(tally) = main.tally.get() else { return };
    if exchange.account.get().is_some() {
        return;
    }
    let outcome = outcome(request, exchange);
    tally.count(Counter::requests(exchange.view, exchange.decision.get()));
    tally.count(Counter::outcomes(outcome));
    tally.add(Counter::sent_bytes(), request.body_bytes_sent());
    if outcome.is_success()
        && let Some(storage) = exchange.storage(main)
    {
        tally.count_file(&main.storages, storage);
    }
    request.exchanges().for_each(|exchange| count(request, tally, exchange));
}

fn outcome(request: Request<'_>, exchange: &Exchange) -> Outcome {
    let status = request.final_status();
    // The page for an error may be a download itself.
    let noted = || {
        let mut noted = request
            .exchanges()
            .filter_map(|exchange| exchange.noted.borrow().last().map(|noted| noted.failure));
        noted.next().filter(|_| status >= 400)
    };
    let failure = exchange.failure.get().or_else(noted);
    let is_cut = exchange.cut.get();
    Outcome::of(status, failure, request.is_complete(), is_cut)
}

/// Counts what happened in one location.
fn count(request: Request<'_>, tally: &Tally, exchange: &Exchange) {
    for event in exchange.cache.get().iter() {
        tally.count(Counter::cache_events(event));
    }
    let noted = exchange.noted.borrow();
    if exchange.asked_at.get().is_some() {
        tally.count(Counter::asks());
        if noted.iter().any(|noted| noted.failure.is_bad_answer()) {
            tally.count(Counter::ask_failures());
        }
        if let Some(msec) = exchange.grant_time.get() {
            tally.observe_ask(msec);
        }
    }
    for noted in noted.iter() {
        tally.count(Counter::failures(noted.failure));
        tally.remember(&event(request, exchange, noted));
    }
}

fn event(request: Request<'_>, exchange: &Exchange, noted: &Noted) -> Event {
    let mut detail = masked(noted.failure, &noted.detail);
    if noted.errno != 0 {
        detail = format!("{detail} ({})", errno_in_words(noted.errno));
    }
    Event {
        time: noted.time,
        view: exchange.view,
        failure: noted.failure,
        status: request.final_status(),
        detail,
    }
}
