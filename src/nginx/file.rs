//! Opening files so that nothing outside a root directory can come out.
//!
//! Two ways lead to a descriptor, and both leave the check to the kernel, at the moment of the
//! opening, so that no swapped symbolic link gets in between:
//!
//! - openat2(2) with RESOLVE_BENEATH (Linux 5.6), one system call below the open root;
//! - where the location has an `open_file_cache`, or the kernel has no openat2(2): nginx's own
//!   `ngx_open_cached_file()` with `disable_symlinks on from=ROOT`, which opens component by
//!   component with openat(2) and O_NOFOLLOW.
//!
//! Callers pass paths free of `..`; that is not relied upon by the first way.

#![allow(unsafe_code)]

mod folder;
mod passed;
mod remove;

use core::ffi::c_int;
use core::marker::PhantomData;
use core::mem::zeroed;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nginx_sys::{
    ngx_http_core_loc_conf_t, ngx_http_core_module, ngx_http_request_t, ngx_open_cached_file,
    ngx_open_file_cache_t, ngx_open_file_info_t, ngx_pool_cleanup_add, ngx_pool_cleanup_file,
    ngx_pool_cleanup_file_t,
};

pub(crate) use folder::{user_id, worker_uid};

use super::NoMemory;
use super::bits;
use super::log::{self, Level};
use super::pool::{Pool, ngx_str};
use super::request::Request;

#[cfg(not(target_os = "linux"))]
compile_error!("only Linux is supported: files are opened with openat2(2)");

/// A regular file, open until the request ends.
pub(crate) struct OpenFile<'r> {
    fd: c_int,
    size: u64,
    modified: i64,
    directio: bool,
    named: bool,
    path: &'r [u8],
    life: PhantomData<&'r ()>,
}

impl<'r> OpenFile<'r> {
    pub(super) fn descriptor(&self) -> c_int {
        self.fd
    }

    pub(super) fn directio(&self) -> bool {
        self.directio
    }

    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Last change of the content, Unix seconds.
    pub(crate) fn modified(&self) -> i64 {
        self.modified
    }

    /// Reads its first byte, to see whether that works. What is opened for direct I/O is read in
    /// blocks only, and not here.
    pub(crate) fn try_read(&self) -> Result<(), OpenError> {
        let mut byte = 0_u8;
        // SAFETY: the descriptor is open, and there is one byte to write to.
        let read = unsafe { libc::pread(self.fd, (&raw mut byte).cast(), 1, 0) };
        if read < 0 && !self.directio { Err(OpenError::Os(errno())) } else { Ok(()) }
    }

    /// Has it a name in some folder? Without one it is gone once nobody has it open, and was most
    /// likely made for this response.
    pub(crate) fn has_name(&self) -> bool {
        self.named
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &'r [u8] {
        self.path
    }
}

/// What to do with symbolic links below the root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Symlinks {
    /// None is followed.
    #[default]
    Refused,
    /// Followed as long as they stay below the root.
    WithinRoot,
}

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The path leads out of the root.
    Outside,
    /// A symbolic link is in the way.
    Symlink,
    /// There is something, but no regular file: it says what.
    NotRegular(&'static str),
    /// What the system call said.
    Os(i32),
    /// An allocation failed.
    NoMemory,
}

impl From<NoMemory> for OpenError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl<'r, M> Request<'r, M> {
    /// Opens the regular file `path` below the directory `root`, as the location's
    /// `directio` and `read_ahead` say, and its `open_file_cache` if it may be `cached`.
    ///
    /// `root` is absolute and has no slash at its end; `path` has none at its start.
    pub(crate) fn open(
        self,
        root: &[u8],
        path: &[u8],
        symlinks: Symlinks,
        cached: bool,
    ) -> Result<OpenFile<'r>, OpenError> {
        let full = self.pool().concat(&[root, b"/", path])?;
        // SAFETY: the core module's configuration of the location outlives the request.
        let location = unsafe { &*core_location(self.as_ptr()) };
        let cache = if cached { location.open_file_cache } else { ptr::null_mut() };
        let open = Opening { pool: self.pool(), location, cache, root: root.len(), full };
        match symlinks {
            Symlinks::Refused if !cache.is_null() => open.by_nginx(),
            Symlinks::Refused => open.without_links(),
            Symlinks::WithinRoot => match open.beneath(0) {
                // An absolute link leads out of the root as far as the kernel is concerned,
                // even when it points back in.
                Err(Missing::Openat2 | Missing::File(OpenError::Outside)) => open.resolved(root),
                Err(Missing::File(error)) => Err(error),
                Ok(descriptor) => open.keep(descriptor),
            },
        }
    }
}

/// The core module's configuration of the location.
///
/// # Safety
/// `r` is a live request.
#[inline]
pub(super) unsafe fn core_location(
    r: *const ngx_http_request_t,
) -> *const ngx_http_core_loc_conf_t {
    // SAFETY: every location has the core module's configuration.
    unsafe { (*(*r).loc_conf.add(ngx_http_core_module.ctx_index)).cast() }
}

