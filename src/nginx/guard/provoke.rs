//! Panics and deaths on demand, so that tests can see what becomes of each. Not in any build but
//! theirs: the feature `test-panics`.

#![allow(unsafe_code)]

use core::panic::Location;
use std::{env, fs};

/// The variable of the environment that names a file. What stands in that is the place of a call of
/// [`super::shield`], such as `src/nginx/read.rs:42`, which panics once: the file is then gone. Or it
/// is what [`death`] was called with.
const VARIABLE: &str = "DOWNLOAD_TEST_PANIC";

/// `body`, or a panic in its stead if the caller's caller is the place that is to panic.
#[track_caller]
pub(super) fn before<R>(body: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let here = Location::caller();
    let wanted = is_wanted(&format!("{}:{}", here.file(), here.line()));
    move || {
        #[allow(clippy::panic, reason = "what this is for")]
        if wanted {
            panic!("provoked at {}:{}", here.file(), here.line());
        }
        body()
    }
}

/// Ends the process without further ado if this is what is wanted.
pub(in crate::nginx) fn death(place: &str) {
    if is_wanted(place) {
        // SAFETY: nothing of this process is left.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}

fn is_wanted(place: &str) -> bool {
    let Some(path) = env::var_os(VARIABLE) else { return false };
    let Ok(wanted) = fs::read_to_string(&path) else { return false };
    wanted.trim() == place && fs::remove_file(&path).is_ok()
}
