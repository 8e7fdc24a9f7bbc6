//! URLs of files elsewhere: all below the base, and as many ways up as there are: none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::path::RelativePath;
use nginx_download_core::query::decode_path;
use nginx_download_core::url::{Origin, file_name};

fuzz_target!(|data: (&[u8], &[u8])| {
    let (base, rest) = data;
    let name = file_name(rest);
    assert!(name.len() <= rest.len());
    let Ok(origin) = Origin::parse(base) else { return };
    let host = origin.as_str().split('/').nth(2).expect("it has a host");
    assert!(!host.is_empty() && !host.contains(['@', '%', '?', '#', '\\', ' ']), "{host}");
    let url = [base, rest].concat();
    for url in [&url[..], rest] {
        if let Ok(below) = origin.below(url) {
            assert_eq!([origin.as_str().as_bytes(), below].concat(), url);
            assert!(url.iter().all(u8::is_ascii_graphic), "{}", url.escape_ascii());
            climbs_nowhere(below);
        }
    }
    if let Ok(path) = RelativePath::parse(rest) {
        let url = origin.url_of(&path);
        assert!(url.bytes().all(|c| c.is_ascii_graphic()), "{url}");
        let below = url.strip_prefix(origin.as_str()).expect("it is below its base");
        let decoded = decode_path(below.as_bytes()).expect("it is encoded well");
        assert_eq!(&*decoded, path.as_bytes());
    }
});

/// However often it is decoded on the way.
fn climbs_nowhere(below: &[u8]) {
    let mut path = below.split(|c| *c == b'?').next().unwrap_or_default().to_vec();
    for _ in 0..8 {
        for segment in path.split(|c| *c == b'/' || *c == b'\\') {
            assert_ne!(segment, b"..", "{}", below.escape_ascii());
        }
        match decode_path(&path) {
            Ok(decoded) => path = decoded.into_owned(),
            Err(_) => return,
        }
    }
}
