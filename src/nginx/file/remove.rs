//! Removing a file's name, as safely as it was opened: below the root, without following links.

use std::os::fd::AsRawFd;

use super::folder::real_place;
use super::{OpenError, Symlinks, errno};
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
        let (root, folder) = real_place(root, folder, symlinks)?;
        let folder = self.folder(&root, &folder)?;
        // SAFETY: the folder is open, and a NUL follows the name.
        match unsafe { libc::unlinkat(folder.as_raw_fd(), name.as_ptr().cast(), 0) } {
            0 => Ok(()),
            _ => Err(OpenError::Os(errno())),
        }
    }
}
