//! Little-endian fields of hostile images, and of structures being built.

/// The `N` bytes at `at`, if the image has them.
pub fn array<const N: usize>(image: &[u8], at: usize) -> Option<[u8; N]> {
    image.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub fn u8_at(image: &[u8], at: usize) -> Option<u8> {
    image.get(at).copied()
}

pub fn u16_at(image: &[u8], at: usize) -> Option<u16> {
    array(image, at).map(u16::from_le_bytes)
}

pub fn u32_at(image: &[u8], at: usize) -> Option<u32> {
    array(image, at).map(u32::from_le_bytes)
}

pub fn u64_at(image: &[u8], at: usize) -> Option<u64> {
    array(image, at).map(u64::from_le_bytes)
}

/// Stores `value` at `at` of a structure that we lay out ourselves.
///
/// # Panics
/// Where the field lies outside `structure`: both are constants of ours.
pub fn put<const N: usize>(structure: &mut [u8], at: usize, value: [u8; N]) {
    structure[at..at + N].copy_from_slice(&value);
}
