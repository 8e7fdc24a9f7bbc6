//! Two filters of nginx's output chain.
//!
//! The top filter stands above all others, not_modified and range included, so that these work
//! on what it makes of a response. The capture filter stands below the copy filter, where
//! bodies are in memory, and takes the answers of subrequests that [`super::subrequest`] made.
//! `modules.rs` says how nginx is told these places.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::slice;

use nginx_sys::{
    ngx_chain_t, ngx_conf_t, ngx_http_output_body_filter_pt, ngx_http_output_header_filter_pt,
    ngx_http_request_t, ngx_http_top_body_filter, ngx_http_top_header_filter, ngx_int_t,
};

use super::conf::Conf;
use super::module::HttpModule;
use super::request::Request;
use super::subrequest::{Asked, consume, question_of};
use super::{Status, bits, collect, guard};

/// The filter that comes after one of ours. There is one, as nginx's own ends both chains.
struct Next<F>(UnsafeCell<Option<F>>);

// SAFETY: written while the configuration is read and read by requests later, all on nginx's
// one thread.
unsafe impl<F> Sync for Next<F> {}

impl<F: Copy> Next<F> {
    const fn nobody() -> Self {
        Self(UnsafeCell::new(None))
    }

    fn set(&self, filter: Option<F>) {
        // SAFETY: see `Sync`.
        unsafe { *self.0.get() = filter }
    }

    /// # Safety
    /// The filter that it comes after is installed.
    #[inline]
    unsafe fn filter(&self) -> F {
        // SAFETY: see `Sync`; handed on to the caller.
        unsafe { (*self.0.get()).unwrap_unchecked() }
    }
}

type HeaderFilter = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;
type BodyFilter = unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_chain_t) -> ngx_int_t;

static AFTER_TOP: Next<HeaderFilter> = Next::nobody();
static AFTER_TOP_BODY: Next<BodyFilter> = Next::nobody();
static AFTER_CAPTURE_HEADER: Next<HeaderFilter> = Next::nobody();
static AFTER_CAPTURE_BODY: Next<BodyFilter> = Next::nobody();

/// Makes the top filter the first of the filters, but for those that ask to stand above it. nginx
/// makes its chains anew each time that it reads its configuration.
pub(crate) unsafe extern "C" fn install_top<M: HttpModule>(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx reads its configuration on one thread, and has read it.
    unsafe {
        if !M::has_filters(Conf::from_raw(cf).main_conf::<M>()) {
            return Status::OK.0;
        }
        let first: ngx_http_output_header_filter_pt = ngx_http_top_header_filter;
        AFTER_TOP.set(first);
        ngx_http_top_header_filter = Some(top_header::<M>);
        let first: ngx_http_output_body_filter_pt = ngx_http_top_body_filter;
        AFTER_TOP_BODY.set(first);
        ngx_http_top_body_filter = Some(top_body::<M>);
    }
    Status::OK.0
}

/// Puts the capture filter into both chains.
pub(crate) unsafe extern "C" fn install_capture<M: HttpModule>(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: as in `install_top`.
    unsafe {
        if !M::has_filters(Conf::from_raw(cf).main_conf::<M>()) {
            return Status::OK.0;
        }
        let first: ngx_http_output_header_filter_pt = ngx_http_top_header_filter;
        AFTER_CAPTURE_HEADER.set(first);
        ngx_http_top_header_filter = Some(capture_header::<M>);
        let first: ngx_http_output_body_filter_pt = ngx_http_top_body_filter;
        AFTER_CAPTURE_BODY.set(first);
        ngx_http_top_body_filter = Some(capture_body::<M>);
    }
    Status::OK.0
}

// What nginx calls for each response is but a look whether the response is any business of ours: what
// follows is kept out of it, so that those of others take a handful of instructions.

unsafe extern "C" fn top_header<M: HttpModule>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx passes a live request.
    unsafe {
        if (*r).upstream.is_null() && !Request::<M>::from_raw(r).may_have_exchange() {
            return AFTER_TOP.filter()(r);
        }
        filter_header::<M>(r)
    }
}

/// # Safety
/// `r` is a live request.
#[inline(never)]
unsafe fn filter_header<M: HttpModule>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: handed on to the caller.
    unsafe {
        let request = Request::<M>::from_raw(r);
        let of_app = request.has_app_response() && question_of::<M>(r).is_none();
        let filtered = guard::shield(None, || {
            let filtered = if of_app { M::filter_app(request) } else { Ok(()) };
            Some(filtered.and_then(|()| match request.exchange() {
                Some(exchange) => M::filter_header(request, exchange),
                None => Ok(()),
            }))
        });
        match filtered {
            Some(Ok(())) => AFTER_TOP.filter()(r),
            Some(Err(status)) => status.0,
            None => after_bug(request, of_app).0,
        }
    }
}

