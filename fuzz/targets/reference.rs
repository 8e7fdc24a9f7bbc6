//! What apps say in X-Accel-Redirect, X-Sendfile and X-Sendfile2.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::reference::{Accel, Convention, accel_redirect, sendfile, sendfile2};

fuzz_target!(|data: (bool, &[u8])| {
    let (encoded, value) = data;
    let _ = Convention::of_header(value);
    match accel_redirect(value, encoded) {
        Ok(Accel::Named(name)) => assert!(name == value && name.starts_with(b"@")),
        Ok(Accel::Uri { path, args }) => {
            assert!(!path.is_empty());
            if !encoded {
                assert!(path == value && args.is_empty(), "not decoded, all of it is the path");
            }
        }
        Err(_) => {}
    }
    if let Ok(path) = sendfile(value, encoded) {
        assert!(!path.is_empty() && path.len() <= value.len());
        assert!(encoded || path == value);
    }
    if let Ok(parts) = sendfile2(value, encoded) {
        for part in parts {
            assert!(!part.path.is_empty());
            assert!(i64::try_from(part.first).is_ok());
            assert!(part.last.is_none_or(|last| last >= part.first && i64::try_from(last).is_ok()));
        }
    }
});
