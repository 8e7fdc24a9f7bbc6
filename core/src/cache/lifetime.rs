//! Owns for how long a grant may be remembered: what the grant says, what the response that
//! brought it says (RFC 9111, section 5.2.2), and what the configuration allows.

use crate::syntax;

/// The answer of an app, as far as remembering it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Seconds; 0: not at all. What the grant says of itself.
    pub ttl: Option<u64>,
    /// It sets a cookie, which is for one client.
    pub sets_cookie: bool,
    /// Its Cache-Control forbids to store it.
    pub no_store: bool,
    /// Its Cache-Control is against sharing it or using it again: many frameworks say so of
    /// whatever they answer.
    pub reluctant: bool,
}

impl Answer {
    /// Takes in a header field of the answer.
    pub fn see(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"set-cookie") {
            self.sets_cookie = true;
        } else if name.eq_ignore_ascii_case(b"cache-control") {
            for directive in value.split(|&c| c == b',') {
                let mut halves = directive.splitn(2, |&c| c == b'=');
                let name = syntax::trim(halves.next().unwrap_or_default()).to_ascii_lowercase();
                let value = syntax::trim(halves.next().unwrap_or_default());
                match name.as_slice() {
                    b"no-store" => self.no_store = true,
                    b"no-cache" | b"private" => self.reluctant = true,
                    b"max-age" if value == b"0" => self.reluctant = true,
                    _ => {}
                }
            }
        }
    }

    /// Milliseconds; `None`: not to be remembered. `ceiling`, in milliseconds, is also the value
    /// where the grant says none.
    ///
    /// A grant's own ttl is meant for whoever remembers grants, so it counts more than what a
    /// framework says to caches in general; `no-store` and a cookie count more than that.
    #[must_use]
    pub fn lifetime(&self, ceiling: Option<u64>) -> Option<u64> {
        if self.sets_cookie || self.no_store || (self.reluctant && self.ttl.is_none()) {
            return None;
        }
        let said = self.ttl.map(|seconds| seconds.saturating_mul(1000));
        let msec = said.into_iter().chain(ceiling).min()?;
        (msec > 0).then_some(msec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(fields: &[(&str, &str)], ttl: Option<u64>) -> Answer {
        let mut answer = Answer { ttl, ..Answer::default() };
        for (name, value) in fields {
            answer.see(name.as_bytes(), value.as_bytes());
        }
        answer
    }

    #[test]
    fn the_shorter_one_counts() {
        let lifetime = |ttl, ceiling| seen(&[], ttl).lifetime(ceiling);
        assert_eq!(lifetime(Some(5), Some(60_000)), Some(5_000));
        assert_eq!(lifetime(Some(3600), Some(60_000)), Some(60_000));
        assert_eq!(lifetime(None, Some(60_000)), Some(60_000));
        assert_eq!(lifetime(Some(5), None), Some(5_000));
        assert_eq!(lifetime(None, None), None);
        assert_eq!(lifetime(Some(0), Some(60_000)), None);
        assert_eq!(lifetime(Some(5), Some(0)), None);
        assert_eq!(lifetime(Some(i64::MAX as u64), None), Some(u64::MAX));
    }

    #[test]
    fn what_the_response_says() {
        for (name, value) in [
            ("Set-Cookie", "a=b"),
            ("cache-control", "no-store"),
            ("Cache-Control", "private, NO-STORE"),
            ("Cache-Control", "max-age=5 ,no-store "),
        ] {
            let answer = seen(&[(name, value)], Some(30));
            assert_eq!(answer.lifetime(Some(60_000)), None, "{name}: {value}");
        }
        // What Rails and Django's never_cache say of everything.
        for value in ["max-age=0, private, must-revalidate", "no-cache", "private", "max-age=0"] {
            let fields = [("Cache-Control", value)];
            assert_eq!(seen(&fields, None).lifetime(Some(60_000)), None, "{value}");
            assert_eq!(seen(&fields, Some(30)).lifetime(Some(60_000)), Some(30_000), "{value}");
        }
        for value in ["public", "max-age=60", "no-transform", "x-no-store", ""] {
            let answer = seen(&[("Cache-Control", value), ("X-Other", "no-store")], None);
            assert_eq!(answer.lifetime(Some(60_000)), Some(60_000), "{value}");
        }
    }
}
