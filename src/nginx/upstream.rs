//! Responses of apps behind proxy_pass and its kin, seen in a header filter before anything of
//! them was sent: what the app said, and how to answer in its stead.
//!
//! nginx itself answers in an app's stead for X-Accel-Redirect: it finalizes the upstream and
//! redirects (`ngx_http_upstream_process_headers()`). A module can do the same from a header
//! filter: it runs the upstream's own cleanup, which closes or keeps the connection, and then
//! does with the request whatever a content handler may do. The status that the filter returns
//! makes nginx drop the rest of the app's response.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr::NonNull;
use core::slice;

use nginx_sys::{
    NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT, ngx_conf_t,
    ngx_http_conf_ctx_t, ngx_http_core_get_method, ngx_http_finalize_request,
    ngx_http_named_location, ngx_http_request_t, ngx_http_upstream_conf_t,
};

use super::bits;
use super::conf::{Conf, ConfError};
use super::pool::{as_bytes, ngx_str};
use super::request::{Request, add_reference};
use super::response::fields;
use super::status::Status;

impl<'r, M> Request<'r, M> {
    /// Is it the response of an app that passes by, from the app itself or from a cache?
    #[inline]
    pub(crate) fn has_app_response(self) -> bool {
        // SAFETY: the request is live; so is its upstream. Without a cleanup nginx has ended it,
        // or had not to begin. (The status tells nothing: an app may say 000.)
        unsafe {
            let Some(upstream) = (*self.as_ptr()).upstream.as_ref() else { return false };
            !upstream.cleanup.is_null() || self.is_cached()
        }
    }

    /// Does the response come from a cache of nginx's?
    #[cfg(ngx_feature = "http_cache")]
    pub(crate) fn is_cached(self) -> bool {
        // SAFETY: the request is live.
        unsafe { bits::NGX_HTTP_REQUEST_CACHED.is_set(self.as_ptr()) }
    }

    /// Does the response come from a cache of nginx's?
    #[cfg(not(ngx_feature = "http_cache"))]
    pub(crate) fn is_cached(self) -> bool {
        false
    }

    /// The header fields of the app's response, those included that nginx hides from clients.
    pub(crate) fn app_headers(self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        // SAFETY: the request is live for `'r`.
        unsafe { app_headers(self.as_ptr()) }
    }

    /// Ends the app's part in the request. From here on the request is as it was before it was
    /// proxied, and [`Request::conclude`] ends it.
    ///
    /// False, and nothing done, for responses that nginx has from a cache.
    pub(crate) fn leave_app(self) -> bool {
        // SAFETY: the request and its upstream are live. The cleanup is nginx's own
        // ngx_http_upstream_cleanup(), which takes the request and gives one reference back,
        // as ngx_http_upstream_create() does when there is an upstream already.
        unsafe {
            let r = self.as_ptr();
            let u = (*r).upstream;
            if u.is_null() || (*u).cleanup.is_null() {
                return false;
            }
            let Some(cleanup) = *(*u).cleanup else { return false };
            spare_connection(r);
            add_reference(r);
            cleanup(r.cast::<c_void>());
            if (*r).method != NGX_HTTP_HEAD as usize {
                (*r).method = NGX_HTTP_GET as usize;
                (*r).method_name = ngx_http_core_get_method;
            }
        }
        true
    }

    /// Ends a request after [`Request::leave_app`], in a header filter. The filter returns the
    /// status that comes back.
    pub(crate) fn conclude(self, status: Status) -> Status {
        if status != Status::DONE {
            // SAFETY: the request is live, and keeps the reference that nginx gives back when
            // it sees the status below.
            unsafe {
                add_reference(self.as_ptr());
                ngx_http_finalize_request(self.as_ptr(), status.0);
            }
        }
        // The upstream has ended, and so one reference is given back.
        ENDS_UPSTREAM
    }

    /// Starts over in a named location (`name` with its `@`). The caller returns the status.
    pub(crate) fn redirect_to_named(self, name: &'r [u8]) -> Status {
        let mut name = ngx_str(name);
        // SAFETY: the name lives as long as the request. nginx adds a reference, as for
        // `redirect`.
        Status(unsafe { ngx_http_named_location(self.as_ptr(), &raw mut name) })
    }
}

/// A header filter returns anything above NGX_OK, and ngx_http_upstream_send_response() ends the
/// upstream.
const ENDS_UPSTREAM: Status = Status::http(200);

/// In the last header filter of a request: takes the body of an app's response when it is here
/// already, and no filter wants to see it. The filter returns the status, and nginx's way from app
/// to client is spared.
///
/// # Safety
/// `r` is a live request. The body lives as long as its pool.
pub(super) unsafe fn take_body(r: *mut ngx_http_request_t) -> Option<(NonNull<[u8]>, Status)> {
    // SAFETY: handed on to the caller.
    unsafe {
        let u = (*r).upstream;
        // A filter that holds the header back until it has seen the body comes too late, and so
        // does whoever answers in the stead of an app that has ended.
        if u.is_null() || (*u).cleanup.is_null() || bits::NGX_HTTP_UPSTREAM_HEADER_SENT.is_set(u) {
            return None;
        }
        let wanted = bits::NGX_HTTP_REQUEST_FILTER_NEED_IN_MEMORY.is_set(r)
            || bits::NGX_HTTP_UPSTREAM_CACHEABLE.is_set(u)
            || bits::NGX_HTTP_UPSTREAM_STORE.is_set(u);
        let body = body_behind_head(r).filter(|_| !wanted)?;
        // Is it all that a filter above has announced?
        if (*r).headers_out.content_length_n != body.len() as i64 {
            return None;
        }
        spare_connection(r);
        if let Some(state) = (*u).state.as_mut() {
            state.response_length = body.len() as i64;
        }
        Some((body, ENDS_UPSTREAM))
    }
}

