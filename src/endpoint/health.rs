//! `download_health`: would downloads work, and if not, which part is guilty?
//!
//! The answer is `{"status": "pass"|"fail", "checks": {NAME: {...}}}`, by 200 or 503. What is
//! looked at is in [`run`], how is in [`look`]; for how long a result is given again, and who waits
//! for one, is in [`memory`].

mod look;
mod memory;
mod run;

use std::rc::Rc;

use nginx_download_core::health::Report;

pub(crate) use self::memory::Memory;
use self::memory::{Known, Outcome};
use self::run::Run;
use crate::config::{Endpoint, Health};
use crate::nginx::{Level, Method, Status, now_msec};
use crate::{Request, answer};

/// So often, in milliseconds, a probe that waits for the result of another looks whether that one
/// is still under way, should nobody wake it.
const LOOK_AGAIN: u64 = 1_000;

pub(crate) fn handle(request: Request<'_>, health: &Health) -> Status {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return answer::refuse_method(request, b"GET, HEAD");
    }
    begin(request, health)
}

/// Gives a result that holds, waits for one that is to come, or looks.
fn begin(request: Request<'_>, health: &Health) -> Status {
    if health.valid == 0 {
        return run::start(request, health, None);
    }
    match health.memory.recall(health.valid, now_msec()) {
        Known::Outcome(outcome) => tell(request, &outcome),
        Known::Nothing => run::start(request, health, Some(Memory::take_turn(&health.memory))),
        Known::Soon => match request.sleep(LOOK_AGAIN, resume) {
            Ok(id) => {
                health.memory.queue(id);
                Status::DONE
            }
            Err(failed) => failed.into(),
        },
    }
}

/// A probe that waited looks again.
fn resume(request: Request<'_>) -> Status {
    match configured(request) {
        Some(health) => begin(request, health),
        None => Status::INTERNAL_SERVER_ERROR,
    }
}

fn configured(request: Request<'_>) -> Option<&Health> {
    match &request.loc_conf().endpoint {
        Some(Endpoint::Health(health)) => Some(health),
        _ => None,
    }
}

/// Everything was looked at.
fn conclude(request: Request<'_>, health: &Health, run: &Run) -> Status {
    let report = run.take_report();
    tell_change(request, &health.memory, &report);
    let outcome =
        Rc::new(Outcome { passed: report.passed(), json: report.to_json(), at: now_msec() });
    if health.valid > 0 {
        health.memory.remember(Rc::clone(&outcome));
    }
    run.give_turn_back();
    tell(request, &outcome)
}

/// Probes come every other second: the log is told when it begins to fail, and when it is over.
fn tell_change(request: Request<'_>, memory: &Memory, report: &Report) {
    match (memory.was_failing(!report.passed()), report.passed()) {
        (false, false) => {
            let guilty = report.guilty();
            request.log(Level::Error, 0, format_args!("download_health: fail: {guilty}"));
        }
        (true, true) => request.log(Level::Notice, 0, format_args!("download_health: pass again")),
        _ => {}
    }
}

fn tell(request: Request<'_>, outcome: &Outcome) -> Status {
    // Not before the app was asked, as in `deliver`.
    if let Err(status) = request.discard_body() {
        return status;
    }
    let status = if outcome.passed { 200 } else { 503 };
    answer::json(request, status, outcome.json.as_bytes())
}
