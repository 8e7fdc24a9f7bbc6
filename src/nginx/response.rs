//! The header of the response to a request: its fields, and what nginx keeps apart from them.

#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_HTTP_OK, NGX_HTTP_VERSION_20, ngx_http_headers_out_t, ngx_http_request_t,
    ngx_http_set_content_type, ngx_list_push, ngx_list_t, ngx_str_t, ngx_table_elt_t,
};

use super::NoMemory;
use super::bits;
use super::file::core_location;
use super::pool::{Pool, as_bytes, ngx_str};

/// nginx adds `limit_rate_after` to `limit_rate` times the seconds that have gone by, in 63 bits, and
/// makes the client wait for ever when that overflows. A TiB per second limits nobody, and lasts for
/// 48 days.
const MOST_RATE: u64 = 1 << 40;
const MOST_AFTER: u64 = 1 << 61;

/// A response whose header has not gone out yet.
#[derive(Clone, Copy)]
pub(crate) struct Response<'r> {
    raw: NonNull<ngx_http_request_t>,
    /// Invariant, as that of the request.
    life: PhantomData<fn(&'r ()) -> &'r ()>,
}

impl<'r> Response<'r> {
    /// # Safety
    /// `raw` is a request that lives for `'r`.
    pub(super) unsafe fn from_raw(raw: *mut ngx_http_request_t) -> Self {
        // SAFETY: nginx never passes null.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, life: PhantomData }
    }

    pub(super) fn request(self) -> *mut ngx_http_request_t {
        self.raw.as_ptr()
    }

    fn out(self) -> *mut ngx_http_headers_out_t {
        // SAFETY: the request is live.
        unsafe { &raw mut (*self.request()).headers_out }
    }

