//! The code buffer: written through one mapping, executed through another, so
//! that no page is ever writable and executable at once.
#![allow(unsafe_code)]

use std::io;

/// Memory for host code, twice mapped.
pub struct CodeBuffer {
    write: *mut u8,
    execute: *const u8,
    size: usize,
    used: usize,
}

// SAFETY: the mappings belong to this value alone and live as long as it does.
unsafe impl Send for CodeBuffer {}

impl CodeBuffer {
    /// Maps `size` bytes, a multiple of the page size.
    ///
    /// # Errors
    /// What the host said when it refused.
    pub fn new(size: usize) -> io::Result<Self> {
        // SAFETY: plain system calls; every result is checked, and the
        // descriptor is closed once it is mapped.
        unsafe {
            let fd = libc::memfd_create(c"glassbox-code".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let map =
                |protection| libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, fd, 0);
            let sized = libc::ftruncate(fd, size as libc::off_t) == 0;
            let write = if sized { map(libc::PROT_READ | libc::PROT_WRITE) } else { libc::MAP_FAILED };
            let execute = if write != libc::MAP_FAILED {
                map(libc::PROT_READ | libc::PROT_EXEC)
            } else {
                libc::MAP_FAILED
            };
            let error = io::Error::last_os_error();
            libc::close(fd);
            if execute == libc::MAP_FAILED {
                if write != libc::MAP_FAILED {
                    libc::munmap(write, size);
                }
                return Err(error);
            }
            Ok(Self { write: write.cast(), execute: execute.cast(), size, used: 0 })
        }
    }

    /// Where the next code will be executed.
    pub fn next(&self) -> usize {
        self.execute as usize + self.used
    }

    /// Bytes left.
    pub fn room(&self) -> usize {
        self.size - self.used
    }

    /// Appends code that was assembled for [`next`](Self::next); false when it does not fit.
    pub fn append(&mut self, code: &[u8]) -> bool {
        if code.len() > self.room() {
            return false;
        }
        // SAFETY: the bytes fit, checked above; nothing executes in this range yet.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.write.add(self.used), code.len()) };
        self.used = (self.used + code.len()).next_multiple_of(16).min(self.size);
        true
    }

    /// Overwrites the code executed at `at` while nothing runs in this buffer.
    ///
    /// # Panics
    /// Where the range lies outside what was appended.
    pub fn patch(&mut self, at: usize, code: &[u8]) {
        let offset = at.wrapping_sub(self.execute as usize);
        assert!(offset <= self.used && self.used - offset >= code.len(), "patch outside the code buffer");
        // SAFETY: in bounds, checked above.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.write.add(offset), code.len()) };
    }

    /// Forgets everything behind the first `keep` bytes.
    pub fn truncate(&mut self, keep: usize) {
        self.used = self.used.min(keep);
    }
}

impl Drop for CodeBuffer {
    fn drop(&mut self) {
        // SAFETY: both mappings were made in `new` with this size.
        unsafe {
            libc::munmap(self.write.cast(), self.size);
            libc::munmap(self.execute.cast_mut().cast(), self.size);
        }
    }
}
