//! Panics on demand, so that tests can see what becomes of each. Not in any build but theirs: the
//! feature `test-panics`.

use core::panic::Location;
use std::{env, fs};

/// The variable of the environment that names a file. What stands in that is the place of a call of
/// [`super::shield`], such as `src/nginx/read.rs:42`, which panics once: the file is then gone.
const VARIABLE: &str = "DOWNLOAD_TEST_PANIC";

/// `body`, or a panic in its stead if the caller's caller is the place that is to panic.
#[track_caller]
pub(super) fn before<R>(body: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let here = Location::caller();
    let wanted = is_wanted(here);
    move || {
        #[allow(clippy::panic, reason = "what this is for")]
        if wanted {
            panic!("provoked at {}:{}", here.file(), here.line());
        }
        body()
    }
}

fn is_wanted(here: &Location<'_>) -> bool {
    let Some(path) = env::var_os(VARIABLE) else { return false };
    let Ok(wanted) = fs::read_to_string(&path) else { return false };
    wanted.trim() == format!("{}:{}", here.file(), here.line()) && fs::remove_file(&path).is_ok()
}
