//! INT 11h and INT 12h: what is there.

use crate::call::{Call, Flow, ServiceResult};

/// Equipment word in the BIOS data area.
pub(crate) const EQUIPMENT: u16 = 0x10;
/// Base memory in KiB in the BIOS data area.
pub(crate) const BASE_MEMORY: u16 = 0x13;

/// INT 11h: AX = equipment word.
pub(crate) fn equipment(call: &mut Call<'_>) -> ServiceResult {
    let word = call.bda_u16(EQUIPMENT)?;
    call.regs.ax.set_word(word);
    Ok(Flow::Done)
}

/// INT 12h: AX = KiB of memory below the EBDA.
pub(crate) fn base_memory(call: &mut Call<'_>) -> ServiceResult {
    let kib = call.bda_u16(BASE_MEMORY)?;
    call.regs.ax.set_word(kib);
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn equipment_and_base_memory_come_from_the_data_area() {
        let mut bench = Bench::new();
        bench.host.set_bda_u16(EQUIPMENT, 0x4227);
        bench.host.set_bda_u16(BASE_MEMORY, 639);
        bench.regs.ax.0 = 0x1234_5678;
        assert_eq!(bench.run(equipment), Ok(Flow::Done));
        assert_eq!(bench.regs.ax.0, 0x1234_4227);
        assert_eq!(bench.run(base_memory), Ok(Flow::Done));
        assert_eq!(bench.regs.ax.word(), 639);
    }
}
