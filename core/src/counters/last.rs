//! Owns the layout of the memory that the last failures are kept in. Must not know how it is
//! shared: each function has it to itself for as long as it runs.
//!
//! There are two rings, one of what somebody has to mend and one of what is refused in the
//! ordinary course of things, so that many of these do not push out one of those. What is read
//! from the memory is checked: rubbish in it makes fewer or wrong lines at worst.

use super::{Label, View};
use crate::failure::{Failure, Severity};

/// How many failures of each sort are kept.
const RING: usize = 32;

/// Bytes of one.
const RECORD: usize = 320;

/// A record's numbers: their offsets.
mod of {
    pub(super) const TIME: usize = 0;
    pub(super) const STATUS: usize = 8;
    pub(super) const VIEW: usize = 10;
    pub(super) const FAILURE: usize = 11;
    pub(super) const LEN: usize = 12;
    pub(super) const DETAIL: usize = 14;
}

/// How many were ever kept in each ring stands at the start.
const HEADER: usize = 16;

/// A failure, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unix seconds.
    pub time: u64,
    /// How the location finds its file.
    pub view: View,
    /// What went wrong.
    pub failure: Failure,
    /// What the client got in the end.
    pub status: u16,
    /// The particulars. Long ones are cut.
    pub detail: String,
}

/// The last failures in a piece of memory, which is all zero at first.
pub struct Last<'m>(&'m mut [u8]);

