//! Removing a file's name, as safely as it was opened: below the root, without following links.

use core::ffi::c_int;
use core::ptr;

use super::{Descriptor, Missing, OpenError, Opening, Symlinks, core_location, errno, resolve};
use crate::nginx::log::Level;
use crate::nginx::request::Request;

impl<M> Request<'_, M> {
    /// Removes the name of a file below the directory `root`. That it may fail is logged.
    pub(crate) fn remove_file(self, root: &[u8], path: &[u8], symlinks: Symlinks) {
        if let Err(error) = self.try_remove(root, path, symlinks) {
            let errno = if let OpenError::Os(errno) = error { errno } else { 0 };
            let path = path.escape_ascii();
            let text = format_args!("download: the temporary file \"{path}\" cannot be removed");
            self.log(Level::Error, errno, text);
        }
    }

    fn try_remove(self, root: &[u8], path: &[u8], symlinks: Symlinks) -> Result<(), OpenError> {
        let (folder, name) = match path.iter().rposition(|&c| c == b'/') {
            Some(slash) => path.split_at(slash),
            None => (&b"."[..], path),
        };
        let name = self.pool().copy(name.strip_prefix(b"/").unwrap_or(name))?;
        let folder = match symlinks {
            Symlinks::Refused => self.folder(root, folder)?,
            Symlinks::WithinRoot => {
                let full = self.pool().concat(&[root, b"/", folder])?;
                let (root, folder) = resolve(root, full)?;
                self.folder(&root, if folder.is_empty() { b"." } else { &folder })?
            }
        };
        // SAFETY: the folder is open, and a NUL follows the name.
        match unsafe { libc::unlinkat(folder.0, name.as_ptr().cast(), 0) } {
            0 => Ok(()),
            _ => Err(OpenError::Os(errno())),
        }
    }

    /// Opens a folder below the root, following no link.
    fn folder(self, root: &[u8], path: &[u8]) -> Result<Descriptor, OpenError> {
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
                    let fd = unsafe { libc::openat(at.0, name.as_ptr().cast(), flags) };
                    if fd < 0 {
                        return Err(OpenError::Os(errno()));
                    }
                    at = Descriptor(fd);
                }
                Ok(at)
            }
        }
    }
}

const FOLDER: c_int = libc::O_PATH | libc::O_DIRECTORY;
