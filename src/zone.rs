//! A zone: shared memory in which all workers remember decisions, and what this worker has of it
//! at hand.

mod held;
mod known;

use std::cell::{OnceCell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

use nginx_download_core::cache::{Secret, Table};

pub(crate) use held::{Held, HeldDescriptors};
pub(crate) use known::{Found, Known, KnownDecisions};

use crate::nginx::{Locked, SharedMemory, Tag, Use, log_alert, random};

/// `download_cache_zone`
pub(crate) struct Zone {
    name: String,
    size: usize,
    memory: SharedMemory<Decisions>,
    /// Read once by each worker.
    secret: OnceCell<Secret>,
    /// What this worker has at hand.
    pub(crate) known: RefCell<KnownDecisions>,
    /// The descriptors that it keeps.
    pub(crate) held: HeldDescriptors,
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
    pub(crate) fn new(name: String, memory: SharedMemory<Decisions>, size: usize) -> Self {
        let known = RefCell::new(KnownDecisions::new(size));
        let held = HeldDescriptors::default();
        Self { name, size, memory, secret: OnceCell::new(), known, held }
    }

    /// As `zone=` names it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How large it was declared, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
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
        let number = self.memory.numbers().get(signal as usize);
        number.map_or(0, |number| number.load(Ordering::Acquire))
    }

    /// Tells all workers.
    pub(crate) fn raise(&self, signal: Signal) {
        if let Some(number) = self.memory.numbers().get(signal as usize) {
            number.fetch_add(1, Ordering::Release);
        }
    }
}

/// What the memory is used for.
pub(crate) struct Decisions;

impl Use for Decisions {
    /// One for each [`Signal`].
    const NUMBERS: usize = 2;

    fn tag() -> &'static Tag {
        static TAG: Tag = Tag::new();
        &TAG
    }

    fn format(_: &[AtomicU64], memory: &mut [u8]) -> bool {
        format(memory)
    }
}

/// Makes memory a zone's. `false`: it cannot be.
fn format(memory: &mut [u8]) -> bool {
    random().is_ok_and(|bytes| Table::format(memory, Secret::new(bytes)).is_some())
}
