//! EMMS and FEMMS; the packed MMX instructions are with their SSE2 versions.

use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

/// EMMS: all x87 registers become empty, so that x87 code can follow. Silicon
/// clears TOP, too.
fn empty(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.mmx_ready()?;
    cpu.enter_mmx();
    cpu.state.fpu.tag = 0xFFFF;
    Ok(())
}

pub(super) fn select(i: &Instruction) -> Option<Handler> {
    matches!(i.mnemonic(), Mnemonic::Emms | Mnemonic::Femms).then_some(empty as Handler)
}
