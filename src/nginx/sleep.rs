//! Requests that wait: for a while, or until somebody wakes them.
//!
//! As limit_req does it: the request keeps a reference to itself and lets go of the event loop; a
//! client that goes away meanwhile is noticed by `ngx_http_test_reading()`.

#![allow(unsafe_code)]

use core::cell::{Cell, RefCell, UnsafeCell};
use core::mem::zeroed;
use core::ptr;
use std::collections::HashMap;

use nginx_sys::{
    ngx_current_msec, ngx_event_t, ngx_event_timer_rbtree, ngx_handle_read_event,
    ngx_http_block_reading, ngx_http_finalize_request, ngx_http_request_t,
    ngx_http_run_posted_requests, ngx_http_test_reading, ngx_posted_events,
    ngx_queue_insert_before, ngx_queue_remove, ngx_rbtree_delete, ngx_rbtree_insert,
};

use super::module::HttpModule;
use super::request::{Request, add_reference};
use super::{NoMemory, Status, bits, guard};

/// A request that sleeps, or has slept. Lives in the pool of the request.
struct Sleeper<M: HttpModule> {
    request: *mut ngx_http_request_t,
    event: UnsafeCell<ngx_event_t>,
    id: SleeperId,
    asleep: Cell<bool>,
    then: Cell<for<'a> fn(Request<'a, M>) -> Status>,
}

/// Names a sleeper, for others to wake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SleeperId(u64);

thread_local! {
    /// The events of those that live: a request may be gone when somebody wants to wake it.
    static EVENTS: RefCell<HashMap<SleeperId, *mut ngx_event_t>> = RefCell::default();
    static LAST: Cell<u64> = const { Cell::new(0) };
}

impl<'r, M: HttpModule> Request<'r, M> {
    /// Goes to sleep for `msec` milliseconds at most; then `then` goes on with the request. The
    /// caller returns NGX_DONE to nginx.
    pub(crate) fn sleep(
        self,
        msec: u64,
        then: for<'a> fn(Request<'a, M>) -> Status,
    ) -> Result<SleeperId, NoMemory> {
        let mine = |sleeper: &Sleeper<M>| sleeper.request == self.as_ptr();
        let sleeper = match self.pool().find::<Sleeper<M>>(mine) {
            Some(sleeper) => sleeper,
            None => self.new_sleeper(then)?,
        };
        sleeper.then.set(then);
        sleeper.asleep.set(true);
        // SAFETY: the request is live; the event lives in its pool, and is taken back when that
        // is destroyed.
        unsafe {
            let r = self.as_ptr();
            arm(sleeper.event.get(), msec);
            if r == (*r).main {
                notice_close((*(*r).connection).read);
                (*r).read_event_handler = Some(ngx_http_test_reading);
            }
            // Given back by the NGX_DONE that the caller returns.
            add_reference(r);
        }
        Ok(sleeper.id)
    }

    fn new_sleeper(
        self,
        then: for<'a> fn(Request<'a, M>) -> Status,
    ) -> Result<&'r Sleeper<M>, NoMemory> {
        let id = SleeperId(LAST.get() + 1);
        LAST.set(id.0);
        // SAFETY: all zero is an event that is neither armed nor posted.
        let event = UnsafeCell::new(unsafe { zeroed::<ngx_event_t>() });
        let sleeper = self.pool().own(Sleeper {
            request: self.as_ptr(),
            event,
            id,
            asleep: Cell::new(false),
            then: Cell::new(then),
        })?;
        // SAFETY: the event is at its final place, which leads to the sleeper around it. The
        // sleeper lives as long as the pool, and leaves the list of events when it is dropped.
        unsafe {
            let event = sleeper.event.get();
            (*event).data = ptr::from_ref(sleeper).cast_mut().cast();
            (*event).handler = Some(awake::<M>);
            (*event).log = (*(*self.as_ptr()).connection).log;
            EVENTS.with_borrow_mut(|events| events.insert(id, event));
        }
        Ok(sleeper)
    }
}

/// Sees to it that the read event handler is called when the client goes away, or if it has gone.
///
/// # Safety
/// `read` is the read event of a live connection.
unsafe fn notice_close(read: *mut ngx_event_t) {
    // SAFETY: handed on to the caller. Failing, it is noticed later.
    unsafe {
        if bits::NGX_EVENT_READY.is_set(read) {
            post(read);
        } else {
            ngx_handle_read_event(read, 0);
        }
    }
}

