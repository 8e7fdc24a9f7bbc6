//! The wall against panics: none unwinds into nginx.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "test-panics")]
pub(super) mod provoke;

/// Runs `body`; when it panics, returns `otherwise` instead.
///
/// The panic itself is logged by the hook that [`install_hook`] sets.
#[cfg_attr(feature = "test-panics", track_caller)]
pub(super) fn shield<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    #[cfg(feature = "test-panics")]
    let body = provoke::before(body);
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// Makes a panic one line of nginx's error log, at level alert: it is a bug of the module.
pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let message = message.escape_debug();
        let text = match panic.location() {
            Some(place) => format!("download: bug at {place}: {message}"),
            None => format!("download: bug: {message}"),
        };
        super::log::cycle(super::log::Level::Alert, 0, format_args!("{text}"));
    }));
}
