//! Packed single and double precision: arithmetic, comparison, rounding.

use super::operand::{Long, Vector, as_is, binary_float, by_length, unary, unary_float, vex};
use crate::interp::simd::approximation::{self, reciprocal, reciprocal_root};
use crate::interp::simd::float::{self, Format, add_sub, dot_product, horizontal, map, zip};
use crate::interp::simd::float_compare::satisfies;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::{F32, F64, SseFloat};
use iced_x86::{Instruction, Mnemonic};

/// VCMPPS, VCMPPD: predicates 0 to 31.
fn compare<V: Vector, T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let predicate = op.imm as u8 & 31;
    binary_float::<V>(cpu, op, |a, b, env| {
        zip::<T>(a, b, env, |a, b, env| T::mask(satisfies(a, b, predicate, env)))
    })
}

fn round<V: Vector, T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let imm = op.imm as u8;
    unary_float::<V>(
        cpu,
        op,
        |env| float::round_env(env, imm),
        |b, env| map::<T>(b, env, |b, env| float::round(b, imm, env)),
    )
}

fn dot<T: Format, const LANES: usize>(
    cpu: &mut Cpu,
    op: &Op,
    a: [u128; LANES],
    b: [u128; LANES],
) -> Result<[u128; LANES], Exception> {
    dot_product::<T, LANES>(a, b, op.imm as u8, &mut |step| {
        let mut env = cpu.float_env();
        step(&mut env);
        cpu.finish_float(&env)
    })
}

/// VDPPS, VDPPD of 128 bits.
fn dot_short<T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b = cpu.vector_source(op, op.aux)?;
    let [value] = dot::<T, 1>(cpu, op, [cpu.xmm(op.src)], [b])?;
    value.set(cpu, op.dst);
    Ok(())
}

fn dot_long(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b = cpu.vector_source(op, op.aux)?;
    let value = dot::<F32, 2>(cpu, op, Long::get(cpu, op.src), b)?;
    value.set(cpu, op.dst);
    Ok(())
}

/// The handler of a two-operand operation on elements.
macro_rules! each {
    ($long:expr, $t:ty, $f:ident) => {
        vex!($long, binary_float, |a, b, env| zip(a, b, env, <$t>::$f))
    };
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Vaddps => each!(long, F32, add),
        Vaddpd => each!(long, F64, add),
        Vsubps => each!(long, F32, sub),
        Vsubpd => each!(long, F64, sub),
        Vmulps => each!(long, F32, mul),
        Vmulpd => each!(long, F64, mul),
        Vdivps => each!(long, F32, div),
        Vdivpd => each!(long, F64, div),
        Vminps => each!(long, F32, min),
        Vminpd => each!(long, F64, min),
        Vmaxps => each!(long, F32, max),
        Vmaxpd => each!(long, F64, max),
        Vsqrtps => vex!(long, unary_float, as_is, |b, env| map(b, env, F32::sqrt)),
        Vsqrtpd => vex!(long, unary_float, as_is, |b, env| map(b, env, F64::sqrt)),
        Vhaddps => vex!(long, binary_float, |a, b, env| horizontal(a, b, env, F32::add)),
        Vhaddpd => vex!(long, binary_float, |a, b, env| horizontal(a, b, env, F64::add)),
        Vhsubps => vex!(long, binary_float, |a, b, env| horizontal(a, b, env, F32::sub)),
        Vhsubpd => vex!(long, binary_float, |a, b, env| horizontal(a, b, env, F64::sub)),
        Vaddsubps => vex!(long, binary_float, add_sub::<F32>),
        Vaddsubpd => vex!(long, binary_float, add_sub::<F64>),
        Vroundps => by_length!(long, round, F32),
        Vroundpd => by_length!(long, round, F64),
        Vcmpps => by_length!(long, compare, F32),
        Vcmppd => by_length!(long, compare, F64),
        Vdpps if long => dot_long,
        Vdpps => dot_short::<F32>,
        Vdppd => dot_short::<F64>,
        Vrcpps => vex!(long, unary, |b| approximation::map(b, reciprocal)),
        Vrsqrtps => vex!(long, unary, |b| approximation::map(b, reciprocal_root)),
        _ => return None,
    };
    Some(handler)
}
