//! INT 13h: disks.

use crate::asm::Assembler;
use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};
use crate::rom::entry;

/// Status: the function does not exist.
const INVALID_FUNCTION: u8 = 0x01;
/// The diskette parameter table: 1.44 MB, 512 bytes a sector, 18 sectors.
const FLOPPY_TABLE: [u8; 11] = [0xAF, 0x02, 0x25, 0x02, 0x12, 0x1B, 0xFF, 0x6C, 0xF6, 0x0F, 0x08];

/// Places the diskette parameter table.
pub(crate) fn place(rom: &mut Assembler) {
    rom.org(entry::FLOPPY_TABLE);
    rom.bytes(&FLOPPY_TABLE);
}

/// INT 13h.
pub(crate) fn service(_bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    call.regs.ax.set_high(INVALID_FUNCTION);
    call.set_carry(true)?;
    Ok(Flow::Done)
}
