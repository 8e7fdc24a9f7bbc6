//! Asking another location: a subrequest whose whole answer comes back as memory.
//!
//! nginx's own NGX_HTTP_SUBREQUEST_IN_MEMORY cuts the client off when the answer is larger than
//! one upstream buffer. So this is a plain subrequest, as the auth_request module makes, whose
//! output the capture filter ([`super::filter`]) takes at the lower end of the filter chain,
//! with a limit of our own. Nothing of it ever reaches the client.
//!
//! The subrequest is recognised by its post-subrequest handler, not by a module context: that
//! survives internal redirects (`error_page`, `try_files`, X-Accel-Redirect) inside the asked
//! location, which wipe the contexts.

#![allow(unsafe_code)]

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_HTTP_SUBREQUEST_WAITED, ngx_chain_t, ngx_connection_t, ngx_http_finalize_request,
    ngx_http_post_subrequest_t, ngx_http_request_body_t, ngx_http_request_empty_handler,
    ngx_http_request_t, ngx_http_subrequest, ngx_int_t, ngx_list_t,
};

use super::bits;
use super::client::place_headers;
use super::module::HttpModule;
use super::pool::{as_bytes, ngx_str};
use super::request::{Request, add_reference, drop_reference};
use super::response::fields;
use super::upstream::{app_headers, take_body};
use super::{Status, guard};

/// What to ask, and what to do with the answer.
pub(crate) struct Question<'r, M: HttpModule> {
    /// A location of the same server, decoded.
    pub(crate) uri: &'r [u8],
    /// Its arguments, raw.
    pub(crate) args: &'r [u8],
    /// The header fields of the client, by name, that the location does not get to see.
    pub(crate) withhold: fn(&[u8]) -> bool,
    /// The most bytes of body that are taken.
    pub(crate) limit: usize,
    /// Goes on with the request when the answer is there.
    pub(crate) then: for<'a> fn(Request<'a, M>, Answer<'a>) -> Status,
}

/// A question that was asked. Lives in the pool of the request that asked.
pub(super) struct Asked<M: HttpModule> {
    subrequest: Cell<*mut ngx_http_request_t>,
    then: for<'a> fn(Request<'a, M>, Answer<'a>) -> Status,
    limit: usize,
    body: RefCell<Vec<u8>>,
    /// The whole body, where it lies in the buffer that the app's response was read into.
    in_place: Cell<Option<NonNull<[u8]>>>,
    end: Cell<End>,
    /// No more of the answer is taken: the filter ends the transfer by NGX_ERROR.
    stopped: Cell<bool>,
}

/// How the body of an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It did not: the other side went away, or something failed on the way.
    Cut,
    /// As it should.
    Whole,
    /// It went over the limit, and the rest was not read.
    Oversize,
    /// The asked location put subrequests of its own into it (slice).
    Mixed,
}

/// What came back.
pub(crate) struct Answer<'r> {
    subrequest: *const ngx_http_request_t,
    body: &'r [u8],
    end: End,
    life: PhantomData<&'r ()>,
}

impl<'r> Answer<'r> {
    pub(super) fn as_ptr(&self) -> *const ngx_http_request_t {
        self.subrequest
    }

    /// The HTTP status; 0 when there was no response at all.
    pub(crate) fn status(&self) -> u16 {
        // SAFETY: a subrequest lives in the pool of its parent, which lives for `'r`.
        unsafe { (*self.subrequest).headers_out.status as u16 }
    }

