//! Conversions between integers, single and double precision.

use super::float::Format;
use super::lane::Element;
use super::operand::{File, Xmm};
use crate::interp::Width;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::{Env, F32, F64, Rounding, SseFloat};
use iced_x86::{Code, Instruction, Mnemonic};

/// A general-purpose register's integer as the source or target of a conversion.
pub(crate) trait Integer: Width {
    /// Rounds to this width; what does not fit gives the most negative number.
    fn of<T: Quick>(number: T, env: &mut Env) -> Self;
    /// The number with this value, rounded.
    fn to<T: Quick>(self, env: &mut Env) -> T;
}

impl Integer for u32 {
    #[inline(always)]
    fn of<T: Quick>(number: T, env: &mut Env) -> Self {
        number.quick_i32(env) as u32
    }
    #[inline(always)]
    fn to<T: Quick>(self, env: &mut Env) -> T {
        T::quick_from(i64::from(self as i32), env)
    }
}

impl Integer for u64 {
    #[inline(always)]
    fn of<T: Quick>(number: T, env: &mut Env) -> Self {
        number.to_i64(env) as u64
    }
    #[inline(always)]
    fn to<T: Quick>(self, env: &mut Env) -> T {
        T::quick_from(self as i64, env)
    }
}

/// Conversions that use the host's where its result is the exact value, or the
/// right one and an inexact result is not to be noticed.
pub(crate) trait Quick: Format {
    /// As [`SseFloat::to_i32`].
    fn quick_i32(self, env: &mut Env) -> i32;
    /// As [`SseFloat::from_i64`].
    fn quick_from(integer: i64, env: &mut Env) -> Self;
}

/// Whether the host's rounding, to the nearest, is what is asked for.
#[inline(always)]
fn nearest_and_silent(env: &Env) -> bool {
    env.precision_is_silent && env.rounding == Rounding::Nearest
}

macro_rules! quick {
    ($format:ident, $float:ty) => {
        impl Quick for $format {
            #[inline(always)]
            fn quick_i32(self, env: &mut Env) -> i32 {
                let number = <$float>::from_bits(self.0);
                let truncated = number as i32;
                // The upper limit is no i32, nor is any NaN below it.
                let in_range = number.abs() < 2_147_483_648.0;
                let silent = env.precision_is_silent && env.rounding == Rounding::Zero;
                if in_range && (silent || truncated as $float == number) {
                    truncated
                } else {
                    self.to_i32(env)
                }
            }
            #[inline(always)]
            fn quick_from(integer: i64, env: &mut Env) -> Self {
                let exact = 1 << <$float>::MANTISSA_DIGITS;
                if integer.unsigned_abs() <= exact || nearest_and_silent(env) {
                    $format((integer as $float).to_bits())
                } else {
                    Self::from_i64(integer, env)
                }
            }
        }
    };
}
quick!(F32, f32);
quick!(F64, f64);

/// CVTSS2SD.
#[inline(always)]
pub(crate) fn widen(number: F32, env: &mut Env) -> F64 {
    let value = f32::from_bits(number.0);
    if value.is_normal() || value == 0.0 { F64(f64::from(value).to_bits()) } else { number.to_f64(env) }
}

/// CVTSD2SS.
#[inline(always)]
pub(crate) fn narrow(number: F64, env: &mut Env) -> F32 {
    let value = f64::from_bits(number.0);
    let rounded = value as f32;
    let exact = f64::from(rounded) == value || nearest_and_silent(env);
    // The smallest normal number may be the rounded form of a tiny one.
    let normal = rounded.is_finite() && rounded.abs() > f32::MIN_POSITIVE;
    if exact && normal { F32(rounded.to_bits()) } else { number.to_f32(env) }
}

/// The environment of the CVTT forms.
#[inline(always)]
pub(crate) fn truncating(env: Env) -> Env {
    env.with_rounding(Rounding::Zero)
}

// --- lanes ---