    /// The pool that lives as long as the request.
    pub(crate) fn pool(self) -> Pool<'r> {
        // SAFETY: a request has a pool from its birth to its end.
        unsafe { Pool::from_raw((*self.request()).pool).unwrap_unchecked() }
    }

    /// The status; 0 as long as none is set.
    pub(crate) fn status(self) -> u16 {
        // SAFETY: the request is live.
        unsafe { (*self.out()).status as u16 }
    }

    /// Sets the status; nginx adds the reason phrase.
    pub(crate) fn set_status(self, status: u16) {
        // SAFETY: the request is live.
        unsafe {
            (*self.out()).status = status as usize;
            (*self.out()).status_line.len = 0;
        }
    }

    /// A 200 with `length` bytes, last changed at `modified` (Unix seconds, if known), that may
    /// be asked for in ranges and answered by 304, 412, 206 or 416 further down the chain.
    pub(crate) fn set_file(self, length: u64, modified: Option<i64>) {
        self.set_status(NGX_HTTP_OK as u16);
        self.set_length(length);
        self.set_last_modified(modified);
        // SAFETY: the request is live.
        unsafe {
            bits::NGX_HTTP_REQUEST_ALLOW_RANGES.set(self.request(), 1);
            let tested = !bits::NGX_HTTP_REQUEST_ERROR_PAGE.is_set(self.request());
            bits::NGX_HTTP_REQUEST_ROOT_TESTED.set(self.request(), tested.into());
        }
    }

    /// Of several ranges none is made: nginx can take them out of one buffer only
    /// (`ngx_http_range_test_overlapped()`).
    pub(crate) fn allow_one_range(self) {
        // SAFETY: the request is live.
        unsafe { bits::NGX_HTTP_REQUEST_SINGLE_RANGE.set(self.request(), 1) }
    }

    /// The number of bytes of the body, where it is known.
    pub(crate) fn length(self) -> Option<u64> {
        // SAFETY: the request is live.
        u64::try_from(unsafe { (*self.out()).content_length_n }).ok()
    }

    /// Sets the number of bytes of the body.
    pub(crate) fn set_length(self, length: u64) {
        // SAFETY: the request is live.
        unsafe { (*self.out()).content_length_n = i64::try_from(length).unwrap_or(i64::MAX) }
    }

    /// Last-Modified in Unix seconds, or none.
    pub(crate) fn set_last_modified(self, modified: Option<i64>) {
        // SAFETY: the request is live; the field lives as long.
        unsafe {
            let out = self.out();
            if let Some(field) = (*out).last_modified.as_mut() {
                field.hash = 0;
                (*out).last_modified = ptr::null_mut();
            }
            (*out).last_modified_time = modified.unwrap_or(-1);
        }
    }

    /// Are files to have an ETag, by the location's `etag`?
    pub(crate) fn has_file_etags(self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*core_location(self.request())).etag != 0 }
    }

    /// The response's first ETag.
    pub(crate) fn set_etag(self, tag: &'r [u8]) -> Result<(), NoMemory> {
        // SAFETY: the list is the request's own; the tag lives as long.
        unsafe {
            let out = self.out();
            (*out).etag = push(&raw mut (*out).headers, b"ETag", tag)?.as_ptr();
        }
        Ok(())
    }

    /// The time in Last-Modified, if nginx is still to put it into words, and would do so:
    /// ngx_http_header_filter() leaves it out of error pages, and HTTP/2 has a code for the name.
    pub(crate) fn unspelled_last_modified(self) -> Option<i64> {
        // SAFETY: the request is live.
        unsafe {
            let r = self.request();
            let spelled_here = (*r).http_version < NGX_HTTP_VERSION_20 as usize
                && (*r).err_status == 0
                && (*self.out()).last_modified.is_null();
            self.last_modified().filter(|_| spelled_here)
        }
    }

    /// Last-Modified in words, which mean what was set before.
    pub(crate) fn spell_last_modified(self, text: &'r [u8]) -> Result<(), NoMemory> {
        // SAFETY: as in `set_etag`.
        unsafe {
            let out = self.out();
            let field = push(&raw mut (*out).headers, b"Last-Modified", text)?;
            (*out).last_modified = field.as_ptr();
        }
        Ok(())
    }

    /// The client's conditions are looked at by nginx's own filters, and ranges made by them, as
    /// for a file, although the response comes from elsewhere.
    pub(crate) fn compare_here(self) {
        // SAFETY: the request is live.
        unsafe {
            bits::NGX_HTTP_REQUEST_DISABLE_NOT_MODIFIED.set(self.request(), 0);
            if self.status() == 200 {
                bits::NGX_HTTP_REQUEST_ALLOW_RANGES.set(self.request(), 1);
            }
        }
    }

    /// What the app or the target says is final: no 304 or 412 is made of it.
    pub(crate) fn keep_status(self) {
        // SAFETY: the request is live.
        unsafe { bits::NGX_HTTP_REQUEST_DISABLE_NOT_MODIFIED.set(self.request(), 1) }
    }

    /// Bytes per second, 0 for no limit.
    pub(crate) fn set_limit_rate(self, rate: u64) {
        // SAFETY: the request is live; with the bit set, nginx leaves `limit_rate` alone.
        unsafe {
            (*self.request()).limit_rate =
                usize::try_from(rate.min(MOST_RATE)).unwrap_or(usize::MAX);
            bits::NGX_HTTP_REQUEST_LIMIT_RATE_SET.set(self.request(), 1);
        }
    }

    /// Bytes that go out before the limit holds.
    pub(crate) fn set_limit_rate_after(self, bytes: u64) {
        // SAFETY: as in `set_limit_rate`.
        unsafe {
            (*self.request()).limit_rate_after =
                usize::try_from(bytes.min(MOST_AFTER)).unwrap_or(usize::MAX);
            bits::NGX_HTTP_REQUEST_LIMIT_RATE_AFTER_SET.set(self.request(), 1);
        }
    }

    /// Content-Type; `essence` is the length of the part before the parameters.
    pub(crate) fn set_content_type(self, value: &'r [u8], essence: usize) {
        // SAFETY: the request is live; the value lives as long.
        unsafe {
            (*self.out()).content_type = ngx_str(value);
            (*self.out()).charset = ngx_str_t::empty();
            (*self.out()).content_type_len = essence.min(value.len());
            (*self.out()).content_type_lowcase = ptr::null_mut();
        }
    }

    /// Content-Type by the extension of `name`, from the location's `types` and `default_type`.
    pub(crate) fn guess_content_type(self, name: &[u8]) -> Result<(), NoMemory> {
        let extension = match name.iter().rposition(|&c| c == b'.') {
            // A leading dot makes a hidden file, not an extension: ngx_http_set_exten().
            Some(dot) if dot > 0 => name.get(dot + 1..).unwrap_or_default(),
            _ => b"",
        };
        // SAFETY: the request is live. nginx reads the extension (and lowers the case of a copy),
        // and it outlives the call, after which the request gets its own back.
        unsafe {
            let own = (*self.request()).exten;
            (*self.out()).content_type = ngx_str_t::empty();
            (*self.request()).exten = ngx_str(extension);
            let rc = ngx_http_set_content_type(self.request());
            (*self.request()).exten = own;
            if rc == 0 { Ok(()) } else { Err(NoMemory) }
        }
    }

    /// What [`Response::guess_content_type`] would set.
    pub(crate) fn content_type_of(self, name: &[u8]) -> Result<&'r [u8], NoMemory> {
        // SAFETY: the request is live, and gets its own back; the type lives in the
        // configuration.
        unsafe {
            let out = self.out();
            let own = ((*out).content_type, (*out).content_type_len);
            let guessed = self.guess_content_type(name);
            let found = as_bytes((*out).content_type);
            ((*out).content_type, (*out).content_type_len) = own;
            guessed.map(|()| found)
        }
    }

    /// The charset parameter of Content-Type. nginx's charset filter leaves a response that has
    /// one alone, unless told otherwise by `override_charset`.
    pub(crate) fn set_charset(self, charset: &'r [u8]) {
        // SAFETY: the request is live; the charset lives as long.
        unsafe {
            (*self.out()).charset = ngx_str(charset);
            // A parameter of the type itself would win over the charset.
            (*self.out()).content_type.len =
                (*self.out()).content_type_len.min((*self.out()).content_type.len);
        }
    }

    /// One header field in place of all of that name.
    pub(crate) fn set(self, name: &'r [u8], value: &'r [u8]) -> Result<(), NoMemory> {
        self.remove(name);
        self.add(name, value)
    }

    /// One more header field. Content-Type is none of these.
    pub(crate) fn add(self, name: &'r [u8], value: &'r [u8]) -> Result<(), NoMemory> {
        // SAFETY: the list is the request's own; name and value live as long.
        unsafe {
            let field = push(&raw mut (*self.out()).headers, name, value)?.as_ptr();
            // Filters further down look at these by their own pointers.
            if name.eq_ignore_ascii_case(b"etag") {
                (*self.out()).etag = field;
            } else if name.eq_ignore_ascii_case(b"content-encoding") {
                (*self.out()).content_encoding = field;
            } else if name.eq_ignore_ascii_case(b"www-authenticate") {
                (*self.out()).www_authenticate = field;
            } else if name.eq_ignore_ascii_case(b"cache-control")
                || name.eq_ignore_ascii_case(b"expires")
            {
                self.outrank_expires()?;
            }
        }
        Ok(())
    }

    /// Drops all header fields of that name.
    pub(crate) fn remove(self, name: &[u8]) {
        self.remove_where(|other| other.eq_ignore_ascii_case(name));
    }

    /// Takes the pointers back that lead to dropped fields.
    fn forget_dropped(self) {
        // SAFETY: the pointers are null or lead to fields in the request's pool.
        unsafe {
            let out = self.out();
            for typed in [
                &raw mut (*out).etag,
                &raw mut (*out).last_modified,
                &raw mut (*out).content_encoding,
                &raw mut (*out).content_range,
                &raw mut (*out).accept_ranges,
                &raw mut (*out).www_authenticate,
                &raw mut (*out).location,
            ] {
                if !(*typed).is_null() && (**typed).hash == 0 {
                    *typed = ptr::null_mut();
                }
            }
        }
    }

    /// Drops all header fields whose name `drop` picks.
    pub(crate) fn remove_where(self, drop: impl Fn(&[u8]) -> bool) {
        // SAFETY: the list is the request's own; a field with hash 0 is not sent.
        unsafe {
            let mut any = false;
            for field in fields(&(*self.out()).headers) {
                if drop(as_bytes((*field).key)) {
                    (*field).hash = 0;
                    any = true;
                }
            }
            if any {
                self.forget_dropped();
            }
        }
    }

    /// The response of an app becomes that of a file: its status and what it says of its body
    /// go, all else stays as it is. What the app says of the file wins over `modified`.
    pub(crate) fn turn_into_file(self, length: u64, modified: i64) -> Result<(), NoMemory> {
        let said = self.last_modified();
        // SAFETY: the request is live.
        unsafe {
            let out = self.out();
            let field = (*out).last_modified;
            if said.is_some() {
                // Out of reach of `set_file`, which would drop it.
                (*out).last_modified = ptr::null_mut();
            }
            self.set_file(length, Some(modified));
            if let Some(said) = said {
                (*out).last_modified_time = said;
                (*out).last_modified = field;
            }
            bits::NGX_HTTP_REQUEST_SINGLE_RANGE.set(self.request(), 0);
            bits::NGX_HTTP_REQUEST_DISABLE_NOT_MODIFIED.set(self.request(), 0);
            if self.has_cache_fields() {
                self.outrank_expires()?;
            }
            // X-Accel-Charset: nginx's charset filter would complain of a name it does not know.
            if let Some(charset) = (*out).override_charset.as_ref() {
                let charset = *charset;
                (*out).override_charset = ptr::null_mut();
                if as_bytes(charset) != b"off" {
                    self.set_charset(as_bytes(charset));
                }
            }
        }
        Ok(())
    }

    /// Did the app set Cache-Control or Expires?
    fn has_cache_fields(self) -> bool {
        // SAFETY: the request is live.
        unsafe {
            let out = self.out();
            #[cfg(nginx_linked_headers)]
            let cache_control = !(*out).cache_control.is_null();
            #[cfg(not(nginx_linked_headers))]
            let cache_control = (*out).cache_control.nelts > 0;
            cache_control || !(*out).expires.is_null()
        }
    }

    /// Is there a Content-Type?
    pub(crate) fn has_content_type(self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.out()).content_type.len > 0 }
    }

    /// ETag, if there is one.
    pub(crate) fn etag(self) -> Option<&'r [u8]> {
        // SAFETY: the field lives as long as the request.
        unsafe { (*self.out()).etag.as_ref().map(|field| as_bytes(field.value)) }
    }

    /// Content-Encoding, if there is one.
    pub(crate) fn content_encoding(self) -> Option<&'r [u8]> {
        // SAFETY: the field lives as long as the request.
        unsafe { (*self.out()).content_encoding.as_ref().map(|field| as_bytes(field.value)) }
    }

    /// Content-Type and the length of it that is before the parameters; the charset, where
    /// nginx knows it.
    pub(crate) fn content_type(self) -> (&'r [u8], &'r [u8]) {
        // SAFETY: both live as long as the request.
        unsafe { (as_bytes((*self.out()).content_type), as_bytes((*self.out()).charset)) }
    }

    /// Last-Modified in Unix seconds.
    pub(crate) fn last_modified(self) -> Option<i64> {
        // SAFETY: the request is live.
        Some(unsafe { (*self.out()).last_modified_time }).filter(|&time| time >= 0)
    }

    /// Takes all that was said so far, as if the request had just arrived, but for Server and
    /// Date. Gives the header fields in their order.
    pub(crate) fn take_headers(self) -> Vec<(&'r [u8], &'r [u8])> {
        let mut taken = Vec::new();
        // SAFETY: the fields live as long as the request; one with hash 0 is not sent.
        unsafe {
            let out = self.out();
            for field in fields(&(*out).headers) {
                if (*field).hash == 0 || field == (*out).server || field == (*out).date {
                    continue;
                }
                (*field).hash = 0;
                taken.push((as_bytes((*field).key), as_bytes((*field).value)));
            }
            for typed in [
                &raw mut (*out).etag,
                &raw mut (*out).last_modified,
                &raw mut (*out).content_encoding,
                &raw mut (*out).content_length,
                &raw mut (*out).content_range,
                &raw mut (*out).accept_ranges,
                &raw mut (*out).www_authenticate,
                &raw mut (*out).location,
                &raw mut (*out).refresh,
                &raw mut (*out).expires,
            ] {
                *typed = ptr::null_mut();
            }
            // An array before nginx 1.23, a pointer since: all zero is none.
            (&raw mut (*out).cache_control).write_bytes(0, 1);
            (&raw mut (*out).link).write_bytes(0, 1);
            (*out).content_type = ngx_str_t::empty();
            (*out).content_type_len = 0;
            (*out).content_type_lowcase = ptr::null_mut();
            (*out).charset = ngx_str_t::empty();
            (*out).override_charset = ptr::null_mut();
            (*out).content_length_n = -1;
            (*out).last_modified_time = -1;
            (*out).status = 0;
            (*out).status_line.len = 0;
            bits::NGX_HTTP_REQUEST_ALLOW_RANGES.set(self.request(), 0);
            bits::NGX_HTTP_REQUEST_SINGLE_RANGE.set(self.request(), 0);
            bits::NGX_HTTP_REQUEST_DISABLE_NOT_MODIFIED.set(self.request(), 0);
        }
        taken
    }

    /// Lets the response's own Cache-Control and Expires win over the location's `expires`.
    ///
    /// ngx_http_set_expires() writes over the fields that these pointers lead to, or adds its
    /// own; given fields that are on no list, it writes where nobody looks.
    fn outrank_expires(self) -> Result<(), NoMemory> {
        let decoys: NonNull<[ngx_table_elt_t; 2]> = self.pool().zeroed()?;
        let [cache_control, expires] = {
            let first = decoys.cast::<ngx_table_elt_t>();
            // SAFETY: there are two.
            [first.as_ptr(), unsafe { first.as_ptr().add(1) }]
        };
        // SAFETY: all of it lives in the request's pool.
        unsafe {
            (*self.out()).expires = expires;
            #[cfg(nginx_linked_headers)]
            {
                (*self.out()).cache_control = cache_control;
            }
            #[cfg(not(nginx_linked_headers))]
            {
                let pointers: NonNull<*mut ngx_table_elt_t> = self.pool().zeroed()?;
                pointers.write(cache_control);
                let array = &raw mut (*self.out()).cache_control;
                (*array).elts = pointers.as_ptr().cast();
                (*array).nelts = 1;
                (*array).size = size_of::<*mut ngx_table_elt_t>();
                (*array).nalloc = 1;
                (*array).pool = self.pool().as_ptr();
            }
        }
        Ok(())
    }
}

