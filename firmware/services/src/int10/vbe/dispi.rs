//! The adapter's extension registers, by which VBE's modes are made.

use crate::call::Call;

const INDEX: u16 = 0x1ce;
const DATA: u16 = 0x1cf;

/// Register numbers.
pub(in crate::int10) mod index {
    pub const ID: u16 = 0;
    pub const WIDTH: u16 = 1;
    pub const HEIGHT: u16 = 2;
    pub const BITS: u16 = 3;
    pub const ENABLE: u16 = 4;
    pub const BANK: u16 = 5;
    pub const VIRTUAL_WIDTH: u16 = 6;
    pub const VIRTUAL_HEIGHT: u16 = 7;
    pub const X_OFFSET: u16 = 8;
    pub const Y_OFFSET: u16 = 9;
    pub const MEMORY_64K: u16 = 10;
}

/// Bits of the enable register.
pub(in crate::int10) const ENABLED: u16 = 1;
pub(in crate::int10) const DAC_8_BITS: u16 = 0x20;
pub(in crate::int10) const LINEAR: u16 = 0x40;
pub(in crate::int10) const KEEP_MEMORY: u16 = 0x80;

/// What a saved state holds, in the order in which it is restored.
pub(in crate::int10) const SAVED: [u16; 8] = [
    index::WIDTH,
    index::HEIGHT,
    index::BITS,
    index::ENABLE,
    index::VIRTUAL_WIDTH,
    index::X_OFFSET,
    index::Y_OFFSET,
    index::BANK,
];

pub(in crate::int10) fn read(call: &mut Call<'_>, index: u16) -> u16 {
    call.out16(INDEX, index);
    call.in16(DATA)
}

pub(in crate::int10) fn write(call: &mut Call<'_>, index: u16, value: u16) {
    call.out16(INDEX, index);
    call.out16(DATA, value);
}

/// Whether the adapter has the extension, with a linear framebuffer (B0C2h on).
pub(in crate::int10) fn is_present(call: &mut Call<'_>) -> bool {
    (0xb0c2..=0xb0cf).contains(&read(call, index::ID))
}

/// Back to the VGA's own modes.
pub(in crate::int10) fn disable(call: &mut Call<'_>) {
    if is_present(call) && read(call, index::ENABLE) != 0 {
        write(call, index::ENABLE, 0);
    }
}

/// Bytes from line to line; in one plane at 4 bits a pixel.
pub(in crate::int10) fn stride(call: &mut Call<'_>) -> u32 {
    let (width, bits) = (read(call, index::VIRTUAL_WIDTH), read(call, index::BITS));
    bytes(u32::from(width), bits)
}

/// Bytes of `pixels` pixels; in one plane at 4 bits a pixel.
pub(in crate::int10) fn bytes(pixels: u32, bits: u16) -> u32 {
    if bits == 4 { pixels / 8 } else { pixels.saturating_mul(u32::from(bits.div_ceil(8))) }
}

pub(in crate::int10) fn set_bank(call: &mut Call<'_>, bank: u16) {
    write(call, index::BANK, bank);
}

/// Sets what [`SAVED`] lists.
pub(in crate::int10) fn restore(call: &mut Call<'_>, values: impl Iterator<Item = u16>) {
    disable(call);
    for (index, value) in SAVED.into_iter().zip(values) {
        if index == index::ENABLE {
            if value & ENABLED == 0 {
                return;
            }
            write(call, index, value | KEEP_MEMORY);
        } else {
            write(call, index, value);
        }
    }
}