/// CVTDQ2PS.
#[inline(always)]
pub(crate) fn integers_to_singles(a: u128, env: &mut Env) -> u128 {
    F32::build(|n| F32::quick_from(i64::from(i32::get(a, n)), env))
}

/// CVTPS2DQ, and with a truncating environment CVTTPS2DQ.
#[inline(always)]
pub(crate) fn singles_to_integers(a: u128, env: &mut Env) -> u128 {
    i32::build(|n| F32::get(a, n).quick_i32(env))
}

/// CVTDQ2PD of the two integers in the low half: always exact.
#[inline(always)]
pub(crate) fn integers_to_doubles(a: u128) -> u128 {
    F64::build(|n| F64(f64::from(i32::get(a, n)).to_bits()))
}

/// CVTPD2DQ, and with a truncating environment CVTTPD2DQ: the upper half is zero.
#[inline(always)]
pub(crate) fn doubles_to_integers(a: u128, env: &mut Env) -> u128 {
    i32::build(|n| if n < 2 { F64::get(a, n).quick_i32(env) } else { 0 })
}

/// CVTPS2PD of the two singles in the low half.
#[inline(always)]
pub(crate) fn singles_to_doubles(a: u128, env: &mut Env) -> u128 {
    F64::build(|n| widen(F32::get(a, n), env))
}

/// CVTPD2PS: the upper half is zero.
#[inline(always)]
pub(crate) fn doubles_to_singles(a: u128, env: &mut Env) -> u128 {
    F32::build(|n| if n < 2 { narrow(F64::get(a, n), env) } else { F32::ZERO })
}

// --- handlers ---

/// `dst = f(src)` with a whole lane as the source.
#[inline(always)]
fn whole(cpu: &mut Cpu, op: &Op, env: Env, f: impl FnOnce(u128, &mut Env) -> u128) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = cpu.xmm_source(op)?;
    let mut env = env;
    let value = f(b, &mut env);
    cpu.finish_float(&env)?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

/// `dst = f(src)` with half a lane, which need not be aligned, as the source.
#[inline(always)]
fn half(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u128, &mut Env) -> u128) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = cpu.xmm_source64(op)?;
    let mut env = cpu.float_env();
    let value = f(u128::from(b), &mut env);
    cpu.finish_float(&env)?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

/// CVTSS2SD and CVTSD2SS.
#[inline(always)]
fn between<S: Format, T: Format>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(S, &mut Env) -> T,
) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = S::source(cpu, op)?;
    let mut env = cpu.float_env();
    let value = f(b, &mut env);
    cpu.finish_float(&env)?;
    value.set_low(cpu, op.dst);
    Ok(())
}

/// CVTSI2SS, CVTSI2SD.
fn from_general<I: Integer, T: Quick>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b: I = cpu.read_rm(op, op.src)?;
    let mut env = cpu.float_env();
    let value: T = b.to(&mut env);
    cpu.finish_float(&env)?;
    value.set_low(cpu, op.dst);
    Ok(())
}

/// CVTSS2SI, CVTSD2SI and their truncating forms.
pub(crate) fn to_general<R: File, I: Integer, T: Quick, const TRUNCATE: bool>(
    cpu: &mut Cpu,
    op: &Op,
) -> Result<(), Exception> {
    R::ready(cpu)?;
    let b = T::source(cpu, op)?;
    let mut env = cpu.float_env();
    if TRUNCATE {
        env = truncating(env);
    }
    let value = I::of(b, &mut env);
    cpu.finish_float(&env)?;
    cpu.set_reg(op.dst, value);
    Ok(())
}

/// CVTPI2PS and CVTPI2PD. Only with an MMX register as the source are they MMX
/// instructions.
#[inline(always)]
fn from_mm(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u128, u64, &mut Env) -> u128) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = if op.is_mem() {
        cpu.load_operand(op)?
    } else {
        cpu.mmx_ready()?;
        cpu.mm(op.src)
    };
    let mut env = cpu.float_env();
    let value = f(cpu.xmm(op.dst), b, &mut env);
    if !op.is_mem() {
        // Before an unmasked exception, by AMD silicon.
        cpu.enter_mmx();
    }
    cpu.finish_float(&env)?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

