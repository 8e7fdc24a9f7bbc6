//! `recv` and `recv_chain` of a connection over which descriptors may come: what
//! `ngx_unix_recv()` and `ngx_readv_chain()` do with epoll and poll, by recvmsg(2).
//!
//! recvmsg(2) stops behind the bytes that descriptors came with, so a short read means that the
//! socket is empty only where none came.

use core::ffi::c_int;
use core::mem::zeroed;
use core::ptr;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use libc::{cmsghdr, iovec, msghdr};
use nginx_sys::{ngx_chain_t, ngx_connection_error, ngx_connection_t, off_t, u_char};

use super::{NoDescriptor, Received, Receiver, receiver_of};
use crate::nginx::{Status, bits, guard};

/// What came along with some bytes. All but one are closed already.
pub(super) enum Arrived {
    One(OwnedFd),
    Several,
    /// There were more than the kernel could hand over.
    Lost,
}

/// Room for two: one is more than a response may have, and the kernel closes the rest.
#[repr(C, align(8))]
struct Control([u8; ROOM]);

// SAFETY: computes a number.
const ROOM: usize = unsafe { libc::CMSG_SPACE(2 * size_of::<c_int>() as u32) } as usize;
const _: () = assert!(align_of::<Control>() >= align_of::<cmsghdr>());

/// As many buffers are filled at once (NGX_IOVS_PREALLOCATE).
const MOST_BUFFERS: usize = 64;

/// The connection's `recv`.
pub(super) unsafe extern "C" fn recv(
    connection: *mut ngx_connection_t,
    buffer: *mut u_char,
    size: usize,
) -> isize {
    let mut into = [iovec { iov_base: buffer.cast(), iov_len: size }];
    guard::shield(Status::ERROR.0, || {
        // SAFETY: nginx passes a live connection that `send` has seen, and room for `size` bytes.
        unsafe {
            let receiver = receiver_of(connection);
            let read = receive(connection, receiver, &mut into);
            if let Some(receiver) = receiver
                && read.bytes > 0
                && !receiver.begun.replace(true)
                && read.is_lone_nul(buffer)
            {
                return receive(connection, Some(receiver), &mut into).bytes;
            }
            read.bytes
        }
    })
}

/// The connection's `recv_chain`, by which nginx reads bodies.
pub(super) unsafe extern "C" fn recv_chain(
    connection: *mut ngx_connection_t,
    mut chain: *mut ngx_chain_t,
    limit: off_t,
) -> isize {
    // SAFETY: nginx passes a live connection that `send` has seen, and a chain of buffers with
    // room at their ends; 0 is no limit.
    unsafe {
        let mut into: [iovec; MOST_BUFFERS] = zeroed();
        let mut room = usize::try_from(limit).ok().filter(|&limit| limit > 0).unwrap_or(usize::MAX);
        let mut used = 0;
        for slot in &mut into {
            let Some(link) = chain.as_ref().filter(|_| room > 0) else { break };
            let (start, end) = ((*link.buf).last, (*link.buf).end);
            slot.iov_base = start.cast();
            slot.iov_len = end.offset_from_unsigned(start).min(room);
            room -= slot.iov_len;
            chain = link.next;
            used += 1;
        }
        let into = into.get_mut(..used).unwrap_or_default();
        guard::shield(Status::ERROR.0, || receive(connection, receiver_of(connection), into).bytes)
    }
}

/// What came of a read.
struct Read {
    /// As `recv` returns it: how many bytes, NGX_AGAIN or NGX_ERROR.
    bytes: isize,
    with_descriptors: bool,
}

impl Read {
    /// Is it the byte that apps may send along with a descriptor, before their response?
    ///
    /// # Safety
    /// `buffer` was read into.
    unsafe fn is_lone_nul(&self, buffer: *const u_char) -> bool {
        // SAFETY: one byte was read.
        self.bytes == 1 && self.with_descriptors && unsafe { *buffer } == 0
    }
}

