//! Packed shifts, by one count for all elements or a count for each.

use super::operand::{Vector, binary, vex};
use crate::interp::simd::lane::Element;
use crate::interp::simd::shift::{bytes_left, bytes_right, left, right, right_arithmetic};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic, OpKind};

/// VPSLLVD, VPSLLVQ: an element's count of its width or more gives zero.
fn left_each<T: Element>(a: u128, counts: u128) -> u128 {
    T::zip(a, counts, |a, n| by(n, |n| a.shl(n)))
}

/// VPSRLVD, VPSRLVQ, `T` unsigned.
fn right_each<T: Element>(a: u128, counts: u128) -> u128 {
    T::zip(a, counts, |a, n| by(n, |n| a.shr(n)))
}

fn by<T: Element>(count: T, shift: impl FnOnce(u32) -> T) -> T {
    let count = count.wide() as u64;
    if count < u64::from(T::BITS) { shift(count as u32) } else { T::narrow(0) }
}

/// VPSRAVD: a count of the width or more gives the sign.
fn right_arithmetic_each(a: u128, counts: u128) -> u128 {
    i32::build(|n| i32::get(a, n) >> u32::get(counts, n).min(31))
}

fn by_immediate<V: Vector>(cpu: &mut Cpu, op: &Op, f: impl Fn(u128, u64) -> u128) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let a = V::get(cpu, op.src);
    V::build(|n| f(a.lane(n), op.imm & 0xFF)).set(cpu, op.dst);
    Ok(())
}

/// The count is the low quadword of an XMM register or of 16 bytes of memory,
/// whatever the vector length.
fn by_register<V: Vector>(cpu: &mut Cpu, op: &Op, f: impl Fn(u128, u64) -> u128) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let count: u128 = cpu.vector_source(op, op.aux)?;
    let a = V::get(cpu, op.src);
    V::build(|n| f(a.lane(n), count as u64)).set(cpu, op.dst);
    Ok(())
}

macro_rules! shift {
    ($immediate:expr, $long:expr, $f:expr) => {
        if $immediate { vex!($long, by_immediate, $f) } else { vex!($long, by_register, $f) }
    };
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let imm = i.op2_kind() == OpKind::Immediate8;
    let handler: Handler = match i.mnemonic() {
        Vpsllw => shift!(imm, long, left::<u16>),
        Vpslld => shift!(imm, long, left::<u32>),
        Vpsllq => shift!(imm, long, left::<u64>),
        Vpsrlw => shift!(imm, long, right::<u16>),
        Vpsrld => shift!(imm, long, right::<u32>),
        Vpsrlq => shift!(imm, long, right::<u64>),
        Vpsraw => shift!(imm, long, right_arithmetic::<i16>),
        Vpsrad => shift!(imm, long, right_arithmetic::<i32>),
        Vpslldq => vex!(long, by_immediate, bytes_left),
        Vpsrldq => vex!(long, by_immediate, bytes_right),
        Vpsllvd => vex!(long, binary, left_each::<u32>),
        Vpsllvq => vex!(long, binary, left_each::<u64>),
        Vpsrlvd => vex!(long, binary, right_each::<u32>),
        Vpsrlvq => vex!(long, binary, right_each::<u64>),
        Vpsravd => vex!(long, binary, right_arithmetic_each),
        _ => return None,
    };
    Some(handler)
}
