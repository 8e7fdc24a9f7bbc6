//! What holds for each of the schemes; and what their tests need.

use super::*;

/// A verifier with these keys, one a line, and the scheme's own argument.
pub(super) fn verifier(scheme: Scheme, keys: &[&str], max_age: Option<u64>) -> Verifier {
    let keys = Key::all_in(keys.join("\n").as_bytes()).unwrap();
    Verifier::new(scheme, &keys, max_age, None).unwrap()
}

/// A GET of `/` with these arguments in 2025.
pub(super) fn link(args: &[u8]) -> Link<'_> {
    Link {
        path: b"/",
        raw_path: Some(b"/"),
        args,
        method: Method::Get,
        address: None,
        value: b"",
        now: 1_764_000_000,
    }
}

const SCHEMES: [(&str, Scheme); 3] = [
    ("django", Scheme::Django),
    ("hmac-sha256", Scheme::HmacSha256),
    ("secure-link", Scheme::SecureLink),
];

#[test]
fn names() {
    for (name, scheme) in SCHEMES {
        assert_eq!(Scheme::parse(name.as_bytes()), Some(scheme));
    }
    for bad in ["", "Django", "hmac", "hmac_sha256", "securelink", "md5"] {
        assert_eq!(Scheme::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn one_signature_of_some_length() {
    let invalid = |why| Err(SignatureError::Invalid(why));
    for (_, scheme) in SCHEMES {
        let verifier = verifier(scheme, &["key"], None);
        let arg = scheme.default_arg();
        let verify = |args: String| verifier.verify(&link(args.as_bytes()));
        for none in ["", "&", "a=1", "a=SIG=1", "aSIG=1", "SIGa=1", "%=1", "=SIG"] {
            let args = none.replace("SIG", arg);
            assert_eq!(verify(args), Err(SignatureError::Missing), "{none}");
        }
        for empty in ["SIG", "SIG=", "a=1&SIG=", "a=1&SIG", "SIG=&a=1"] {
            let args = empty.replace("SIG", arg);
            assert_eq!(verify(args), invalid("the signature is empty"), "{empty}");
        }
        for twice in ["SIG=1&SIG=1", "SIG=1&SIG=", "SIG&SIG=1&a=1", "a=1&SIG=1&SIG=2"] {
            let args = twice.replace("SIG", arg);
            assert_eq!(verify(args), invalid("the signature comes twice"), "{twice}");
        }
        let long = "A".repeat(4097);
        assert_eq!(verify(format!("a=1&{arg}={long}")), invalid("the signature is too long"));
    }
}

#[test]
fn garbage_of_any_length() {
    // Knuth's MMIX generator: the same sequence each time.
    let mut state = 7u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    let verifiers =
        SCHEMES.map(|(_, scheme)| (scheme.default_arg(), verifier(scheme, &["key", "two"], None)));
    let (short, long) = if cfg!(miri) { (60, 10_000) } else { (1, 61) };
    for len in (0..300).step_by(short).chain((300..=10_000).step_by(long)) {
        let garbage: Vec<u8> = (0..len).map(|_| random()).collect();
        let text: Vec<u8> = garbage.iter().map(|c| b"Az09-_%2:=&+"[usize::from(c % 12)]).collect();
        for (arg, verifier) in &verifiers {
            for tail in [&garbage, &text] {
                for start in ["", "expires=1764000000&"] {
                    let args = [start.as_bytes(), arg.as_bytes(), b"=", tail].concat();
                    let link =
                        Link { path: tail, raw_path: Some(tail), value: tail, ..link(&args) };
                    assert!(matches!(verifier.verify(&link), Err(SignatureError::Invalid(_))));
                    assert!(verifier.verify(&Link { args: tail, ..link }).is_err());
                }
            }
        }
    }
}

#[test]
fn arguments_of_other_names() {
    let keys = Key::all_in(b"key").unwrap();
    for (_, scheme) in SCHEMES {
        let new = |arg: &str| Verifier::new(scheme, &keys, None, Some(arg.as_bytes())).map(drop);
        assert_eq!(new("X-Sig_1.~"), Ok(()));
        for bad in ["", "a b", "a&b", "a=b", "a%20", "a+b", "é", "a#", "a/b"] {
            assert_eq!(new(bad), Err(VerifierError::Arg), "{bad}");
        }
        let expected = if scheme == Scheme::Django { Ok(()) } else { Err(VerifierError::ArgTaken) };
        assert_eq!(new("expires"), expected);
        assert_eq!(new("Expires"), expected);
        assert!(matches!(Verifier::new(scheme, &[], None, None), Err(VerifierError::NoKey)));

        let renamed = Verifier::new(scheme, &keys, None, Some(b"s")).unwrap();
        let verify = |args: &str| renamed.verify(&link(args.as_bytes()));
        assert_eq!(verify("a=1&md5=x&signature=x&X-Signature=x"), Err(SignatureError::Missing));
        assert!(matches!(verify("expires=1764000000&s=x"), Err(SignatureError::Invalid(_))));
    }
}

#[test]
fn numbers() {
    for (text, value) in [("0", 0), ("7", 7), ("10", 10), ("9223372036854775807", i64::MAX as u64)]
    {
        assert_eq!(number(text.as_bytes()), Some(value));
    }
    for bad in [
        "",
        "00",
        "01",
        "+1",
        "-1",
        "-0",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x1",
        "1_0",
        "٣",
        "9223372036854775808",
        "18446744073709551616",
        "100000000000000000000000000000",
    ] {
        assert_eq!(number(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn no_key_is_shown() {
    for (_, scheme) in SCHEMES {
        assert_eq!(format!("{:?}", verifier(scheme, &["hush"], None)), "Verifier(..)");
    }
}
