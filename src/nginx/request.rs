//! A request, as the flow sees it.

#![allow(unsafe_code)]

use core::fmt::Arguments;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nginx_sys::{
    NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_HTTP_POST, ngx_http_complex_value,
    ngx_http_discard_request_body, ngx_http_filter_finalize_request, ngx_http_get_flushed_variable,
    ngx_http_internal_redirect, ngx_http_request_t, ngx_str_t, ngx_uint_t,
};

use super::bits;
use super::conf::Template;
use super::log::{self, Level};
use super::module::HttpModule;
use super::pool::{Pool, as_bytes, ngx_str};
use super::response::Response;
use super::{NoMemory, Status, reserve};

/// A live request. Copies are handles of the same request; none outlives the callback that
/// nginx made with it, which is what `'r` stands for.
pub(crate) struct Request<'r, M> {
    raw: NonNull<ngx_http_request_t>,
    /// Invariant, so that what is said to live for `'r` cannot be some local of the callback.
    life: PhantomData<fn(&'r M) -> &'r M>,
}

impl<M> Clone for Request<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Request<'_, M> {}

/// The methods that the module knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// Any other.
    Other,
}

/// Something and the request it belongs to. Lives in the pool, since internal redirects and
/// named locations wipe the module contexts of a request (`ngx_http_internal_redirect()`), and
/// since subrequests share the pool of their parent.
struct Kept<T> {
    request: *mut ngx_http_request_t,
    value: T,
}

impl<'r, M> Request<'r, M> {
    /// # Safety
    /// `raw` is a request that lives for `'r`.
    #[inline]
    pub(super) unsafe fn from_raw(raw: *mut ngx_http_request_t) -> Self {
        // SAFETY: nginx never passes null.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, life: PhantomData }
    }

    #[inline]
    pub(super) fn as_ptr(self) -> *mut ngx_http_request_t {
        self.raw.as_ptr()
    }

