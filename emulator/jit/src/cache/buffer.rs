//! The code buffer. No page is ever writable and executable at once: code is
//! written through one mapping and executed through another where the host has
//! that, and the pages change sides where it has not.
#![allow(unsafe_code)]

use crate::host;
use dynasmrt::cache_control;
use std::io;
use std::ops::Range;

/// Memory for host code.
pub struct CodeBuffer {
    write: *mut u8,
    execute: *const u8,
    size: usize,
    used: usize,
    /// Below this, the pages of the writing view were handed back.
    released: usize,
    /// Nothing is appended from here on.
    end: usize,
}

/// How much is written before the writing view's pages are handed back: a page
/// that both views hold counts twice as resident.
const RELEASE_EVERY: usize = 1 << 20;

// SAFETY: the mappings belong to this value alone and live as long as it does.
unsafe impl Send for CodeBuffer {}

impl CodeBuffer {
    /// Maps `size` bytes, a multiple of the page size.
    ///
    /// # Errors
    /// What the host said when it refused.
    pub fn new(size: usize) -> io::Result<Self> {
        if let Ok((write, execute)) = host::map_twice(size) {
            let mut buffer = Self { write, execute, size, used: 0, end: size, released: 0 };
            if buffer.notices_writes() {
                return Ok(buffer);
            }
        }
        let at = host::map(size)?;
        Ok(Self { write: at, execute: at, size, used: 0, end: size, released: 0 })
    }

    /// Where the next code will be executed.
    pub fn next(&self) -> usize {
        self.execute as usize + self.used
    }

    /// Bytes left.
    pub fn room(&self) -> usize {
        self.end - self.used
    }

    /// All that is left, as host addresses.
    pub fn rest(&self) -> Range<usize> {
        self.next()..self.execute as usize + self.size
    }

    /// Appends to the host addresses `window` from now on, a part of the buffer.
    pub fn go_to(&mut self, window: &Range<usize>) {
        let offset = |at: usize| at.wrapping_sub(self.execute as usize).min(self.size);
        (self.used, self.end) = (offset(window.start), offset(window.end));
    }

    /// The `len` bytes of code at `at`.
    ///
    /// # Panics
    /// Where the range lies outside of the buffer.
    pub fn read(&self, at: usize, len: usize) -> Vec<u8> {
        let offset = at.wrapping_sub(self.execute as usize);
        assert!(offset <= self.size && self.size - offset >= len, "outside the code buffer");
        // SAFETY: the bytes lie in the mapping, checked above, and nobody writes them now.
        unsafe { std::slice::from_raw_parts(self.execute.add(offset), len) }.to_vec()
    }

    /// Appends code that was assembled for [`next`](Self::next); false when it does not fit.
    pub fn append(&mut self, code: &[u8]) -> bool {
        if code.len() > self.room() {
            return false;
        }
        self.store(self.used, code);
        self.used = (self.used + code.len()).next_multiple_of(16).min(self.end);
        if self.used.abs_diff(self.released) >= RELEASE_EVERY {
            self.release();
        }
        true
    }

    /// Hands the writing view's pages back, where it is one of its own; what is in
    /// them stays.
    fn release(&mut self) {
        if self.write.cast_const() != self.execute {
            // SAFETY: whole pages at the beginning of what `map_twice` returned.
            unsafe { host::release(self.write, self.used & !4095) };
        }
        self.released = self.used;
    }

    /// Overwrites the code executed at `at` while nothing runs in this buffer.
    ///
    /// # Panics
    /// Where the range lies outside of the buffer.
    pub fn patch(&mut self, at: usize, code: &[u8]) {
        let offset = at.wrapping_sub(self.execute as usize);
        self.store(offset, code);
    }

    /// Forgets what was appended from the host address `at` on.
    pub fn go_back(&mut self, at: usize) {
        self.used = self.used.min(at.wrapping_sub(self.execute as usize));
    }

    /// Writes code, and sees to it that the host executes what was written.
    fn store(&mut self, offset: usize, code: &[u8]) {
        assert!(offset <= self.size && code.len() <= self.size - offset, "code outside its buffer");
        let turns = self.write.cast_const() == self.execute;
        // SAFETY: the bytes fit, checked above; nothing executes here meanwhile.
        let executed = unsafe {
            let to = self.write.add(offset);
            if turns {
                host::set_writable(to, code.len(), true);
            }
            std::ptr::copy_nonoverlapping(code.as_ptr(), to, code.len());
            if turns {
                host::set_writable(to, code.len(), false);
            }
            std::slice::from_raw_parts(self.execute.add(offset), code.len())
        };
        cache_control::synchronize_icache(executed);
        cache_control::prepare_for_execution(executed);
    }

    /// Whether code that is overwritten through one mapping is executed anew
    /// through the other. Hosts do that; emulators of hosts may not.
    #[cfg(target_arch = "aarch64")]
    fn notices_writes(&mut self) -> bool {
        (1..=2u32).all(|n| {
            // mov w0, #n; ret
            let code = [0x5280_0000 | n << 5, 0xD65F_03C0].map(u32::to_le_bytes).concat();
            self.store(0, &code);
            // SAFETY: a function of this signature was written there just now.
            let function: extern "C" fn() -> u32 = unsafe { std::mem::transmute(self.execute) };
            function() == n
        })
    }

    /// x86-64 hosts do by definition.
    #[cfg(not(target_arch = "aarch64"))]
    fn notices_writes(&mut self) -> bool {
        true
    }
}

impl Drop for CodeBuffer {
    fn drop(&mut self) {
        // SAFETY: the mappings were made in `new` with this size.
        unsafe {
            if self.write.cast_const() != self.execute {
                host::unmap(self.write, self.size);
            }
            host::unmap(self.execute.cast_mut(), self.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function that returns `n`, for this kind of host.
    fn returns(n: u8) -> Vec<u8> {
        if cfg!(target_arch = "aarch64") {
            [0x5280_0000 | u32::from(n) << 5, 0xD65F_03C0].map(u32::to_le_bytes).concat()
        } else {
            vec![0xB8, n, 0, 0, 0, 0xC3]
        }
    }

    fn call(at: usize) -> u32 {
        // SAFETY: a function of this signature was written there by the test.
        let function: extern "C" fn() -> u32 = unsafe { std::mem::transmute(at) };
        function()
    }

    #[test]
    fn what_is_overwritten_is_executed_as_overwritten() {
        let one = host::map(1 << 16).expect("memory for code");
        let turning =
            CodeBuffer { write: one, execute: one, size: 1 << 16, used: 0, end: 1 << 16, released: 0 };
        for mut buffer in [CodeBuffer::new(1 << 16).expect("memory for code"), turning] {
            let (first, second) = (buffer.next(), buffer.next() + 16);
            assert!(buffer.append(&returns(1)) && buffer.append(&returns(2)));
            assert_eq!((call(first), call(second)), (1, 2));
            buffer.patch(first, &returns(3));
            assert_eq!((call(first), call(second)), (3, 2));
            assert!(!buffer.append(&vec![0; 1 << 16]), "more than there is room for");
        }
    }
}
