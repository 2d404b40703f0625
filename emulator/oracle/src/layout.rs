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

/// Selectors of 16-bit code, at [`CODE`], and data, at [`DATA`]: entries 0 and 1 of
/// the LDT.
pub const CODE_16: u16 = 0x07;
/// See [`CODE_16`].
pub const DATA_16: u16 = 0x0F;
/// Limit of the 16-bit data segment: the read-only page is its last.
pub const DATA_16_LIMIT: u32 = (READ_ONLY - DATA + READ_ONLY_LEN - 1) as u32;

/// Where instructions of `bits`-bit code begin, as an offset in CS.
pub const fn entry(bits: u32) -> u64 {
    if bits == 16 { ENTRY - CODE } else { ENTRY }
}

/// What 16-bit code calls a linear address: its offset in the segment that it
/// lies in. Other values stay as they are, offsets too.
pub const fn offset_16(value: u64) -> u64 {
    match value {
        0x20FF_0000..=0x2100_FFFF => value.wrapping_sub(DATA) & 0xFFFF,
        0x2000_0000..=0x2000_FFFF => value - CODE,
        _ => value,
    }
}