/// One attempt to open a file.
struct Opening<'r, 'l> {
    pool: Pool<'r>,
    location: &'l ngx_http_core_loc_conf_t,
    /// The open_file_cache to use, or null.
    cache: *mut ngx_open_file_cache_t,
    /// The length of the root at the start of `full`; a slash follows.
    root: usize,
    /// Root and path; a NUL follows the slice.
    full: &'r mut [u8],
}

enum Missing {
    Openat2,
    File(OpenError),
}

/// The kernel has no openat2(2): found out once per worker.
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// A concurrent rename makes openat2(2) give up with EAGAIN; so often it is tried again.
const RACES: usize = 16;

impl<'r> Opening<'r, '_> {
    /// Below the root, following no link.
    fn without_links(self) -> Result<OpenFile<'r>, OpenError> {
        match self.beneath(libc::RESOLVE_NO_SYMLINKS) {
            Err(Missing::Openat2) => self.by_nginx(),
            Err(Missing::File(error)) => Err(error),
            Ok(descriptor) => self.keep(descriptor),
        }
    }

    /// The one system call way. `extra` is added to the resolve flags.
    fn beneath(&self, extra: u64) -> Result<OwnedFd, Missing> {
        // O_NONBLOCK: opening a FIFO must not wait for a writer.
        self.open_beneath(extra, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY)
    }

    fn open_beneath(&self, extra: u64, flags: c_int) -> Result<OwnedFd, Missing> {
        if NO_OPENAT2.load(Ordering::Relaxed) {
            return Err(Missing::Openat2);
        }
        let root = self.open_root().map_err(Missing::File)?;
        // SAFETY: all zero is a valid open_how.
        let mut how: libc::open_how = unsafe { zeroed() };
        how.flags = (flags | libc::O_CLOEXEC) as u64;
        how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS | extra;
        for _ in 0..RACES {
            // SAFETY: the path is NUL-terminated, one byte past the slice of `full`; the root
            // and the slash before it lie within.
            let fd = unsafe {
                let path = self.full.as_ptr().add(self.root + 1);
                libc::syscall(
                    libc::SYS_openat2,
                    root.as_raw_fd(),
                    path,
                    &raw const how,
                    size_of_val(&how),
                )
            };
            if let Ok(fd) = c_int::try_from(fd)
                && fd >= 0
            {
                // SAFETY: it was opened just now.
                return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
            }
            return Err(match errno() {
                libc::EAGAIN | libc::EINTR => continue,
                libc::ENOSYS => {
                    NO_OPENAT2.store(true, Ordering::Relaxed);
                    Missing::Openat2
                }
                // A sandbox that does not know it, or a file that nobody may open.
                libc::EPERM => Missing::Openat2,
                libc::EXDEV => Missing::File(OpenError::Outside),
                libc::ELOOP if extra & libc::RESOLVE_NO_SYMLINKS != 0 => {
                    Missing::File(OpenError::Symlink)
                }
                errno => Missing::File(OpenError::Os(errno)),
            });
        }
        Err(Missing::File(OpenError::Os(libc::EAGAIN)))
    }

    /// The root is opened for each request: a descriptor kept open would hold on to a directory
    /// that was replaced (deployments do that) and keep its file system from being unmounted.
    fn open_root(&self) -> Result<OwnedFd, OpenError> {
        let root = self.full.get(..self.root).unwrap_or_default();
        let root = self.pool.copy(if root.is_empty() { b"/" } else { root })?;
        // SAFETY: a NUL follows the copy.
        let fd = unsafe {
            libc::open(root.as_ptr().cast(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC)
        };
        if fd < 0 {
            return Err(OpenError::Os(errno()));
        }
        // SAFETY: it was opened just now.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Makes sure that it is a regular file and hands the descriptor to the pool. The twin of
    /// ngx_open_and_stat_file() for the ways that nginx does not have.
    fn keep(self, descriptor: OwnedFd) -> Result<OpenFile<'r>, OpenError> {
        let stat = stat_regular(&descriptor)?;
        let fd = descriptor.as_raw_fd();
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut directio = false;
        // SAFETY: the pool is live and takes the descriptor over; nginx's cleanup closes it.
        unsafe {
            let pool = self.pool.as_ptr();
            let cleanup = ngx_pool_cleanup_add(pool, size_of::<ngx_pool_cleanup_file_t>());
            if cleanup.is_null() {
                return Err(OpenError::NoMemory);
            }
            (*cleanup).handler = Some(ngx_pool_cleanup_file);
            let file = (*cleanup).data.cast::<ngx_pool_cleanup_file_t>();
            (*file).fd = descriptor.into_raw_fd();
            (*file).name = self.full.as_ptr().cast_mut();
            (*file).log = (*pool).log;

            if self.location.read_ahead > 0 && size > MIN_READ_AHEAD {
                libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_SEQUENTIAL);
            }
            if stat.st_size >= self.location.directio {
                let flags = libc::fcntl(fd, libc::F_GETFL);
                directio =
                    flags >= 0 && libc::fcntl(fd, libc::F_SETFL, flags | libc::O_DIRECT) == 0;
                if !directio {
                    let full = self.full.escape_ascii();
                    let text = format_args!("directio is not possible for \"{full}\"");
                    log::write((*pool).log, Level::Warn, errno(), text);
                }
            }
        }
        let modified = stat.st_mtime;
        Ok(OpenFile {
            fd,
            size,
            modified,
            directio,
            named: true,
            path: self.full,
            life: PhantomData,
        })
    }

    /// nginx's own way, through the open_file_cache where there is one.
    fn by_nginx(self) -> Result<OpenFile<'r>, OpenError> {
        let mut name = ngx_str(self.full);
        // SAFETY: all zero is what nginx's callers start with; the name is writable and
        // NUL-terminated, and has a slash at `root`, as disable_symlinks_from asks.
        unsafe {
            let mut of: ngx_open_file_info_t = zeroed();
            of.read_ahead = self.location.read_ahead;
            of.directio = self.location.directio;
            of.valid = self.location.open_file_cache_valid;
            of.min_uses = self.location.open_file_cache_min_uses;
            let errors = self.location.open_file_cache_errors != 0;
            let events = self.location.open_file_cache_events != 0;
            bits::NGX_OPEN_FILE_INFO_ERRORS.set(&raw mut of, errors.into());
            bits::NGX_OPEN_FILE_INFO_EVENTS.set(&raw mut of, events.into());
            bits::NGX_OPEN_FILE_INFO_DISABLE_SYMLINKS.set(&raw mut of, DISABLE_SYMLINKS_ON);
            of.disable_symlinks_from = self.root;

            let rc =
                ngx_open_cached_file(self.cache, &raw mut name, &raw mut of, self.pool.as_ptr());
            if rc != 0 {
                return Err(match of.err {
                    0 => OpenError::NoMemory,
                    libc::ELOOP | libc::EMLINK => OpenError::Symlink,
                    errno => OpenError::Os(errno),
                });
            }
            if bits::NGX_OPEN_FILE_INFO_IS_DIR.is_set(&raw const of) {
                return Err(OpenError::NotRegular("a directory"));
            }
            if !bits::NGX_OPEN_FILE_INFO_IS_FILE.is_set(&raw const of) {
                return Err(OpenError::NotRegular("a FIFO, socket or device"));
            }
            Ok(OpenFile {
                fd: of.fd,
                size: u64::try_from(of.size).unwrap_or(0),
                modified: of.mtime,
                directio: bits::NGX_OPEN_FILE_INFO_IS_DIRECTIO.is_set(&raw const of),
                named: true,
                path: self.full,
                life: PhantomData,
            })
        }
    }

    /// Resolves all links first, and then opens what they led to without following any: a link
    /// that changes in between makes the opening fail.
    fn resolved(self, root: &[u8]) -> Result<OpenFile<'r>, OpenError> {
        let (root, below) = resolve(root, self.full)?;
        let full = self.pool.concat(&[&root, b"/", &below])?;
        Opening { root: root.len(), full, ..self }.without_links()
    }
}