impl<'m> Last<'m> {
    /// The failures in `memory`, if it is large enough.
    pub fn open(memory: &'m mut [u8]) -> Option<Self> {
        (memory.len() >= HEADER + 2 * RING * RECORD).then_some(Self(memory))
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Keeps a failure; the oldest of its sort goes.
    pub fn push(&mut self, event: &Event) {
        let ring = ring_of(event.failure);
        let count = self.count(ring);
        let detail = shortened(&event.detail);
        let (view, failure) = (event.view.index() as u8, event.failure.number() as u8);
        let Some(record) = self.record_mut(ring, count) else { return };
        set(record, of::TIME, &event.time.to_ne_bytes());
        set(record, of::STATUS, &event.status.to_ne_bytes());
        set(record, of::VIEW, &[view]);
        set(record, of::FAILURE, &[failure]);
        set(record, of::LEN, &(detail.len() as u16).to_ne_bytes());
        set(record, of::DETAIL, detail.as_bytes());
        set(self.0, ring * 8, &count.wrapping_add(1).to_ne_bytes());
    }

    /// What somebody has to mend, the newest first.
    #[must_use]
    pub fn failures(&self) -> Vec<Event> {
        self.read(MENDED)
    }

    /// What was refused in the ordinary course of things, the newest first.
    #[must_use]
    pub fn denials(&self) -> Vec<Event> {
        self.read(ORDINARY)
    }

    fn read(&self, ring: usize) -> Vec<Event> {
        let count = self.count(ring);
        let first = count.saturating_sub(RING as u64);
        (first..count).rev().filter_map(|at| event(self.record(ring, at)?)).collect()
    }

    fn count(&self, ring: usize) -> u64 {
        get(self.0, ring * 8).map_or(0, u64::from_ne_bytes)
    }

    fn record(&self, ring: usize, at: u64) -> Option<&[u8]> {
        let start = start(ring, at);
        self.0.get(start..start + RECORD)
    }

    fn record_mut(&mut self, ring: usize, at: u64) -> Option<&mut [u8]> {
        let start = start(ring, at);
        self.0.get_mut(start..start + RECORD)
    }
}

const MENDED: usize = 0;
const ORDINARY: usize = 1;

fn ring_of(failure: Failure) -> usize {
    match failure.severity() {
        Severity::Info => ORDINARY,
        Severity::Error | Severity::Crit => MENDED,
    }
}

fn start(ring: usize, at: u64) -> usize {
    HEADER + (ring * RING + (at % RING as u64) as usize) * RECORD
}

fn event(record: &[u8]) -> Option<Event> {
    let [view] = get(record, of::VIEW)?;
    let [failure] = get(record, of::FAILURE)?;
    let len = usize::from(u16::from_ne_bytes(get(record, of::LEN)?));
    let detail = record.get(of::DETAIL..)?.get(..len)?;
    Some(Event {
        time: u64::from_ne_bytes(get(record, of::TIME)?),
        view: *View::ALL.get(usize::from(view))?,
        failure: Failure::of_number(failure.into())?,
        status: u16::from_ne_bytes(get(record, of::STATUS)?),
        detail: String::from_utf8_lossy(detail).into_owned(),
    })
}

/// As much of a text as there is room for.
fn shortened(detail: &str) -> String {
    const ROOM: usize = RECORD - of::DETAIL;
    if detail.len() <= ROOM {
        return detail.to_owned();
    }
    let fits = |(start, letter): &(usize, char)| start + letter.len_utf8() <= ROOM - 3;
    let start: String = detail.char_indices().take_while(fits).map(|(_, letter)| letter).collect();
    start + "..."
}

fn get<const N: usize>(memory: &[u8], at: usize) -> Option<[u8; N]> {
    memory.get(at..)?.first_chunk().copied()
}

fn set(memory: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(room) = memory.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = HEADER + 2 * RING * RECORD;

    fn event_of(time: u64, failure: Failure, detail: &str) -> Event {
        Event { time, view: View::Storage, failure, status: 404, detail: detail.to_owned() }
    }

    #[test]
    fn newest_first_and_the_oldest_goes() {
        let mut memory = vec![0; ROOM];
        let mut last = Last::open(&mut memory).unwrap();
        assert!(last.failures().is_empty() && last.denials().is_empty());
        for time in 0..100 {
            last.push(&event_of(time, Failure::Missing, &format!("file {time}")));
        }
        let times: Vec<_> = last.failures().iter().map(|event| event.time).collect();
        assert_eq!(times, (100 - RING as u64..100).rev().collect::<Vec<_>>());
        assert_eq!(last.failures()[0], event_of(99, Failure::Missing, "file 99"));
        last.clear();
        assert!(last.failures().is_empty());
    }

    #[test]
    fn the_ordinary_does_not_push_out_what_has_to_be_mended() {
        let mut memory = vec![0; ROOM];
        let mut last = Last::open(&mut memory).unwrap();
        last.push(&event_of(1, Failure::System, "no descriptors"));
        (0..1000).for_each(|time| last.push(&event_of(time, Failure::Denied, "no")));
        assert_eq!(last.failures().len(), 1);
        assert_eq!(last.denials().len(), RING);
        assert!(last.denials().iter().all(|event| event.failure == Failure::Denied));
    }

    #[test]
    fn long_details_are_cut() {
        let mut memory = vec![0; ROOM];
        let mut last = Last::open(&mut memory).unwrap();
        let room = RECORD - of::DETAIL;
        for len in [0, 1, room - 1, room, room + 1, 5000] {
            let detail = "é".repeat(len);
            last.push(&event_of(7, Failure::Missing, &detail));
            let kept = last.failures()[0].detail.clone();
            assert!(kept.len() <= room);
            match kept.strip_suffix("...") {
                Some(start) => assert!(detail.starts_with(start) && detail.len() > room),
                None => assert_eq!(kept, detail),
            }
        }
    }

    #[test]
    fn all_there_is_to_tell() {
        let mut memory = vec![0; ROOM];
        for view in View::ALL {
            for failure in Failure::all() {
                let mut last = Last::open(&mut memory).unwrap();
                let event = Event { view: *view, status: 500, ..event_of(9, failure, "why") };
                last.push(&event);
                let kept = [last.failures(), last.denials()].concat();
                assert!(kept.contains(&event));
            }
        }
    }

    #[test]
    fn rubbish_does_no_harm() {
        for byte in [1, 0x7f, 0xff] {
            let mut memory = vec![byte; ROOM];
            let mut last = Last::open(&mut memory).unwrap();
            assert!(last.failures().len() <= RING && last.denials().len() <= RING);
            last.push(&event_of(7, Failure::Missing, "here"));
        }
        assert!(Last::open(&mut [0; ROOM - 1]).is_none());
    }
}