/// What becomes of a response whose header ran into a bug.
#[cold]
fn after_bug<M: HttpModule>(request: Request<'_, M>, of_app: bool) -> Status {
    if of_app && !request.has_app_response() {
        // The bug is in what was to take its place.
        request.conclude(Status::INTERNAL_SERVER_ERROR)
    } else if request.is_error_page() {
        // The page that says so would run into it as well.
        Status::ERROR
    } else {
        request.replace_response(500)
    }
}

unsafe extern "C" fn top_body<M: HttpModule>(
    r: *mut ngx_http_request_t,
    chain: *mut ngx_chain_t,
) -> ngx_int_t {
    // SAFETY: nginx passes a live request and a live chain, or null to send what is pending.
    unsafe {
        // What is held back has an exchange.
        if !Request::<M>::from_raw(r).may_have_exchange() {
            return AFTER_TOP_BODY.filter()(r, chain);
        }
        filter_body::<M>(r, chain)
    }
}

/// # Safety
/// As for [`top_body`].
#[inline(never)]
unsafe fn filter_body<M: HttpModule>(
    r: *mut ngx_http_request_t,
    chain: *mut ngx_chain_t,
) -> ngx_int_t {
    // SAFETY: handed on to the caller.
    unsafe {
        let request = Request::<M>::from_raw(r);
        let ended = guard::shield(Some(Status::ERROR.0), || {
            if let Some(status) = collect::filter::<M>(r, chain) {
                return Some(status);
            }
            M::filter_body(request, request.exchange()?).err().map(|status| status.0)
        });
        match ended {
            Some(status) => status,
            None => AFTER_TOP_BODY.filter()(r, chain),
        }
    }
}

unsafe extern "C" fn capture_header<M: HttpModule>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx passes a live request.
    unsafe {
        match question_of::<M>(r) {
            None => AFTER_CAPTURE_HEADER.filter()(r),
            Some(question) => take_header(r, question),
        }
    }
}

/// # Safety
/// `r` is a live request that answers `question`.
#[inline(never)]
unsafe fn take_header<M: HttpModule>(
    r: *mut ngx_http_request_t,
    question: Result<&Asked<M>, &Asked<M>>,
) -> ngx_int_t {
    // SAFETY: handed on to the caller.
    unsafe {
        // What ngx_http_header_filter() does for subrequests.
        bits::NGX_HTTP_REQUEST_HEADER_SENT.set(r, 1);
        let Ok(asked) = question else { return Status::OK.0 };
        let begun = guard::shield(None, || Some(asked.begin_body(r)));
        begun.unwrap_or_else(|| asked.break_off()).0
    }
}

unsafe extern "C" fn capture_body<M: HttpModule>(
    r: *mut ngx_http_request_t,
    chain: *mut ngx_chain_t,
) -> ngx_int_t {
    // SAFETY: nginx passes a live request and a live chain, in which bodies are in memory, as
    // `filter_need_in_memory` asks the copy filter above to see to.
    unsafe {
        match question_of::<M>(r) {
            None => AFTER_CAPTURE_BODY.filter()(r, chain),
            Some(question) => take_body(question, chain),
        }
    }
}

/// # Safety
/// `chain` is a live chain, in which bodies are in memory.
#[inline(never)]
unsafe fn take_body<M: HttpModule>(
    question: Result<&Asked<M>, &Asked<M>>,
    chain: *mut ngx_chain_t,
) -> ngx_int_t {
    // SAFETY: handed on to the caller.
    unsafe {
        let taken = guard::shield(None, || Some(capture(question, chain)));
        let taken = taken.unwrap_or_else(|| match question {
            Ok(asked) | Err(asked) => Err(asked.break_off()),
        });
        consume(chain);
        taken.map_or_else(|status| status.0, |()| Status::OK.0)
    }
}

/// Takes what is in a chain of buffers: of the answer itself, or of what is mixed into it.
///
/// # Safety
/// `chain` is a live chain, in which bodies are in memory.
unsafe fn capture<M: HttpModule>(
    question: Result<&Asked<M>, &Asked<M>>,
    chain: *mut ngx_chain_t,
) -> Result<(), Status> {
    let mut link = chain;
    let mut taken = Ok(());
    // SAFETY: handed on to the caller.
    unsafe {
        while let Some(at) = link.as_ref() {
            let buffer = at.buf;
            let piece = match usize::try_from((*buffer).last.offset_from((*buffer).pos)) {
                Ok(len) if len > 0 => slice::from_raw_parts((*buffer).pos, len),
                _ => &[],
            };
            match question {
                Ok(asked) => {
                    taken = taken.and_then(|()| asked.take(piece));
                    let last = bits::NGX_BUF_LAST_BUF.is_set(buffer)
                        || bits::NGX_BUF_LAST_IN_CHAIN.is_set(buffer);
                    asked.progress(last && taken.is_ok());
                }
                Err(asked) if !piece.is_empty() => asked.spoil(),
                Err(_) => {}
            }
            link = at.next;
        }
    }
    taken
}
