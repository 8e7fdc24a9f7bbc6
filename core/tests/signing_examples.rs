//! Makes links with the examples in docs/signing and has them checked here: what the page tells
//! people to write is what is taken. An example whose interpreter is not on the PATH is left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

use nginx_download_core::query::decode_path;
use nginx_download_core::signature::{Claims, Key, Link, Method, Scheme, SignatureError, Verifier};

/// Interpreter, example.
const EXAMPLES: [(&str, &str); 5] = [
    ("python3", "sign.py"),
    ("node", "sign.mjs"),
    ("php", "sign.php"),
    ("ruby", "sign.rb"),
    ("sh", "sign.sh"),
];

/// The first is what the examples sign with.
const KEYS: &[u8] = b"k\xc3\xa9y & one, \"$HOME\" \\n 'n' all\r\nthe one before\r\n";

const EXPIRES: u64 = 1_764_000_000;

const PATHS: [&str; 10] = [
    "/dl/report.pdf",
    "/dl/a b.txt",
    "/dl/ärger/日本.txt",
    "/dl/100%.txt",
    "/dl/a%20b",
    "/dl/what?.txt",
    "/dl/c#.txt",
    "/dl/c++.txt",
    "/dl/-._~!$&'()*,;=:@.txt",
    "/dl/\"<>[]\\^`{|}\n.txt",
];

const BASENAMES: [Option<&str>; 4] =
    [None, Some("report.pdf"), Some("Q3 réport 100%+&=#?.pdf"), Some("a/\"b\"'$(c)\\")];

#[test]
#[cfg_attr(miri, ignore = "runs programs")]
fn what_the_examples_sign_is_taken() {
    let keys = KeyFile::new();
    let verifier =
        Verifier::new(Scheme::HmacSha256, &Key::all_in(KEYS).unwrap(), None, None).unwrap();
    for (interpreter, example) in EXAMPLES {
        if !on_path(interpreter) {
            println!("left out: {example}, there is no {interpreter}");
            continue;
        }
        for (path, basename) in PATHS.iter().zip(BASENAMES.iter().cycle()) {
            let url = sign(interpreter, example, &keys.0, path, *basename);
            check(&verifier, &url, path, *basename);
        }
    }
}

/// What `example` prints, without the line end.
fn sign(
    interpreter: &str,
    example: &str,
    keys: &Path,
    path: &str,
    basename: Option<&str>,
) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/signing");
    let output = Command::new(interpreter)
        .arg(examples.join(example))
        .args([keys.as_os_str(), path.as_ref(), EXPIRES.to_string().as_ref()])
        .args(basename)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{example} {path}: {errors}");
    let url = String::from_utf8(output.stdout).unwrap();
    url.strip_suffix('\n').unwrap_or_else(|| panic!("{example} {path}: {url:?}")).to_owned()
}

fn check(verifier: &Verifier, url: &str, path: &str, basename: Option<&str>) {
    assert!(url.bytes().all(|c| c.is_ascii_graphic() && c != b'#'), "no URL: {url}");
    let (raw_path, args) = url.split_once('?').unwrap();
    assert_eq!(decode_path(raw_path.as_bytes()).unwrap(), path.as_bytes(), "{url}");
    let link = Link {
        path: path.as_bytes(),
        raw_path: Some(raw_path.as_bytes()),
        args: args.as_bytes(),
        method: Method::Get,
        address: None,
        value: b"",
        now: EXPIRES,
    };
    let said = Claims { basename: basename.map(str::to_owned), ..Claims::default() };
    assert_eq!(verifier.verify(&link), Ok(said), "{url}");
    let later = Link { now: EXPIRES + 1, ..link };
    assert_eq!(verifier.verify(&later), Err(SignatureError::Expired), "{url}");
    let other = Link { raw_path: Some(b"/dl/other"), ..link };
    assert!(matches!(verifier.verify(&other), Err(SignatureError::Invalid(_))), "{url}");
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// A key file, deleted when done with.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("keys-{}", process::id()));
        fs::write(&path, KEYS).unwrap();
        Self(path)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