    /// The pool that lives as long as the request.
    pub(crate) fn pool(self) -> Pool<'r> {
        // SAFETY: a request has a pool from its birth to its end.
        unsafe { Pool::from_raw((*self.as_ptr()).pool).unwrap_unchecked() }
    }

    /// The method.
    pub(crate) fn method(self) -> Method {
        // SAFETY: the request is live.
        match unsafe { (*self.as_ptr()).method } as u32 {
            NGX_HTTP_GET => Method::Get,
            NGX_HTTP_HEAD => Method::Head,
            NGX_HTTP_POST => Method::Post,
            _ => Method::Other,
        }
    }

    /// The URI without arguments, decoded and normalised by nginx: `$uri`.
    pub(crate) fn uri(self) -> &'r [u8] {
        // SAFETY: the URI lives in the pool or in the buffer of the request line, both of which
        // live as long as the request.
        unsafe { as_bytes((*self.as_ptr()).uri) }
    }

    /// The query string, raw.
    pub(crate) fn args(self) -> &'r [u8] {
        // SAFETY: as in `uri`.
        unsafe { as_bytes((*self.as_ptr()).args) }
    }

    /// The path as the client wrote it, percent-encoded; `None` where it is no longer that of the
    /// request: rewritten, redirected, or a subrequest's.
    pub(crate) fn unparsed_path(self) -> Option<&'r [u8]> {
        // SAFETY: as in `uri`.
        unsafe {
            let r = self.as_ptr();
            let is_own = self.is_main() && bits::NGX_HTTP_REQUEST_VALID_UNPARSED_URI.is_set(r);
            let path = as_bytes((*r).unparsed_uri).split(|&c| matches!(c, b'?' | b'#')).next();
            path.filter(|_| is_own)
        }
    }

    /// The address of the client: that which `$remote_addr` has in words.
    pub(crate) fn client_address(self) -> Option<IpAddr> {
        // SAFETY: a connection has the address that it comes from, or that the realip module put
        // there, of the kind that its family says.
        unsafe {
            let address = (*(*self.as_ptr()).connection).sockaddr.cast::<libc::sockaddr>();
            match i32::from((*address).sa_family) {
                libc::AF_INET => {
                    let address = (*address.cast::<libc::sockaddr_in>()).sin_addr.s_addr;
                    Some(Ipv4Addr::from(address.to_ne_bytes()).into())
                }
                libc::AF_INET6 => {
                    let address = (*address.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr;
                    Some(Ipv6Addr::from(address).into())
                }
                _ => None,
            }
        }
    }

    /// Replaces the variables of `template`.
    pub(crate) fn eval(self, template: &Template) -> Result<&'r [u8], NoMemory> {
        if let Some(index) = template.variable() {
            return self.variable(index);
        }
        let mut value = ngx_str_t::empty();
        // SAFETY: the template lives in the configuration, which the request keeps alive; the
        // value lives there or in the request's pool.
        unsafe {
            match ngx_http_complex_value(self.as_ptr(), template.as_ptr(), &raw mut value) {
                0 => Ok(as_bytes(value)),
                _ => Err(NoMemory),
            }
        }
    }

    /// The value of a variable, empty where it has none. What `ngx_http_complex_value()` makes of
    /// it, without the copy.
    fn variable(self, index: ngx_uint_t) -> Result<&'r [u8], NoMemory> {
        // SAFETY: nginx gave the index as it read the configuration; values live in the request's
        // pool, its buffers or the configuration.
        unsafe {
            let Some(value) = ngx_http_get_flushed_variable(self.as_ptr(), index).as_ref() else {
                return Err(NoMemory);
            };
            if bits::NGX_VARIABLE_VALUE_NOT_FOUND.is_set(value) {
                return Ok(b"");
            }
            let len = bits::NGX_VARIABLE_VALUE_LEN.get(value) as usize;
            Ok(as_bytes(ngx_str_t { len, data: value.data }))
        }
    }

    /// Reads the request's body away, now or as it arrives. Without it nginx would take an
    /// unread body for the next request.
    pub(crate) fn discard_body(self) -> Result<(), Status> {
        // SAFETY: the request is live; nginx asks content handlers to do this.
        match Status(unsafe { ngx_http_discard_request_body(self.as_ptr()) }) {
            Status::OK => Ok(()),
            status => Err(status),
        }
    }

    /// The response to this request.
    pub(crate) fn response(self) -> Response<'r> {
        // SAFETY: the request lives for `'r`.
        unsafe { Response::from_raw(self.as_ptr()) }
    }

    /// Starts over with another URI, as `X-Accel-Redirect` does; what the module knows of the
    /// request is kept. The caller returns the status that comes back.
    pub(crate) fn redirect(self, uri: &'r [u8], args: &'r [u8]) -> Status {
        let (mut uri, mut args) = (ngx_str(uri), ngx_str(args));
        // SAFETY: both strings live as long as the request. nginx adds a reference to the
        // request, which NGX_DONE gives back.
        Status(unsafe { ngx_http_internal_redirect(self.as_ptr(), &raw mut uri, &raw mut args) })
    }

    /// In a header filter: sends nginx's page for an error in place of the response, by way of
    /// `error_page`. The filter returns the status that comes back.
    pub(crate) fn replace_response(self, status: u16) -> Status {
        // SAFETY: the request is live, and its header not sent.
        Status(unsafe {
            // nginx ends the connection after what a filter has replaced; it should say so.
            bits::NGX_HTTP_REQUEST_KEEPALIVE.set(self.as_ptr(), 0);
            let status = nginx_sys::ngx_int_t::from(status as i16);
            ngx_http_filter_finalize_request(self.as_ptr(), ptr::null_mut(), status)
        })
    }

    /// Writes a line to the error log, with the client and the request that it is about.
    pub(crate) fn log(self, level: Level, errno: i32, text: Arguments<'_>) {
        // SAFETY: a request has a connection, and that a log.
        unsafe { log::write((*(*self.as_ptr()).connection).log, level, errno, text) }
    }

    /// Keeps `value` for the rest of the request's life.
    pub(crate) fn keep<T: 'static>(self, value: T) -> Result<&'r T, NoMemory> {
        let kept = self.pool().own(Kept { request: self.as_ptr(), value })?;
        Ok(&kept.value)
    }

    /// What was kept last of this type.
    pub(crate) fn kept<T: 'static>(self) -> Option<&'r T> {
        let kept = self.pool().find::<Kept<T>>(|kept| kept.request == self.as_ptr())?;
        Some(&kept.value)
    }

    /// Bytes of the body that went out: nginx's `$body_bytes_sent`.
    pub(crate) fn body_bytes_sent(self) -> u64 {
        // SAFETY: the request and its connection are live.
        let (sent, header) = unsafe {
            let r = self.as_ptr();
            ((*(*r).connection).sent, (*(*r).main).header_size)
        };
        u64::try_from(sent).unwrap_or(0).saturating_sub(header as u64)
    }

    /// The status that the client got: nginx's `$status`. 0 where it got none.
    pub(crate) fn final_status(self) -> u16 {
        // SAFETY: the request is live.
        let (error, status) = unsafe {
            let r = self.as_ptr();
            ((*r).err_status, (*r).headers_out.status)
        };
        (if error != 0 { error } else { status }) as u16
    }

    /// Did the response go out to its end? nginx's `$request_completion` does not say so where a
    /// filter has replaced the response, by a 412 say.
    pub(crate) fn is_complete(self) -> bool {
        // SAFETY: the request is live.
        unsafe {
            bits::NGX_HTTP_REQUEST_REQUEST_COMPLETE.is_set(self.as_ptr())
                || bits::NGX_HTTP_REQUEST_FILTER_FINALIZE.is_set(self.as_ptr())
        }
    }

    /// Is it what a client asked for, not a part of something else?
    pub(crate) fn is_main(self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.as_ptr()).main == self.as_ptr() }
    }

    /// Does what is being sent stand in for an error, by `error_page` or by nginx's own page?
    pub(crate) fn is_error_page(self) -> bool {
        // SAFETY: the request is live. `error_page 404 = @name` leaves err_status at 0.
        unsafe { (*self.as_ptr()).err_status != 0 || self.has_error_page() }
    }

    /// Was there an error in a location with `error_page`?
    pub(crate) fn has_error_page(self) -> bool {
        // SAFETY: the request is live.
        unsafe { bits::NGX_HTTP_REQUEST_ERROR_PAGE.is_set(self.as_ptr()) }
    }
}

