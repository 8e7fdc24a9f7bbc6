//! Small files are read before the header goes out, and leave together with it: one system call
//! to read and one to write, where sendfile(2) takes the header and the file apart.

#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use nginx_sys::{NGX_HTTP_GET, ngx_buf_t};

use super::bits;
use super::file::{OpenFile, core_location};
use super::response::Response;

/// The most bytes. Up to here the second system call costs more than the copying; from 16 KiB on
/// sendfile(2) with tcp_nopush costs no more.
const MOST: usize = 8 * 1024;

impl<'r> Response<'r> {
    /// A buffer with all bytes of a small file that the client asked for without conditions; out of
    /// it nginx makes ranges as well.
    /// Where there is none, nginx reads or sends the file in its own way, and says what is wrong
    /// with it.
    pub(super) fn read_small(self, file: &OpenFile<'r>) -> Option<NonNull<ngx_buf_t>> {
        let size = usize::try_from(file.size()).ok().filter(|size| (1..=MOST).contains(size))?;
        if file.directio() || !self.wants_all_at_once() {
            return None;
        }
        let bytes = self.pool().bytes(size).ok()?;
        // SAFETY: the descriptor is open, and there are `size` bytes to write to.
        let read = unsafe { libc::pread(file.descriptor(), bytes.as_ptr().cast(), size, 0) };
        if usize::try_from(read) != Ok(size) {
            return None;
        }
        let buffer: NonNull<ngx_buf_t> = self.pool().zeroed().ok()?;
        let b = buffer.as_ptr();
        // SAFETY: the buffer is ours and zero, which is what ngx_calloc_buf() gives; its bytes
        // live in the request's pool and are nobody else's, so filters may write to them.
        unsafe {
            (*b).pos = bytes.as_ptr();
            (*b).last = (*b).pos.add(size);
            (*b).start = (*b).pos;
            (*b).end = (*b).last;
            bits::NGX_BUF_TEMPORARY.set(b, 1);
        }
        Some(buffer)
    }

    /// Is it a GET by a client that wants the file in any case, where no other threads are to read?
    fn wants_all_at_once(self) -> bool {
        let r = self.request();
        // SAFETY: the request is live.
        unsafe {
            let asked = &raw const (*r).headers_in;
            (*r).method == NGX_HTTP_GET as usize
                && ptr::eq(r, (*r).main)
                && (*asked).if_none_match.is_null()
                && (*asked).if_modified_since.is_null()
                && (*asked).if_match.is_null()
                && (*asked).if_unmodified_since.is_null()
                && !bits::NGX_HTTP_REQUEST_HEADER_ONLY.is_set(r)
                && (*core_location(r)).aio == AIO_OFF
        }
    }
}

/// NGX_HTTP_AIO_OFF of ngx_http_core_module.h.
const AIO_OFF: nginx_sys::ngx_flag_t = 0;
