//! What a worker has at hand of a zone: grants, read and ready. They save the lock, the copy and
//! the parsing; the zone is asked again once something was revoked in it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use nginx_download_core::cache::{Id, Key};
use nginx_download_core::grant::Grant;

use super::Signals;
use crate::deliver::Prepared;

/// A grant that holds.
pub(crate) struct Known {
    key: Key,
    /// Bytes of it and what belongs to it, roughly.
    size: usize,
    /// Milliseconds.
    expires: u64,
    /// When it was looked up in the zone; there it counts as used then.
    looked_up: u64,
    /// The zone's signals before that.
    forgotten: u64,
    pub(crate) cut: u64,
    pub(crate) grant: Grant,
    /// What it can be revoked by.
    pub(crate) ids: Rc<[Id]>,
    /// The zone's position when it was looked up.
    pub(crate) position: u64,
    /// The response, made beforehand for the location of this address, if it can be.
    prepared: RefCell<Option<(usize, Option<Rc<Prepared>>)>>,
}

/// So long, in milliseconds, a grant is served without a look at the zone, which has to know what
/// is in use.
const UNSEEN: u64 = 5_000;

impl Known {
    /// A grant of `size` bytes, as the zone has it.
    pub(crate) fn new(key: Key, grant: Grant, size: usize, tags: &[Id], of: Found) -> Self {
        let ids = std::iter::once(key.id()).chain(tags.iter().copied()).collect();
        let size = 512 + key.as_bytes().len() + 2 * size;
        let Found { now, expires, signals: Signals { forgotten, cut }, position } = of;
        let prepared = RefCell::default();
        Self { key, size, expires, looked_up: now, forgotten, cut, grant, ids, position, prepared }
    }

    /// In milliseconds.
    pub(crate) fn expires(&self) -> u64 {
        self.expires
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Is it what `key` stands for?
    pub(super) fn is_for(&self, key: &Key) -> bool {
        self.key.as_bytes() == key.as_bytes()
    }

    /// Does it hold still? `forgotten` is the zone's signal.
    pub(super) fn is_current(&self, now: u64, forgotten: u64) -> bool {
        now < self.expires && forgotten == self.forgotten
    }

    /// What [`Known::keep_prepared`] kept for that location.
    pub(crate) fn prepared_for(&self, location: usize) -> Option<Option<Rc<Prepared>>> {
        let prepared = self.prepared.borrow();
        let (kept_for, prepared) = prepared.as_ref()?;
        (*kept_for == location).then(|| prepared.clone())
    }

    /// Keeps the response of a location; `None`: it cannot be made beforehand.
    pub(crate) fn keep_prepared(&self, location: usize, prepared: Option<Rc<Prepared>>) {
        self.prepared.replace(Some((location, prepared)));
    }
}

/// When and how something was found in a zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) now: u64,
    pub(crate) expires: u64,
    pub(crate) signals: Signals,
    pub(crate) position: u64,
}

/// Grants at hand: those used lately, and those used before, which go when there are too many.
pub(crate) struct KnownDecisions {
    /// Bytes of each half.
    most: usize,
    size: usize,
    lately: Map,
    before: Map,
}

type Map = HashMap<u64, Rc<Known>, BuildHasherDefault<Hashed>>;

impl KnownDecisions {
    /// For a zone of so many bytes: as much as a quarter of it, at most 16 MiB.
    pub(crate) fn new(zone: usize) -> Self {
        let most = (zone / 8).min(8 << 20);
        Self { most, size: 0, lately: Map::default(), before: Map::default() }
    }

    /// The grant for `key`, if it still holds. `forgotten` is the zone's signal.
    pub(crate) fn find(&mut self, key: &Key, now: u64, forgotten: u64) -> Option<Rc<Known>> {
        let hash = key.hash();
        let known = match self.lately.get(&hash) {
            Some(known) => Rc::clone(known),
            None => {
                let known = self.before.remove(&hash)?;
                self.keep(known)
            }
        };
        let seen = now < known.looked_up.saturating_add(UNSEEN);
        (seen && known.is_current(now, forgotten) && known.is_for(key)).then_some(known)
    }

    /// Keeps a grant at hand, if there is memory.
    pub(crate) fn keep(&mut self, known: Rc<Known>) -> Rc<Known> {
        if self.lately.try_reserve(1).is_err() {
            return known;
        }
        if self.size + known.size > self.most {
            self.before = std::mem::take(&mut self.lately);
            self.size = 0;
        }
        self.size += known.size;
        if let Some(earlier) = self.lately.insert(known.key.hash(), Rc::clone(&known)) {
            self.size -= earlier.size;
        }
        known
    }
}

/// Passes on what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
