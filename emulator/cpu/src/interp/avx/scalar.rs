//! Scalar single and double precision: the lowest element is computed, the rest
//! of the lane comes from the first source.

use super::operand::Vex;
use crate::interp::simd::approximation::{reciprocal, reciprocal_root};
use crate::interp::simd::convert::{self, Integer, Quick, narrow, widen};
use crate::interp::simd::float::{self, Format};
use crate::interp::simd::float_compare::{satisfies, to_flags};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::{Env, F32, F64, SseFloat};
use iced_x86::{Code, Instruction, Mnemonic};

/// Register `n`'s lowest element, or the memory operand.
#[inline(always)]
pub(super) fn source<T: Format>(cpu: &mut Cpu, op: &Op, n: u8) -> Result<T, Exception> {
    if op.is_mem() { T::source(cpu, op) } else { Ok(T::get(cpu.xmm(n), 0)) }
}

/// Writes the lowest element over a copy of the first source.
#[inline(always)]
pub(super) fn finish<T: Format>(cpu: &mut Cpu, op: &Op, env: &Env, value: T) -> Result<(), Exception> {
    cpu.finish_float(env)?;
    cpu.set_xmm_cleared(op.dst, cpu.xmm(op.src));
    value.set_low(cpu, op.dst);
    Ok(())
}

/// `dst = f(src1, src2)`; `S` is the format of the second source.
#[inline(always)]
fn scalar<S: Format, T: Format>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(T, S, &mut Env) -> T,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: S = source(cpu, op, op.aux)?;
    let mut env = cpu.float_env();
    let value = f(T::get(cpu.xmm(op.src), 0), b, &mut env);
    finish(cpu, op, &env, value)
}

fn compare<T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    scalar::<T, T>(cpu, op, |a, b, env| T::mask(satisfies(a, b, op.imm as u8 & 31, env)))
}

fn round<T: Format>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: T = source(cpu, op, op.aux)?;
    let mut env = float::round_env(cpu.float_env(), op.imm as u8);
    let value = float::round(b, op.imm as u8, &mut env);
    finish(cpu, op, &env, value)
}

/// VCVTSI2SS, VCVTSI2SD.
fn from_general<I: Integer, T: Quick>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: I = cpu.read_rm(op, op.aux)?;
    let mut env = cpu.float_env();
    let value: T = b.to(&mut env);
    finish(cpu, op, &env, value)
}

macro_rules! each {
    ($t:ty, $f:ident) => {
        |cpu, op| scalar::<$t, $t>(cpu, op, <$t>::$f)
    };
}

pub(super) fn select(i: &Instruction, _: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Vaddss => each!(F32, add),
        Vaddsd => each!(F64, add),
        Vsubss => each!(F32, sub),
        Vsubsd => each!(F64, sub),
        Vmulss => each!(F32, mul),
        Vmulsd => each!(F64, mul),
        Vdivss => each!(F32, div),
        Vdivsd => each!(F64, div),
        Vminss => each!(F32, min),
        Vminsd => each!(F64, min),
        Vmaxss => each!(F32, max),
        Vmaxsd => each!(F64, max),
        Vsqrtss => |cpu, op| scalar(cpu, op, |_, b: F32, env| b.sqrt(env)),
        Vsqrtsd => |cpu, op| scalar(cpu, op, |_, b: F64, env| b.sqrt(env)),
        Vroundss => round::<F32>,
        Vroundsd => round::<F64>,
        Vcmpss => compare::<F32>,
        Vcmpsd => compare::<F64>,
        Vrcpss => |cpu, op| scalar(cpu, op, |_, b: F32, _| F32(reciprocal(b.0))),
        Vrsqrtss => |cpu, op| scalar(cpu, op, |_, b: F32, _| F32(reciprocal_root(b.0))),
        Vcvtss2sd => |cpu, op| scalar(cpu, op, |_: F64, b: F32, env| widen(b, env)),
        Vcvtsd2ss => |cpu, op| scalar(cpu, op, |_: F32, b: F64, env| narrow(b, env)),
        Vcomiss => to_flags::<Vex, F32, true>,
        Vcomisd => to_flags::<Vex, F64, true>,
        Vucomiss => to_flags::<Vex, F32, false>,
        Vucomisd => to_flags::<Vex, F64, false>,
        _ => return select_general(i.code()),
    };
    Some(handler)
}

fn select_general(code: Code) -> Option<Handler> {
    use Code::*;
    Some(match code {
        VEX_Vcvtsi2ss_xmm_xmm_rm32 => from_general::<u32, F32>,
        VEX_Vcvtsi2ss_xmm_xmm_rm64 => from_general::<u64, F32>,
        VEX_Vcvtsi2sd_xmm_xmm_rm32 => from_general::<u32, F64>,
        VEX_Vcvtsi2sd_xmm_xmm_rm64 => from_general::<u64, F64>,
        VEX_Vcvtss2si_r32_xmmm32 => convert::to_general::<Vex, u32, F32, false>,
        VEX_Vcvtss2si_r64_xmmm32 => convert::to_general::<Vex, u64, F32, false>,
        VEX_Vcvtsd2si_r32_xmmm64 => convert::to_general::<Vex, u32, F64, false>,
        VEX_Vcvtsd2si_r64_xmmm64 => convert::to_general::<Vex, u64, F64, false>,
        VEX_Vcvttss2si_r32_xmmm32 => convert::to_general::<Vex, u32, F32, true>,
        VEX_Vcvttss2si_r64_xmmm32 => convert::to_general::<Vex, u64, F32, true>,
        VEX_Vcvttsd2si_r32_xmmm64 => convert::to_general::<Vex, u32, F64, true>,
        VEX_Vcvttsd2si_r64_xmmm64 => convert::to_general::<Vex, u64, F64, true>,
        _ => return None,
    })
}
