//! Windows.

use std::ffi::c_void;
use std::io;
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_EXECUTE_READ, PAGE_READWRITE, VirtualAlloc, VirtualFree,
    VirtualProtect,
};

/// Maps `size` bytes, a multiple of the page size, that can be executed but not
/// written until [`set_writable`] says so.
///
/// # Errors
/// What the host said when it refused.
pub fn map(size: usize) -> io::Result<*mut u8> {
    // SAFETY: new memory wherever the host likes; the result is checked.
    let at = unsafe { VirtualAlloc(std::ptr::null(), size, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READ) };
    if at.is_null() { Err(io::Error::last_os_error()) } else { Ok(at.cast()) }
}

/// Unmaps what [`map`] returned.
///
/// # Safety
/// The mapping is no longer used.
pub unsafe fn unmap(at: *mut u8, _size: usize) {
    // SAFETY: the caller's.
    unsafe { VirtualFree(at.cast(), 0, MEM_RELEASE) };
}

/// Makes the pages of a range writable, or executable again. Neither fails on a
/// mapping of our own.
///
/// # Safety
/// The range lies in a mapping of [`map`], none of which is executed meanwhile.
pub unsafe fn set_writable(at: *mut u8, len: usize, writable: bool) {
    let protection = if writable { PAGE_READWRITE } else { PAGE_EXECUTE_READ };
    let mut before = 0;
    // SAFETY: pages of a mapping of ours.
    let done = unsafe { VirtualProtect(at.cast::<c_void>(), len, protection, &mut before) };
    assert!(done != 0, "the host takes back memory for code: {}", io::Error::last_os_error());
}
