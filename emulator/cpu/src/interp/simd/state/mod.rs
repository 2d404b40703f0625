//! LDMXCSR, STMXCSR, and FXSAVE, XSAVE and their kin: saving and restoring the
//! x87, SSE and AVX state (Intel SDM Vol. 1 ch. 13; AMD APM Vol. 2 11.4, 11.5).

mod area;
mod fxsave;
mod xsave;

use super::operand::{File, Xmm};
use crate::{Cpu, Exception, Handler, Op};
use fxsave::{fxrstor, fxsave};
use iced_x86::{Instruction, Mnemonic};
use xsave::{xrstor, xsave, xsave_compacted};

/// The bits of MXCSR that exist: no misaligned mode (bit 17).
const MXCSR_MASK: u32 = 0xFFFF;
const MXCSR_INIT: u32 = 0x1F80;

pub(crate) fn load_mxcsr<R: File>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    R::ready(cpu)?;
    let value: u32 = cpu.load_operand(op)?;
    cpu.state.mxcsr = checked_mxcsr(value)?;
    Ok(())
}

pub(crate) fn store_mxcsr<R: File>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    R::ready(cpu)?;
    cpu.store_operand(op, cpu.state.mxcsr)
}

/// # Errors
/// #GP(0) for reserved bits.
fn checked_mxcsr(value: u32) -> Result<u32, Exception> {
    if value & !MXCSR_MASK == 0 { Ok(value) } else { Err(Exception::GP0) }
}

pub(super) fn select(i: &Instruction) -> Option<Handler> {
    use Mnemonic::*;
    Some(match i.mnemonic() {
        Ldmxcsr => load_mxcsr::<Xmm>,
        Stmxcsr => store_mxcsr::<Xmm>,
        Fxsave => fxsave::<false>,
        Fxsave64 => fxsave::<true>,
        Fxrstor => fxrstor::<false>,
        Fxrstor64 => fxrstor::<true>,
        Xsave => xsave::<false, false>,
        Xsave64 => xsave::<true, false>,
        Xsaveopt => xsave::<false, true>,
        Xsaveopt64 => xsave::<true, true>,
        Xsavec => xsave_compacted::<false, false>,
        Xsavec64 => xsave_compacted::<true, false>,
        Xsaves => xsave_compacted::<false, true>,
        Xsaves64 => xsave_compacted::<true, true>,
        Xrstor => xrstor::<false, false>,
        Xrstor64 => xrstor::<true, false>,
        Xrstors => xrstor::<false, true>,
        Xrstors64 => xrstor::<true, true>,
        _ => return None,
    })
}