impl<'r, M: HttpModule> Request<'r, M> {
    /// The module's configuration of the location.
    pub(crate) fn loc_conf(self) -> &'r M::LocConf {
        // SAFETY: `create_loc_conf` put an `M::LocConf` there; the configuration outlives its
        // requests.
        unsafe { &*(*(*self.as_ptr()).loc_conf.add((*M::raw()).ctx_index)).cast() }
    }

    /// The module's configuration of the whole `http {}`.
    pub(crate) fn main_conf(self) -> &'r M::MainConf {
        // SAFETY: as in `loc_conf`.
        unsafe { &*(*(*self.as_ptr()).main_conf.add((*M::raw()).ctx_index)).cast() }
    }

    /// Remembers `exchange` for the rest of the request's life. This is how the module takes a request
    /// up, and so where it does not while memory is out.
    pub(crate) fn begin(self, exchange: M::Exchange) -> Result<&'r M::Exchange, NoMemory> {
        if reserve::is_low() {
            return Err(NoMemory);
        }
        let kept = self.pool().own(Kept { request: self.as_ptr(), value: exchange })?;
        // SAFETY: `ctx` has a slot for each module.
        unsafe { *self.context_slot() = ptr::from_ref(kept).cast_mut().cast() };
        Ok(&kept.value)
    }

    /// What [`Request::begin`] remembered last, be it before an internal redirect.
    #[inline]
    pub(crate) fn exchange(self) -> Option<&'r M::Exchange> {
        // SAFETY: the slot is null or holds what `begin` put there, which the pool owns.
        unsafe {
            let kept = (*self.context_slot()).cast::<Kept<M::Exchange>>();
            if let Some(kept) = kept.as_ref() {
                return Some(&kept.value);
            }
        }
        if self.may_be_wiped() { self.exchanges().next() } else { None }
    }

    /// `false`: there is no exchange. A few instructions for all requests that are not ours.
    #[inline]
    pub(super) fn may_have_exchange(self) -> bool {
        // SAFETY: as in `exchange`.
        unsafe { !(*self.context_slot()).is_null() || self.may_be_wiped() }
    }

    /// Only a redirect of some kind can have wiped the slot, and it marks the request.
    #[inline]
    fn may_be_wiped(self) -> bool {
        // SAFETY: the request is live.
        unsafe {
            bits::NGX_HTTP_REQUEST_INTERNAL.is_set(self.as_ptr())
                || bits::NGX_HTTP_REQUEST_ERROR_PAGE.is_set(self.as_ptr())
                || bits::NGX_HTTP_REQUEST_FILTER_FINALIZE.is_set(self.as_ptr())
        }
    }

    /// All that [`Request::begin`] remembered, the youngest first.
    pub(crate) fn exchanges(self) -> impl Iterator<Item = &'r M::Exchange> {
        let kept = self.pool().all::<Kept<M::Exchange>>();
        kept.filter(move |kept| kept.request == self.as_ptr()).map(|kept| &kept.value)
    }

    /// The exchange of this request or of the nearest one that it is a part of.
    pub(super) fn exchange_or_parents(self) -> Option<&'r M::Exchange> {
        let mut request = self;
        loop {
            if let Some(exchange) = request.exchange() {
                return Some(exchange);
            }
            // SAFETY: a parent outlives its subrequests.
            unsafe {
                let parent = (*request.as_ptr()).parent;
                if parent.is_null() {
                    return None;
                }
                request = Self::from_raw(parent);
            }
        }
    }

    fn context_slot(self) -> *mut *mut core::ffi::c_void {
        // SAFETY: `ctx` has a slot for each HTTP module.
        unsafe { (*self.as_ptr()).ctx.add((*M::raw()).ctx_index) }
    }
}

