//! Descriptors that apps have opened, which a worker keeps for as long as their grants hold. They
//! are of no use to other workers, so the zone knows nothing of them, and none is used any more once
//! anything is revoked in it.

use std::cell::{OnceCell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nginx_download_core::cache::Key;

use super::Known;
use crate::nginx::{Alarm, now_msec};

/// As many are kept by a worker in a zone; one more, and that goes which would go first.
const MOST: usize = 64;

/// A grant, and the file that came with it.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) known: Rc<Known>,
    pub(crate) descriptor: Rc<OwnedFd>,
}

/// The descriptors that a worker keeps for a zone.
#[derive(Default)]
pub(crate) struct HeldDescriptors {
    list: Rc<RefCell<Vec<Held>>>,
    /// Closes what has expired, though nobody comes.
    alarm: OnceCell<Alarm>,
}

impl HeldDescriptors {
    /// The one for `key`, if it still holds. `forgotten` is the zone's signal.
    pub(crate) fn find(&self, key: &Key, now: u64, forgotten: u64) -> Option<Held> {
        let mut list = self.list.borrow_mut();
        if list.is_empty() {
            return None;
        }
        list.retain(|held| held.known.is_current(now, forgotten));
        list.iter().find(|held| held.known.is_for(key)).cloned()
    }

    /// Keeps one, in place of what there was for its key.
    pub(crate) fn keep(&self, held: Held, now: u64) {
        let mut list = self.list.borrow_mut();
        list.retain(|other| !other.known.is_for(held.known.key()));
        if list.len() >= MOST {
            let first = (0..list.len())
                .min_by_key(|&index| list.get(index).map_or(u64::MAX, |held| held.known.expires()));
            first.map(|index| list.swap_remove(index));
        }
        list.push(held);
        if let Some(msec) = next(&list, now) {
            self.alarm.get_or_init(|| closer(Rc::clone(&self.list))).set(msec);
        }
    }
}

/// Closes, each time that it goes off, what has expired.
fn closer(list: Rc<RefCell<Vec<Held>>>) -> Alarm {
    Alarm::new(move || {
        let (now, mut list) = (now_msec(), list.borrow_mut());
        list.retain(|held| now < held.known.expires());
        next(&list, now)
    })
}

/// In so many milliseconds the next one expires.
fn next(list: &[Held], now: u64) -> Option<u64> {
    list.iter().map(|held| held.known.expires().saturating_sub(now)).min()
}
