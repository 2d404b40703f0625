//! The HPET description table (IA-PC HPET Specification 1.0a, 3.2.4).

use crate::platform::HPET_BASE;
use crate::root::table;
use acpi_tables::sdt::GenericAddress;

const LENGTH: u32 = 56;
/// Ticks below which a periodic comparator may lose interrupts.
const MINIMUM_TICK: u16 = 0x80;

/// The table for the one timer block, whose General Capabilities register reads
/// `block_id` in its lower half.
pub fn hpet(block_id: u32) -> Vec<u8> {
    let mut hpet = table(*b"HPET", LENGTH, 1);
    hpet.write_u32(36, block_id);
    hpet.write(40, GenericAddress::mmio_address::<u64>(u64::from(HPET_BASE)));
    hpet.write_u16(53, MINIMUM_TICK);
    hpet.as_slice().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_block_and_its_address() {
        let hpet = hpet(0x8086_A201);
        assert_eq!(hpet[36..40], [0x01, 0xA2, 0x86, 0x80]);
        assert_eq!(hpet[40..52], [0, 64, 0, 4, 0, 0, 0xD0, 0xFE, 0, 0, 0, 0]);
        assert_eq!(hpet[52..], [0, 0x80, 0, 0]);
    }
}
