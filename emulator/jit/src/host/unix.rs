//! Linux, macOS and other Unix systems.

use std::io;

/// Maps `size` bytes, a multiple of the page size, that can be executed but not
/// written until [`set_writable`] says so.
///
/// # Errors
/// What the host said when it refused.
pub fn map(size: usize) -> io::Result<*mut u8> {
    // Apple Silicon executes only what was mapped for it; there, all pages are
    // writable or executable at once, by thread.
    #[cfg(target_vendor = "apple")]
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_JIT);
    #[cfg(not(target_vendor = "apple"))]
    let (protection, flags) = (libc::PROT_READ | libc::PROT_EXEC, 0);
    let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a new mapping wherever the host likes; the result is checked.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at.cast()) }
}

/// Unmaps what [`map`] or [`map_twice`] returned.
///
/// # Safety
/// The mapping has this size and is no longer used.
pub unsafe fn unmap(at: *mut u8, size: usize) {
    // SAFETY: the caller's.
    unsafe { libc::munmap(at.cast(), size) };
}

/// Makes the pages of a range writable, or executable again. Neither fails on a
/// mapping of our own.
///
/// # Safety
/// The range lies in a mapping of [`map`], none of which is executed meanwhile.
#[cfg(all(target_vendor = "apple", target_arch = "aarch64"))]
pub unsafe fn set_writable(_at: *mut u8, _len: usize, writable: bool) {
    // SAFETY: concerns this thread's view of MAP_JIT memory only.
    unsafe { libc::pthread_jit_write_protect_np(i32::from(!writable)) };
}

/// Makes the pages of a range writable, or executable again. Neither fails on a
/// mapping of our own.
///
/// # Safety
/// The range lies in a mapping of [`map`], none of which is executed meanwhile.
#[cfg(not(all(target_vendor = "apple", target_arch = "aarch64")))]
pub unsafe fn set_writable(at: *mut u8, len: usize, writable: bool) {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let first = at as usize & !(page - 1);
    let len = (at as usize + len).next_multiple_of(page) - first;
    let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { libc::PROT_EXEC };
    // SAFETY: whole pages of a mapping of ours.
    let done = unsafe { libc::mprotect(first as *mut libc::c_void, len, protection) };
    assert!(done == 0, "the host takes back memory for code: {}", io::Error::last_os_error());
}

/// Maps `size` bytes twice: for writing and for executing.
///
/// # Errors
/// What the host said when it refused.
#[cfg(target_os = "linux")]
pub fn map_twice(size: usize) -> io::Result<(*mut u8, *const u8)> {
    // SAFETY: plain system calls; every result is checked, and the descriptor is
    // closed once it is mapped.
    unsafe {
        let fd = libc::memfd_create(c"glassbox-code".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let map = |protection| libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, fd, 0);
        let sized = libc::ftruncate(fd, size as libc::off_t) == 0;
        let write = if sized { map(libc::PROT_READ | libc::PROT_WRITE) } else { libc::MAP_FAILED };
        let execute = if write == libc::MAP_FAILED { write } else { map(libc::PROT_READ | libc::PROT_EXEC) };
        let error = io::Error::last_os_error();
        libc::close(fd);
        if execute == libc::MAP_FAILED {
            if write != libc::MAP_FAILED {
                libc::munmap(write, size);
            }
            return Err(error);
        }
        Ok((write.cast(), execute.cast_const().cast()))
    }
}

/// Takes pages of a view that [`map_twice`] made for writing out of this process;
/// they come back when they are written next, as they were.
///
/// # Safety
/// The range is whole pages of such a view.
#[cfg(target_os = "linux")]
pub unsafe fn release(at: *mut u8, len: usize) {
    // SAFETY: a shared mapping of a file, which keeps the bytes. That it fails, if
    // so, costs memory only.
    unsafe { libc::madvise(at.cast(), len, libc::MADV_DONTNEED) };
}
