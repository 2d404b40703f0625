//! Tests that set flags, string comparisons, and MXCSR.

use super::operand::{Vector, Vex, vex};
use crate::flags::LazyFlags;
use crate::interp::simd::state::{load_mxcsr, store_mxcsr};
use crate::interp::simd::string42::{Lengths, compare};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

const CF: u32 = 1;
const ZF: u32 = 1 << 6;
const SIGNS_32: u128 = 0x8000_0000_8000_0000_8000_0000_8000_0000;
const SIGNS_64: u128 = 0x8000_0000_0000_0000_8000_0000_0000_0000;

/// VPTEST, VTESTPS, VTESTPD: of the bits in `mask`, ZF if the operands share none,
/// CF if the second has none that the first lacks; the other flags are clear.
fn test<V: Vector>(cpu: &mut Cpu, op: &Op, mask: u128) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.src)?;
    let a = V::get(cpu, op.dst);
    let any = |f: fn(u128, u128) -> u128| (0..V::LANES).any(|n| f(a.lane(n), b.lane(n)) & mask != 0);
    let zf = if any(|a, b| a & b) { 0 } else { ZF };
    let cf = if any(|a, b| !a & b) { 0 } else { CF };
    cpu.state.status = LazyFlags::from_bits(zf | cf);
    Ok(())
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Lengths::*;
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Vptest => vex!(long, test, u128::MAX),
        Vtestps => vex!(long, test, SIGNS_32),
        Vtestpd => vex!(long, test, SIGNS_64),
        Vpcmpestri => |cpu, op| compare::<Vex>(cpu, op, Explicit32, false),
        Vpcmpestri64 => |cpu, op| compare::<Vex>(cpu, op, Explicit64, false),
        Vpcmpestrm => |cpu, op| compare::<Vex>(cpu, op, Explicit32, true),
        Vpcmpestrm64 => |cpu, op| compare::<Vex>(cpu, op, Explicit64, true),
        Vpcmpistri => |cpu, op| compare::<Vex>(cpu, op, Implicit, false),
        Vpcmpistrm => |cpu, op| compare::<Vex>(cpu, op, Implicit, true),
        Vldmxcsr => load_mxcsr::<Vex>,
        Vstmxcsr => store_mxcsr::<Vex>,
        _ => return None,
    };
    Some(handler)
}
