//! Who waits in this worker for the answer to which question.
//!
//! They stand in the order they came. The first looks now and then whether the answer is there,
//! since it may come to another worker; whoever leaves the head of a queue wakes the next, so that
//! all get to know.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use crate::nginx::{SleeperId, wake};

thread_local! {
    /// By the hash of the key: that two keys share a queue does no harm.
    static QUEUES: RefCell<HashMap<u64, BTreeSet<SleeperId>>> = RefCell::default();
}

/// A place in a queue. It is given up when this is dropped.
pub(crate) struct Queued {
    queue: u64,
    id: SleeperId,
}

impl Queued {
    /// Takes a place; the same one if it has one already.
    pub(crate) fn take(queue: u64, id: SleeperId) -> Self {
        QUEUES.with_borrow_mut(|queues| queues.entry(queue).or_default().insert(id));
        Self { queue, id }
    }

    /// Is it the first one?
    pub(crate) fn is_first(&self) -> bool {
        QUEUES.with_borrow(|queues| {
            queues.get(&self.queue).is_some_and(|queue| queue.first() == Some(&self.id))
        })
    }
}

/// Does nobody wait in this queue?
pub(crate) fn is_empty(queue: u64) -> bool {
    QUEUES.with_borrow(|queues| !queues.contains_key(&queue))
}

/// There is news for those who wait.
pub(crate) fn wake_first(queue: u64) {
    let first = QUEUES.with_borrow(|queues| queues.get(&queue).and_then(BTreeSet::first).copied());
    if let Some(first) = first {
        wake(first);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let was_first = self.is_first();
        QUEUES.with_borrow_mut(|queues| {
            if let Some(queue) = queues.get_mut(&self.queue) {
                queue.remove(&self.id);
                if queue.is_empty() {
                    queues.remove(&self.queue);
                }
            }
        });
        if was_first {
            wake_first(self.queue);
        }
    }
}
