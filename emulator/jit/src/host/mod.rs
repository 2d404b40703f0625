//! What the compiler asks of the host's operating system.
#![allow(unsafe_code)]

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{map, set_writable, unmap};
#[cfg(windows)]
pub use windows::{map, set_writable, unmap};

/// Two mappings of the same memory, for writing and for executing.
#[cfg(target_os = "linux")]
pub use unix::{map_twice, release};
/// Hosts without: code is written where it is executed.
#[cfg(not(target_os = "linux"))]
pub fn map_twice(_size: usize) -> std::io::Result<(*mut u8, *const u8)> {
    Err(std::io::ErrorKind::Unsupported.into())
}
/// As above: there is no view to release.
///
/// # Safety
/// None.
#[cfg(not(target_os = "linux"))]
pub unsafe fn release(_at: *mut u8, _len: usize) {}