    /// Content-Type, possibly with parameters.
    pub(crate) fn content_type(&self) -> &'r [u8] {
        // SAFETY: as in `status`.
        unsafe { as_bytes((*self.subrequest).headers_out.content_type) }
    }

    /// The length of Content-Type without its parameters.
    pub(crate) fn content_type_essence(&self) -> usize {
        // SAFETY: as in `status`.
        unsafe { (*self.subrequest).headers_out.content_type_len }
    }

    /// The status of the app itself, where the location passes on to one and it answered.
    pub(crate) fn app_status(&self) -> Option<u16> {
        // SAFETY: as in `status`; the upstream lives in the same pool.
        let status = unsafe { (*self.subrequest).upstream.as_ref()?.headers_in.status_n };
        u16::try_from(status).ok().filter(|&status| status != 0)
    }

    /// Last-Modified in Unix seconds.
    pub(crate) fn last_modified(&self) -> Option<i64> {
        // SAFETY: as in `status`.
        Some(unsafe { (*self.subrequest).headers_out.last_modified_time }).filter(|&t| t >= 0)
    }

    /// The `charset` that nginx took off the Content-Type.
    pub(crate) fn charset(&self) -> &'r [u8] {
        // SAFETY: as in `status`.
        unsafe { as_bytes((*self.subrequest).headers_out.charset) }
    }

    /// The body, as far as it was taken.
    pub(crate) fn body(&self) -> &'r [u8] {
        self.body
    }

    /// How the body ended.
    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// The header fields of the app's response as it came, those included that nginx hides.
    pub(crate) fn app_headers(&self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        // SAFETY: as in `status`.
        unsafe { app_headers(self.subrequest) }
    }

    /// Name and value of all other header fields.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        // SAFETY: as in `status`; a field with hash 0 was dropped.
        unsafe {
            fields(&(*self.subrequest).headers_out.headers)
                .filter(|field| (**field).hash != 0)
                .map(|field| (as_bytes((*field).key), as_bytes((*field).value)))
        }
    }
}

impl<'r, M: HttpModule> Request<'r, M> {
    /// Asks, by the subrequest that comes back. On success the caller returns NGX_DONE to nginx,
    /// which calls `question.then` when the answer is there; unless the client goes away before.
    pub(crate) fn ask(self, question: &Question<'r, M>) -> Result<Self, Status> {
        let asked = self.pool().own(Asked::<M> {
            subrequest: Cell::new(ptr::null_mut()),
            then: question.then,
            limit: question.limit,
            body: RefCell::new(Vec::new()),
            in_place: Cell::new(None),
            end: Cell::new(End::Whole),
            stopped: Cell::new(false),
        })?;
        let done = self.pool().zeroed::<ngx_http_post_subrequest_t>()?.as_ptr();
        let no_body = self.pool().zeroed::<ngx_http_request_body_t>()?.as_ptr();
        let headers = self.headers_without(&question.withhold)?;
        let (mut uri, mut args) = (ngx_str(question.uri), ngx_str(question.args));
        // SAFETY: all that the subrequest is given lives in the pool of the request. nginx
        // starts it from its event loop, after this function has returned.
        unsafe {
            (*done).handler = Some(finished::<M>);
            (*done).data = ptr::from_ref(asked).cast_mut().cast();
            let r = self.as_ptr();
            let connection = (*r).connection;
            let turn = (*connection).data;
            let mut sr = ptr::null_mut();
            let flags = NGX_HTTP_SUBREQUEST_WAITED as usize;
            let rc = ngx_http_subrequest(r, &raw mut uri, &raw mut args, &raw mut sr, done, flags);
            if rc != 0 {
                // Nothing was started, but it may be its turn to write, or waited for: an error page
                // would wait for ever, unless that is undone.
                (*connection).data = turn;
                if !sr.is_null() {
                    take_back(r, sr);
                }
                return Err(Status::INTERNAL_SERVER_ERROR);
            }
            asked.subrequest.set(sr);
            (*sr).request_body = no_body;
            replace_headers(sr, headers);

            (*r).write_event_handler = Some(resume::<M>);
            // Given back by the NGX_DONE that the caller returns.
            add_reference(r);
            // It lives in the pool of the request.
            Ok(Self::from_raw(sr))
        }
    }

    /// The question that this request asked last.
    fn asked(self) -> Option<&'r Asked<M>> {
        // SAFETY: subrequests live in the pool of the request.
        self.pool().find::<Asked<M>>(|asked| unsafe {
            asked.subrequest.get().as_ref().is_some_and(|sr| sr.parent == self.as_ptr())
        })
    }
}