/// CVTPS2PI, CVTPD2PI and their truncating forms.
#[inline(always)]
fn to_mm<const DOUBLE: bool, const TRUNCATE: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.mmx_ready()?;
    let b = if DOUBLE { cpu.xmm_source(op)? } else { u128::from(cpu.xmm_source64(op)?) };
    let mut env = cpu.float_env();
    if TRUNCATE {
        env = truncating(env);
    }
    let value = if DOUBLE { doubles_to_integers(b, &mut env) } else { singles_to_integers(b, &mut env) };
    cpu.enter_mmx();
    cpu.finish_float(&env)?;
    cpu.set_mm(op.dst, value as u64);
    Ok(())
}

/// CVTPI2PS: the upper half of the destination stays.
fn mm_to_singles(a: u128, b: u64, env: &mut Env) -> u128 {
    let low = integers_to_singles(u128::from(b), env) as u64;
    a >> 64 << 64 | u128::from(low)
}

pub(super) fn select(i: &Instruction, _: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Cvtdq2ps => |cpu, op| whole(cpu, op, cpu.float_env(), integers_to_singles),
        Cvtps2dq => |cpu, op| whole(cpu, op, cpu.float_env(), singles_to_integers),
        Cvttps2dq => |cpu, op| whole(cpu, op, truncating(cpu.float_env()), singles_to_integers),
        Cvtpd2dq => |cpu, op| whole(cpu, op, cpu.float_env(), doubles_to_integers),
        Cvttpd2dq => |cpu, op| whole(cpu, op, truncating(cpu.float_env()), doubles_to_integers),
        Cvtpd2ps => |cpu, op| whole(cpu, op, cpu.float_env(), doubles_to_singles),
        Cvtdq2pd => |cpu, op| half(cpu, op, |b, _| integers_to_doubles(b)),
        Cvtps2pd => |cpu, op| half(cpu, op, singles_to_doubles),
        Cvtss2sd => |cpu, op| between(cpu, op, widen),
        Cvtsd2ss => |cpu, op| between(cpu, op, narrow),
        Cvtpi2ps => |cpu, op| from_mm(cpu, op, mm_to_singles),
        Cvtpi2pd => |cpu, op| from_mm(cpu, op, |_, b, _| integers_to_doubles(u128::from(b))),
        Cvtps2pi => to_mm::<false, false>,
        Cvttps2pi => to_mm::<false, true>,
        Cvtpd2pi => to_mm::<true, false>,
        Cvttpd2pi => to_mm::<true, true>,
        _ => return select_general(i.code()),
    };
    Some(handler)
}

fn select_general(code: Code) -> Option<Handler> {
    use Code::*;
    Some(match code {
        Cvtsi2ss_xmm_rm32 => from_general::<u32, F32>,
        Cvtsi2ss_xmm_rm64 => from_general::<u64, F32>,
        Cvtsi2sd_xmm_rm32 => from_general::<u32, F64>,
        Cvtsi2sd_xmm_rm64 => from_general::<u64, F64>,
        Cvtss2si_r32_xmmm32 => to_general::<Xmm, u32, F32, false>,
        Cvtss2si_r64_xmmm32 => to_general::<Xmm, u64, F32, false>,
        Cvtsd2si_r32_xmmm64 => to_general::<Xmm, u32, F64, false>,
        Cvtsd2si_r64_xmmm64 => to_general::<Xmm, u64, F64, false>,
        Cvttss2si_r32_xmmm32 => to_general::<Xmm, u32, F32, true>,
        Cvttss2si_r64_xmmm32 => to_general::<Xmm, u64, F32, true>,
        Cvttsd2si_r32_xmmm64 => to_general::<Xmm, u32, F64, true>,
        Cvttsd2si_r64_xmmm64 => to_general::<Xmm, u64, F64, true>,
        _ => return None,
    })
}
