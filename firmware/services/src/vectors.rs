//! The interrupt vector table.

use crate::call::{Call, GuestFault};
use crate::post::rom_vector;
use crate::rom::{Point, Rom, entry};

/// Vectors of user programs, which are null.
const USER: [std::ops::RangeInclusive<usize>; 2] = [0x60..=0x66, 0xF1..=0xFF];

/// Fills the table: whatever has no service returns at once.
pub(crate) fn install(rom: &Rom, call: &mut Call<'_>) -> Result<(), GuestFault> {
    let mut vectors = [rom_vector(entry::DUMMY_IRET); 256];
    let fixed = [
        (0x02, entry::NMI),
        (0x05, entry::INT05),
        (0x08, entry::INT08),
        (0x09, entry::INT09),
        (0x0E, entry::INT0E),
        (0x10, entry::INT10),
        (0x11, entry::INT11),
        (0x12, entry::INT12),
        (0x13, entry::INT13_DISK),
        (0x14, entry::INT14),
        (0x15, entry::INT15),
        (0x16, entry::INT16),
        (0x17, entry::INT17),
        (0x19, entry::INT19),
        (0x1A, entry::INT1A),
        (0x1D, entry::VIDEO_TABLE),
        (0x1E, entry::FLOPPY_TABLE),
        (0x40, entry::INT13_FLOPPY),
    ];
    for (vector, offset) in fixed {
        vectors[vector] = rom_vector(offset);
    }
    let mut point = |vector: usize, point: Point| vectors[vector] = rom_vector(rom.offset(point));
    for vector in [0x0A, 0x0B, 0x0C, 0x0D, 0x0F] {
        point(vector, Point::UnusedMaster);
    }
    for vector in 0x71..=0x73 {
        point(vector, Point::UnusedSlave);
    }
    point(0x18, Point::NoBoot);
    point(0x70, Point::Int70);
    point(0x74, Point::Int74);
    point(0x75, Point::Int75);
    point(0x76, Point::Int76);
    point(0x77, Point::Int77);
    for vector in USER.into_iter().flatten() {
        vectors[vector] = 0;
    }
    let bytes: Vec<u8> = vectors.iter().flat_map(|v| v.to_le_bytes()).collect();
    call.write(0, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Flow;
    use crate::testing::Bench;

    #[test]
    fn services_are_where_their_vectors_lead() {
        let mut bench = Bench::new();
        bench.run_with(|bios, call| install(bios.rom(), call).map(|()| Flow::Done)).unwrap();
        let vector = |n: usize| u32::from_le_bytes(bench.host.memory[4 * n..4 * n + 4].try_into().unwrap());
        assert_eq!((vector(0x13), vector(0x15), vector(0x1C)), (0xF000_E3FE, 0xF000_F859, 0xF000_FF53));
        assert_eq!((vector(0x60), vector(0xFF)), (0, 0));
        assert_ne!(vector(0x70), vector(0x71));
    }
}
