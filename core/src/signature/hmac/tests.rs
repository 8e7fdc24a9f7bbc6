use ::hmac::{Hmac, KeyInit, Mac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Sha256;

use crate::signature::tests::{link, verifier};
use crate::signature::{Claims, Link, Method, Scheme, SignatureError};

const KEY: &str = "a key of 32 bytes, or even more?";

const NOW: u64 = 1_764_000_000;

/// `path?query`, made into a query with its signature.
fn signed_with(key: &str, path: &str, query: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{path}?{query}").as_bytes());
    format!("{query}&signature={}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn signed(path: &str, query: &str) -> String {
    signed_with(KEY, path, query)
}

/// A GET of `/dl/a b.txt`, written `/dl/a%20b.txt`.
fn get(args: &str) -> Link<'_> {
    Link { path: b"/dl/a b.txt", raw_path: Some(b"/dl/a%20b.txt"), ..link(args.as_bytes()) }
}

fn verify(link: &Link<'_>) -> Result<Claims, SignatureError> {
    verifier(Scheme::HmacSha256, &[KEY], None).verify(link)
}

/// What becomes of [`get`] with these claims, rightly signed.
fn claimed(claims: &str) -> Result<Claims, SignatureError> {
    verify(&get(&signed("/dl/a%20b.txt", claims)))
}

fn invalid<T>(why: &'static str) -> Result<T, SignatureError> {
    Err(SignatureError::Invalid(why))
}

const UNSIGNED: &str = "no key has signed it";

/// printf %s '/dl/report.pdf?expires=1764000000&basename=Q3%20report.pdf' |
///     openssl dgst -sha256 -hmac "$KEY" -binary | openssl base64 | tr +/ -_ | tr -d =
#[test]
fn as_openssl_makes_it() {
    let args = "expires=1764000000&basename=Q3%20report.pdf&\
                signature=k0zhGOz9dQYrGcJCAAIUSHj5iNgkH-4MkPiL_6qRLw8";
    let link = Link { path: b"/dl/report.pdf", raw_path: Some(b"/dl/report.pdf"), ..get(args) };
    let basename = Some("Q3 report.pdf".to_owned());
    assert_eq!(verify(&link), Ok(Claims { basename, ..Claims::default() }));
}

#[test]
fn the_url_as_it_stands() {
    let args = signed("/dl/a%20b.txt", "expires=1764000000&v=%zz&&x");
    assert!(verify(&get(&args)).is_ok());
    for raw_path in ["/dl/a b.txt", "/dl/a+b.txt", "/dl/%61%20b.txt", "/dl/x/../a%20b.txt", ""] {
        let link = Link { raw_path: Some(raw_path.as_bytes()), ..get(&args) };
        assert_eq!(verify(&link), invalid(UNSIGNED), "{raw_path}");
    }
    let rewritten = Link { raw_path: None, ..get(&args) };
    assert_eq!(verify(&rewritten), invalid("the URI was rewritten"));
}

#[test]
fn the_signature_stands_last() {
    const LAST: &str = "the signature must be the last argument of several";
    let args = signed("/dl/a%20b.txt", "expires=1764000000");
    let (query, signature) = args.split_once('&').unwrap();
    let code = signature.split_once('=').unwrap().1;
    for (args, why) in [
        (format!("{args}&"), LAST),
        (format!("{args}&utm_source=mail"), LAST),
        (format!("{signature}&{query}"), LAST),
        (format!("{args}&&"), LAST),
        (signature.to_owned(), LAST),
        (format!("&{signature}"), LAST),
        (format!("{query}&%73ignature={code}"), LAST),
        (format!("{query}&&{signature}"), UNSIGNED),
        (format!("&{args}"), UNSIGNED),
        (format!("utm_source=mail&{args}"), UNSIGNED),
        (format!("{args}="), UNSIGNED),
        (format!("{args}%3D"), UNSIGNED),
        (format!("{args}#"), UNSIGNED),
        (format!("{args}&{signature}"), "the signature comes twice"),
        (format!("{args}&%73ignature=1"), "the signature comes twice"),
        (format!("{signature}&{args}"), "the signature comes twice"),
    ] {
        assert_eq!(verify(&get(&args)), invalid(why), "{args}");
    }
    // A second one is no better for being signed.
    let twice = signed("/dl/a%20b.txt", "expires=1764000000&signature=x");
    assert_eq!(verify(&get(&twice)), invalid("the signature comes twice"));
    // Signed, but for an empty query.
    let bare = signed("/dl/a%20b.txt", "");
    assert_eq!(verify(&get(&bare)), invalid(LAST));
}

#[test]
fn all_bit_flips() {
    let args = signed("/dl/a%20b.txt", "expires=1764000000&basename=%C3%A9+b&x=1").into_bytes();
    for at in (0..args.len()).step_by(if cfg!(miri) { 29 } else { 1 }) {
        for bit in 0..8 {
            let mut flipped = args.clone();
            flipped[at] ^= 1 << bit;
            let result = verify(&Link { args: &flipped, ..get("") });
            assert!(result.is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn two_keys() {
    for (keys, good) in [
        (&["new", "old"][..], [true, true]),
        (&["old", "x", "new"], [true, true]),
        (&["old"], [false, true]),
        (&["x"], [false, false]),
    ] {
        let verifier = verifier(Scheme::HmacSha256, keys, None);
        for (key, good) in ["new", "old"].into_iter().zip(good) {
            let args = signed_with(key, "/dl/a%20b.txt", "expires=1764000000");
            assert_eq!(verifier.verify(&get(&args)).is_ok(), good, "{key} in {keys:?}");
        }
    }
}

#[test]
fn exact_seconds() {
    let args = signed("/dl/a%20b.txt", "not_before=1763999990&expires=1764000000");
    let at = |now, max_age| {
        verifier(Scheme::HmacSha256, &[KEY], max_age).verify(&Link { now, ..get(&args) })
    };
    assert_eq!(at(NOW - 11, None), Err(SignatureError::NotYet));
    assert!(at(NOW - 10, None).is_ok() && at(NOW - 10, Some(10)).is_ok());
    assert!(at(NOW, None).is_ok() && at(NOW, Some(0)).is_ok());
    assert_eq!(at(NOW + 1, None), Err(SignatureError::Expired));
    assert_eq!(at(u64::MAX, None), Err(SignatureError::Expired));
    assert_eq!(at(NOW - 10, Some(9)), invalid("it is valid for longer than is allowed here"));
    // What has expired or is to come tells so only to those who have a signature.
    let forged = args.replace("1763999990", "1763999991");
    assert_eq!(verify(&Link { now: NOW + 1, ..get(&forged) }), invalid(UNSIGNED));
}

#[test]
fn what_is_said() {
    let said = |basename: Option<&str>, attachment, limit_rate| {
        Ok(Claims { basename: basename.map(str::to_owned), attachment, limit_rate })
    };
    for (claims, result) in [
        ("expires=1764000000", said(None, None, None)),
        ("expires=%31764000000", said(None, None, None)),
        ("a=1&e%78pires=1764000000&Expires=0", said(None, None, None)),
        (
            "basename=Q3+r%C3%A9port%2B.pdf&expires=1764000000",
            said(Some("Q3 réport+.pdf"), None, None),
        ),
        ("basename=..%2Fa%2520b&expires=1764000000", said(Some("../a%20b"), None, None)),
        ("expires=1764000000&attachment=1&limit_rate=1024", said(None, Some(true), Some(1024))),
        ("expires=1764000000&attachment=0&limit_rate=0", said(None, Some(false), Some(0))),
        ("expires=9223372036854775807", said(None, None, None)),
    ] {
        assert_eq!(claimed(claims), result, "{claims}");
    }
}

#[test]
fn malformed() {
    const ADDRESS: &str = "address is no IP address or network";
    const BASENAME: &str = "basename is not one line of UTF-8";
    const EXPIRES: &str = "expires is no number of seconds";
    const METHOD: &str = "method is neither GET nor HEAD";
    for (claims, why) in [
        ("a=1", "expires is missing"),
        ("Expires=1764000000", "expires is missing"),
        ("expires=01764000000", EXPIRES),
        ("expires=-1", EXPIRES),
        ("expires=%2B1764000000", EXPIRES),
        ("expires=+1764000000", EXPIRES),
        ("expires=1764000000+", EXPIRES),
        ("expires=1764000000.5", EXPIRES),
        ("expires=9223372036854775808", EXPIRES),
        ("expires=18446744073709551617", EXPIRES),
        ("expires=never", EXPIRES),
        ("expires=%", EXPIRES),
        ("expires=176400000%3", EXPIRES),
        ("expires", "a claim is empty"),
        ("expires=", "a claim is empty"),
        ("expires=1764000000&basename=", "a claim is empty"),
        ("expires=1764000000&expires=1764000000", "a claim comes twice"),
        ("expires=1764000000&%65xpires=1764000001", "a claim comes twice"),
        ("expires=1764000000&prefix=/dl/&prefix=/", "a claim comes twice"),
        ("expires=1764000000&a%=1", "the name of an argument has a bad escape"),
        ("expires=1764000000&not_before=00", "not_before is no number of seconds"),
        ("expires=1764000000&limit_rate=1k", "limit_rate is no number of bytes"),
        ("expires=1764000000&attachment=true", "attachment is neither 1 nor 0"),
        ("expires=1764000000&attachment=01", "attachment is neither 1 nor 0"),
        ("expires=1764000000&basename=%FF", BASENAME),
        ("expires=1764000000&basename=a%0Ab", BASENAME),
        ("expires=1764000000&basename=a%0D", BASENAME),
        ("expires=1764000000&basename=%00", BASENAME),
        ("expires=1764000000&basename=100%", BASENAME),
        ("expires=1764000000&method=get", METHOD),
        ("expires=1764000000&method=POST", METHOD),
        ("expires=1764000000&address=192.0.2.7%2F33", ADDRESS),
        ("expires=1764000000&address=example.org", ADDRESS),
    ] {
        assert_eq!(claimed(claims), invalid(why), "{claims}");
    }
}

#[test]
fn methods() {
    use Method::{Get, Head, Other};
    for (claims, good) in [
        ("expires=1764000000", &[Get, Head, Other][..]),
        ("expires=1764000000&method=GET", &[Get, Head]),
        ("expires=1764000000&method=HEAD", &[Head]),
    ] {
        let args = signed("/dl/a%20b.txt", claims);
        for method in [Get, Head, Other] {
            let result = verify(&Link { method, ..get(&args) });
            if good.contains(&method) {
                assert!(result.is_ok(), "{method:?} with {claims}");
            } else {
                assert_eq!(result, invalid("it is for another method"), "{method:?}, {claims}");
            }
        }
    }
}

#[test]
fn addresses() {
    for (claim, address, good) in [
        ("192.0.2.7", Some("192.0.2.7"), true),
        ("192.0.2.7", Some("::ffff:192.0.2.7"), true),
        ("192.0.2.7", Some("192.0.2.8"), false),
        ("192.0.2.7", None, false),
        ("192.0.2.0/24", Some("192.0.2.8"), true),
        ("2001%3Adb8%3A%3A%2F32", Some("2001:db8:1::1"), true),
        ("2001:db8::/32", Some("2001:db9::1"), false),
        ("::/0", Some("192.0.2.7"), false),
    ] {
        let args = signed("/dl/a%20b.txt", &format!("expires=1764000000&address={claim}"));
        let address = address.map(|address| address.parse().unwrap());
        let result = verify(&Link { address, ..get(&args) });
        if good {
            assert!(result.is_ok(), "{address:?} with {claim}");
        } else {
            assert_eq!(result, invalid("it is for another address"), "{address:?} with {claim}");
        }
    }
}

/// What becomes of a link to `path` with a claim `prefix`, as raw, rightly signed.
fn below(prefix: &str, path: &[u8]) -> Result<Claims, SignatureError> {
    let args = signed(prefix, &format!("expires=1764000000&prefix={prefix}"));
    verify(&Link { path, raw_path: None, ..get(&args) })
}

#[test]
fn prefixes() {
    const OUTSIDE: &str = "the path is not below its prefix";
    for (prefix, path) in [
        ("/dl/", "/dl/a"),
        ("/dl/", "/dl/a/b c.txt"),
        ("/dl/", "/dl/..."),
        ("%2Fdl%2F", "/dl/a"),
        ("/a+b/", "/a b/c"),
        ("/a%2Bb/", "/a+b/c"),
        ("%2F%C3%A9%3F%2F", "/é?/c"),
        ("/dl/x/", "/dl/x/y"),
    ] {
        assert_eq!(below(prefix, path.as_bytes()), Ok(Claims::default()), "{path} below {prefix}");
    }
    for (prefix, path) in [
        ("/dl/", "/dl"),
        ("/dl/", "/dl/"),
        ("/dl/", "/dl-old/a"),
        ("/dl/", "/Dl/a"),
        ("/dl/", "/x/dl/a"),
        ("/dl/", "/dl/../etc/passwd"),
        ("/dl/", "/dl/a/.."),
        ("/dl/", "/dl/./a"),
        ("/dl/", "//dl/a"),
        ("/dl%2520/", "/dl /a"),
        ("/dl/x/", "/dl/y"),
    ] {
        assert_eq!(below(prefix, path.as_bytes()), invalid(OUTSIDE), "{path} below {prefix}");
    }
    for prefix in [
        "/",
        "%2F",
        "//",
        "/dl",
        "dl/",
        "/dl//",
        "//dl/",
        "/dl/../",
        "/dl/%2e%2e/",
        "/dl/./",
        "/../",
        "/./",
        "/dl/..%2F",
        "/a//b/",
        "/dl?/",
        "/dl/%",
    ] {
        let result = below(prefix, b"/dl/a");
        assert_eq!(result, invalid("prefix is no directory below the root"), "{prefix}");
    }
}

#[test]
fn a_prefix_is_no_path_and_a_path_no_prefix() {
    // The link of one file gets no prefix by adding one, and a prefix stays one.
    let file = signed("/dl/a%20b.txt", "expires=1764000000");
    let widened = file.replace("&signature", "&prefix=/dl/&signature");
    assert_eq!(verify(&get(&widened)), invalid(UNSIGNED));
    let directory = signed("/dl/", "expires=1764000000&prefix=/dl/");
    assert!(verify(&get(&directory)).is_ok());
    assert_eq!(verify(&get(&directory.replace("prefix", "Prefix"))), invalid(UNSIGNED));
    // Signed as if it were the link of a file: the path does not count.
    let both = signed("/dl/a%20b.txt", "expires=1764000000&prefix=/dl/");
    assert_eq!(verify(&get(&both)), invalid(UNSIGNED));
    // As raw as it is in the query.
    let other = signed("/dl/", "expires=1764000000&prefix=%2Fdl%2F");
    assert_eq!(verify(&get(&other)), invalid(UNSIGNED));
}
