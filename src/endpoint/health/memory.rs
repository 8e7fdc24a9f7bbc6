//! What a worker remembers of a location's health: the last result, whether somebody looks right
//! now, and who waits for that.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::nginx::{SleeperId, wake};

/// Lives in the configuration, of which each worker has its own.
#[derive(Default)]
pub(crate) struct Memory {
    last: RefCell<Option<Rc<Outcome>>>,
    /// Does somebody look right now?
    taken: Cell<bool>,
    waiting: RefCell<BTreeSet<SleeperId>>,
    /// Did it fail when it was last looked at?
    failing: Cell<bool>,
}

/// What came of looking.
pub(super) struct Outcome {
    pub(super) passed: bool,
    pub(super) json: String,
    /// When it was found, in milliseconds of nginx's clock.
    pub(super) at: u64,
}

/// What is known without looking.
pub(super) enum Known {
    /// A result that holds; or the last one, while somebody looks.
    Outcome(Rc<Outcome>),
    /// Nothing yet, but somebody looks.
    Soon,
    /// Nothing that holds.
    Nothing,
}

impl Memory {
    /// What is known at `now`, if a result holds for `valid` milliseconds.
    pub(super) fn recall(&self, valid: u64, now: u64) -> Known {
        match &*self.last.borrow() {
            Some(last) if self.taken.get() || now.saturating_sub(last.at) < valid => {
                Known::Outcome(Rc::clone(last))
            }
            None if self.taken.get() => Known::Soon,
            _ => Known::Nothing,
        }
    }

    pub(super) fn remember(&self, outcome: Rc<Outcome>) {
        self.last.replace(Some(outcome));
    }

    /// Whoever calls this looks, and nobody else does.
    pub(super) fn take_turn(memory: &Rc<Self>) -> Turn {
        memory.taken.set(true);
        Turn(Rc::clone(memory))
    }

    /// Lets a sleeper know when the turn is over.
    pub(super) fn queue(&self, id: SleeperId) {
        self.waiting.borrow_mut().insert(id);
    }

    /// Did it fail until now? From now on it does if `failing`.
    pub(super) fn was_failing(&self, failing: bool) -> bool {
        self.failing.replace(failing)
    }
}

/// The right to look. It is given back when it is dropped: there is a result, or the client went
/// away; in either case those that wait go on.
pub(super) struct Turn(Rc<Memory>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.taken.set(false);
        for id in self.0.waiting.take() {
            wake(id);
        }
    }
}
