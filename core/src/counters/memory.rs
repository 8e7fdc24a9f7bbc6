//! Owns the layout of the numbers that all workers count into. Must not know how they come to
//! share them, or what a number means.
//!
//! Each worker has a shard of its own, so that workers do not wait for each other's cache lines;
//! workers of an old configuration have the same ones, so all is atomic.
//!
//! Files are counted by the name of their storage, since a configuration may come with others, or
//! with the same in another order. A name takes a slot for good, by its hash, which nobody can
//! leave half done; the letters are for those who read.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};

use siphasher::sip::SipHasher24;

use super::labels::{OTHER, Slot};
use super::list::{self, Counter};
use super::{Bucket, Label};

/// More workers than this share shards.
const SHARDS: usize = 16;

/// Numbers of a shard: whole cache lines, which have eight.
const SHARD: usize = list::COUNT.next_multiple_of(8);

/// Eight letters of a storage's name each.
const LETTERS: usize = 8;

/// A storage's name: its hash, its letters.
const NAME: usize = 1 + LETTERS;

const NAMES: usize = SHARDS * SHARD;
const START: usize = NAMES + Slot::NAMED * NAME;

/// How many numbers have to be shared.
pub const NUMBERS: usize = START + 1;

/// The numbers.
#[derive(Clone, Copy)]
pub struct Counters<'m>(&'m [AtomicU64]);

/// What the numbers come to.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    pub(super) numbers: Vec<u64>,
    /// Storages by their slots.
    pub(super) storages: Vec<String>,
    /// Unix seconds.
    pub(super) start: u64,
}

impl<'m> Counters<'m> {
    /// Counts in `numbers`: [`NUMBERS`] of them, all zero at first.
    #[must_use]
    pub fn new(numbers: &'m [AtomicU64]) -> Self {
        Self(numbers)
    }

    /// Counting begins now, in Unix seconds.
    pub fn start(self, now: u64) {
        self.store(START, now);
    }

    /// Adds `many` for a worker.
    pub fn add(self, worker: usize, counter: Counter, many: u64) {
        if let Some(number) = self.0.get(worker % SHARDS * SHARD + counter.index()) {
            number.fetch_add(many, Ordering::Relaxed);
        }
    }

    /// Adds one for a worker.
    pub fn count(self, worker: usize, counter: Counter) {
        self.add(worker, counter, 1);
    }

    /// The app took so many milliseconds.
    pub fn observe_ask(self, worker: usize, msec: u64) {
        self.count(worker, Counter::ask_duration_seconds(Bucket::of(msec)));
        self.add(worker, Counter::ask_duration_sum(), msec);
    }

    /// The slot of a storage, for as long as the numbers last.
    #[must_use]
    pub fn slot(self, storage: &str) -> Slot {
        let letters = letters_of(storage).filter(|_| storage != OTHER);
        let Some(letters) = letters else { return Slot::OTHER };
        let hash = hash(storage);
        for slot in 0..Slot::NAMED {
            let at = NAMES + slot * NAME;
            let Some(taken) = self.0.get(at) else { break };
            // Two who come at once may both try; both write the same letters.
            let before = taken.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed);
            if matches!(before, Ok(0)) || before == Err(hash) {
                for (index, letter) in letters.into_iter().enumerate() {
                    self.store(at + 1 + index, letter);
                }
                return Slot(slot);
            }
        }
        Slot::OTHER
    }

    /// All together.
    #[must_use]
    pub fn sums(self) -> Sums {
        let sum = |counter| {
            let shards = (0..SHARDS).map(|shard| self.load(shard * SHARD + counter));
            shards.fold(0, u64::wrapping_add)
        };
        let storages = (0..Slot::NAMED).map(|slot| {
            let letters = NAMES + slot * NAME + 1;
            name_of((letters..letters + LETTERS).map(|at| self.load(at)))
        });
        Sums {
            numbers: (0..list::COUNT).map(sum).collect(),
            storages: storages.collect(),
            start: self.load(START),
        }
    }

    fn load(self, at: usize) -> u64 {
        self.0.get(at).map_or(0, |number| number.load(Ordering::Relaxed))
    }

    fn store(self, at: usize, value: u64) {
        if let Some(number) = self.0.get(at) {
            number.store(value, Ordering::Relaxed);
        }
    }
}

impl Sums {
    pub(super) fn number(&self, index: usize) -> u64 {
        self.numbers.get(index).copied().unwrap_or_default()
    }

    /// What the storage in a slot is called, if there is one.
    pub(super) fn storage(&self, index: usize) -> Option<&str> {
        let name = self.storages.get(index).map(String::as_str);
        name.filter(|name| !name.is_empty()).or_else(|| Slot::name(index))
    }
}

