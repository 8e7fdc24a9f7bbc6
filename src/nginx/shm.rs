//! Memory that all workers share, across reloads as well: some numbers that need no lock, and bytes
//! behind one.
//!
//! nginx's slab pool lends the zone its lock, which the master takes from a worker that died
//! holding it (`ngx_unlock_mutexes()`). Its allocator is used once, for all of the memory: what it
//! would leave behind when a worker dies inside it could not be mended. That a worker has died
//! over the memory is told by a mark that it did not take away, and whoever finds it starts over.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use nginx_sys::{
    ngx_int_t, ngx_pagesize, ngx_pid, ngx_shared_memory_add, ngx_shm_zone_t, ngx_shmtx_lock,
    ngx_shmtx_unlock, ngx_slab_alloc, ngx_slab_pool_t,
};

use super::conf::{Conf, ConfError};
use super::log::{self, Level};
use super::pool::{as_bytes, ngx_str};
use super::{NoMemory, Status, guard};

/// A zone of shared memory. Lives in the configuration that declares it.
pub(crate) struct SharedMemory<U> {
    raw: NonNull<ngx_shm_zone_t>,
    used: PhantomData<U>,
}

/// What a zone is used for.
pub(crate) trait Use: 'static {
    /// How many numbers are read and changed without the lock.
    const NUMBERS: usize;

    /// A static of its own. nginx lends the memory of an earlier configuration only to the same
    /// one, so not to another use, nor to another build of the module.
    fn tag() -> &'static Tag;

    /// Makes new memory ready for use; the numbers are zero. `false`: it cannot be.
    fn format(numbers: &[AtomicU64], memory: &mut [u8]) -> bool;
}

/// Its address is what counts. Not read-only, so that no two are made one.
pub(crate) struct Tag {
    _address: AtomicU8,
}

impl Tag {
    pub(crate) const fn new() -> Self {
        Self { _address: AtomicU8::new(0) }
    }
}

/// What stands at the start of the memory; the numbers follow, at the start of a cache line.
#[repr(C, align(64))]
struct Shared {
    /// The process that works on the memory; found set by another one only if that has died.
    busy: AtomicU32,
    memory: *mut u8,
    len: usize,
}

impl Conf<'_> {
    /// Declares a zone of `size` bytes.
    pub(crate) fn shared_memory<U: Use>(
        &self,
        name: &[u8],
        size: usize,
    ) -> Result<SharedMemory<U>, ConfError> {
        let least = 8 * page();
        if size < least {
            return Err(format!("the zone is too small: {}k is the least", least / 1024).into());
        }
        let mut name = ngx_str(self.pool().copy(name)?);
        // SAFETY: `cf` is live; the name lives in its pool. The tag tells zones of this use, and
        // their layout, from others. nginx logs what is wrong.
        unsafe {
            let tag = ptr::from_ref(U::tag()).cast_mut().cast();
            let zone = ngx_shared_memory_add(self.as_ptr(), &raw mut name, size, tag);
            let raw = NonNull::new(zone).ok_or("the zone cannot be declared")?;
            if (*zone).init.is_some() {
                return Err("the zone is declared twice".into());
            }
            (*zone).init = Some(init::<U>);
            Ok(SharedMemory { raw, used: PhantomData })
        }
    }

    /// Declares a zone of so many pages, whatever their size.
    pub(crate) fn shared_pages<U: Use>(
        &self,
        name: &[u8],
        pages: usize,
    ) -> Result<SharedMemory<U>, ConfError> {
        self.shared_memory(name, pages * page())
    }
}

/// Bytes of a page.
fn page() -> usize {
    // SAFETY: nginx sets it as it starts.
    unsafe { (&raw const ngx_pagesize).read() }
}

