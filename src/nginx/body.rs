//! The body of a response: files, parts of files, bytes in memory.

#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use nginx_sys::{ngx_buf_t, ngx_chain_t, ngx_file_t, ngx_http_output_filter, ngx_http_send_header};

use super::bits;
use super::file::OpenFile;
use super::pool::ngx_str;
use super::response::Response;
use super::{NoMemory, Status};

/// What follows the header.
pub(crate) enum Body<'r> {
    /// A file, which nginx sends with sendfile, aio or directio as the location says.
    File(OpenFile<'r>),
    /// Bytes that live as long as the request.
    Memory(&'r [u8]),
    /// Parts of files, one after the other: a file, its first byte, and how many of them.
    Parts(Vec<(OpenFile<'r>, u64, u64)>),
}

impl<'r> Response<'r> {
    /// Sends header and body. All that can fail for want of memory is done before the header
    /// goes out.
    pub(crate) fn send(self, body: Body<'r>) -> Status {
        let chain = match self.chain(body) {
            Ok(chain) => chain.as_ptr(),
            Err(failed) => return failed.into(),
        };
        // SAFETY: the request is live and its header not sent.
        unsafe {
            let r = self.request();
            let header = Status(ngx_http_send_header(r));
            if header.ends_response() || bits::NGX_HTTP_REQUEST_HEADER_ONLY.is_set(r) {
                return header;
            }
            let first = (*chain).buf;
            let empty = !bits::NGX_BUF_IN_FILE.is_set(first) && (*first).pos == (*first).last;
            if empty && r != (*r).main {
                return header;
            }
            Status(ngx_http_output_filter(r, chain))
        }
    }

    fn chain(self, body: Body<'r>) -> Result<NonNull<ngx_chain_t>, NoMemory> {
        let mut links = Links { first: ptr::null_mut(), last: ptr::null_mut() };
        match body {
            Body::Memory(bytes) => links.push(self, self.memory(bytes)?)?,
            Body::File(file) => {
                let buffer = match self.read_small(&file) {
                    Some(read) => read,
                    None => self.part(&file, 0, file.size())?,
                };
                links.push(self, buffer)?;
            }
            Body::Parts(parts) => {
                // nginx takes an empty buffer in the middle for a bug.
                for (file, first, length) in parts.iter().filter(|(_, _, length)| *length > 0) {
                    links.push(self, self.part(file, *first, *length)?)?;
                }
                if links.last.is_null() {
                    links.push(self, self.memory(b"")?)?;
                }
            }
        }
        // SAFETY: there is a last link, and it is ours, as is its buffer.
        unsafe {
            let (last, r) = ((*links.last).buf, self.request());
            bits::NGX_BUF_LAST_BUF.set(last, u32::from(r == (*r).main));
            bits::NGX_BUF_LAST_IN_CHAIN.set(last, 1);
        }
        NonNull::new(links.first).ok_or(NoMemory)
    }

    /// A buffer over `bytes`.
    fn memory(self, bytes: &'r [u8]) -> Result<NonNull<ngx_buf_t>, NoMemory> {
        let buffer: NonNull<ngx_buf_t> = self.pool().zeroed()?;
        let b = buffer.as_ptr();
        // SAFETY: the buffer is ours and zero, which is what ngx_calloc_buf() gives.
        unsafe {
            (*b).pos = bytes.as_ptr().cast_mut();
            (*b).last = (*b).pos.add(bytes.len());
            (*b).start = (*b).pos;
            (*b).end = (*b).last;
            bits::NGX_BUF_MEMORY.set(b, u32::from(!bytes.is_empty()));
        }
        Ok(buffer)
    }

    /// A buffer over `length` bytes of a file.
    fn part(
        self,
        open: &OpenFile<'r>,
        first: u64,
        length: u64,
    ) -> Result<NonNull<ngx_buf_t>, NoMemory> {
        let buffer: NonNull<ngx_buf_t> = self.pool().zeroed()?;
        let file: NonNull<ngx_file_t> = self.pool().zeroed()?;
        let (b, f) = (buffer.as_ptr(), file.as_ptr());
        // SAFETY: as in `memory`; the file lives in the request's pool.
        unsafe {
            (*f).fd = open.descriptor();
            (*f).name = ngx_str(open.path());
            (*f).log = (*(*self.request()).connection).log;
            bits::NGX_FILE_DIRECTIO.set(f, open.directio().into());
            (*b).file = f;
            (*b).file_pos = i64::try_from(first).unwrap_or(i64::MAX);
            (*b).file_last = i64::try_from(first.saturating_add(length)).unwrap_or(i64::MAX);
            bits::NGX_BUF_IN_FILE.set(b, u32::from(length > 0));
        }
        Ok(buffer)
    }
}

/// A chain of buffers that grows at its end.
struct Links {
    first: *mut ngx_chain_t,
    last: *mut ngx_chain_t,
}

impl Links {
    fn push(&mut self, response: Response<'_>, buffer: NonNull<ngx_buf_t>) -> Result<(), NoMemory> {
        let link = response.pool().zeroed::<ngx_chain_t>()?.as_ptr();
        // SAFETY: all links are ours.
        unsafe {
            (*link).buf = buffer.as_ptr();
            match self.last.as_mut() {
                Some(last) => last.next = link,
                None => self.first = link,
            }
        }
        self.last = link;
        Ok(())
    }
}
