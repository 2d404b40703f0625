//! Packed conversions between integers, half, single and double precision.

use super::operand::{Vector, as_is, by_length, unary_float, vex};
use crate::interp::simd::convert::*;
use crate::interp::simd::lane::{Element, joined};
use crate::mmu::Access;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::{Env, F16, F32, Rounding};
use iced_x86::{Instruction, Mnemonic};

/// The low half of each lane of the result, joined: what conversions to narrower
/// elements give.
#[inline(always)]
fn narrowing<V: Vector>(
    cpu: &mut Cpu,
    op: &Op,
    adapt: impl Fn(Env) -> Env,
    f: impl Fn(u128, &mut Env) -> u128,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.src)?;
    let mut env = adapt(cpu.float_env());
    let halves = V::build(|n| f(b.lane(n), &mut env));
    cpu.finish_float(&env)?;
    let value = if V::LANES == 2 { joined(halves.lane(0), halves.lane(1)) } else { halves.lane(0) };
    cpu.set_xmm_cleared(op.dst, value);
    Ok(())
}

/// Conversions to wider elements: from half the vector's size.
#[inline(always)]
fn widening<V: Vector>(cpu: &mut Cpu, op: &Op, f: impl Fn(u128, &mut Env) -> u128) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: u128 = match V::LANES {
        1 => u128::from(cpu.xmm_source64(op)?),
        _ => cpu.vector_source(op, op.src)?,
    };
    let mut env = cpu.float_env();
    let value = V::build(|n| f(b >> (64 * n), &mut env));
    cpu.finish_float(&env)?;
    value.set(cpu, op.dst);
    Ok(())
}

/// VCVTPH2PS of the four numbers in the low half.
fn halves_to_singles(a: u128, env: &mut Env) -> u128 {
    u32::build(|n| F16(u16::get(a, n)).to_f32(env).0)
}

/// VCVTPS2PH: four numbers in the low half.
fn singles_to_halves(a: u128, env: &mut Env) -> u128 {
    u16::build(|n| if n < 4 { F32(u32::get(a, n)).to_f16(env).0 } else { 0 })
}

/// VCVTPS2PH. Bit 2 of the immediate chooses MXCSR's rounding mode over bits 0 and 1.
fn to_half<V: Vector>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let a = V::get(cpu, op.src);
    let mut env = cpu.float_env();
    if op.imm & 4 == 0 {
        env = env.with_rounding(Rounding::from_bits(op.imm as u32));
    }
    let halves = V::build(|n| singles_to_halves(a.lane(n), &mut env));
    if !op.is_mem() {
        cpu.finish_float(&env)?;
        let value = if V::LANES == 2 { joined(halves.lane(0), halves.lane(1)) } else { halves.lane(0) };
        cpu.set_xmm_cleared(op.dst, value);
        return Ok(());
    }
    // A page fault leaves MXCSR as it was; an unmasked exception stores nothing.
    let size = V::SIZE / 2;
    let gva = cpu.linear_address(op, size, Access::Write)?;
    cpu.probe_write(op.seg(), gva, size)?;
    cpu.finish_float(&env)?;
    match V::LANES {
        1 => cpu.store(op.seg(), gva, halves.lane(0) as u64),
        _ => cpu.store(op.seg(), gva, joined(halves.lane(0), halves.lane(1))),
    }
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Vcvtdq2ps => vex!(long, unary_float, as_is, integers_to_singles),
        Vcvtps2dq => vex!(long, unary_float, as_is, singles_to_integers),
        Vcvttps2dq => vex!(long, unary_float, truncating, singles_to_integers),
        Vcvtpd2dq => vex!(long, narrowing, as_is, doubles_to_integers),
        Vcvttpd2dq => vex!(long, narrowing, truncating, doubles_to_integers),
        Vcvtpd2ps => vex!(long, narrowing, as_is, doubles_to_singles),
        Vcvtdq2pd => vex!(long, widening, |b, _| integers_to_doubles(b)),
        Vcvtps2pd => vex!(long, widening, singles_to_doubles),
        Vcvtph2ps => vex!(long, widening, halves_to_singles),
        Vcvtps2ph => by_length!(long, to_half),
        _ => return None,
    };
    Some(handler)
}
