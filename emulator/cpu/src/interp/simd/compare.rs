//! Packed integer comparisons and PTEST.

use super::operand::packed;
pub(crate) use super::swar::{equal, greater};
use crate::flags::LazyFlags;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

const CF: u32 = 1;
const ZF: u32 = 1 << 6;

/// PTEST: ZF if `a & b` is zero, CF if `!a & b` is; the other flags are clear.
fn test(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = cpu.xmm_source(op)?;
    let a = cpu.xmm(op.dst);
    let zf = if a & b == 0 { ZF } else { 0 };
    let cf = if !a & b == 0 { CF } else { 0 };
    cpu.state.status = LazyFlags::from_bits(zf | cf);
    Ok(())
}

pub(super) fn select(i: &Instruction, mmx: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Pcmpeqb => packed!(mmx, equal::<u8>),
        Pcmpeqw => packed!(mmx, equal::<u16>),
        Pcmpeqd => packed!(mmx, equal::<u32>),
        Pcmpeqq => packed!(mmx, equal::<u64>),
        Pcmpgtb => packed!(mmx, greater::<i8>),
        Pcmpgtw => packed!(mmx, greater::<i16>),
        Pcmpgtd => packed!(mmx, greater::<i32>),
        Pcmpgtq => packed!(mmx, greater::<i64>),
        Ptest => test,
        _ => return None,
    };
    Some(handler)
}
