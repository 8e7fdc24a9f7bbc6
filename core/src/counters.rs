//! Owns what is counted, what it is called, and how it is shown: one list of metrics
//! ([`list`]), of which the numbers in shared memory ([`Counters`]), the JSON and the text for
//! Prometheus ([`Snapshot`]) are made, so that these cannot drift apart; and the last failures
//! ([`Last`]). Must not know who counts, who shares the memory, or what time it is.

mod detail;
mod labels;
mod last;
mod list;
mod memory;
mod render;

pub use detail::{masked, masked_url};
pub use labels::{Bucket, CacheEvent, CacheEvents, Decision, Label, Outcome, Slot, View};
pub use last::{Event, Last};
pub use list::Counter;
pub use memory::{Counters, NUMBERS, Sums};
pub use render::{Snapshot, ZoneState};