/// Lets the connection to the app serve again when all of a body came with its head: then nothing
/// is left on it. Of an empty body nginx knows by itself.
///
/// # Safety
/// `r` is a live request, with an upstream whose response has a head.
unsafe fn spare_connection(r: *mut ngx_http_request_t) {
    // SAFETY: handed on to the caller.
    unsafe {
        let u = (*r).upstream;
        let head = &raw const (*u).headers_in;
        if !bits::NGX_HTTP_UPSTREAM_HEADERS_IN_CONNECTION_CLOSE.is_set(head)
            && body_behind_head(r).is_some()
        {
            bits::NGX_HTTP_UPSTREAM_KEEPALIVE.set(u, 1);
        }
    }
}

/// The body of an app's response, when all of it came with its head. Only HTTP/1 has the body
/// right behind the head.
///
/// # Safety
/// As for [`spare_connection`].
unsafe fn body_behind_head(r: *const ngx_http_request_t) -> Option<NonNull<[u8]>> {
    // SAFETY: handed on to the caller. The response begins where its buffer does, but for one that
    // may go to a cache of nginx's: that leaves room for a head of its own, in which nothing is yet.
    unsafe {
        if may_be_cached(r) {
            return None;
        }
        let u = (*r).upstream;
        let head = &raw const (*u).headers_in;
        let buffer = &raw const (*u).buffer;
        let here = usize::try_from((*buffer).last.offset_from((*buffer).pos)).ok()?;
        let response = slice::from_raw_parts(
            (*buffer).start,
            (*buffer).last.offset_from_unsigned((*buffer).start),
        );
        let whole = here > 0
            && (*head).content_length_n == here as i64
            && !bits::NGX_HTTP_UPSTREAM_HEADERS_IN_CHUNKED.is_set(head)
            && as_bytes((*(*u).conf).module) == b"proxy"
            && response.starts_with(b"HTTP/1.");
        let start = NonNull::new((*buffer).pos).filter(|_| whole)?;
        Some(NonNull::slice_from_raw_parts(start, here))
    }
}

/// Is the request one for which nginx looks into a cache of its own?
///
/// # Safety
/// `r` is a live request.
#[cfg(ngx_feature = "http_cache")]
unsafe fn may_be_cached(r: *const ngx_http_request_t) -> bool {
    // SAFETY: handed on to the caller.
    unsafe { !(*r).cache.is_null() }
}

/// Without caches there is none.
///
/// # Safety
/// None.
#[cfg(not(ngx_feature = "http_cache"))]
unsafe fn may_be_cached(_: *const ngx_http_request_t) -> bool {
    false
}

/// The header fields of the app's response as it came.
///
/// # Safety
/// `r` is a request that lives for `'r`, in whose pool the fields live.
pub(super) unsafe fn app_headers<'r>(
    r: *const ngx_http_request_t,
) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
    // SAFETY: handed on to the caller.
    unsafe {
        let upstream = (*r).upstream.as_ref();
        fields(upstream.map(|upstream| &upstream.headers_in.headers))
            .map(|field| (as_bytes((*field).key), as_bytes((*field).value)))
    }
}

/// Modules that pass requests on, and what they call themselves.
const PROXIES: &[(&[u8], &[u8])] = &[
    (b"ngx_http_proxy_module", b"proxy"),
    (b"ngx_http_fastcgi_module", b"fastcgi"),
    (b"ngx_http_uwsgi_module", b"uwsgi"),
    (b"ngx_http_scgi_module", b"scgi"),
    (b"ngx_http_grpc_module", b"grpc"),
];

impl Conf<'_> {
    /// Does for the location what `proxy_ignore_headers X-Accel-Redirect` and its twins do, so
    /// that nginx leaves that header to us. To be called when the location is merged.
    pub(crate) fn take_accel_redirect(&self) -> Result<(), ConfError> {
        let raw: *mut ngx_conf_t = self.as_ptr();
        // SAFETY: the list of modules ends in a null, and each has a name. The configuration of
        // each of these modules begins with an `ngx_http_upstream_conf_t`, in all versions of
        // nginx there are; that it names its module, is made sure.
        unsafe {
            let ctx = (*raw).ctx.cast::<ngx_http_conf_ctx_t>();
            let mut at = (*(*raw).cycle).modules;
            while !(*at).is_null() {
                let module = *at;
                at = at.add(1);
                if (*module).name.is_null() {
                    continue;
                }
                let name = core::ffi::CStr::from_ptr((*module).name).to_bytes();
                let Some((_, calls_itself)) = PROXIES.iter().find(|(known, _)| *known == name)
                else {
                    continue;
                };
                let conf = *(*ctx).loc_conf.add((*module).ctx_index);
                let conf = conf.cast::<ngx_http_upstream_conf_t>();
                if as_bytes((*conf).module) != *calls_itself {
                    return Err(format!(
                        "the configuration of {} is not as expected in this nginx: download_intercept \
                         x-accel-redirect cannot be used",
                        name.escape_ascii()
                    )
                    .into());
                }
                (*conf).ignore_headers |= NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT as usize;
            }
        }
        Ok(())
    }
}