/// Gives the subrequest header fields of its own, and no body.
///
/// # Safety
/// `sr` is a subrequest that has not started; `headers` was made by `headers_without`.
unsafe fn replace_headers(sr: *mut ngx_http_request_t, headers: ngx_list_t) {
    // SAFETY: handed on to the caller.
    unsafe {
        place_headers(sr, headers);
        let headers_in = &raw mut (*sr).headers_in;
        (*headers_in).content_length_n = -1;
        bits::NGX_HTTP_HEADERS_IN_CHUNKED.set(headers_in, 0);
        (*headers_in).content_length = ptr::null_mut();
        (*headers_in).transfer_encoding = ptr::null_mut();
        (*headers_in).range = ptr::null_mut();
        (*headers_in).if_range = ptr::null_mut();
        (*headers_in).if_match = ptr::null_mut();
        (*headers_in).if_none_match = ptr::null_mut();
        (*headers_in).if_modified_since = ptr::null_mut();
        (*headers_in).if_unmodified_since = ptr::null_mut();
        (*headers_in).expect = ptr::null_mut();
        (*headers_in).te = ptr::null_mut();
        #[cfg(ngx_feature = "http_gzip")]
        {
            (*headers_in).accept_encoding = ptr::null_mut();
        }
    }
}

/// The question that `r` is the answer to: `Ok` when it is the subrequest itself, `Err` when it
/// is a part of one, `None` for all other requests.
///
/// # Safety
/// `r` is a live request.
#[inline]
pub(super) unsafe fn question_of<'r, M: HttpModule>(
    r: *mut ngx_http_request_t,
) -> Option<Result<&'r Asked<M>, &'r Asked<M>>> {
    // SAFETY: parents outlive their subrequests; our handler's data is an `Asked<M>`.
    unsafe {
        let mut at = r;
        while at != (*at).main {
            if let Some(post) = (*at).post_subrequest.as_ref()
                && post.handler.is_some_and(|h| ptr::fn_addr_eq(h, finished::<M> as Finished))
            {
                let asked = &*post.data.cast::<Asked<M>>();
                return Some(if at == r { Ok(asked) } else { Err(asked) });
            }
            at = (*at).parent;
        }
        None
    }
}

impl<M: HttpModule> Asked<M> {
    /// The header is there; the body comes next, unless it is here already. The status is for
    /// nginx.
    ///
    /// # Safety
    /// `sr` is the live subrequest that answers.
    pub(super) unsafe fn begin_body(&self, sr: *mut ngx_http_request_t) -> Status {
        // SAFETY: handed on to the caller.
        unsafe {
            let length = usize::try_from((*sr).headers_out.content_length_n);
            if length.is_ok_and(|length| length > self.limit) {
                return self.stop(End::Oversize);
            }
            if let Some((body, status)) = take_body(sr) {
                self.in_place.set(Some(body));
                return status;
            }
            bits::NGX_HTTP_REQUEST_FILTER_NEED_IN_MEMORY.set(sr, 1);
            match self.body.borrow_mut().try_reserve_exact(length.unwrap_or(0)) {
                Ok(()) => Status::OK,
                Err(_) => self.stop(End::Cut),
            }
        }
    }

    fn stop(&self, end: End) -> Status {
        self.end.set(end);
        self.stopped.set(true);
        Status::ERROR
    }

    /// A bug came in between: what was taken is nothing to go by.
    #[cold]
    pub(super) fn break_off(&self) -> Status {
        self.stop(End::Cut)
    }

    /// A piece of the body.
    pub(super) fn take(&self, piece: &[u8]) -> Result<(), Status> {
        let mut body = self.body.borrow_mut();
        if self.stopped.get() {
            return Err(Status::ERROR);
        }
        if piece.len() > self.limit.saturating_sub(body.len()) {
            return Err(self.stop(End::Oversize));
        }
        if body.try_reserve(piece.len()).is_err() {
            return Err(self.stop(End::Cut));
        }
        body.extend_from_slice(piece);
        Ok(())
    }

    /// A body began, or went on: it is whole when its `last` piece is there. An answer that
    /// never gets here has no body at all.
    pub(super) fn progress(&self, last: bool) {
        match self.end.get() {
            End::Whole if !last => self.end.set(End::Cut),
            End::Cut if last => self.end.set(End::Whole),
            _ => {}
        }
    }

    /// The answer failed on its way.
    fn fail(&self) {
        if self.end.get() == End::Whole {
            self.end.set(End::Cut);
        }
    }

    /// Something else is mixed into the body, so it is nothing the app said.
    pub(super) fn spoil(&self) {
        self.end.set(End::Mixed);
    }
}

type Finished = unsafe extern "C" fn(*mut ngx_http_request_t, *mut c_void, ngx_int_t) -> ngx_int_t;