/// Never 0, which is for slots that are free.
fn hash(storage: &str) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(storage.as_bytes());
    hasher.finish().max(1)
}

/// `None` for names that are too long.
fn letters_of(storage: &str) -> Option<[u64; LETTERS]> {
    let mut letters = [0; LETTERS];
    if storage.len() > LETTERS * 8 {
        return None;
    }
    for (letter, bytes) in letters.iter_mut().zip(storage.as_bytes().chunks(8)) {
        *letter = bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
    }
    Some(letters)
}

fn name_of(letters: impl Iterator<Item = u64>) -> String {
    let bytes = letters.flat_map(u64::to_le_bytes).take_while(|byte| *byte != 0);
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{Decision, View};

    fn numbers() -> Vec<AtomicU64> {
        (0..NUMBERS).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn workers_count_together() {
        let (workers, rounds) = if cfg!(miri) { (2, 20) } else { (20, 1000) };
        let numbers = numbers();
        let counter = Counter::requests(View::Object, Decision::Cached);
        std::thread::scope(|scope| {
            for worker in 0..workers {
                let counters = Counters::new(&numbers);
                scope.spawn(move || {
                    (0..rounds).for_each(|_| counters.count(worker, counter));
                    counters.add(worker, Counter::sent_bytes(), 7);
                });
            }
        });
        let sums = Counters::new(&numbers).sums();
        let workers = workers as u64;
        assert_eq!(sums.number(counter.index()), workers * rounds);
        assert_eq!(sums.number(Counter::sent_bytes().index()), workers * 7);
        assert_eq!(sums.numbers.iter().sum::<u64>(), workers * (rounds + 7));
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads thousands of atomics again and again, minutes each time")]
    fn storages_keep_their_slots() {
        let numbers = numbers();
        let counters = Counters::new(&numbers);
        let long = "x".repeat(64);
        let names = ["media", "reports", "a", "exactly8", "ninechars", &long];
        let slots: Vec<_> = names.iter().map(|name| counters.slot(name)).collect();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(slots[at], Slot(at));
            assert_eq!(counters.slot(name), slots[at]);
            assert_eq!(counters.sums().storage(at), Some(*name));
        }
        assert_eq!(counters.sums().storage(names.len()), None);
        assert_eq!(counters.sums().storage(Slot::NAMED), Some("other"));
        assert_eq!(counters.slot(&"x".repeat(65)), Slot::OTHER);
        // There must not be two of that name.
        assert_eq!(counters.slot("other"), Slot::OTHER);
    }

    #[test]
    fn surplus_storages_are_others() {
        let numbers = numbers();
        let counters = Counters::new(&numbers);
        for name in 0..Slot::NAMED {
            assert_eq!(counters.slot(&name.to_string()), Slot(name));
        }
        assert_eq!(counters.slot("one more"), Slot::OTHER);
        assert_eq!(counters.slot("7"), Slot(7));
    }

    #[test]
    fn a_name_that_was_left_half_done_is_completed() {
        let numbers = numbers();
        let counters = Counters::new(&numbers);
        // Somebody died with the slot taken and no letters yet.
        counters.store(NAMES, hash("media"));
        assert_eq!(counters.sums().storage(0), None);
        assert_eq!(counters.slot("other-name"), Slot(1));
        assert_eq!(counters.slot("media"), Slot(0));
        assert_eq!(counters.sums().storage(0), Some("media"));
    }

    #[test]
    fn slots_taken_at_once() {
        let workers = if cfg!(miri) { 2 } else { 8 };
        let numbers = numbers();
        std::thread::scope(|scope| {
            for worker in 0..workers {
                let counters = Counters::new(&numbers);
                scope.spawn(move || {
                    for storage in 0..Slot::NAMED {
                        let name = format!("storage-{}", (storage + worker * 8) % Slot::NAMED);
                        let slot = counters.slot(&name);
                        counters.count(worker, Counter::files(slot));
                    }
                });
            }
        });
        let sums = Counters::new(&numbers).sums();
        let mut names: Vec<_> = (0..Slot::NAMED).filter_map(|slot| sums.storage(slot)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Slot::NAMED);
        for slot in 0..Slot::NAMED {
            assert_eq!(sums.number(Counter::files(Slot(slot)).index()), workers as u64);
        }
    }

    #[test]
    fn too_few_numbers_do_no_harm() {
        let counters = Counters::new(&[]);
        counters.start(7);
        counters.observe_ask(3, 12);
        assert_eq!(counters.slot("media"), Slot::OTHER);
        assert_eq!(counters.sums().start, 0);
    }
}
