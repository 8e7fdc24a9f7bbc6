//! Memory that lives as long as a request or a configuration: nginx's pools.

#![allow(unsafe_code)]

use core::any::TypeId;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{
    ngx_palloc, ngx_pcalloc, ngx_pnalloc, ngx_pool_cleanup_add, ngx_pool_cleanup_t, ngx_pool_t,
    ngx_str_t,
};

use super::NoMemory;

/// A pool that lives at least as long as `'p`.
#[derive(Clone, Copy)]
pub(crate) struct Pool<'p> {
    raw: NonNull<ngx_pool_t>,
    life: core::marker::PhantomData<&'p ngx_pool_t>,
}

/// What stands in front of each Rust value that a pool owns, so that one cleanup handler serves
/// all types and [`Pool::all`] can tell them apart.
#[repr(C)]
struct Owned<T> {
    header: OwnedHeader,
    value: T,
}

#[repr(C)]
struct OwnedHeader {
    type_id: TypeId,
    drop: unsafe fn(*mut OwnedHeader),
}

impl<'p> Pool<'p> {
    /// # Safety
    /// `raw` is null or a pool that lives for `'p`.
    pub(super) unsafe fn from_raw(raw: *mut ngx_pool_t) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, life: core::marker::PhantomData })
    }

    pub(super) fn as_ptr(self) -> *mut ngx_pool_t {
        self.raw.as_ptr()
    }

    /// Memory for one `T`, all zero.
    pub(super) fn zeroed<T>(self) -> Result<NonNull<T>, NoMemory> {
        // SAFETY: the pool is live; ngx_pcalloc returns null or zeroed memory of that size,
        // aligned to NGX_ALIGNMENT.
        let memory = unsafe { ngx_pcalloc(self.as_ptr(), size_of::<T>()) };
        NonNull::new(memory.cast()).ok_or(NoMemory)
    }

    /// `len` bytes that the caller fills.
    pub(super) fn bytes(self, len: usize) -> Result<NonNull<u8>, NoMemory> {
        // SAFETY: the pool is live; ngx_pnalloc returns null or `len` bytes.
        let memory = unsafe { ngx_pnalloc(self.as_ptr(), len) };
        NonNull::new(memory.cast()).ok_or(NoMemory)
    }

    /// Copies `parts`, one after the other, with a NUL behind them that the slice leaves out.
    pub(crate) fn concat(self, parts: &[&[u8]]) -> Result<&'p mut [u8], NoMemory> {
        let len = parts.iter().map(|part| part.len()).sum();
        let start = self.bytes(len + 1)?;
        let mut at = start.as_ptr();
        for part in parts {
            // SAFETY: the sum of the lengths plus one was allocated just now.
            unsafe {
                ptr::copy_nonoverlapping(part.as_ptr(), at, part.len());
                at = at.add(part.len());
            }
        }
        // SAFETY: `at` is the last of the `len + 1` bytes; all `len` before it are initialised
        // and belong to nobody else.
        unsafe {
            at.write(0);
            Ok(slice::from_raw_parts_mut(start.as_ptr(), len))
        }
    }

    /// Copies `bytes`, with a NUL behind them that the slice leaves out.
    pub(crate) fn copy(self, bytes: &[u8]) -> Result<&'p mut [u8], NoMemory> {
        self.concat(&[bytes])
    }

    /// Moves `value` into the pool, which drops it when the pool is destroyed.
    pub(crate) fn own<T: 'static>(self, value: T) -> Result<&'p T, NoMemory> {
        const { assert!(align_of::<Owned<T>>() <= nginx_sys::NGX_ALIGNMENT) }
        // SAFETY: the pool is live; the cleanup entry comes back zeroed or null, and its data
        // has the size asked for and the alignment checked above.
        unsafe {
            let data = ngx_palloc(self.as_ptr(), size_of::<Owned<T>>()).cast::<Owned<T>>();
            if data.is_null() {
                return Err(NoMemory);
            }
            let cleanup = ngx_pool_cleanup_add(self.as_ptr(), 0);
            if cleanup.is_null() {
                return Err(NoMemory);
            }
            let header = OwnedHeader { type_id: TypeId::of::<T>(), drop: drop_owned::<T> };
            data.write(Owned { header, value });
            (*cleanup).data = data.cast();
            (*cleanup).handler = Some(release);
            Ok(&(*data).value)
        }
    }

    /// The youngest value of type `T` that this pool owns and that `accept` accepts.
    pub(crate) fn find<T: 'static>(self, accept: impl Fn(&T) -> bool) -> Option<&'p T> {
        self.all().find(|value| accept(value))
    }

    /// The values of type `T` that this pool owns, the youngest first.
    pub(crate) fn all<T: 'static>(self) -> impl Iterator<Item = &'p T> {
        // SAFETY: the pool is live.
        let mut cleanup: *mut ngx_pool_cleanup_t = unsafe { (*self.as_ptr()).cleanup };
        core::iter::from_fn(move || {
            // SAFETY: the pool is live, and so is its list of cleanups, which grows at its head
            // only; an entry with our handler carries an `OwnedHeader`, which tells whether a `T`
            // follows.
            unsafe {
                while let Some(entry) = cleanup.as_ref() {
                    cleanup = entry.next;
                    if entry.handler.is_some_and(|h| ptr::fn_addr_eq(h, RELEASE)) {
                        let header = entry.data.cast::<OwnedHeader>();
                        if (*header).type_id == TypeId::of::<T>() {
                            return Some(&(*header.cast::<Owned<T>>()).value);
                        }
                    }
                }
            }
            None
        })
    }
}

const RELEASE: unsafe extern "C" fn(*mut core::ffi::c_void) = release;

/// The one cleanup handler of all values that pools own.
#[inline(never)]
unsafe extern "C" fn release(data: *mut core::ffi::c_void) {
    // SAFETY: `own` registered this handler with an `Owned<T>` and the `drop_owned::<T>` that
    // fits; nginx runs each cleanup once.
    super::guard::shield((), || unsafe {
        let header = data.cast::<OwnedHeader>();
        ((*header).drop)(header);
    });
}

/// # Safety
/// `header` heads an `Owned<T>` that is dropped nowhere else.
unsafe fn drop_owned<T>(header: *mut OwnedHeader) {
    // SAFETY: handed on to the caller.
    unsafe { ptr::drop_in_place(&raw mut (*header.cast::<Owned<T>>()).value) }
}

/// An nginx string over `bytes`, for nginx to read.
pub(super) fn ngx_str(bytes: &[u8]) -> ngx_str_t {
    ngx_str_t { len: bytes.len(), data: bytes.as_ptr().cast_mut() }
}

/// The bytes of an nginx string.
///
/// # Safety
/// `string` is empty or points to `len` bytes that live, unchanged, for `'a`.
pub(super) unsafe fn as_bytes<'a>(string: ngx_str_t) -> &'a [u8] {
    if string.len == 0 || string.data.is_null() {
        return &[];
    }
    // SAFETY: handed on to the caller.
    unsafe { slice::from_raw_parts(string.data, string.len) }
}