/// nginx calls this when the subrequest is finalized, twice where an error page is made in
/// between, so it decides nothing: that is for [`resume`].
unsafe extern "C" fn finished<M: HttpModule>(
    sr: *mut ngx_http_request_t,
    asked: *mut c_void,
    rc: ngx_int_t,
) -> ngx_int_t {
    // SAFETY: nginx passes the live subrequest, and the data that `ask` gave it.
    unsafe {
        let asked = &*asked.cast::<Asked<M>>();
        let connection: *mut ngx_connection_t = (*sr).connection;
        if asked.stopped.get() {
            // ngx_http_output_filter() blames the client's connection for any NGX_ERROR.
            bits::NGX_CONNECTION_ERROR.set(connection, 0);
        } else if Status(rc) != Status::ERROR || bits::NGX_CONNECTION_ERROR.is_set(connection) {
            return rc;
        }
        // The answer failed, not the client's connection, which NGX_ERROR would end. What is
        // left in the subrequest's filters was meant for nobody.
        bits::NGX_HTTP_REQUEST_BUFFERED.set(sr, 0);
        asked.fail();
    }
    Status::OK.0
}

/// The write event handler of a request that has asked: nginx calls it when the subrequest has
/// ended, and may call it before.
unsafe extern "C" fn resume<M: HttpModule>(r: *mut ngx_http_request_t) {
    // SAFETY: nginx passes the live request, which holds a reference to itself until
    // ngx_http_finalize_request() gives it back; nothing touches it afterwards.
    unsafe {
        let request = Request::<M>::from_raw(r);
        let Some(asked) = request.asked() else { return };
        let sr = asked.subrequest.get();
        if !bits::NGX_HTTP_REQUEST_DONE.is_set(sr) {
            return;
        }
        (*r).write_event_handler = Some(ngx_http_request_empty_handler);
        release(r, sr);
        let status = guard::shield(Status::INTERNAL_SERVER_ERROR, || {
            let body = match (asked.in_place.get(), request.pool()) {
                // The buffer is in the pool of the request, and nothing writes to it any more.
                (Some(body), _) => body.as_ref(),
                (None, pool) => match pool.own(asked.body.take()) {
                    Ok(body) => body,
                    Err(failed) => return failed.into(),
                },
            };
            let answer = Answer { subrequest: sr, body, end: asked.end.get(), life: PhantomData };
            (asked.then)(request, answer)
        });
        ngx_http_finalize_request(r, status.0);
    }
}

/// Undoes what ngx_http_subrequest() has done when memory is out for the last of it, which is to post
/// the subrequest.
///
/// # Safety
/// `sr` is a subrequest of the live request `r`, and was not posted.
#[cold]
unsafe fn take_back(r: *mut ngx_http_request_t, sr: *mut ngx_http_request_t) {
    // SAFETY: handed on to the caller.
    unsafe {
        let mut link = &raw mut (*r).postponed;
        while let Some(postponed) = (*link).as_mut() {
            if postponed.request == sr {
                *link = postponed.next;
                break;
            }
            link = &raw mut postponed.next;
        }
        drop_reference(r);
    }
}

/// A subrequest that ends while it is not its turn to write (its parent is one of several parts
/// of an SSI page, or a background request made by `mirror`) stays among the postponed ones, for
/// its output to be sent in time. Ours has none, and its parent must not wait for it.
///
/// # Safety
/// `sr` is an ended subrequest of the live request `r`.
unsafe fn release(r: *mut ngx_http_request_t, sr: *mut ngx_http_request_t) {
    // SAFETY: handed on to the caller; a subrequest that has ended is not the last reference.
    unsafe {
        let Some(postponed) = (*r).postponed.as_ref() else { return };
        if postponed.request == sr {
            (*r).postponed = postponed.next;
            drop_reference(r);
        }
    }
}

/// Takes the buffers of `chain` as read.
///
/// # Safety
/// `chain` is a live chain of buffers.
pub(super) unsafe fn consume(mut chain: *mut ngx_chain_t) {
    // SAFETY: handed on to the caller.
    unsafe {
        while !chain.is_null() {
            let buffer = (*chain).buf;
            (*buffer).pos = (*buffer).last;
            (*buffer).file_pos = (*buffer).file_last;
            chain = (*chain).next;
        }
    }
}
