//! The way of nginx's `ngx_http_secure_link_module`: one argument is the MD5 of an expression of
//! the admin's with the key at its end, another, `expires`, is when the link ends.
//!
//! Stricter than nginx: `expires` is required, and a signature has one spelling, with or without
//! its padding. Whether the expression has path and expiry in it is for the admin to see to.

use md5::{Digest, Md5};

use super::mac::is_text_of;
use super::{Claims, Key, Link, SignatureError, check_expiry, number, sole};

/// The argument with the expiry, in Unix seconds.
pub(super) const EXPIRES: &[u8] = b"expires";

pub(super) struct Keys(Vec<Key>);

impl Keys {
    pub(super) fn new(keys: &[Key]) -> Self {
        Self(keys.to_vec())
    }

    pub(super) fn verify(
        &self,
        link: &Link<'_>,
        arg: &[u8],
        max_age: Option<u64>,
    ) -> Result<Claims, SignatureError> {
        // Names are compared as nginx does for $arg_name, raw and in either case. Were they not,
        // the expression could have the one of "EXPIRES=1&expires=2", and the check below the
        // other.
        let given = super::signature(link.args, |a| a.name.eq_ignore_ascii_case(arg))?;
        let expires = sole(link.args, |a| a.name.eq_ignore_ascii_case(EXPIRES))
            .map_err(|_| SignatureError::Invalid("expires comes twice"))?
            .ok_or(SignatureError::Invalid("expires is missing"))?;
        if !self.have_signed(link.value, given) {
            return Err(SignatureError::Invalid("no key has signed it"));
        }
        let expires =
            number(expires).ok_or(SignatureError::Invalid("expires is no number of seconds"))?;
        check_expiry(expires, link.now, max_age)?;
        Ok(Claims::default())
    }

    /// Is `given` what one of the keys makes of the expression?
    fn have_signed(&self, value: &[u8], given: &[u8]) -> bool {
        let text = given.strip_suffix(b"==").unwrap_or(given);
        // The text of an MD5 in base64url.
        if text.len() != 22 {
            return false;
        }
        let start = Md5::new_with_prefix(value);
        self.0.iter().any(|key| {
            let code = start.clone().chain_update(key.as_bytes()).finalize();
            is_text_of(&code, text).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::signature::tests::{link, verifier};
    use crate::signature::{Claims, Link, Scheme, SignatureError};

    /// printf %s '1764000000/dl/a b.txt 127.0.0.1 secret' | openssl md5 -binary |
    ///     openssl base64 | tr +/ -_ | tr -d =
    const SIGNED: &str = "AYCjvTz96pBsy1WuIuF66w";

    const EXPIRES: u64 = 1_764_000_000;

    fn args(md5: &str) -> String {
        format!("md5={md5}&expires={EXPIRES}")
    }

    fn at(now: u64, args: &[u8], max_age: Option<u64>) -> Result<Claims, SignatureError> {
        with(b"1764000000/dl/a b.txt 127.0.0.1 ", now, args, max_age)
    }

    fn with(
        value: &[u8],
        now: u64,
        args: &[u8],
        max_age: Option<u64>,
    ) -> Result<Claims, SignatureError> {
        let verifier = verifier(Scheme::SecureLink, &["another", "secret"], max_age);
        verifier.verify(&Link { value, now, ..link(args) })
    }

    #[test]
    fn as_openssl_makes_them() {
        for good in [
            args(SIGNED),
            args(&format!("{SIGNED}==")),
            format!("expires={EXPIRES}&a=1&md5={SIGNED}&b"),
            format!("EXPIRES={EXPIRES}&MD5={SIGNED}"),
        ] {
            assert_eq!(at(EXPIRES, good.as_bytes(), None), Ok(Claims::default()), "{good}");
        }
        for bad in [
            format!("{SIGNED}="),
            format!("{SIGNED}==="),
            format!("{SIGNED}A"),
            format!("{SIGNED}%3D%3D"),
            SIGNED[..21].to_owned(),
            format!("{}==", &SIGNED[..20]),
            "==".to_owned(),
        ] {
            let result = at(EXPIRES, args(&bad).as_bytes(), None);
            assert_eq!(result, Err(SignatureError::Invalid("no key has signed it")), "{bad}");
        }
        let other = b"1764000000/dl/b.txt 127.0.0.1 ";
        assert!(with(other, EXPIRES, args(SIGNED).as_bytes(), None).is_err());
    }

    #[test]
    fn exact_seconds() {
        let args = args(SIGNED);
        let at = |now, max_age| at(now, args.as_bytes(), max_age);
        assert!(at(EXPIRES - 1, None).is_ok() && at(EXPIRES, None).is_ok());
        assert_eq!(at(EXPIRES + 1, None), Err(SignatureError::Expired));
        assert!(at(EXPIRES - 60, Some(60)).is_ok() && at(EXPIRES, Some(0)).is_ok());
        assert!(matches!(at(EXPIRES - 61, Some(60)), Err(SignatureError::Invalid(_))));
    }

    #[test]
    fn expiry_is_required_once() {
        for (expires, why) in [
            ("", "expires is missing"),
            ("&%65xpires=1764000000", "expires is missing"),
            ("&expires=1764000000&expires=1764000000", "expires comes twice"),
            // nginx's $arg_expires would be the first.
            ("&EXPIRES=1764000000&expires=9999999999", "expires comes twice"),
            ("&expires", "expires is no number of seconds"),
            ("&expires=", "expires is no number of seconds"),
            ("&expires=01764000000", "expires is no number of seconds"),
            ("&expires=-1", "expires is no number of seconds"),
            ("&expires=+1764000000", "expires is no number of seconds"),
            ("&expires=1764000000%20", "expires is no number of seconds"),
            ("&expires=9223372036854775808", "expires is no number of seconds"),
        ] {
            let result = at(EXPIRES, format!("md5={SIGNED}{expires}").as_bytes(), None);
            assert_eq!(result, Err(SignatureError::Invalid(why)), "{expires}");
        }
        let first = format!("md5={SIGNED}&expires=0");
        assert_eq!(at(1, first.as_bytes(), None), Err(SignatureError::Expired));
        let last = format!("md5={SIGNED}&expires={}", i64::MAX);
        assert!(at(EXPIRES, last.as_bytes(), None).is_ok());
    }

    #[test]
    fn all_bit_flips() {
        for text in [SIGNED.to_owned(), format!("{SIGNED}==")] {
            for at_byte in (0..text.len()).step_by(if cfg!(miri) { 11 } else { 1 }) {
                for bit in 0..8 {
                    let mut flipped = text.clone().into_bytes();
                    flipped[at_byte] ^= 1 << bit;
                    let args = [b"expires=1764000000&md5=", &*flipped].concat();
                    let result = at(EXPIRES, &args, None);
                    assert!(
                        matches!(result, Err(SignatureError::Invalid(_))),
                        "byte {at_byte}, bit {bit}: {result:?}"
                    );
                }
            }
        }
    }
}