/// Called by the master once the memory is there; `old` is what an earlier configuration made of
/// the same memory.
unsafe extern "C" fn init<U: Use>(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx passes the zone that was declared, with a slab pool at its start; `old` is of
    // the same use, as its tag was the same. Nobody else uses new memory yet.
    unsafe {
        if !old.is_null() {
            (*zone).data = old;
            return Status::OK.0;
        }
        let pool = (*zone).shm.addr.cast::<ngx_slab_pool_t>();
        let head = size_of::<Shared>() + U::NUMBERS * size_of::<AtomicU64>();
        let shared = ngx_slab_alloc(pool, head).cast::<Shared>();
        if shared.is_null() || !shared.is_aligned() {
            return Status::ERROR.0;
        }
        let len = (*pool).pfree * page();
        let memory = ngx_slab_alloc(pool, len).cast::<u8>();
        if memory.is_null() {
            return Status::ERROR.0;
        }
        shared.cast::<u8>().write_bytes(0, head);
        shared.write(Shared { busy: AtomicU32::new(0), memory, len });
        (*zone).data = shared.cast();
        let numbers = slice::from_raw_parts(shared.add(1).cast(), U::NUMBERS);
        let memory = slice::from_raw_parts_mut(memory, len);
        if !guard::shield(false, || U::format(numbers, memory)) {
            return Status::ERROR.0;
        }
        let name = as_bytes((*zone).shm.name).escape_ascii();
        let text = format_args!("download: the zone \"{name}\" starts empty");
        log::write((*zone).shm.log, Level::Notice, 0, text);
    }
    Status::OK.0
}

impl<U: Use> SharedMemory<U> {
    /// Waits for the lock. A worker must not ask twice: it would wait for itself.
    pub(crate) fn lock(&self) -> Locked<'_> {
        let (shared, pool) = self.parts();
        // SAFETY: the pool is the zone's, and its mutex was made by nginx.
        unsafe { ngx_shmtx_lock(&raw mut (*pool.as_ptr()).mutex) };
        let recovered = shared.busy.swap(pid(), Ordering::Acquire) != 0;
        #[cfg(feature = "test-panics")]
        guard::provoke::death("locked");
        Locked { shared, pool, recovered, life: PhantomData }
    }

    /// The numbers that are read and changed without the lock.
    #[inline]
    pub(crate) fn numbers(&self) -> &[AtomicU64] {
        let (shared, _) = self.parts();
        // SAFETY: `init` made as many, behind `shared`.
        unsafe { slice::from_raw_parts(ptr::from_ref(shared).add(1).cast(), U::NUMBERS) }
    }

    fn parts(&self) -> (&Shared, NonNull<ngx_slab_pool_t>) {
        // SAFETY: workers run after `init` has set `data`, and after nginx has mapped the memory,
        // which begins with the slab pool.
        unsafe {
            let zone = self.raw.as_ptr();
            let pool = NonNull::new_unchecked((*zone).shm.addr.cast());
            (&*(*zone).data.cast::<Shared>(), pool)
        }
    }
}

/// The memory, for as long as this is held.
pub(crate) struct Locked<'z> {
    shared: &'z Shared,
    pool: NonNull<ngx_slab_pool_t>,
    recovered: bool,
    life: PhantomData<&'z mut [u8]>,
}

impl Locked<'_> {
    /// Did somebody die over the memory, so that nothing in it can be trusted?
    pub(crate) fn is_recovered(&self) -> bool {
        self.recovered
    }
}

impl Deref for Locked<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `init` made it of that length, and the lock is held.
        unsafe { slice::from_raw_parts(self.shared.memory, self.shared.len) }
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; there is one guard at a time.
        unsafe { slice::from_raw_parts_mut(self.shared.memory, self.shared.len) }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        #[cfg(feature = "test-panics")]
        guard::provoke::death("unlocking");
        // After a panic the memory is as bad as after a death.
        if !std::thread::panicking() {
            self.shared.busy.store(0, Ordering::Release);
        }
        // SAFETY: the lock is held.
        unsafe { ngx_shmtx_unlock(&raw mut (*self.pool.as_ptr()).mutex) };
    }
}

/// The process, as nginx knows it.
fn pid() -> u32 {
    // SAFETY: nginx sets it as each process starts.
    unsafe { (&raw const ngx_pid).read() as u32 }
}

/// Bytes that nobody can guess.
pub(crate) fn random() -> Result<[u8; 16], NoMemory> {
    let mut bytes = [0; 16];
    // SAFETY: there is room for them.
    let got = unsafe { libc::getrandom(ptr::from_mut(&mut bytes).cast(), bytes.len(), 0) };
    if usize::try_from(got) == Ok(bytes.len()) { Ok(bytes) } else { Err(NoMemory) }
}
