//! Django's way, as django-downloadview's `SignedFileSystemStorage` makes links: the argument is
//! what `django.core.signing.TimestampSigner` makes of the URL's path, `<path>:<time>:<code>`.
//!
//! A link says when it was made; how long it is good is for the server to say.

use ::hmac::digest::InvalidLength;
use sha2::{Digest, Sha256};

use super::mac::Macs;
use super::{Claims, Key, Link, SignatureError};
use crate::query;

/// `TimestampSigner`'s default salt, and the word that `Signer` puts after any salt.
const SALT: &[u8] = b"django.core.signing.TimestampSignersigner";

pub(super) struct Keys(Macs);

impl Keys {
    /// Takes values of Django's SECRET_KEY.
    pub(super) fn new(keys: &[Key]) -> Result<Self, InvalidLength> {
        let derived = |key: &Key| Sha256::new_with_prefix(SALT).chain_update(key.as_bytes());
        Macs::new(keys.iter().map(|key| derived(key).finalize())).map(Self)
    }

    pub(super) fn verify(
        &self,
        link: &Link<'_>,
        arg: &[u8],
        max_age: Option<u64>,
    ) -> Result<Claims, SignatureError> {
        let raw = super::signature(link.args, |argument| argument.is(arg))?;
        // The storage appends the text to the URL as it is, escapes of the path and all; others
        // encode it, as an argument should be. Which text was signed, the code says: there is
        // nothing to guess.
        let decoded;
        let (path, time) = match self.signed(raw) {
            Some(signed) => signed,
            None => {
                decoded = query::decode(raw).map_err(|_| UNSIGNED)?;
                self.signed(&decoded).ok_or(UNSIGNED)?
            }
        };
        // Storage.url() percent-encodes. What was signed is read as that and as nothing else:
        // if the text itself would do as well, the link for "a b" would open a file that is
        // really called "a%20b".
        if !query::decode_path(path).is_ok_and(|path| *path == *link.path) {
            return Err(SignatureError::Invalid("it is signed for another path"));
        }
        let made = seconds(time).ok_or(SignatureError::Invalid("its time is malformed"))?;
        // A link from the future has no age yet: so it is with Django.
        if max_age.is_some_and(|max_age| link.now.saturating_sub(made) > max_age) {
            return Err(SignatureError::Expired);
        }
        Ok(Claims::default())
    }

    /// Path and time of `text`, if one of the keys signed it.
    fn signed<'t>(&self, text: &'t [u8]) -> Option<(&'t [u8], &'t [u8])> {
        let (message, code) = split_last(text)?;
        if self.0.have_signed(&[message], code) { split_last(message) } else { None }
    }
}

const UNSIGNED: SignatureError = SignatureError::Invalid("no key has signed it");

/// What is before and after the last colon.
fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(text.iter().rposition(|&c| c == b':')?)?;
    Some((before, after.get(1..)?))
}

