//! The wall against panics: none unwinds into nginx.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`; when it panics, returns `otherwise` instead.
///
/// The panic itself is printed by the hook that [`install_hook`] sets.
pub(super) fn shield<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// Makes a panic one line of nginx's error log, at level alert: it is a bug of the module.
pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(|panic| {
        super::log::cycle(super::log::Level::Alert, format_args!("download: bug: {panic}"));
    }));
}
