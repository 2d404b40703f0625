//! INT 15h: system services.

use crate::asm::Assembler;
use crate::bios::Bios;
use crate::call::{Call, Flow, ServiceResult};

/// What an unknown function returns in AH.
const UNSUPPORTED: u8 = 0x86;

/// Places the configuration table.
pub(crate) fn place(_rom: &mut Assembler) {}

/// INT 15h.
pub(crate) fn service(_bios: &mut Bios, call: &mut Call<'_>) -> ServiceResult {
    call.regs.ax.set_high(UNSUPPORTED);
    call.set_carry(true)?;
    Ok(Flow::Done)
}
