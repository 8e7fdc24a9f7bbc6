//! One look at everything: storages, rules and zones at once, files and the app one after the
//! other, as some of them take subrequests.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use nginx_download_core::failure::Failure;
use nginx_download_core::health::{Check, Finding, Report};
use nginx_download_core::rule::Rule;

use super::look::{self, Granted};
use super::memory::Turn;
use super::{conclude, configured};
use crate::Request;
use crate::config::{Health, Where};
use crate::locate;
use crate::nginx::{Answer, Status};

/// How far it got. The request keeps it, and drops it if the client goes away.
pub(super) struct Run {
    report: RefCell<Report>,
    /// What is looked at, and since when.
    current: RefCell<Option<(String, Instant)>>,
    /// The location that is asked about a file, as people are to be told.
    asked: RefCell<String>,
    /// How many of the files in `probe=` were looked at, or are.
    probed: Cell<usize>,
    turn: Cell<Option<Turn>>,
}

pub(super) fn start(request: Request<'_>, health: &Health, turn: Option<Turn>) -> Status {
    let run = Run {
        report: RefCell::default(),
        current: RefCell::default(),
        asked: RefCell::default(),
        probed: Cell::default(),
        turn: Cell::new(turn),
    };
    let run = match request.keep(run) {
        Ok(run) => run,
        Err(failed) => return failed.into(),
    };
    let main = request.main_conf();
    for storage in &main.storages {
        if let Where::Root { path, symlinks } = &storage.place {
            run.begin(format!("storage:{}", storage.name));
            run.finish(look::folder(request, path, b".", *symlinks));
        }
    }
    for rule in in_use(request.loc_conf().rules()) {
        run.begin(format!("rule:{}", String::from_utf8_lossy(rule.prefix.as_bytes())));
        run.finish(look::rule(request, rule));
    }
    for zone in &main.zones {
        run.begin(format!("zone:{}", zone.name()));
        run.finish(look::zone(zone));
    }
    go_on(request, health, run)
}

/// Of several rules with one prefix, only the first is ever heeded.
fn in_use(rules: &[Rule<String>]) -> impl Iterator<Item = &Rule<String>> {
    rules.iter().enumerate().filter_map(|(at, rule)| {
        let mut earlier = rules.iter().take(at);
        earlier.all(|other| other.prefix != rule.prefix).then_some(rule)
    })
}

/// The files that are left to look at, and then the app.
fn go_on(request: Request<'_>, health: &Health, run: &Run) -> Status {
    while let Some(probe) = health.probes.get(run.probed.get()) {
        run.probed.set(run.probed.get() + 1);
        let path = String::from_utf8_lossy(probe.path.as_bytes());
        run.begin(format!("probe:{}:{path}", probe.storage));
        let target = locate::storage(request, probe.storage.as_bytes()).and_then(|storage| {
            locate::in_storage(storage, probe.path.as_bytes(), Failure::OutsideRoot)
        });
        let found = match target {
            Ok(target) => look::at(request, run, target, probed),
            Err(refusal) => Some(Err(look::explain(&refusal))),
        };
        match found {
            Some(finding) => run.finish(finding),
            None => return Status::DONE,
        }
    }
    let Some(ask) = &health.ask else { return conclude(request, health, run) };
    run.begin("app".to_owned());
    match look::ask(request, ask, answered) {
        Ok(()) => Status::DONE,
        Err(refusal) => {
            run.finish(Err(look::explain(&refusal)));
            conclude(request, health, run)
        }
    }
}

/// A location answered that was asked about a file in `probe=`.
fn probed(request: Request<'_>, answer: Answer<'_>) -> Status {
    with_run(request, |health, run| {
        run.finish(look::fetched(&run.asked.borrow(), &answer));
        go_on(request, health, run)
    })
}

/// The app answered.
fn answered(request: Request<'_>, answer: Answer<'_>) -> Status {
    with_run(request, |health, run| {
        match look::judge(request, &answer) {
            Err(refusal) => run.finish(Err(look::explain(&refusal))),
            Ok(granted) => {
                run.finish(Ok(None));
                run.begin("end_to_end".to_owned());
                match end_to_end(request, run, granted, &answer) {
                    Some(finding) => run.finish(finding),
                    None => return Status::DONE,
                }
            }
        }
        conclude(request, health, run)
    })
}

/// Where a grant leads to; `None`: a location is asked.
fn end_to_end(
    request: Request<'_>,
    run: &Run,
    granted: Granted<'_>,
    answer: &Answer<'_>,
) -> Option<Finding> {
    match look::locate(request, granted, answer) {
        Ok(reference) => look::at_reference(request, run, reference, reached),
        Err(refusal) => Some(Err(look::explain(&refusal))),
    }
}

/// A location answered that the app's grant led to.
fn reached(request: Request<'_>, answer: Answer<'_>) -> Status {
    with_run(request, |health, run| {
        run.finish(look::fetched(&run.asked.borrow(), &answer));
        conclude(request, health, run)
    })
}

fn with_run<'r>(request: Request<'r>, work: impl FnOnce(&'r Health, &'r Run) -> Status) -> Status {
    match (configured(request), request.kept::<Run>()) {
        (Some(health), Some(run)) => work(health, run),
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

impl Run {
    /// Something is looked at.
    fn begin(&self, name: String) {
        self.current.replace(Some((name, Instant::now())));
    }

    /// A location is asked about it.
    pub(super) fn asks(&self, shown: String) {
        self.asked.replace(shown);
    }

    /// It was looked at.
    fn finish(&self, finding: Finding) {
        if let Some((name, since)) = self.current.take() {
            let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.report.borrow_mut().push(Check { name, micros, finding });
        }
    }

    pub(super) fn take_report(&self) -> Report {
        self.report.take()
    }

    /// Somebody else may look.
    pub(super) fn give_turn_back(&self) {
        drop(self.turn.take());
    }
}
