//! Holding back the response of an app until its body is there, and answering in its stead.
//!
//! For responses that cannot be judged by their head ([`super::upstream`] answers those). The
//! header is not sent, the body is taken at the top of the chain; when nginx has ended the
//! upstream, the request is kept open by a mark that output is pending. That leads to
//! ngx_http_writer(), and by its call of the body filter to a handler of our own, which then does what
//! ngx_http_core_content_phase() does with a content handler. (Not in the filter itself: whatever
//! waits by then for its turn, a termination or a phase of a redirected request, would be lost when the
//! writer takes the write event for itself.)

#![allow(unsafe_code)]

use core::cell::{Cell, RefCell};
use core::ptr;
use core::slice;

use nginx_sys::{
    ngx_chain_t, ngx_http_finalize_request, ngx_http_post_request, ngx_http_request_empty_handler,
    ngx_http_request_t, ngx_int_t,
};

use super::module::HttpModule;
use super::request::Request;
use super::sleep::delete_timer;
use super::subrequest::{End, consume};
use super::{NoMemory, Status, bits, guard};

/// A body that is being collected. Lives in the pool of its request.
pub(super) struct Collected<M: HttpModule> {
    limit: usize,
    body: RefCell<Vec<u8>>,
    end: Cell<End>,
    /// No more of it is kept.
    stopped: Cell<bool>,
    /// Nothing more is to come.
    over: Cell<bool>,
    then: Then<M>,
}

/// Goes on with the request when the body is there.
type Then<M> = for<'a> fn(Request<'a, M>, End, &'a [u8]) -> Status;

/// A bit of `r->buffered` that no filter of nginx's default build uses.
const PENDING: u32 = 0x08;

impl<M: HttpModule> Request<'_, M> {
    /// In a header filter, of a main request with an exchange: holds the response back. The filter
    /// returns NGX_OK.
    pub(crate) fn collect(self, limit: usize, then: Then<M>) -> Result<(), NoMemory> {
        let collected = self.pool().own(Collected::<M> {
            limit,
            body: RefCell::new(Vec::new()),
            end: Cell::new(End::Cut),
            stopped: Cell::new(false),
            over: Cell::new(false),
            then,
        })?;
        // SAFETY: `ctx` has a slot for each module.
        unsafe { *slot::<M>(self.as_ptr()) = ptr::from_ref(collected).cast_mut().cast() };
        Ok(())
    }
}

impl<M: HttpModule> Collected<M> {
    /// Keeps a piece, unless it is over the limit, or memory is out.
    fn take(&self, piece: &[u8]) {
        if self.stopped.get() {
            return;
        }
        let mut body = self.body.borrow_mut();
        if piece.len() > self.limit.saturating_sub(body.len()) {
            self.end.set(End::Oversize);
            self.stopped.set(true);
        } else if body.try_reserve(piece.len()).is_err() {
            self.stopped.set(true);
        } else {
            body.extend_from_slice(piece);
        }
    }
}

/// # Safety
/// `r` is a live request.
unsafe fn slot<M: HttpModule>(r: *mut ngx_http_request_t) -> *mut *mut core::ffi::c_void {
    // SAFETY: handed on to the caller.
    unsafe { (*r).ctx.add((*M::raw_filter()).ctx_index) }
}

/// The top body filter: `None` for responses that are not held back.
///
/// # Safety
/// `r` is a live request, `chain` a live chain of buffers or null.
#[inline]
pub(super) unsafe fn filter<M: HttpModule>(
    r: *mut ngx_http_request_t,
    chain: *mut ngx_chain_t,
) -> Option<ngx_int_t> {
    // SAFETY: the slot is null or holds what `collect` put there, which the pool owns.
    unsafe {
        let collected = (*slot::<M>(r)).cast::<Collected<M>>().as_ref()?;
        if chain.is_null() && collected.over.get() {
            (*r).write_event_handler = Some(answer::<M>);
            ngx_http_post_request(r, ptr::null_mut());
            return Some(Status::OK.0);
        }
        take(r, collected, chain);
        Some(Status::OK.0)
    }
}

/// # Safety
/// As for [`filter`].
unsafe fn take<M: HttpModule>(
    r: *mut ngx_http_request_t,
    collected: &Collected<M>,
    chain: *mut ngx_chain_t,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut link = chain;
        while let Some(at) = link.as_ref() {
            let buffer = at.buf;
            if let Ok(len) = usize::try_from((*buffer).last.offset_from((*buffer).pos))
                && len > 0
            {
                collected.take(slice::from_raw_parts((*buffer).pos, len));
            }
            if bits::NGX_BUF_LAST_BUF.is_set(buffer) && !collected.stopped.get() {
                collected.end.set(End::Whole);
            }
            link = at.next;
        }
        consume(chain);
        // nginx ends the upstream before it sends the last buffer, or none if the app broke off.
        let upstream = (*r).upstream.as_ref();
        if upstream.is_none_or(|upstream| upstream.cleanup.is_null())
            && !collected.over.replace(true)
        {
            hold(r);
        }
    }
}

/// nginx is about to end the request, since all was sent as far as it knows.
///
/// # Safety
/// `r` is a live request.
unsafe fn hold(r: *mut ngx_http_request_t) {
    // SAFETY: handed on to the caller. Without memory to post it, the write event of the
    // connection, or else `send_timeout`, ends the wait.
    unsafe {
        let buffered = bits::NGX_HTTP_REQUEST_BUFFERED.get(r);
        bits::NGX_HTTP_REQUEST_BUFFERED.set(r, buffered | PENDING);
        ngx_http_post_request(r, ptr::null_mut());
    }
}

/// Answers in the app's stead. Called by nginx right after ngx_http_writer(), which has found output
/// pending and done nothing.
unsafe extern "C" fn answer<M: HttpModule>(r: *mut ngx_http_request_t) {
    // SAFETY: nginx passes a live main request, whose slot holds what `collect` put there.
    unsafe {
        let Some(collected) = (*slot::<M>(r)).cast::<Collected<M>>().as_ref() else { return };
        *slot::<M>(r) = ptr::null_mut();
        let buffered = bits::NGX_HTTP_REQUEST_BUFFERED.get(r);
        bits::NGX_HTTP_REQUEST_BUFFERED.set(r, buffered & !PENDING);
        // That of the writer.
        delete_timer((*(*r).connection).write);
        (*r).write_event_handler = Some(ngx_http_request_empty_handler);

        let request = Request::<M>::from_raw(r);
        let status = guard::shield(Status::INTERNAL_SERVER_ERROR, || {
            match request.pool().own(collected.body.take()) {
                Ok(body) => (collected.then)(request, collected.end.get(), body),
                Err(failed) => failed.into(),
            }
        });
        ngx_http_finalize_request(r, status.0);
    }
}
