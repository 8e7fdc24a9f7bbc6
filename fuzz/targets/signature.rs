//! Links of the three schemes. Nobody who does not have the key gets by: a link that is good is so for
//! that key only, and for no other path, and no key file that is not read as it stands is taken.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nginx_download_core::signature::{Key, Link, Method, Scheme, Verifier};

#[derive(Arbitrary, Debug)]
struct Given<'a> {
    key_file: &'a [u8],
    path: &'a [u8],
    raw_path: Option<&'a [u8]>,
    args: &'a [u8],
    value: &'a [u8],
    arg: Option<&'a [u8]>,
    address: Option<std::net::IpAddr>,
    max_age: Option<u64>,
    now: u64,
    method: u8,
}

/// Not in any corpus: what is signed with it cannot be found by chance.
const KEY: &[u8] = b"4d7a2f0be1c95586a3d0e7f1b2c49886";

fuzz_target!(|given: Given| {
    let link = Link {
        path: given.path,
        raw_path: given.raw_path,
        args: given.args,
        method: match given.method % 3 {
            0 => Method::Get,
            1 => Method::Head,
            _ => Method::Other,
        },
        address: given.address,
        value: given.value,
        now: given.now,
    };
    let secret = Key::all_in(KEY).expect("it is a key");
    let read = Key::all_in(given.key_file).unwrap_or_default();
    for scheme in [Scheme::Django, Scheme::HmacSha256, Scheme::SecureLink] {
        for keys in [&secret, &read] {
            let Ok(verifier) = Verifier::new(scheme, keys, given.max_age, given.arg) else { continue };
            let verdict = verifier.verify(&link);
            assert_eq!(verdict, verifier.verify(&link), "the same link, the same verdict");
            assert_eq!(format!("{verifier:?}"), "Verifier(..)");
            match verdict {
                Ok(claims) => {
                    assert!(!std::ptr::eq(keys, &secret), "{scheme:?}: {link:?}");
                    assert!(claims.basename.is_none_or(|name| !name.is_empty() && !name.contains(['\r', '\n', '\0'])));
                    assert!(claims.limit_rate.is_none_or(|rate| i64::try_from(rate).is_ok()));
                }
                Err(error) => assert!(!error.to_string().contains(char::is_control)),
            }
        }
    }
});
