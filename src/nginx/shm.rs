//! Memory that all workers share, across reloads as well, behind a lock.
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
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nginx_sys::{
    ngx_int_t, ngx_pagesize, ngx_pid, ngx_shared_memory_add, ngx_shm_zone_t, ngx_shmtx_lock,
    ngx_shmtx_unlock, ngx_slab_alloc, ngx_slab_pool_t,
};

use super::conf::{Conf, ConfError};
use super::log::{self, Level};
use super::module::HttpModule;
use super::pool::{as_bytes, ngx_str};
use super::{NoMemory, Status, guard};

/// A zone of shared memory. Lives in the configuration that declares it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedMemory(NonNull<ngx_shm_zone_t>);

/// What stands at the start of the memory.
#[repr(C)]
struct Shared {
    /// The process that works on the memory; found set by another one only if that has died.
    busy: AtomicU32,
    /// Numbers that can be read without the lock.
    signals: [AtomicU64; SIGNALS],
    memory: *mut u8,
    len: usize,
}

const SIGNALS: usize = 2;

impl Conf<'_> {
    /// Declares a zone of `size` bytes.
    pub(crate) fn shared_memory<M: HttpModule>(
        &self,
        name: &[u8],
        size: usize,
    ) -> Result<SharedMemory, ConfError> {
        // SAFETY: ngx_pagesize is set as nginx starts.
        let least = 8 * unsafe { (&raw const ngx_pagesize).read() };
        if size < least {
            return Err(format!("the zone is too small: {}k is the least", least / 1024).into());
        }
        let mut name = ngx_str(self.pool().copy(name)?);
        // SAFETY: `cf` is live; the name lives in its pool. The tag tells this module's zones, and
        // their layout, from others'. nginx logs what is wrong.
        unsafe {
            let tag = M::raw().cast_mut().cast();
            let zone = ngx_shared_memory_add(self.as_ptr(), &raw mut name, size, tag);
            let zone = NonNull::new(zone).ok_or("the zone cannot be declared")?;
            if (*zone.as_ptr()).init.is_some() {
                return Err("the zone is declared twice".into());
            }
            (*zone.as_ptr()).init = Some(init::<M>);
            Ok(SharedMemory(zone))
        }
    }
}

/// Called by the master once the memory is there; `old` is what an earlier configuration made of
/// the same memory.
unsafe extern "C" fn init<M: HttpModule>(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx passes the zone that was declared, with a slab pool at its start. Nobody else
    // uses new memory yet.
    unsafe {
        if !old.is_null() {
            (*zone).data = old;
            return Status::OK.0;
        }
        let pool = (*zone).shm.addr.cast::<ngx_slab_pool_t>();
        let shared = ngx_slab_alloc(pool, size_of::<Shared>()).cast::<Shared>();
        if shared.is_null() {
            return Status::ERROR.0;
        }
        let len = (*pool).pfree * (&raw const ngx_pagesize).read();
        let memory = ngx_slab_alloc(pool, len).cast::<u8>();
        if memory.is_null() {
            return Status::ERROR.0;
        }
        shared.write(Shared {
            busy: AtomicU32::new(0),
            signals: [const { AtomicU64::new(0) }; SIGNALS],
            memory,
            len,
        });
        (*zone).data = shared.cast();
        let memory = slice::from_raw_parts_mut(memory, len);
        if !guard::shield(false, || M::format_shared(memory)) {
            return Status::ERROR.0;
        }
        let name = as_bytes((*zone).shm.name).escape_ascii();
        let text = format_args!("download: the zone \"{name}\" starts empty");
        log::write((*zone).shm.log, Level::Notice, 0, text);
    }
    Status::OK.0
}

impl SharedMemory {
    /// Waits for the lock. A worker must not ask twice: it would wait for itself.
    pub(crate) fn lock(&self) -> Locked<'_> {
        let (shared, pool) = self.parts();
        // SAFETY: the pool is the zone's, and its mutex was made by nginx.
        unsafe { ngx_shmtx_lock(&raw mut (*pool.as_ptr()).mutex) };
        let recovered = shared.busy.swap(pid(), Ordering::Acquire) != 0;
        Locked { shared, pool, recovered, life: PhantomData }
    }

    /// One of a few numbers that are read without the lock.
    #[inline]
    pub(crate) fn signal(&self, index: usize) -> u64 {
        let (shared, _) = self.parts();
        shared.signals.get(index).map_or(0, |signal| signal.load(Ordering::Acquire))
    }

    /// Adds one to it.
    pub(crate) fn raise(&self, index: usize) {
        let (shared, _) = self.parts();
        if let Some(signal) = shared.signals.get(index) {
            signal.fetch_add(1, Ordering::Release);
        }
    }

    fn parts(&self) -> (&Shared, NonNull<ngx_slab_pool_t>) {
        // SAFETY: workers run after `init` has set `data`, and after nginx has mapped the memory,
        // which begins with the slab pool.
        unsafe {
            let zone = self.0.as_ptr();
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
