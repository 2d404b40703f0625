//! Errors of the host side of guest memory.

use crate::Gpa;
use thiserror::Error;

/// Why guest memory could not be made or reached from the host side.
#[derive(Debug, Error)]
pub enum MemoryError {
    /// The range is not wholly backed by RAM or ROM.
    #[error("guest physical range {start} + {len:#x} bytes is not RAM")]
    NotRam {
        /// First address of the range.
        start: Gpa,
        /// Bytes in the range.
        len: u64,
    },
    /// The room for ROM images and video memory is used up.
    #[error("no room for {0:#x} bytes of ROM or video memory")]
    NoRoom(u64),
    /// The size asked for is unusable.
    #[error("cannot use {0} bytes of guest RAM: give at least 1M, in whole pages of 4K, and at most 1T")]
    BadSize(u64),
    /// The host refused the mapping.
    #[error("the host could not map {size} bytes of guest RAM ({source}): give the guest less memory")]
    Map {
        /// Bytes asked for.
        size: u64,
        /// What the host said.
        source: std::io::Error,
    },
}
