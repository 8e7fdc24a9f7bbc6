//! Reading the body of a request.

#![allow(unsafe_code)]

use core::{ptr, slice};

use nginx_sys::{ngx_http_finalize_request, ngx_http_read_client_request_body, ngx_http_request_t};

use super::module::HttpModule;
use super::request::Request;
use super::{Status, bits, guard};

/// Who wants the body. Lives in the pool of the request.
struct Reader<M: HttpModule> {
    then: for<'a> fn(Request<'a, M>, Option<&'a [u8]>) -> Status,
}

impl<M: HttpModule> Request<'_, M> {
    /// Reads the body, and goes on with `then` when it is there; `None`: it is too large for
    /// `client_body_buffer_size`. The caller returns the status to nginx.
    pub(crate) fn read_body(
        self,
        then: for<'a> fn(Request<'a, M>, Option<&'a [u8]>) -> Status,
    ) -> Status {
        if let Err(failed) = self.pool().own(Reader::<M> { then }) {
            return failed.into();
        }
        // SAFETY: the request is live; nginx holds a reference to it until the body is there,
        // which the handler gives back.
        unsafe {
            bits::NGX_HTTP_REQUEST_REQUEST_BODY_IN_SINGLE_BUF.set(self.as_ptr(), 1);
            let rc = ngx_http_read_client_request_body(self.as_ptr(), Some(read::<M>));
            if rc >= 300 { Status(rc) } else { Status::DONE }
        }
    }
}

unsafe extern "C" fn read<M: HttpModule>(r: *mut ngx_http_request_t) {
    // SAFETY: nginx passes the live request, with its body, once.
    unsafe {
        let request = Request::<M>::from_raw(r);
        let status = guard::shield(Status::INTERNAL_SERVER_ERROR, || {
            let Some(reader) = request.pool().find::<Reader<M>>(|_| true) else {
                return Status::INTERNAL_SERVER_ERROR;
            };
            (reader.then)(request, body(request))
        });
        ngx_http_finalize_request(r, status.0);
    }
}

fn body<M>(request: Request<'_, M>) -> Option<&[u8]> {
    // SAFETY: the body lives as long as the request.
    unsafe {
        let body = (*request.as_ptr()).request_body;
        let mut link = body.as_ref().map_or(ptr::null_mut(), |body| body.bufs);
        let mut pieces: Vec<&[u8]> = Vec::new();
        while let Some(at) = link.as_ref() {
            if bits::NGX_BUF_IN_FILE.is_set(at.buf) {
                return None;
            }
            let (pos, last) = ((*at.buf).pos, (*at.buf).last);
            if let Ok(len @ 1..) = usize::try_from(last.offset_from(pos)) {
                pieces.push(slice::from_raw_parts(pos, len));
            }
            link = at.next;
        }
        request.pool().concat(&pieces).ok().map(|all| &*all)
    }
}