/// `r->main->count++`: the request lives until somebody gives that back.
///
/// # Safety
/// `r` is a live request.
pub(super) unsafe fn add_reference(r: *mut ngx_http_request_t) {
    // SAFETY: handed on to the caller; the main request outlives its parts.
    unsafe {
        let count = bits::NGX_HTTP_REQUEST_COUNT.get((*r).main);
        bits::NGX_HTTP_REQUEST_COUNT.set((*r).main, count + 1);
    }
}

/// `r->main->count--`, where the request goes on all the same.
///
/// # Safety
/// `r` is a live request, and stays so: there is another reference to it.
pub(super) unsafe fn drop_reference(r: *mut ngx_http_request_t) {
    // SAFETY: as in `add_reference`.
    unsafe {
        let count = bits::NGX_HTTP_REQUEST_COUNT.get((*r).main);
        bits::NGX_HTTP_REQUEST_COUNT.set((*r).main, count - 1);
    }
}

/// Unix seconds, as of the last turn of the event loop: ngx_time().
pub(crate) fn now_sec() -> u64 {
    // SAFETY: nginx sets the pointer before it runs any module, and always to a valid time.
    let sec = unsafe { (*(&raw const nginx_sys::ngx_cached_time).read_volatile()).sec };
    u64::try_from(sec).unwrap_or(0)
}

/// The version of nginx that the module was built against, and so of the one that it runs in.
pub(crate) const NGINX_VERSION: &str = match nginx_sys::NGINX_VERSION.to_str() {
    Ok(version) => version,
    Err(_) => "",
};

/// Which worker this is, from 0.
pub(crate) fn worker() -> usize {
    // SAFETY: nginx sets it as the worker starts.
    unsafe { (&raw const nginx_sys::ngx_worker).read() }
}

/// Milliseconds of a clock that never goes back, as of the last turn of the event loop.
pub(crate) fn now_msec() -> u64 {
    // SAFETY: nginx updates it between events only.
    (unsafe { (&raw const nginx_sys::ngx_current_msec).read_volatile() }) as u64
}
