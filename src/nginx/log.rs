//! nginx's error log.

#![allow(unsafe_code)]

use core::fmt::Arguments;
use core::mem::MaybeUninit;

use nginx_sys::{ngx_log_t, ngx_uint_t};

/// Severity, in nginx's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// A bug of the module.
    Alert,
    /// The system is in trouble: no descriptors, disk errors.
    Crit,
    /// Somebody has to mend something: the app or the configuration.
    Error,
    /// Odd, but dealt with.
    Warn,
    /// Worth knowing.
    Notice,
    /// The ordinary course of things.
    Info,
}

impl Level {
    fn raw(self) -> ngx_uint_t {
        let level = match self {
            Self::Alert => nginx_sys::NGX_LOG_ALERT,
            Self::Crit => nginx_sys::NGX_LOG_CRIT,
            Self::Error => nginx_sys::NGX_LOG_ERR,
            Self::Warn => nginx_sys::NGX_LOG_WARN,
            Self::Notice => nginx_sys::NGX_LOG_NOTICE,
            Self::Info => nginx_sys::NGX_LOG_INFO,
        };
        level as ngx_uint_t
    }
}

/// Writes one line to `log`; a non-zero `errno` is explained at its end, as nginx does.
///
/// # Safety
/// `log` is a live log.
pub(super) unsafe fn write(log: *mut ngx_log_t, level: Level, errno: i32, text: Arguments<'_>) {
    // SAFETY: the caller vouches for `log`; the buffer outlives the call.
    unsafe {
        if (*log).log_level < level.raw() {
            return;
        }
        let mut buffer = [const { MaybeUninit::uninit() }; ngx::log::LOG_BUFFER_SIZE];
        let line = ngx::log::write_fmt(&mut buffer, text);
        ngx::log::log_error(level.raw(), log, errno, line);
    }
}

/// Writes one line about what must not happen, and concerns no request in particular.
pub(crate) fn log_alert(text: Arguments<'_>) {
    cycle(Level::Alert, 0, text);
}

/// Writes one line to the error log of the running configuration.
pub(super) fn cycle(level: Level, errno: i32, text: Arguments<'_>) {
    // SAFETY: nginx sets ngx_cycle before any module runs, and its log lives as long.
    unsafe { write((*nginx_sys::ngx_cycle).log, level, errno, text) }
}
