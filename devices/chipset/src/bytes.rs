//! Wider accesses to byte-wide registers: the ISA bus splits them into single
//! bytes at ascending ports.

use glassbox_device_api::AccessSize;

/// Reads each byte of the access, lowest port first.
pub(crate) fn read_bytes(offset: u16, size: AccessSize, mut read: impl FnMut(u16) -> u8) -> u32 {
    (0..size.bytes().min(4) as u16)
        .fold(0, |value, i| value | u32::from(read(offset.wrapping_add(i))) << (8 * i))
}

/// Writes each byte of the access, lowest port first.
pub(crate) fn write_bytes(offset: u16, size: AccessSize, value: u32, mut write: impl FnMut(u16, u8)) {
    for i in 0..size.bytes().min(4) as u16 {
        write(offset.wrapping_add(i), (value >> (8 * i)) as u8);
    }
}
