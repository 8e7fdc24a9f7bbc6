//! nginx's bit-fields, at the places where the C compiler puts them.
//!
//! `build.rs` asks the C compiler (see there for the reason) and writes one constant for each
//! bit-field in use: `NGX_HTTP_REQUEST_HEADER_ONLY` and so on.

#![allow(unsafe_code)]

use core::marker::PhantomData;

#[cfg(not(target_endian = "little"))]
compile_error!("the layout probe counts bits as little-endian machines do");

/// A bit-field of the C structure `T`.
pub(crate) struct Bits<T> {
    /// Offset in bytes of the aligned 32-bit word that holds the field.
    word: usize,
    shift: u32,
    mask: u32,
    structure: PhantomData<*const T>,
}

// SAFETY: three integers; `T` only names the structure they belong to.
unsafe impl<T> Sync for Bits<T> {}

impl<T> Bits<T> {
    /// `first` counts bits from the start of the structure, least significant bit of a byte
    /// first, as the probe in `build.rs` does.
    const fn new(first: usize, width: u32) -> Self {
        let word = first / 32 * 4;
        let shift = (first % 32) as u32;
        // The ABIs nginx runs on never let a bit-field straddle its declared unit.
        assert!(width > 0 && shift + width <= 32, "a bit-field straddles two words");
        assert!(word + 4 <= size_of::<T>() && align_of::<T>() >= 4);
        let mask = if width == 32 { u32::MAX } else { (1 << width) - 1 };
        Self { word, shift, mask, structure: PhantomData }
    }

    /// # Safety
    /// `of` points to a live `T`.
    #[inline]
    pub(crate) unsafe fn get(&self, of: *const T) -> u32 {
        // SAFETY: the word lies within `T` (checked in `new`), which the caller vouches for.
        let word = unsafe { of.byte_add(self.word).cast::<u32>().read() };
        word >> self.shift & self.mask
    }

    /// # Safety
    /// As for [`Bits::get`].
    #[inline]
    pub(crate) unsafe fn is_set(&self, of: *const T) -> bool {
        // SAFETY: handed on to the caller.
        unsafe { self.get(of) != 0 }
    }

    /// # Safety
    /// `of` points to a live `T` that nothing else writes meanwhile.
    #[inline]
    pub(crate) unsafe fn set(&self, of: *mut T, value: u32) {
        debug_assert!(value <= self.mask);
        // SAFETY: as in `get`; nginx workers are single-threaded, so nobody writes in between.
        unsafe {
            let word = of.byte_add(self.word).cast::<u32>();
            word.write(word.read() & !(self.mask << self.shift) | value << self.shift);
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/layout.rs"));
