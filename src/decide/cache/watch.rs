//! Transfers that have begun, and end when their grant is revoked.

use std::cell::Cell;
use std::rc::Rc;

use nginx_download_core::cache::Id;

use crate::exchange::Exchange;
use crate::zone::{Signal, Zone};

/// What a transfer that has begun depends on.
pub(crate) struct Watch {
    zone: Rc<Zone>,
    ids: Rc<[Id]>,
    since: u64,
    /// The zone's signal, when it was looked at last.
    seen: Cell<u64>,
}

impl Watch {
    /// From now on the transfer depends on what these ids stand for. `since` and `cut` are the
    /// position and the signal of the zone before the grant was looked for.
    pub(super) fn begin(exchange: &Exchange, zone: &Rc<Zone>, ids: Rc<[Id]>, since: u64, cut: u64) {
        let watch = Self { zone: Rc::clone(zone), ids, since, seen: Cell::new(cut) };
        exchange.watch.replace(Some(watch));
    }

    /// Was the transfer to be cut?
    pub(crate) fn is_cut(&self) -> bool {
        let signal = self.zone.signal(Signal::Cut);
        if signal == self.seen.get() {
            return false;
        }
        self.seen.set(signal);
        let ids = || self.ids.iter().copied();
        self.zone.with(|table| table.is_cut(self.since, ids())).unwrap_or(true)
    }
}
