//! Files that somebody else has opened.

use core::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use super::{OpenError, OpenFile, errno, stat_regular};
use crate::nginx::request::Request;

impl<'r, M> Request<'r, M> {
    /// Makes sure that it is a regular file, opened for reading, and keeps it open for as long as
    /// the request lives. Its offset, which the app may share, is not changed.
    pub(crate) fn open_passed(self, descriptor: Rc<OwnedFd>) -> Result<OpenFile<'r>, OpenError> {
        let fd = descriptor.as_raw_fd();
        // SAFETY: the descriptor is open.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        if flags < 0 {
            return Err(OpenError::Os(errno()));
        }
        let stat = stat_regular(&descriptor)?;
        if flags & libc::O_PATH != 0 || flags & libc::O_ACCMODE == libc::O_WRONLY {
            // As read(2) would say.
            return Err(OpenError::Os(libc::EBADF));
        }
        self.pool().own(descriptor)?;
        Ok(OpenFile {
            fd,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: stat.st_mtime,
            directio: flags & libc::O_DIRECT != 0,
            named: stat.st_nlink > 0,
            path: b"a descriptor from the app",
            life: PhantomData,
        })
    }
}