/// Adds a field to a list of header fields.
///
/// # Safety
/// `list` is a live list of `ngx_table_elt_t`; `name` and `value` live as long as it does.
pub(super) unsafe fn push(
    list: *mut ngx_list_t,
    name: &[u8],
    value: &[u8],
) -> Result<NonNull<ngx_table_elt_t>, NoMemory> {
    // SAFETY: handed on to the caller; ngx_list_push() does not clear what it returns.
    unsafe {
        let field = NonNull::new(ngx_list_push(list).cast::<ngx_table_elt_t>()).ok_or(NoMemory)?;
        field.write_bytes(0, 1);
        (*field.as_ptr()).hash = 1;
        (*field.as_ptr()).key = ngx_str(name);
        (*field.as_ptr()).value = ngx_str(value);
        Ok(field)
    }
}

/// The fields of a list of header fields, those that were dropped (hash 0) included.
///
/// # Safety
/// `list` is a live list of `ngx_table_elt_t` that nothing is removed from meanwhile.
pub(super) unsafe fn fields<'l>(
    list: impl Into<Option<&'l ngx_list_t>>,
) -> impl Iterator<Item = *mut ngx_table_elt_t> {
    let mut part = list.into().map_or(ptr::null(), |list| &raw const list.part);
    let mut next = 0;
    core::iter::from_fn(move || {
        // SAFETY: the parts of a list are linked up to a null, each with `nelts` elements.
        unsafe {
            while !part.is_null() {
                if next < (*part).nelts {
                    next += 1;
                    return Some((*part).elts.cast::<ngx_table_elt_t>().add(next - 1));
                }
                part = (*part).next;
                next = 0;
            }
        }
        None
    })
}
