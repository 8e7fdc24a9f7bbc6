//! Media types, charsets, codings: what is taken is one line, and is itself again when read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::media::{
    Charset, ContentCoding, MediaType, is_coding_of, is_grant, is_grant_exactly,
};

fuzz_target!(|data: (&[u8], &[u8])| {
    let (text, name) = data;
    assert!(!is_grant_exactly(text) || is_grant(text), "exactly is closer");
    if let Ok(media) = MediaType::parse(text) {
        let shown = media.as_str();
        assert!(!shown.contains(['\r', '\n', '\0']) && shown.is_ascii(), "{shown:?}");
        assert_eq!(MediaType::parse(shown.as_bytes()).as_ref(), Ok(&media));
        let (kind, sub) = media.essence().split_once('/').expect("type and subtype");
        assert!(!kind.is_empty() && !sub.is_empty() && shown.starts_with(media.essence()));
        if let Some(charset) = media.charset() {
            assert!(Charset::parse(charset.as_str().as_bytes()).is_ok());
        }
    }
    if let Ok(charset) = Charset::parse(text) {
        assert!(charset.as_str().bytes().all(|c| c.is_ascii_graphic() && !b"\",;".contains(&c)));
    }
    if let Ok(coding) = ContentCoding::parse(text) {
        assert!(coding.as_str().bytes().all(|c| c.is_ascii_graphic() && !b"\",;".contains(&c)));
        coding.is_identity();
    }
    let _ = is_coding_of(name, text);
});
