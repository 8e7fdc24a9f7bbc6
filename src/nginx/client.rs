//! The client's header fields, as far as somebody else gets to see them.

#![allow(unsafe_code)]

use core::mem::zeroed;
use core::ptr;

use nginx_sys::{ngx_http_request_t, ngx_list_init, ngx_list_push, ngx_list_t, ngx_table_elt_t};

use super::Status;
use super::pool::as_bytes;
use super::request::Request;
use super::response::fields;

impl<M> Request<'_, M> {
    /// Did the client send a header field of that name?
    pub(crate) fn has_header(self, name: &str) -> bool {
        // SAFETY: the list is the request's own.
        unsafe {
            fields(&(*self.as_ptr()).headers_in.headers)
                .any(|field| as_bytes((*field).key).eq_ignore_ascii_case(name.as_bytes()))
        }
    }

    /// Hides header fields of the client from whoever is asked next. nginx itself goes on to
    /// honour those that it has understood, such as Range.
    pub(crate) fn withhold(self, withhold: impl Fn(&[u8]) -> bool) -> Result<(), Status> {
        // SAFETY: the list is the request's own.
        let any = unsafe {
            fields(&(*self.as_ptr()).headers_in.headers)
                .any(|field| withhold(as_bytes((*field).key)))
        };
        if any {
            let headers = self.headers_without(&withhold)?;
            // SAFETY: nobody walks the list meanwhile. `$http_cookie` and its like are read by
            // these pointers.
            unsafe {
                place_headers(self.as_ptr(), headers);
                let headers_in = &raw mut (*self.as_ptr()).headers_in;
                if withhold(b"Authorization") {
                    (*headers_in).authorization = ptr::null_mut();
                }
                if withhold(b"Cookie") {
                    #[cfg(nginx_linked_headers)]
                    {
                        (*headers_in).cookie = ptr::null_mut();
                    }
                    #[cfg(not(nginx_linked_headers))]
                    {
                        (*headers_in).cookies.nelts = 0;
                    }
                }
            }
        }
        Ok(())
    }

    /// A copy of the client's header fields without those that `withhold` names.
    pub(super) fn headers_without(
        self,
        withhold: &impl Fn(&[u8]) -> bool,
    ) -> Result<ngx_list_t, Status> {
        // SAFETY: the list is the request's own, and its fields live as long as the pool.
        unsafe {
            let r = self.as_ptr();
            let mut kept: ngx_list_t = zeroed();
            if ngx_list_init(&raw mut kept, (*r).pool, 16, size_of::<ngx_table_elt_t>()) != 0 {
                return Err(Status::INTERNAL_SERVER_ERROR);
            }
            #[cfg(nginx_linked_headers)]
            let mut waiting: Vec<(*mut ngx_table_elt_t, *mut *mut ngx_table_elt_t)> = Vec::new();
            for field in fields(&(*r).headers_in.headers) {
                if withhold(as_bytes((*field).key)) {
                    continue;
                }
                let copy = ngx_list_push(&raw mut kept).cast::<ngx_table_elt_t>();
                if copy.is_null() {
                    return Err(Status::INTERNAL_SERVER_ERROR);
                }
                copy.copy_from_nonoverlapping(field, 1);
                // Fields of one name are linked: the copies have to be linked to each other,
                // since FastCGI and its like follow the links and skip what they found there.
                #[cfg(nginx_linked_headers)]
                {
                    if let Some(at) = waiting.iter().position(|(wanted, _)| *wanted == field) {
                        let (_, link) = waiting.swap_remove(at);
                        *link = copy;
                    }
                    if !(*copy).next.is_null() {
                        waiting.push(((*copy).next, &raw mut (*copy).next));
                    }
                }
            }
            Ok(kept)
        }
    }
}

/// # Safety
/// `r` is a live request; `headers` was made by `headers_without`.
pub(super) unsafe fn place_headers(r: *mut ngx_http_request_t, headers: ngx_list_t) {
    // SAFETY: handed on to the caller.
    unsafe {
        let list = &raw mut (*r).headers_in.headers;
        *list = headers;
        // ngx_list_t points to its own first part until there is a second one.
        if (*list).part.next.is_null() {
            (*list).last = &raw mut (*list).part;
        }
    }
}
