//! A grant is read or refused, in a message fit for a log; what it says is fit for a response, and
//! what is shown of it says no more than the JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::explain;
use nginx_download_core::grant::{File, Grant};
use nginx_download_core::header::{is_accel, is_hop_by_hop_or_framing};

fuzz_target!(|body: &[u8]| {
    match Grant::from_json(body) {
        Ok(grant) => {
            check(&grant);
            assert!(explain::masked_grant(body).is_some(), "a grant is JSON");
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
            assert!(message.chars().count() <= 303, "{message:?}");
        }
    }
});

fn check(grant: &Grant) {
    let line = |text: &str| !text.contains(['\r', '\n', '\0']);
    match &grant.file {
        File::Storage { storage, path } => {
            assert!(!storage.is_empty() && !path.is_empty() && line(storage) && line(path));
        }
        File::Path(text) | File::Location(text) | File::Url(text) => {
            assert!(!text.is_empty() && line(text));
        }
        File::Content(_) | File::Base64(_) | File::Descriptor(_) => {}
    }
    for (index, (name, value)) in grant.headers.iter().enumerate() {
        let name = name.as_str();
        assert!(!is_hop_by_hop_or_framing(name.as_bytes()) && !is_accel(name.as_bytes()), "{name}");
        assert!(name.bytes().all(|c| c.is_ascii_graphic() && c != b':'), "{name:?}");
        assert!(!value.as_bytes().iter().any(|c| b"\r\n\0".contains(c)), "{name}");
        let twice = grant.headers[..index].iter().any(|(other, _)| other.is(name));
        assert!(!twice, "{name} twice");
    }
    assert!(grant.basename.as_deref().is_none_or(line));
    assert!(grant.etag.as_ref().is_none_or(|tag| line(tag.as_str())));
    assert!(grant.modified.is_none_or(|time| (0..=253_402_300_799).contains(&time)));
    for number in [grant.size, grant.limit_rate, grant.limit_rate_after] {
        assert!(number.is_none_or(|number| i64::try_from(number).is_ok()));
    }
}
