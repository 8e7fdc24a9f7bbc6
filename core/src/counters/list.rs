//! Owns the list of all that is counted: its names, its labels, what it means, and which number
//! it is. Must not know where the numbers are.

use super::labels::{Bucket, CacheEvent, Decision, Label, Outcome, Slot, View};
use crate::failure::Failure;

/// A number to be counted up, by its place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(usize);

impl Counter {
    pub(super) fn index(self) -> usize {
        self.0
    }
}

/// A row of the list.
pub(super) struct Family {
    /// Without what Prometheus puts around it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) dimensions: &'static [Dimension],
    pub(super) help: &'static str,
    /// Where its numbers begin.
    pub(super) first: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    /// Its last number is the sum of what was observed, in milliseconds.
    Histogram,
}

/// A label of a metric.
pub(super) struct Dimension {
    pub(super) name: &'static str,
    pub(super) count: usize,
    pub(super) value: fn(usize) -> Option<&'static str>,
}

macro_rules! metrics {
    ($($kind:ident $name:ident($($label:ident: $values:ty),*) $help:literal;)+) => {
        #[allow(non_camel_case_types, reason = "metrics are called so")]
        enum Row { $($name),+ }

        const SIZES: &[usize] = &[$(size(Kind::$kind, &[$(<$values>::COUNT),*])),+];

        /// The list.
        pub(super) static FAMILIES: &[Family] = &[$(Family {
            name: stringify!($name),
            kind: Kind::$kind,
            dimensions: &[$(Dimension {
                name: stringify!($label),
                count: <$values>::COUNT,
                value: <$values>::name,
            }),*],
            help: $help,
            first: first(Row::$name as usize),
        }),+];

        impl Counter {$(
            #[doc = $help]
            #[must_use]
            pub fn $name($($label: $values),*) -> Self {
                let at = 0;
                $(let at = at * <$values>::COUNT + $label.index();)*
                Self(const { first(Row::$name as usize) } + at)
            }
        )+}
    };
}

metrics! {
    Counter requests(view: View, decision: Decision)
        "Requests, by view and by who decided.";
    Counter outcomes(outcome: Outcome)
        "Requests, by what became of them.";
    Counter failures(label: Failure)
        "Failures as they are logged, by label.";
    Counter sent_bytes()
        "Bytes of response bodies, error pages included.";
    Counter cache_events(event: CacheEvent)
        "What the memory of decisions had to do with requests.";
    Counter revocations()
        "Requests to revoke decisions that were carried out.";
    Counter revoked_decisions()
        "Decisions that were forgotten since they were revoked.";
    Counter asks()
        "Questions to the app.";
    Counter ask_failures()
        "Questions that the app did not answer, or not understandably.";
    Histogram ask_duration_seconds(le: Bucket)
        "How long the app took to answer.";
    Counter files(storage: Slot)
        "Requests that got a file, a part of it or a 304, by storage.";
}

/// How many numbers there are.
pub(super) const COUNT: usize = first(SIZES.len());

impl Counter {
    /// The sum of what was observed, in milliseconds.
    pub(super) fn ask_duration_sum() -> Self {
        Self(const { first(Row::ask_duration_seconds as usize + 1) - 1 })
    }
}

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn size(kind: Kind, counts: &[usize]) -> usize {
    let (mut size, mut i) = (1, 0);
    while i < counts.len() {
        size *= counts[i];
        i += 1;
    }
    match kind {
        Kind::Counter => size,
        Kind::Histogram => size + 1,
    }
}

/// Where the numbers of a row begin.
#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn first(row: usize) -> usize {
    let (mut first, mut i) = (0, 0);
    while i < row {
        first += SIZES[i];
        i += 1;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_number_is_one_counter() {
        let mut seen = BTreeSet::new();
        let mut see = |counter: Counter| assert!(seen.insert(counter.index()), "{counter:?}");
        for view in View::ALL {
            Decision::ALL.iter().for_each(|decision| see(Counter::requests(*view, *decision)));
        }
        Outcome::ALL.iter().for_each(|outcome| see(Counter::outcomes(*outcome)));
        Failure::all().for_each(|failure| see(Counter::failures(failure)));
        CacheEvent::ALL.iter().for_each(|event| see(Counter::cache_events(*event)));
        Bucket::ALL.iter().for_each(|bucket| see(Counter::ask_duration_seconds(*bucket)));
        (0..Slot::COUNT).for_each(|slot| see(Counter::files(Slot(slot))));
        for counter in [
            Counter::sent_bytes(),
            Counter::revocations(),
            Counter::revoked_decisions(),
            Counter::asks(),
            Counter::ask_failures(),
            Counter::ask_duration_sum(),
        ] {
            see(counter);
        }
        assert_eq!(seen.len(), COUNT);
        assert_eq!(seen.last(), Some(&(COUNT - 1)));
    }

    #[test]
    fn names_are_metric_names() {
        let names: BTreeSet<_> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len());
        for name in names {
            assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{name}");
        }
        assert!(FAMILIES.iter().all(|family| family.help.ends_with('.')));
    }
}
