//! No path that was looked over leaves where it starts, and none changes when it is looked over again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_download_core::path::{AbsolutePath, Directory, RelativePath};

fuzz_target!(|data: (&[u8], &[u8])| {
    let (first, second) = data;
    let directory = Directory::parse(second);
    if let Ok(path) = RelativePath::parse(first) {
        stays(path.as_bytes());
        assert_eq!(RelativePath::parse(path.as_bytes()).as_ref(), Ok(&path));
        assert_eq!(path.as_bytes().rsplit(|c| *c == b'/').next(), Some(path.file_name()));
        if let Ok(below) = RelativePath::parse(second) {
            if let Ok(joined) = path.under(&below) {
                stays(joined.as_bytes());
                let expected = [below.as_bytes(), b"/", path.as_bytes()].concat();
                assert_eq!(joined.as_bytes(), expected);
            }
        }
    }
    let parsed = AbsolutePath::parse(first);
    match AbsolutePath::from_vec(first.to_vec()) {
        Ok(path) => assert_eq!(parsed.as_ref(), Ok(&path), "in both ways the same"),
        Err((why, given)) => {
            assert_eq!(given, first);
            assert_eq!(parsed.as_ref().err(), Some(&why));
        }
    }
    let Ok(path) = parsed else { return };
    stays(path.as_bytes().strip_prefix(b"/").expect("it is absolute"));
    assert_eq!(AbsolutePath::parse(path.as_bytes()).as_ref(), Ok(&path));
    let Ok(directory) = directory else { return };
    assert!(directory.as_bytes().starts_with(b"/") && directory.as_bytes().ends_with(b"/"));
    let whole = path.as_bytes().to_vec();
    match directory.relative(path) {
        Ok(inside) => {
            stays(inside.as_bytes());
            assert_eq!([directory.as_bytes(), inside.as_bytes()].concat(), whole);
        }
        Err(path) => assert!(
            !path.as_bytes().starts_with(directory.as_bytes()) || path.as_bytes() == directory.as_bytes()
        ),
    }
});

/// Segments that are names, and nothing else.
fn stays(path: &[u8]) {
    assert!(!path.is_empty() && !path.contains(&0));
    for segment in path.split(|c| *c == b'/') {
        assert!(!matches!(segment, b"" | b"." | b".."), "{}", path.escape_ascii());
    }
}
