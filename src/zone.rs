//! A zone: shared memory in which all workers remember decisions, and what this worker has of it
//! at hand.

mod known;

use std::cell::{OnceCell, RefCell};

use nginx_download_core::cache::{Secret, Table};

pub(crate) use known::{Found, Known, KnownDecisions};

use crate::nginx::{Locked, SharedMemory, log_alert, random};

/// `download_cache_zone`
pub(crate) struct Zone {
    name: String,
    memory: SharedMemory,
    /// Read once by each worker.
    secret: OnceCell<Secret>,
    /// What this worker has at hand.
    pub(crate) known: RefCell<KnownDecisions>,
}

/// What can be told of a zone without its lock: whether there was more of this since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Something was revoked or lost, so what workers have at hand may be void.
    Forgotten,
    /// Transfers are to be cut.
    Cut,
}

/// How often each was raised; to be read before what it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signals {
    pub(crate) forgotten: u64,
    pub(crate) cut: u64,
}

impl Signals {
    pub(crate) fn of(zone: &Zone) -> Self {
        Self { forgotten: zone.signal(Signal::Forgotten), cut: zone.signal(Signal::Cut) }
    }
}

impl Zone {
    /// A zone over `memory`, of `size` bytes.
    pub(crate) fn new(name: String, memory: SharedMemory, size: usize) -> Self {
        let known = RefCell::new(KnownDecisions::new(size));
        Self { name, memory, secret: OnceCell::new(), known }
    }

    /// As `zone=` names it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Works on the table, alone. The zone must not be used meanwhile.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Table<'_>) -> T) -> Option<T> {
        let mut memory = self.memory.lock();
        if memory.is_recovered() {
            self.start_over(&mut memory);
        }
        Some(work(&mut Table::open(&mut memory)?))
    }

    /// A worker died over the memory. Keys and tags are hashed as before, as other workers go on
    /// to do.
    fn start_over(&self, memory: &mut Locked<'_>) {
        let secret = self.secret.get().copied();
        match secret.or_else(|| Table::open(memory).map(|table| table.secret())) {
            Some(secret) => drop(Table::format(memory, secret)),
            None => drop(format(memory)),
        }
        self.raise(Signal::Forgotten);
        log_alert(format_args!(
            "download: a worker died over the zone \"{}\", which starts empty",
            self.name
        ));
    }

    /// What keys and tags are hashed by.
    pub(crate) fn secret(&self) -> Option<Secret> {
        if let Some(secret) = self.secret.get() {
            return Some(*secret);
        }
        let secret = self.with(|table| table.secret())?;
        Some(*self.secret.get_or_init(|| secret))
    }

    /// How often it was raised.
    pub(crate) fn signal(&self, signal: Signal) -> u64 {
        self.memory.signal(signal as usize)
    }

    /// Tells all workers.
    pub(crate) fn raise(&self, signal: Signal) {
        self.memory.raise(signal as usize);
    }
}

/// Makes new shared memory a zone's. `false`: it cannot be.
pub(crate) fn format(memory: &mut [u8]) -> bool {
    random().is_ok_and(|bytes| Table::format(memory, Secret::new(bytes)).is_some())
}