/// # Safety
/// `connection` is live, and `into` leads to memory that may be written to.
unsafe fn receive(
    connection: *mut ngx_connection_t,
    receiver: Option<&Receiver>,
    into: &mut [iovec],
) -> Read {
    let size: usize = into.iter().map(|slot| slot.iov_len).sum();
    // SAFETY: handed on to the caller.
    unsafe {
        let (bytes, arrived) = match receive_message(connection, into) {
            Ok(received) => received,
            Err(bytes) => return Read { bytes, with_descriptors: false },
        };
        let with_descriptors = arrived.is_some();
        match (arrived, receiver) {
            (None, _) => {}
            (Some(arrived), Some(receiver)) => {
                let is_head = !bits::NGX_HTTP_UPSTREAM_HEADER_SENT.is_set(receiver.upstream);
                receiver.arrived(arrived, is_head, || peer((*connection).fd));
            }
            (Some(_), None) => {
                Received::Refused(NoDescriptor::NotReceiving).report((*connection).log);
            }
        }
        let event = (*connection).read;
        if bytes == 0 {
            bits::NGX_EVENT_READY.set(event, 0);
            bits::NGX_EVENT_EOF.set(event, 1);
        } else if bytes.unsigned_abs() < size
            && !with_descriptors
            && !bits::NGX_EVENT_PENDING_EOF.is_set(event)
        {
            bits::NGX_EVENT_READY.set(event, 0);
        }
        Read { bytes, with_descriptors }
    }
}

/// recvmsg(2): how many bytes, and what came along with them; `Err`: NGX_AGAIN or NGX_ERROR.
///
/// # Safety
/// As for [`receive`].
unsafe fn receive_message(
    connection: *mut ngx_connection_t,
    into: &mut [iovec],
) -> Result<(isize, Option<Arrived>), isize> {
    // SAFETY: handed on to the caller; the message leads to memory that lives during the call.
    unsafe {
        let event = (*connection).read;
        loop {
            let mut control = Control([0; ROOM]);
            let mut message: msghdr = zeroed();
            message.msg_iov = into.as_mut_ptr();
            message.msg_iovlen = into.len();
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = ROOM;
            let bytes = libc::recvmsg((*connection).fd, &raw mut message, libc::MSG_CMSG_CLOEXEC);
            if bytes >= 0 {
                return Ok((bytes, arrived(&message)));
            }
            match io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) {
                libc::EINTR => {}
                libc::EAGAIN => {
                    bits::NGX_EVENT_READY.set(event, 0);
                    return Err(Status::AGAIN.0);
                }
                errno => {
                    let text = c"recvmsg() failed".as_ptr().cast_mut();
                    let failed = ngx_connection_error(connection, errno, text);
                    bits::NGX_EVENT_READY.set(event, 0);
                    bits::NGX_EVENT_ERROR.set(event, 1);
                    return Err(failed);
                }
            }
        }
    }
}

/// The descriptors of a message; from here on they are ours to close.
///
/// # Safety
/// `message` was filled by recvmsg(2).
unsafe fn arrived(message: &msghdr) -> Option<Arrived> {
    let (mut first, mut several) = (None, false);
    // SAFETY: handed on to the caller. Each header of this kind is followed by descriptors that
    // were opened just now, and as many as its length says.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(message);
        while let Some(header) = at.as_ref() {
            if (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let data = libc::CMSG_DATA(at).cast::<c_int>();
                let bytes = header.cmsg_len - libc::CMSG_LEN(0) as usize;
                for index in 0..bytes / size_of::<c_int>() {
                    let one = OwnedFd::from_raw_fd(ptr::read_unaligned(data.add(index)));
                    several |= first.is_some();
                    first.get_or_insert(one);
                }
            }
            at = libc::CMSG_NXTHDR(message, at);
        }
    }
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Some(Arrived::Lost);
    }
    match first {
        Some(_) if several => Some(Arrived::Several),
        one => one.map(Arrived::One),
    }
}

/// The user whose process listens at the other end.
fn peer(socket: c_int) -> Option<u32> {
    // SAFETY: the kernel writes at most `size` bytes of plain data.
    unsafe {
        let mut peer: libc::ucred = zeroed();
        let mut size = size_of::<libc::ucred>() as libc::socklen_t;
        let got = libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut size,
        );
        (got == 0).then_some(peer.uid)
    }
}
