//! Colours of pixel values: attribute controller, then DAC.

use crate::registers::Registers;

/// The colours of the 16 values that the attribute controller looks up. With
/// `blink_off` the values with bit 3 set show as those without.
pub(super) fn sixteen(registers: &Registers, blink_off: bool) -> Vec<u32> {
    let eight_bits = registers.dispi.dac_8_bits();
    (0..16u8)
        .map(|value| if blink_off { value & 7 } else { value })
        .map(|value| registers.dac.color(registers.attribute.dac_index(value), eight_bits))
        .collect()
}

/// The colours of the 256 values that go to the DAC as they are.
pub(super) fn all(registers: &Registers) -> Vec<u32> {
    let eight_bits = registers.dispi.dac_8_bits();
    (0..=255).map(|value| registers.dac.color(value, eight_bits)).collect()
}
