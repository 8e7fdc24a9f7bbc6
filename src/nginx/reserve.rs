//! Memory for the moments in which there is none.
//!
//! nginx answers a failed allocation by a 500. Rust's collections cannot: theirs end the process, and
//! an allocator must neither unwind nor return memory that is not there (`GlobalAlloc`). So the module's
//! allocator has a reserve, which costs nothing until it is needed: what is under way ends as it would
//! have, on the reserve, and [`is_low`] keeps others from beginning once half of it is gone. A request
//! takes some kilobytes; where somebody else decides how much, as with bodies of apps, or where it adds
//! up, it is asked for by `try_reserve`, or beforehand by [`memory_for`], and there is an answer to its
//! failing.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::hint::black_box;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, PoisonError};

use linked_list_allocator::Heap;

use super::NoMemory;
use super::log::{self, Level};
use super::request::now_sec;

const SIZE: usize = 1 << 20;
/// Larger pieces are for those who can do without, by `try_reserve`.
const LARGEST: usize = SIZE / 8;

#[global_allocator]
static ALLOCATOR: WithReserve = WithReserve;

/// malloc(3), and the reserve where that has failed.
struct WithReserve;

/// Pages that nobody has touched are no memory yet, and each worker has its own.
#[repr(align(4096))]
struct Room(UnsafeCell<[MaybeUninit<u8>; SIZE]>);

// SAFETY: what is in it belongs to `HEAP`, and to those that it lends parts of it to.
unsafe impl Sync for Room {}

static ROOM: Room = Room(UnsafeCell::new([MaybeUninit::uninit(); SIZE]));
static HEAP: Mutex<Heap> = Mutex::new(Heap::empty());
/// Bytes that are lent.
static LENT: AtomicUsize = AtomicUsize::new(0);
/// The second in which it was logged last: once in each is enough.
static LOGGED: AtomicU64 = AtomicU64::new(0);

/// Is memory out, and half of the reserve gone? Nothing new should be begun.
#[inline]
pub(super) fn is_low() -> bool {
    // what was lent to something that lives long does not matter once memory is back
    LENT.load(Ordering::Relaxed) > SIZE / 2 && !is_there(SIZE / 16)
}

/// Is there memory for so many bytes, all in all? To be asked before what may take pieces that the
/// reserve does not lend, and cannot do without them.
pub(crate) fn memory_for(bytes: usize) -> Result<(), NoMemory> {
    if bytes <= LARGEST || is_there(bytes) { Ok(()) } else { Err(NoMemory) }
}

#[cold]
fn is_there(bytes: usize) -> bool {
    let Ok(layout) = Layout::array::<u8>(bytes.max(1)) else { return false };
    // SAFETY: the size is not 0; what was allocated is freed.
    unsafe {
        // not to be optimised away, together with what frees it
        let memory = black_box(System.alloc(layout));
        if !memory.is_null() {
            System.dealloc(memory, layout);
        }
        !memory.is_null()
    }
}

#[cold]
fn lend(layout: Layout) -> *mut u8 {
    if layout.size() > LARGEST {
        return ptr::null_mut();
    }
    let mut heap = HEAP.lock().unwrap_or_else(PoisonError::into_inner);
    if heap.size() == 0 {
        // SAFETY: nobody else uses the room, which is there for as long as the process.
        unsafe { heap.init(ROOM.0.get().cast(), SIZE) };
    }
    let memory = heap.allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr);
    LENT.store(heap.used(), Ordering::Relaxed);
    drop(heap);
    let now = now_sec();
    if LOGGED.swap(now, Ordering::Relaxed) != now {
        let text =
            format_args!("download: memory is out, what is under way goes on with a reserve");
        log::cycle(Level::Crit, libc::ENOMEM, text);
    }
    memory
}

#[inline]
fn is_lent(memory: *mut u8) -> bool {
    memory.addr().wrapping_sub(ROOM.0.get().addr()) < SIZE
}

/// # Safety
/// `memory` was lent with this layout.
#[cold]
unsafe fn take_back(memory: *mut u8, layout: Layout) {
    let mut heap = HEAP.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: handed on to the caller; what is lent is not null.
    unsafe { heap.deallocate(NonNull::new_unchecked(memory), layout) };
    LENT.store(heap.used(), Ordering::Relaxed);
}

// SAFETY: memory is malloc(3)'s, or that of a heap behind a lock; each goes back to where it is from.
// Nothing here unwinds or allocates by this allocator.
unsafe impl GlobalAlloc for WithReserve {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: handed on to the caller.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() { lend(layout) } else { memory }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: handed on to the caller; what is lent has the layout's size.
        unsafe {
            let mut memory = System.alloc_zeroed(layout);
            if memory.is_null() {
                memory = lend(layout);
                if !memory.is_null() {
                    memory.write_bytes(0, layout.size());
                }
            }
            memory
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: handed on to the caller.
        unsafe {
            if is_lent(memory) {
                take_back(memory, layout);
            } else {
                System.dealloc(memory, layout);
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: handed on to the caller, who vouches for the new size as well; both places are as
        // large as is copied.
        unsafe {
            if !is_lent(memory) {
                let moved = System.realloc(memory, layout, size);
                if !moved.is_null() {
                    return moved;
                }
            }
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(memory, layout.size().min(size));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}
