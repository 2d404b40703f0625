//! Packed shifts, by one count for all elements.

use super::lane::Element;
use super::operand::{File, Mm, Xmm, packed};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic, OpKind};

/// PSLLW and kin: a count of the width or more gives zero.
#[inline(always)]
pub(crate) fn left<T: Element>(a: u128, count: u64) -> u128 {
    if count < u64::from(T::BITS) { T::map(a, |a| a.shl(count as u32)) } else { 0 }
}

/// PSRLW and kin (`T` unsigned): a count of the width or more gives zero.
#[inline(always)]
pub(crate) fn right<T: Element>(a: u128, count: u64) -> u128 {
    if count < u64::from(T::BITS) { T::map(a, |a| a.shr(count as u32)) } else { 0 }
}

/// PSRAW and kin (`T` signed): a count of the width or more gives the sign.
#[inline(always)]
pub(crate) fn right_arithmetic<T: Element>(a: u128, count: u64) -> u128 {
    let count = count.min(u64::from(T::BITS - 1)) as u32;
    T::map(a, |a| a.shr(count))
}

/// PSLLDQ.
#[inline(always)]
pub(crate) fn bytes_left(a: u128, count: u64) -> u128 {
    if count < 16 { a << (count * 8) } else { 0 }
}

/// PSRLDQ.
#[inline(always)]
pub(crate) fn bytes_right(a: u128, count: u64) -> u128 {
    if count < 16 { a >> (count * 8) } else { 0 }
}

/// The forms with an immediate count.
#[inline(always)]
fn by_immediate<R: File>(cpu: &mut Cpu, op: &Op, f: impl Fn(u128, u64) -> u128) -> Result<(), Exception> {
    R::ready(cpu)?;
    let value = f(R::get(cpu, op.dst), op.imm & 0xFF);
    R::set(cpu, op.dst, value);
    Ok(())
}

macro_rules! shift {
    ($immediate:expr, $mmx:expr, $f:expr) => {
        match ($immediate, $mmx) {
            (true, true) => |cpu, op| by_immediate::<Mm>(cpu, op, $f),
            (true, false) => |cpu, op| by_immediate::<Xmm>(cpu, op, $f),
            // The count is the low quadword of the source.
            (false, mmx) => packed!(mmx, |a, b| $f(a, b as u64)),
        }
    };
}

pub(super) fn select(i: &Instruction, mmx: bool) -> Option<Handler> {
    use Mnemonic::*;
    let imm = i.op1_kind() == OpKind::Immediate8;
    let handler: Handler = match i.mnemonic() {
        Psllw => shift!(imm, mmx, left::<u16>),
        Pslld => shift!(imm, mmx, left::<u32>),
        Psllq => shift!(imm, mmx, left::<u64>),
        Psrlw => shift!(imm, mmx, right::<u16>),
        Psrld => shift!(imm, mmx, right::<u32>),
        Psrlq => shift!(imm, mmx, right::<u64>),
        Psraw => shift!(imm, mmx, right_arithmetic::<i16>),
        Psrad => shift!(imm, mmx, right_arithmetic::<i32>),
        Pslldq => |cpu, op| by_immediate::<Xmm>(cpu, op, bytes_left),
        Psrldq => |cpu, op| by_immediate::<Xmm>(cpu, op, bytes_right),
        _ => return None,
    };
    Some(handler)
}
