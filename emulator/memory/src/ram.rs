//! The host mapping that backs guest RAM, and bounds-checked access to it.
//!
//! Guest processors and devices share this memory as real ones do: another
//! thread may write while we read. Accesses are therefore made through raw
//! pointers, never through references, and what is read is plain data for which
//! every bit pattern is a value.
#![allow(unsafe_code)]

use memmap2::{MmapOptions, MmapRaw};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

pub use bytemuck::Pod;

/// Integers that the host can exchange atomically.
pub trait Atomic: Pod + PartialEq {
    #[doc(hidden)]
    fn compare_exchange_at(at: *mut u8, old: Self, new: Self) -> Option<Result<Self, Self>>;
}

macro_rules! atomic {
    ($t:ty, $atomic:ty) => {
        impl Atomic for $t {
            #[inline(always)]
            fn compare_exchange_at(at: *mut u8, old: Self, new: Self) -> Option<Result<Self, Self>> {
                let at = at.cast::<$t>();
                if !at.is_aligned() {
                    return None;
                }
                // SAFETY: `HostRam::compare_exchange`, the only caller, has
                // checked that the bytes lie in the mapping; alignment was
                // checked above.
                let cell = unsafe { <$atomic>::from_ptr(at) };
                Some(cell.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst))
            }
        }
    };
}
atomic!(u8, AtomicU8);
atomic!(u16, AtomicU16);
atomic!(u32, AtomicU32);
atomic!(u64, AtomicU64);

/// One anonymous host mapping, zeroed and committed by the host on first touch.
#[derive(Debug)]
pub(crate) struct HostRam {
    /// Unmaps when it is dropped.
    _map: MmapRaw,
    base: *mut u8,
    len: u64,
}

// SAFETY: the mapping lives as long as the value, and all access goes through
// raw pointers to plain data; racing guest accesses yield some mix of bytes,
// which is what the guest's own processors would see.
unsafe impl Send for HostRam {}
// SAFETY: as for `Send`.
unsafe impl Sync for HostRam {}

impl HostRam {
    pub fn new(len: u64) -> std::io::Result<Self> {
        let size = usize::try_from(len).map_err(std::io::Error::other)?;
        let map = MmapRaw::from(MmapOptions::new().len(size).map_anon()?);
        let base = map.as_mut_ptr();
        Ok(Self { _map: map, base, len })
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// The first byte of the mapping, for code that is compiled against it.
    #[inline(always)]
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    #[inline(always)]
    fn at(&self, offset: u64, len: usize) -> *mut u8 {
        let in_bounds = offset <= self.len && self.len - offset >= len as u64;
        assert!(in_bounds, "RAM offset {offset:#x} is outside the mapping");
        // SAFETY: `offset + len` lies inside the mapping, checked above.
        unsafe { self.base.add(offset as usize) }
    }

    #[inline(always)]
    pub fn read<T: Pod>(&self, offset: u64) -> T {
        let at = self.at(offset, size_of::<T>());
        // SAFETY: the bytes are in bounds and any bit pattern is a `T`.
        unsafe { at.cast::<T>().read_unaligned() }
    }

    #[inline(always)]
    pub fn write<T: Pod>(&self, offset: u64, value: T) {
        let at = self.at(offset, size_of::<T>());
        // SAFETY: the bytes are in bounds and no reference to them exists.
        unsafe { at.cast::<T>().write_unaligned(value) }
    }

    /// Atomic compare-exchange, or `None` where the address is not aligned.
    #[inline(always)]
    pub fn compare_exchange<T: Atomic>(&self, offset: u64, old: T, new: T) -> Option<Result<T, T>> {
        T::compare_exchange_at(self.at(offset, size_of::<T>()), old, new)
    }

    pub fn read_slice(&self, offset: u64, to: &mut [u8]) {
        let at = self.at(offset, to.len());
        // SAFETY: in bounds, and a Rust slice never overlaps the mapping.
        unsafe { std::ptr::copy_nonoverlapping(at, to.as_mut_ptr(), to.len()) }
    }

    pub fn write_slice(&self, offset: u64, from: &[u8]) {
        let at = self.at(offset, from.len());
        // SAFETY: in bounds, and a Rust slice never overlaps the mapping.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), at, from.len()) }
    }

    pub fn fill(&self, offset: u64, len: usize, byte: u8) {
        // SAFETY: `at` checks the bounds.
        unsafe { std::ptr::write_bytes(self.at(offset, len), byte, len) }
    }

    /// Copies inside the mapping, as `memmove`.
    pub fn copy(&self, from: u64, to: u64, len: usize) {
        // SAFETY: `at` checks the bounds of both ranges; `copy` allows overlap.
        unsafe { std::ptr::copy(self.at(from, len), self.at(to, len), len) }
    }
}
