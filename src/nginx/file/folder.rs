//! Folders below a root, opened as safely as files are: to find out whether files can be looked up
//! in them, or to remove a name in one.

use core::ffi::c_int;
use core::ptr;
use std::borrow::Cow;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{Missing, OpenError, Opening, Symlinks, core_location, errno, resolve};
use crate::nginx::request::Request;

impl<M> Request<'_, M> {
    /// Is `path` a folder below the directory `root`, or `.` the root itself, in which the worker
    /// may look files up?
    pub(crate) fn search(
        self,
        root: &[u8],
        path: &[u8],
        symlinks: Symlinks,
    ) -> Result<(), OpenError> {
        let (root, path) = real_place(root, path, symlinks)?;
        // To look up anything in it, be it itself, takes the permission to search it.
        self.folder(&root, &[&*path, b"/."].concat()).map(drop)
    }

    /// Opens a folder below the root, following no link.
    pub(super) fn folder(self, root: &[u8], path: &[u8]) -> Result<OwnedFd, OpenError> {
        let full = self.pool().concat(&[root, b"/", path])?;
        // SAFETY: every location has the core module's configuration, which outlives the request.
        let location = unsafe { &*core_location(self.as_ptr()) };
        let cache = ptr::null_mut();
        let opening = Opening { pool: self.pool(), location, cache, root: root.len(), full };
        match opening.open_beneath(libc::RESOLVE_NO_SYMLINKS, FOLDER) {
            Ok(folder) => Ok(folder),
            Err(Missing::File(error)) => Err(error),
            Err(Missing::Openat2) => {
                let mut at = opening.open_root()?;
                for name in path.split(|&c| c == b'/') {
                    let name = self.pool().copy(name)?;
                    let flags = FOLDER | libc::O_NOFOLLOW | libc::O_CLOEXEC;
                    // SAFETY: the folder is open, and a NUL follows the name.
                    let fd = unsafe { libc::openat(at.as_raw_fd(), name.as_ptr().cast(), flags) };
                    if fd < 0 {
                        return Err(OpenError::Os(errno()));
                    }
                    // SAFETY: it was opened just now.
                    at = unsafe { OwnedFd::from_raw_fd(fd) };
                }
                Ok(at)
            }
        }
    }
}

/// A root, and a path below it.
type Place<'p> = (Cow<'p, [u8]>, Cow<'p, [u8]>);

/// Root and path once links are followed, as far as they may be. The path is not empty.
pub(super) fn real_place<'p>(
    root: &'p [u8],
    path: &'p [u8],
    symlinks: Symlinks,
) -> Result<Place<'p>, OpenError> {
    if symlinks == Symlinks::Refused {
        return Ok((root.into(), path.into()));
    }
    let (root, path) = resolve(root, &[root, b"/", path].concat())?;
    Ok((root.into(), if path.is_empty() { b"."[..].into() } else { path.into() }))
}

/// The user that the worker runs as.
pub(crate) fn worker_uid() -> u32 {
    // SAFETY: it cannot fail.
    unsafe { libc::geteuid() }
}

/// The number of the user of that name, as the system knows it while nginx.conf is read.
pub(crate) fn user_id(name: &CStr) -> Option<u32> {
    // SAFETY: nginx reads its configuration in one thread; what comes back is null or lives until
    // the next call.
    unsafe { libc::getpwnam(name.as_ptr()).as_ref().map(|user| user.pw_uid) }
}

const FOLDER: c_int = libc::O_PATH | libc::O_DIRECTORY;
