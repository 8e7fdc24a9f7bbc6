//! Owns what the labels of metrics can say. Must not know the metrics.

use crate::failure::{Failure, Severity};

/// What a label can say.
pub trait Label: Copy {
    /// How many values there are.
    const COUNT: usize;

    /// The place of this one among them.
    fn index(self) -> usize;

    /// What the value at that place is called, if it has the same name everywhere.
    fn name(index: usize) -> Option<&'static str>;
}

macro_rules! labels {
    ($($(#[$about:meta])* $label:ident { $($(#[$what:meta])* $value:ident $name:literal;)+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $label { $($(#[$what])* $value,)+ }

        impl $label {
            /// All of them, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// What it is called.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$value => $name,)+ }
            }
        }

        impl Label for $label {
            const COUNT: usize = Self::ALL.len();

            fn index(self) -> usize {
                self as usize
            }

            fn name(index: usize) -> Option<&'static str> {
                Self::ALL.get(index).map(|value| value.label())
            }
        }
    )+};
}

labels! {
    /// How a location finds its file: the value of `$download_view`.
    View {
        /// The app says which.
        Object "object";
        /// A name below a storage.
        Storage "storage";
        /// A path below a literal directory.
        Path "path";
        /// A URL on another server.
        Http "http";
        /// What another location makes.
        Virtual "virtual";
        /// An app's response refers to it.
        Intercept "intercept";
        /// A signed link to a location that is no download.
        Signed "signed";
    }

    /// Who decided that the file may be sent: the value of `$download_grant`.
    #[derive(Default)]
    Decision {
        /// The app, for this very request.
        Asked "asked";
        /// The app, a while ago.
        Cached "cached";
        /// Whoever signed the link.
        Signed "signed";
        /// Nobody had to: the location itself names the file, or no decision was reached.
        #[default]
        None "none";
    }

    /// What became of a request.
    Outcome {
        /// 200: the file, or its header fields.
        Sent "sent";
        /// 206: a part of it.
        Part "part";
        /// 304: the client has it already.
        NotModified "not_modified";
        /// 412 or 416: not on the client's conditions, not that range.
        Unsatisfied "unsatisfied";
        /// Refused in the ordinary course of things; nobody has to act.
        Denied "denied";
        /// No file, and somebody has to act.
        Failed "failed";
        /// The grant was revoked, and the transfer ended.
        Cut "cut";
        /// The client went away.
        Aborted "aborted";
        /// Something else that another location answered.
        Other "other";
    }

    /// What the memory of decisions had to do with a request.
    CacheEvent {
        /// The decision was there.
        Hit "hit";
        /// It was not: the app was asked.
        Miss "miss";
        /// One that had expired served, since the app was down.
        Stale "stale";
        /// A denial was there.
        Denied "denied";
        /// Another request was asking already.
        Wait "wait";
    }

    /// How long the app took: at most so many seconds.
    Bucket {
        /// 5 ms
        Msec5 "0.005";
        /// 10 ms
        Msec10 "0.01";
        /// 25 ms
        Msec25 "0.025";
        /// 50 ms
        Msec50 "0.05";
        /// 100 ms
        Msec100 "0.1";
        /// 250 ms
        Msec250 "0.25";
        /// 500 ms
        Msec500 "0.5";
        /// 1 s
        Sec1 "1";
        /// 2.5 s
        Msec2500 "2.5";
        /// 5 s
        Sec5 "5";
        /// 10 s
        Sec10 "10";
        /// Longer.
        More "+Inf";
    }
}

impl Label for Failure {
    const COUNT: usize = Self::COUNT;

    fn index(self) -> usize {
        self.number().into()
    }

    fn name(index: usize) -> Option<&'static str> {
        Self::of_number(index.try_into().ok()?).map(Self::label)
    }
}

/// A storage, by its place among those that were ever counted; the last is for all that found no
/// place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub(super) usize);

/// What the last one is called.
pub(super) const OTHER: &str = "other";

impl Slot {
    /// How many storages are told apart.
    pub(super) const NAMED: usize = 64;

    /// All others.
    pub const OTHER: Self = Self(Self::NAMED);
}

impl Label for Slot {
    const COUNT: usize = Self::NAMED + 1;

    fn index(self) -> usize {
        self.0
    }

    fn name(index: usize) -> Option<&'static str> {
        (index == Self::NAMED).then_some(OTHER)
    }
}

/// What the memory of decisions had to do with one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheEvents(u8);

impl CacheEvents {
    /// These and one more.
    #[must_use]
    pub fn with(self, event: CacheEvent) -> Self {
        Self(self.0 | 1 << event as u8)
    }

    /// Each of them once.
    pub fn iter(self) -> impl Iterator<Item = CacheEvent> {
        CacheEvent::ALL.iter().copied().filter(move |event| self.0 >> *event as u8 & 1 == 1)
    }
}