/// Unix seconds in base 62, digits before capitals before small letters.
fn seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, &c| {
        let digit = match c {
            b'0'..=b'9' => c.wrapping_sub(b'0'),
            b'A'..=b'Z' => c.wrapping_sub(b'A').wrapping_add(10),
            b'a'..=b'z' => c.wrapping_sub(b'a').wrapping_add(36),
            _ => return None,
        };
        number.checked_mul(62)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

    use crate::signature::tests::{link, verifier};
    use crate::signature::{Claims, Link, Scheme, SignatureError};

    /// SECRET_KEY of the links below, which Django 5.2.19 and django-downloadview 2.5.0 made.
    const KEY: &str = "django-insecure-^k3y&with=odd+chars%20";

    /// When they were made, but for those of [`odd_times`].
    const MADE: u64 = 1_764_000_000;

    /// Path, URL as `SignedFileSystemStorage(base_url="/dl/").url()` gives it.
    const LINKS: [(&str, &str); 5] = [
        (
            "/dl/report.pdf",
            "/dl/report.pdf?X-Signature=/dl/report.pdf:1vNYyu:\
             8OzD-Td-le5N2L0p4FykHhhEpxhe3hLLmDnJOr2YkhY",
        ),
        (
            "/dl/a b.txt",
            "/dl/a%20b.txt?X-Signature=/dl/a%20b.txt:1vNYyu:\
             DZrkbcetmZDCj5K21uEoZmjzj5ECpkZ5CckQf6YWNq0",
        ),
        (
            "/dl/a%20b",
            "/dl/a%2520b?X-Signature=/dl/a%2520b:1vNYyu:\
             Lz2ngKAFlpueKKwGWmcoRo7PTie5APyVOI9uPO-uSU4",
        ),
        (
            "/dl/é+#?&.txt",
            "/dl/%C3%A9%2B%23%3F%26.txt?X-Signature=/dl/%C3%A9%2B%23%3F%26.txt:1vNYyu:\
             OxUpGvDijZHMAyNFLQXJhzo_RiPlYwAzRp3QibN5_CY",
        ),
        (
            "/dl/sub/a:b~!*()'.txt",
            "/dl/sub/a%3Ab~!*()'.txt?X-Signature=/dl/sub/a%3Ab~!*()'.txt:1vNYyu:\
             zx2eImyJ20aIsvjtqPKGpBHBW--zFVTPFGsMjN7EKc0",
        ),
    ];

    fn verify(path: &str, args: &[u8], max_age: Option<u64>) -> Result<Claims, SignatureError> {
        at(MADE, path, args, max_age)
    }

    fn at(
        now: u64,
        path: &str,
        args: &[u8],
        max_age: Option<u64>,
    ) -> Result<Claims, SignatureError> {
        let link = Link { path: path.as_bytes(), now, ..link(args) };
        verifier(Scheme::Django, &[KEY], max_age).verify(&link)
    }

    fn text(url: &str) -> &str {
        url.split_once("?X-Signature=").unwrap().1
    }

    fn encoded(text: &[u8]) -> Vec<u8> {
        format!("X-Signature={}", percent_encode(text, NON_ALPHANUMERIC)).into_bytes()
    }

    #[test]
    fn as_the_storage_makes_them_and_encoded() {
        for (path, url) in LINKS {
            let args = url.split_once('?').unwrap().1;
            assert_eq!(verify(path, args.as_bytes(), Some(0)), Ok(Claims::default()), "{path}");
            assert!(verify(path, &encoded(text(url).as_bytes()), None).is_ok(), "{path}");
            let among = format!("a=1&{args}&utm_source=%zz");
            assert!(verify(path, among.as_bytes(), None).is_ok(), "{path}");
        }
        // As urllib.parse.urlencode() puts it.
        let args = "X-Signature=%2Fdl%2Fa%2520b.txt%3A1vNYyu%3A\
                    DZrkbcetmZDCj5K21uEoZmjzj5ECpkZ5CckQf6YWNq0";
        assert!(verify("/dl/a b.txt", args.as_bytes(), None).is_ok());
    }

    #[test]
    fn for_one_path() {
        for (_, url) in LINKS {
            for path in ["", "/", "/dl/", "/dl/report.pd", "/dl/report.pdf2", "/dl/a%2520b"] {
                let result = verify(path, &encoded(text(url).as_bytes()), None);
                assert!(matches!(result, Err(SignatureError::Invalid(_))), "{url} at {path}");
            }
        }
        // Neither more often nor less often decoded than once.
        let (_, space) = LINKS[1];
        assert!(verify("/dl/a%20b.txt", &encoded(text(space).as_bytes()), None).is_err());
        let (_, percent) = LINKS[2];
        assert!(verify("/dl/a b", &encoded(text(percent).as_bytes()), None).is_err());
    }

    #[test]
    fn age() {
        let (path, url) = LINKS[0];
        let args = encoded(text(url).as_bytes());
        assert!(at(MADE + 60, path, &args, Some(60)).is_ok());
        assert_eq!(at(MADE + 61, path, &args, Some(60)), Err(SignatureError::Expired));
        assert!(at(MADE - 1000, path, &args, Some(60)).is_ok());
        assert!(at(u64::MAX, path, &args, None).is_ok());
    }

    /// Signed by Django with its clock set, or with `Signer` of the same salt.
    #[test]
    fn odd_times() {
        let good = "/dl/x:0:QwqB4-_aRm1XvbPAcsD23kbnXFL2z4SFPhqObNbv7_A";
        assert!(at(60, "/dl/x", &encoded(good.as_bytes()), Some(60)).is_ok());
        let far = "/dl/x:AzL8n0Y58m8:fRg8P_iqg2cDBQsOMaRiHoUJJ5BD2zVjMF1J3HOWfi0";
        assert!(at(60, "/dl/x", &encoded(far.as_bytes()), Some(60)).is_ok());
        for bad in [
            "/dl/x:-5:mLQLbypkkY9Gayem_PNby4bk6aXi3eoiqW0inVoI1BE",
            "/dl/x:LygHa16AHYG:5W6qUNie0zfrvof1n8xGCmgZMRy-UD7944b43a7jMEU",
            "/dl/x::pfdyUYm-eDZGu3WcfjosvKOYP7M48mDZV_rfmwWXmz4",
            "/dl/x:1_2:PnhbwNm_iLS2XMJoTyiGX7JJn83w_e3SKZ4XfXpymo0",
        ] {
            let why = Err(SignatureError::Invalid("its time is malformed"));
            assert_eq!(at(60, "/dl/x", &encoded(bad.as_bytes()), None), why, "{bad}");
        }
        let none = "/dl/x:W4xyq50UClAs9ynG7EK19-ovbDJIicRd5KizYCxmMgg";
        assert!(at(60, "/dl/x", &encoded(none.as_bytes()), None).is_err());
        // Signed, but no URL path.
        let escape = "/dl/100%:0:m5V09C4vo6aqcFztfsWz22hHPpSnmOHGV4gE0zCsvmg";
        assert!(at(60, "/dl/100%", &encoded(escape.as_bytes()), None).is_err());
        // Another salt.
        let salt = "/dl/report.pdf:1xV7Sq:xNZWCwDidyMdnyH7c97u4-Fmv6dpNfi7T8lAkc_-ZhY";
        assert!(verify("/dl/report.pdf", &encoded(salt.as_bytes()), None).is_err());
    }

    #[test]
    fn two_keys() {
        let older = "/dl/report.pdf:1vNYyu:r9eKQBez1fN5u-9FgeC2Wrr9jA21_5sFStZV6pBEQv4";
        let args = [encoded(text(LINKS[0].1).as_bytes()), encoded(older.as_bytes())];
        for (keys, good) in [
            (&[KEY, "older key"][..], [true, true]),
            (&["older key", "x", KEY], [true, true]),
            (&["older key"], [false, true]),
            (&["x"], [false, false]),
        ] {
            let verifier = verifier(Scheme::Django, keys, None);
            for (args, good) in args.iter().zip(good) {
                let link = Link { path: b"/dl/report.pdf", ..link(args) };
                assert_eq!(verifier.verify(&link).is_ok(), good, "{keys:?}");
            }
        }
    }

    #[test]
    fn all_bit_flips() {
        for (path, url) in LINKS {
            let text = text(url).as_bytes();
            for at in (0..text.len()).step_by(if cfg!(miri) { 29 } else { 1 }) {
                for bit in 0..8 {
                    let mut flipped = text.to_vec();
                    flipped[at] ^= 1 << bit;
                    let plain = [b"X-Signature=", &*flipped].concat();
                    for args in [encoded(&flipped), plain] {
                        let result = verify(path, &args, None);
                        assert!(
                            matches!(result, Err(SignatureError::Invalid(_))),
                            "{path}: byte {at}, bit {bit}: {result:?}"
                        );
                    }
                }
            }
        }
    }
}
