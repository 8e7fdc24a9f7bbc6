//! What is counted of requests, in memory that all workers share and that outlives reloads. Must
//! not know what a request is: [`crate::entry::log`] tells.

use std::cell::OnceCell;
use std::sync::atomic::AtomicU64;

use nginx_download_core::counters::{Counter, Counters, Event, Last, NUMBERS, Slot, Sums};

use crate::config::Storage;
use crate::nginx::{Conf, ConfError, SharedMemory, Tag, Use, log_alert, now_sec, worker};

/// Where requests are counted. There is one if any location has `download_status`.
pub(crate) struct Tally {
    memory: SharedMemory<Counting>,
    /// The slots of the storages, in the order of the configuration.
    slots: OnceCell<Vec<Slot>>,
}

/// The zone's name, which `download_cache_zone` cannot have as well.
const NAME: &[u8] = b"ngx_http_download_status";

/// Pages of memory, the least that nginx has being 4 KiB. The numbers take seven of these, the
/// last failures six.
const PAGES: usize = 16;

impl Tally {
    /// Declares the memory, once.
    pub(crate) fn declare(conf: &Conf<'_>, tally: &OnceCell<Self>) -> Result<(), ConfError> {
        if tally.get().is_none() {
            let memory = conf.shared_pages(NAME, PAGES)?;
            let _ = tally.set(Self { memory, slots: OnceCell::new() });
        }
        Ok(())
    }

    /// Adds one.
    pub(crate) fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Adds as many.
    pub(crate) fn add(&self, counter: Counter, many: u64) {
        self.counters().add(worker(), counter, many);
    }

    /// The app took so many milliseconds.
    pub(crate) fn observe_ask(&self, msec: u64) {
        self.counters().observe_ask(worker(), msec);
    }

    /// A file of a storage was sent.
    pub(crate) fn count_file(&self, storages: &[Storage], storage: &Storage) {
        let slots = self.slots.get_or_init(|| {
            storages.iter().map(|storage| self.counters().slot(&storage.name)).collect()
        });
        let slot = slots.get(storage.index).copied().unwrap_or(Slot::OTHER);
        self.count(Counter::files(slot));
    }

    /// So many decisions were revoked at once.
    pub(crate) fn revoked(&self, decisions: u64) {
        self.count(Counter::revocations());
        self.add(Counter::revoked_decisions(), decisions);
    }

    /// Keeps a failure among the last ones.
    pub(crate) fn remember(&self, event: &Event) {
        self.with_last(|last| last.push(event));
    }

    /// What it all comes to.
    pub(crate) fn sums(&self) -> Sums {
        self.counters().sums()
    }

    /// The last failures and the last denials, the newest first.
    pub(crate) fn last(&self) -> (Vec<Event>, Vec<Event>) {
        self.with_last(|last| (last.failures(), last.denials())).unwrap_or_default()
    }

    fn counters(&self) -> Counters<'_> {
        Counters::new(self.memory.numbers())
    }

    /// Works on the last failures, alone.
    fn with_last<T>(&self, work: impl FnOnce(&mut Last<'_>) -> T) -> Option<T> {
        let mut memory = self.memory.lock();
        let recovered = memory.is_recovered();
        let mut last = Last::open(&mut memory)?;
        if recovered {
            // The numbers are sound at any moment.
            last.clear();
            log_alert(format_args!(
                "download: a worker died over the last failures that download_status shows, of \
                 which there are none now"
            ));
        }
        Some(work(&mut last))
    }
}

/// What the memory is used for.
pub(crate) struct Counting;

impl Use for Counting {
    const NUMBERS: usize = NUMBERS;

    fn tag() -> &'static Tag {
        static TAG: Tag = Tag::new();
        &TAG
    }

    fn format(numbers: &[AtomicU64], memory: &mut [u8]) -> bool {
        Counters::new(numbers).start(now_sec());
        Last::open(memory).map(|mut last| last.clear()).is_some()
    }
}
