//! Arguments: nothing of them is lost, all that is shown of them is masked, and escaping is undone once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::counters::masked_url;
use nginx_download_core::explain::masked_args;
use nginx_download_core::query::{arguments, decode, decode_path};

fuzz_target!(|query: &[u8]| {
    let mut bytes = 0;
    for argument in arguments(query) {
        bytes += argument.name.len() + argument.value.len();
        assert!(!argument.name.contains(&b'=') && !argument.name.contains(&b'&'));
        assert!(!argument.value.contains(&b'&'));
        if let Ok(name) = decode(argument.name) {
            assert!(argument.is(&name));
        }
    }
    let signs = query.iter().filter(|c| **c == b'&' || **c == b'=').count();
    assert!(bytes <= query.len() && query.len() <= bytes + signs);

    let escaped: String = query.iter().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(decode(escaped.as_bytes()).as_deref(), Ok(query));
    assert_eq!(decode_path(escaped.as_bytes()).as_deref(), Ok(query));
    if let Ok(plain) = decode_path(query) {
        assert!(plain.len() <= query.len());
        assert!(query.contains(&b'%') || *plain == *query);
    }

    // a value is not in what is shown, unless it is elsewhere as well
    const SECRET: &str = "0123456789abcdefghij";
    let Ok(text) = str::from_utf8(query) else { return };
    if !text.contains(SECRET) {
        let args = format!("{text}&b={SECRET}");
        assert!(!masked_args(args.as_bytes()).contains(SECRET), "{args}");
        let url = format!("https://files.example/x?{args}");
        assert!(!masked_url(&url).contains(SECRET), "{url}");
    }
});
