//! The addresses at which both processors keep code and data.
//!
//! All of it lies below 2 GiB, so that 32-bit addresses, absolute and
//! RIP-relative displacements reach it. What lies between is not mapped.

/// First byte of the code: two pages, filled with INT3.
pub const CODE: u64 = 0x2000_0000;
/// Bytes of code.
pub const CODE_LEN: u64 = 0x2000;
/// Where instructions are put.
pub const ENTRY: u64 = CODE + 0x1000;
/// First byte of the data.
pub const DATA: u64 = 0x2100_0000;
/// Bytes that may be written; an unmapped page follows.
pub const DATA_LEN: u64 = 0x2000;
/// First byte of a page that may be read only; unmapped pages lie around it.
pub const READ_ONLY: u64 = DATA + 0x4000;
/// Bytes of it.
pub const READ_ONLY_LEN: u64 = 0x1000;
/// An address with nothing behind it.
pub const NOTHING: u64 = DATA + 0x8000;

/// What the data pages hold before each case: byte `n` of a region.
pub fn background(n: u64) -> u8 {
    (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// The background of a region of `len` bytes.
pub fn background_image(len: u64) -> Vec<u8> {
    (0..len).map(background).collect()
}
