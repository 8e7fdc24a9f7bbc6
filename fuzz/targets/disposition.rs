//! Names to save under: harmless on any system, and a reader of RFC 6266 and RFC 8187 gets out of the
//! header field what went in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::disposition::{
    Disposition, basename, content_disposition, plain_disposition,
};
use nginx_download_core::query::decode_path;

fuzz_target!(|data: (bool, &[u8])| {
    let (save, raw) = data;
    let kind = if save { Disposition::Attachment } else { Disposition::Inline };
    let name = basename(raw);
    assert!(!name.contains(['/', '\\', '\0', '\r', '\n']) && !name.contains(char::is_control), "{name:?}");
    assert!(!name.contains(['\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}']), "{name:?}");
    assert!(!name.ends_with('.') && name.trim() == name, "{name:?}");
    assert_eq!(basename(name.as_bytes()), name, "what is clean stays as it is");

    let value = content_disposition(kind, raw);
    assert!(value.bytes().all(|c| (0x20..0x7f).contains(&c)), "{value:?}");
    if let Some(parts) = plain_disposition(kind, raw) {
        assert_eq!(parts.concat(), value.as_bytes(), "in both ways the same");
    }
    let read = Read::of(&value);
    assert_eq!(read.kind, kind.as_str());
    match (&read.extended, &read.quoted) {
        (Some(extended), Some(fallback)) => {
            assert_eq!(*extended, name.as_bytes());
            // RFC 6266, appendix D
            let hex = |c: Option<&u8>| c.is_some_and(u8::is_ascii_hexdigit);
            let escape = |c: &[u8]| c[0] == b'%' && hex(c.get(1)) && hex(c.get(2));
            assert!(!fallback.as_bytes().windows(3).any(escape), "some would decode it: {value}");
        }
        (None, Some(quoted)) => assert_eq!(*quoted, name),
        (None, None) => assert!(name.is_empty(), "{value}"),
        (Some(_), None) => panic!("nothing for old clients: {value}"),
    }
});

/// What a client understands: type, filename, filename*.
struct Read {
    kind: String,
    quoted: Option<String>,
    extended: Option<Vec<u8>>,
}

impl Read {
    fn of(value: &str) -> Self {
        let (kind, mut rest) = value.split_at(value.find(';').unwrap_or(value.len()));
        let mut read = Self { kind: kind.to_owned(), quoted: None, extended: None };
        while !rest.is_empty() {
            rest = rest.strip_prefix("; ").expect("parameters are apart");
            if let Some(quoted) = rest.strip_prefix("filename=\"") {
                let mut name = String::new();
                let mut chars = quoted.chars();
                loop {
                    match chars.next().expect("the string ends") {
                        '"' => break,
                        '\\' => name.push(chars.next().expect("something is quoted")),
                        c => name.push(c),
                    }
                }
                assert!(read.quoted.replace(name).is_none(), "filename twice: {value}");
                rest = chars.as_str();
            } else {
                let coded = rest.strip_prefix("filename*=UTF-8''").expect("no other parameter");
                let (coded, more) = coded.split_at(coded.find(';').unwrap_or(coded.len()));
                // attr-char of RFC 8187, section 3.2.1
                let attr = |c: u8| c.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&c);
                assert!(coded.bytes().all(attr), "{value}");
                let name = decode_path(coded.as_bytes()).expect("it is encoded well").into_owned();
                assert!(read.extended.replace(name).is_none(), "filename* twice: {value}");
                rest = more;
            }
        }
        read
    }
}