impl Outcome {
    /// By the status that went out, the failure that was logged, whether the response went out to
    /// its end, and whether it was cut.
    #[must_use]
    pub fn of(status: u16, failure: Option<Failure>, is_complete: bool, is_cut: bool) -> Self {
        match (failure.map(Failure::severity), status) {
            (Some(Severity::Info), _) => Self::Denied,
            (Some(_), _) => Self::Failed,
            _ if is_cut => Self::Cut,
            (None, 499) => Self::Aborted,
            _ if !is_complete => Self::Aborted,
            (None, 200) => Self::Sent,
            (None, 206) => Self::Part,
            (None, 304) => Self::NotModified,
            (None, 412 | 416) => Self::Unsatisfied,
            (None, _) => Self::Other,
        }
    }

    /// Does the client have the file now, or did it have it already?
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Self::Sent | Self::Part | Self::NotModified)
    }
}

impl Bucket {
    /// The one that so many milliseconds fall into.
    #[must_use]
    pub fn of(msec: u64) -> Self {
        match msec {
            0..=5 => Self::Msec5,
            6..=10 => Self::Msec10,
            11..=25 => Self::Msec25,
            26..=50 => Self::Msec50,
            51..=100 => Self::Msec100,
            101..=250 => Self::Msec250,
            251..=500 => Self::Msec500,
            501..=1000 => Self::Sec1,
            1001..=2500 => Self::Msec2500,
            2501..=5000 => Self::Sec5,
            5001..=10_000 => Self::Sec10,
            _ => Self::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Are all values at their places, with names of their own?
    fn check<L: Label + PartialEq>(all: &[L]) {
        assert_eq!(all.len(), L::COUNT);
        let names: Vec<_> = (0..L::COUNT).map(|index| L::name(index).unwrap()).collect();
        for (at, value) in all.iter().enumerate() {
            assert_eq!(value.index(), at);
            assert!(!names[..at].contains(&names[at]), "{}", names[at]);
        }
        assert!(L::name(L::COUNT).is_none());
    }

    #[test]
    fn places_and_names() {
        check(View::ALL);
        check(Decision::ALL);
        check(Outcome::ALL);
        check(CacheEvent::ALL);
        check(Bucket::ALL);
        check(&Failure::all().collect::<Vec<_>>());
        assert_eq!(Slot::OTHER.index() + 1, Slot::COUNT);
        assert_eq!(Failure::name(Failure::Missing.index()), Some("missing"));
    }

    #[test]
    fn buckets_are_as_large_as_they_are_called() {
        for bucket in Bucket::ALL {
            let most: f64 = bucket.label().replace("+Inf", "inf").parse().unwrap();
            if most.is_finite() {
                let msec = (most * 1000.0).round() as u64;
                assert_eq!(Bucket::of(msec), *bucket);
                assert_eq!(Bucket::of(msec + 1).index(), bucket.index() + 1);
            }
        }
        assert_eq!(Bucket::of(0), Bucket::Msec5);
        assert_eq!(Bucket::of(u64::MAX), Bucket::More);
    }

    #[test]
    fn events_count_once() {
        assert_eq!(CacheEvents::default().iter().count(), 0);
        let events = CacheEvents::default().with(CacheEvent::Wait).with(CacheEvent::Hit);
        assert!(events.with(CacheEvent::Wait).iter().eq([CacheEvent::Hit, CacheEvent::Wait]));
        let all = CacheEvent::ALL.iter().fold(events, |all, event| all.with(*event));
        assert!(all.iter().eq(CacheEvent::ALL.iter().copied()));
    }

    #[test]
    fn outcomes() {
        let good = |status| Outcome::of(status, None, true, false);
        assert_eq!(good(200), Outcome::Sent);
        assert_eq!(good(206), Outcome::Part);
        assert_eq!(good(304), Outcome::NotModified);
        assert_eq!(good(412), Outcome::Unsatisfied);
        assert_eq!(good(416), Outcome::Unsatisfied);
        assert_eq!(good(499), Outcome::Aborted);
        assert_eq!(good(302), Outcome::Other);
        assert_eq!(Outcome::of(200, None, false, false), Outcome::Aborted);
        assert_eq!(Outcome::of(200, None, false, true), Outcome::Cut);
        // Whatever error page went out, and how far.
        for (status, complete) in [(404, true), (200, true), (0, false), (499, false)] {
            let failed = |failure| Outcome::of(status, Some(failure), complete, false);
            assert_eq!(failed(Failure::Missing), Outcome::Failed);
            assert_eq!(failed(Failure::NoRule), Outcome::Failed);
            assert_eq!(failed(Failure::Denied), Outcome::Denied);
            assert_eq!(failed(Failure::Revoked), Outcome::Denied);
            assert_eq!(failed(Failure::BadSignature), Outcome::Denied);
        }
        assert!(Outcome::ALL.iter().filter(|outcome| outcome.is_success()).count() == 3);
    }
}
