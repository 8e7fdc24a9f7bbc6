//! Timers that belong to a worker, not to a request.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::mem::zeroed;
use core::ptr;

use nginx_sys::ngx_event_t;

use super::sleep::{arm, disarm};
use super::{bits, guard};

/// Calls a function after a while, and again for as long as the function says when. It does not keep
/// a worker from ending.
pub(crate) struct Alarm(Box<Timer>);

struct Timer {
    event: UnsafeCell<ngx_event_t>,
    call: Box<dyn Fn() -> Option<u64>>,
}

impl Alarm {
    /// An alarm that is not set.
    pub(crate) fn new(call: impl Fn() -> Option<u64> + 'static) -> Self {
        // SAFETY: all zero is an event that is neither armed nor posted.
        let event = UnsafeCell::new(unsafe { zeroed::<ngx_event_t>() });
        let timer = Box::new(Timer { event, call: Box::new(call) });
        // SAFETY: the event is at its final place. It leads to the timer around it, which takes it
        // back from nginx when it is dropped. Its log is asked for when it goes off, of the cycle
        // that outlives it.
        unsafe {
            let event = timer.event.get();
            (*event).data = ptr::from_ref(&*timer).cast_mut().cast();
            (*event).handler = Some(ring);
            (*event).log = (*nginx_sys::ngx_cycle).log;
            bits::NGX_EVENT_CANCELABLE.set(event, 1);
        }
        Self(timer)
    }

    /// It goes off in `msec` milliseconds, and not when it was to before.
    pub(crate) fn set(&self, msec: u64) {
        // SAFETY: the event lives until the alarm is dropped.
        unsafe { arm(self.0.event.get(), msec) }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the event is ours, and not looked at by nginx once it is disarmed.
        unsafe { disarm(self.0.event.get()) }
    }
}

unsafe extern "C" fn ring(event: *mut ngx_event_t) {
    // SAFETY: nginx passes an event that was armed, so its alarm has not been dropped; `data` leads
    // to its timer.
    unsafe {
        let timer = &*(*event).data.cast::<Timer>();
        if let Some(msec) = guard::shield(None, || (timer.call)()) {
            arm(event, msec);
        }
    }
}
