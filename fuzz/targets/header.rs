//! Names and values of header fields and entity tags: what is taken is one line, and is itself again
//! when it is read again; dates are those of their second.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::date::imf_fixdate;
use nginx_download_core::etag::{EntityTag, FileTag, is_of_nothing};
use nginx_download_core::header::{self, HeaderName, HeaderValue};

fuzz_target!(|data: (&[u8], i64, u64)| {
    let (bytes, modified, length) = data;
    if let Ok(name) = HeaderName::parse(bytes) {
        assert!(!bytes.is_empty() && bytes.iter().all(|c| c.is_ascii_graphic() && *c != b':'));
        assert_eq!(name.as_str().as_bytes(), bytes);
        assert!(name.is(&name.as_str().to_ascii_uppercase()), "case does not matter");
    }
    if let Ok(value) = HeaderValue::parse(bytes) {
        assert!(!bytes.iter().any(|c| b"\r\n\0".contains(c)));
        assert_eq!(HeaderValue::parse(value.as_bytes()).as_ref(), Ok(&value));
    }
    if let Ok(tag) = EntityTag::parse(bytes) {
        let text = tag.as_str();
        let opaque = text.strip_prefix("W/").unwrap_or(text);
        assert!(opaque.len() >= 2 && opaque.starts_with('"') && opaque.ends_with('"'), "{text}");
        assert!(!opaque[1..opaque.len() - 1].contains(['"', '\r', '\n', '\0']), "{text}");
        assert_eq!(tag.is_weak(), text.starts_with("W/"));
        assert_eq!(EntityTag::parse(text.as_bytes()).as_ref(), Ok(&tag));
    }
    let _ = is_of_nothing(bytes);
    let made = FileTag::new(modified, length);
    assert!(EntityTag::parse(made.as_bytes()).is_ok(), "{:?}", made.as_bytes());
    if let Some(date) = imf_fixdate(modified) {
        assert_eq!(&date[26..], b"GMT");
        assert!(date.is_ascii() && imf_fixdate(modified.wrapping_add(1)) != Some(date));
    }
    for question in [header::is_accel, header::is_condition, header::is_condition_or_range,
        header::is_credential, header::withheld_from_app, header::is_servers_business]
    {
        assert_eq!(question(bytes), question(&bytes.to_ascii_uppercase()), "case does not matter");
    }
});