/// ngx_post_event()
///
/// # Safety
/// `event` is live, and taken back before it is not.
unsafe fn post(event: *mut ngx_event_t) {
    // SAFETY: handed on to the caller; the queue is the process's own.
    unsafe {
        if !bits::NGX_EVENT_POSTED.is_set(event) {
            bits::NGX_EVENT_POSTED.set(event, 1);
            ngx_queue_insert_before(&raw mut ngx_posted_events, &raw mut (*event).queue);
        }
    }
}

/// Wakes a sleeper, if it still sleeps; it goes on when the caller has returned to nginx.
pub(crate) fn wake(id: SleeperId) {
    let event = EVENTS.with_borrow(|events| events.get(&id).copied());
    if let Some(event) = event {
        // SAFETY: the event is live, since its sleeper has not been dropped.
        unsafe { post(event) }
    }
}

/// The event handler of a sleeper: its time is up, or it was woken.
unsafe extern "C" fn awake<M: HttpModule>(event: *mut ngx_event_t) {
    // SAFETY: `data` leads to the sleeper that the event is a part of, which lives as long as the
    // request; the request holds a reference to itself until ngx_http_finalize_request() gives it
    // back, and the connection outlives that, as in all of nginx's event handlers.
    unsafe {
        disarm(event);
        let sleeper = (*event).data.cast::<Sleeper<M>>();
        if !(*sleeper).asleep.replace(false) {
            return;
        }
        let r = (*sleeper).request;
        let connection = (*r).connection;
        if r == (*r).main {
            (*r).read_event_handler = Some(ngx_http_block_reading);
        }
        let request = Request::<M>::from_raw(r);
        let then = (*sleeper).then.get();
        let status = guard::shield(Status::INTERNAL_SERVER_ERROR, || then(request));
        ngx_http_finalize_request(r, status.0);
        ngx_http_run_posted_requests(connection);
    }
}

impl<M: HttpModule> Drop for Sleeper<M> {
    fn drop(&mut self) {
        EVENTS.with_borrow_mut(|events| events.remove(&self.id));
        // SAFETY: the event is ours, and not looked at by nginx once it is disarmed.
        unsafe { disarm(self.event.get()) };
    }
}

/// ngx_add_timer(), without its tolerance for small differences.
///
/// # Safety
/// `event` is live, and stays so while it is armed.
pub(super) unsafe fn arm(event: *mut ngx_event_t, msec: u64) {
    // SAFETY: handed on to the caller; the timers' tree is the process's own.
    unsafe {
        disarm(event);
        let msec = usize::try_from(msec).unwrap_or(usize::MAX / 2);
        (*event).timer.key = (&raw const ngx_current_msec).read_volatile().wrapping_add(msec);
        ngx_rbtree_insert(&raw mut ngx_event_timer_rbtree, &raw mut (*event).timer);
        bits::NGX_EVENT_TIMER_SET.set(event, 1);
    }
}

/// ngx_del_timer() and ngx_delete_posted_event(), where there is something to take back.
///
/// # Safety
/// `event` is live.
pub(super) unsafe fn disarm(event: *mut ngx_event_t) {
    // SAFETY: handed on to the caller; the bits say where nginx has it.
    unsafe {
        delete_timer(event);
        if bits::NGX_EVENT_POSTED.is_set(event) {
            ngx_queue_remove(&raw mut (*event).queue);
            bits::NGX_EVENT_POSTED.set(event, 0);
        }
    }
}

/// ngx_del_timer(), where there is one.
///
/// # Safety
/// `event` is live.
pub(super) unsafe fn delete_timer(event: *mut ngx_event_t) {
    // SAFETY: handed on to the caller; the bit says whether nginx has it in the timers' tree.
    unsafe {
        if bits::NGX_EVENT_TIMER_SET.is_set(event) {
            ngx_rbtree_delete(&raw mut ngx_event_timer_rbtree, &raw mut (*event).timer);
            bits::NGX_EVENT_TIMER_SET.set(event, 0);
        }
    }
}