/// Where a path really is, as the real root and what is below it.
fn resolve(root: &[u8], full: &[u8]) -> Result<(Vec<u8>, Vec<u8>), OpenError> {
    let real = |path: &[u8]| {
        Path::new(OsStr::from_bytes(path))
            .canonicalize()
            .map_err(|error| OpenError::Os(error.raw_os_error().unwrap_or(libc::EIO)))
    };
    let root = real(if root.is_empty() { b"/" } else { root })?;
    let file = real(full)?;
    let below = file.strip_prefix(&root).map_err(|_| OpenError::Outside)?;
    let below = below.as_os_str().as_bytes().to_vec();
    let root = root.into_os_string().into_vec();
    Ok((if root == b"/" { Vec::new() } else { root }, below))
}

/// NGX_MIN_READ_AHEAD of ngx_open_file_cache.c.
const MIN_READ_AHEAD: u64 = 128 * 1024;

/// NGX_DISABLE_SYMLINKS_ON of ngx_core.h, absent from the bindings of some versions.
const DISABLE_SYMLINKS_ON: u32 = 1;

/// What the system says of a file, which must be a regular one.
fn stat_regular(descriptor: &OwnedFd) -> Result<libc::stat, OpenError> {
    // SAFETY: the descriptor is open; stat is plain data that the call fills.
    let stat = unsafe {
        let mut stat: libc::stat = zeroed();
        if libc::fstat(descriptor.as_raw_fd(), &raw mut stat) != 0 {
            return Err(OpenError::Os(errno()));
        }
        stat
    };
    if stat.st_mode & libc::S_IFMT == libc::S_IFREG {
        Ok(stat)
    } else {
        Err(OpenError::NotRegular(kind(stat.st_mode)))
    }
}

fn kind(mode: libc::mode_t) -> &'static str {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => "a directory",
        libc::S_IFIFO => "a FIFO",
        libc::S_IFSOCK => "a socket",
        libc::S_IFCHR | libc::S_IFBLK => "a device",
        _ => "not a regular file",
    }
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
