//! Floating-point lanes against the host: results and flags, under random
//! rounding, DAZ and FTZ, all exceptions masked.
#![allow(unsafe_code)]

use super::host::Lanes;
use crate::interp::simd::{approximation, convert, float, float_compare};
use glassbox_softfloat::{Env, F32, F64, SseFloat};
use std::arch::asm;

impl Lanes {
    /// A lane of singles, many of them special.
    fn singles(&mut self) -> u128 {
        const SPECIAL: [u32; 16] = [
            0,
            1 << 31,
            0x3F80_0000,
            0xBF80_0000,
            0x7F80_0000,
            0xFF80_0000,
            0x7FC0_0001,
            0x7F80_0001,
            1,
            0x007F_FFFF,
            0x0080_0000,
            0x7F7F_FFFF,
            0x4F00_0000,
            0xCF00_0000,
            0x3F00_0000,
            0xFFA0_0000,
        ];
        let near = self.word().is_multiple_of(2);
        bytemuck::cast(std::array::from_fn::<u32, 4, _>(|_| {
            let word = self.word() as u32;
            match word % 4 {
                0 => SPECIAL[(word >> 8) as usize % 16],
                _ if near => word & 0x80FF_FFFF | 0x3F00_0000 | word >> 3 & 0x1000_0000,
                _ => word,
            }
        }))
    }

    fn doubles(&mut self) -> u128 {
        const SPECIAL: [u64; 16] = [
            0,
            1 << 63,
            0x3FF0 << 48,
            0xBFF0 << 48,
            0x7FF0 << 48,
            0xFFF0 << 48,
            (0x7FF8 << 48) + 1,
            (0x7FF0 << 48) + 1,
            1,
            0x000F_FFFF_FFFF_FFFF,
            0x0010 << 48,
            0x7FEF_FFFF_FFFF_FFFF,
            0x41E0 << 48,
            0xC1E0 << 48,
            0x41DF_FFFF_FFE0_0000,
            0xC3E0 << 48,
        ];
        let near = self.word().is_multiple_of(2);
        bytemuck::cast(std::array::from_fn::<u64, 2, _>(|_| {
            let word = self.word();
            match word % 4 {
                0 => SPECIAL[(word >> 8) as usize % 16],
                _ if near => word & 0x800F_FFFF_FFFF_FFFF | 0x3F00 << 48 | (word & 0x1F0) << 48,
                _ => word,
            }
        }))
    }

    /// An MXCSR with all exceptions masked; half of them with PE set, which
    /// opens the fast paths.
    fn mxcsr(&mut self) -> u32 {
        let word = self.word() as u32;
        let control = if word & 1 != 0 { word & 0xE040 } else { 0 };
        0x1F80 | control | if word & 2 != 0 { 0x20 } else { 0 }
    }
}

/// Runs one two-operand instruction under an MXCSR: its result and the new MXCSR.
macro_rules! on_host {
    ($instruction:literal, $a:expr, $b:expr, $mxcsr:expr) => {{
        let (mut control, normal) = ($mxcsr, 0x1F80u32);
        let (a, b): (u128, u128) = ($a, $b);
        let mut result = std::mem::MaybeUninit::<u128>::uninit();
        // SAFETY: the instruction touches only the registers and memory named
        // here, and MXCSR has its usual value again at the end.
        unsafe {
            asm!(
                "movdqu xmm1, [{a}]",
                "movdqu xmm2, [{b}]",
                "ldmxcsr [{control}]",
                $instruction,
                "stmxcsr [{control}]",
                "ldmxcsr [{normal}]",
                "movdqu [{result}], xmm1",
                a = in(reg) &a,
                b = in(reg) &b,
                control = in(reg) &mut control,
                normal = in(reg) &normal,
                result = in(reg) result.as_mut_ptr(),
                out("xmm1") _,
                out("xmm2") _,
            );
            (result.assume_init(), control)
        }
    }};
}

macro_rules! agree {
    ($mxcsr:expr, $a:expr, $b:expr; $($instruction:literal => $lane:expr,)*) => {
        $({
            let mut env = Env::from_mxcsr($mxcsr);
            let value = $lane($a, $b, &mut env);
            let ours = (value, $mxcsr | u32::from(env.raised()));
            let theirs = on_host!($instruction, $a, $b, $mxcsr);
            assert!(ours == theirs, "{} of {:x} {:x} under {:x}: {:x?}, host {:x?}", $instruction, $a, $b, $mxcsr, ours, theirs);
        })*
    };
}

/// A legacy comparison on whole lanes.
fn compare<T: float::Format>(predicate: u8) -> impl Fn(u128, u128, &mut Env) -> u128 {
    move |a, b, env| {
        float::zip::<T>(a, b, env, |a, b, env| T::mask(float_compare::satisfies(a, b, predicate, env)))
    }
}

#[test]
fn single_precision_lanes_agree_with_the_host() {
    let mut random = Lanes(2);
    for _ in 0..20_000 {
        let (a, b, mxcsr) = (random.singles(), random.singles(), random.mxcsr());
        agree!(mxcsr, a, b;
            "addps xmm1, xmm2" => |a, b, env: &mut Env| float::zip(a, b, env, F32::add),
            "divps xmm1, xmm2" => |a, b, env: &mut Env| float::zip(a, b, env, F32::div),
            "minps xmm1, xmm2" => |a, b, env: &mut Env| float::zip(a, b, env, F32::min),
            "maxps xmm1, xmm2" => |a, b, env: &mut Env| float::zip(a, b, env, F32::max),
            "sqrtps xmm1, xmm2" => |_, b, env: &mut Env| float::map(b, env, F32::sqrt),
            "haddps xmm1, xmm2" => |a, b, env: &mut Env| float::horizontal(a, b, env, F32::add),
            "hsubps xmm1, xmm2" => |a, b, env: &mut Env| float::horizontal(a, b, env, F32::sub),
            "addsubps xmm1, xmm2" => float::add_sub::<F32>,
            "cmpps xmm1, xmm2, 0" => compare::<F32>(0),
            "cmpps xmm1, xmm2, 1" => compare::<F32>(1),
            "cmpps xmm1, xmm2, 2" => compare::<F32>(2),
            "cmpps xmm1, xmm2, 3" => compare::<F32>(3),
            "cmpps xmm1, xmm2, 4" => compare::<F32>(4),
            "cmpps xmm1, xmm2, 5" => compare::<F32>(5),
            "cmpps xmm1, xmm2, 6" => compare::<F32>(6),
            "cmpps xmm1, xmm2, 7" => compare::<F32>(7),
            "cvtdq2ps xmm1, xmm2" => |_, b, env: &mut Env| convert::integers_to_singles(b, env),
            "cvtps2dq xmm1, xmm2" => |_, b, env: &mut Env| convert::singles_to_integers(b, env),
            "cvtps2pd xmm1, xmm2" => |_, b, env: &mut Env| convert::singles_to_doubles(b, env),
            "cvttps2dq xmm1, xmm2" => |_, b, env: &mut Env| truncated(b, env, convert::singles_to_integers),
            "roundps xmm1, xmm2, 1" => |_, b, env: &mut Env| rounded::<F32>(b, 1, env),
            "roundps xmm1, xmm2, 4" => |_, b, env: &mut Env| rounded::<F32>(b, 4, env),
            "roundps xmm1, xmm2, 10" => |_, b, env: &mut Env| rounded::<F32>(b, 10, env),
            "dpps xmm1, xmm2, 0xFF" => |a, b, env: &mut Env| dot::<F32>(a, b, 0xFF, env),
            "dpps xmm1, xmm2, 0x75" => |a, b, env: &mut Env| dot::<F32>(a, b, 0x75, env),
        );
    }
}

/// A CVTT conversion, with its flags in `env`.
fn truncated(b: u128, env: &mut Env, f: impl Fn(u128, &mut Env) -> u128) -> u128 {
    let mut inner = convert::truncating(*env);
    let value = f(b, &mut inner);
    env.raise(inner.raised());
    value
}

fn rounded<T: float::Format>(b: u128, imm: u8, env: &mut Env) -> u128 {
    let mut inner = float::round_env(*env, imm);
    let value = float::map::<T>(b, &mut inner, |b, env| float::round(b, imm, env));
    env.raise(inner.raised());
    value
}

fn dot<T: float::Format>(a: u128, b: u128, imm: u8, env: &mut Env) -> u128 {
    let fresh = *env;
    float::dot_product::<T, 1>([a], [b], imm, &mut |step| {
        let mut inner = fresh;
        step(&mut inner);
        env.raise(inner.raised());
        Ok(())
    })
    .expect("no step fails")[0]
}

/// Their results are the maker's own: only AMD's are to be matched.
#[test]
fn approximations_agree_with_an_amd_host() {
    if std::arch::x86_64::__cpuid(0).ebx != u32::from_le_bytes(*b"Auth") {
        return;
    }
    let mut random = Lanes(4);
    for _ in 0..50_000 {
        let (a, b, mxcsr) = (0, random.singles(), random.mxcsr());
        agree!(mxcsr, a, b;
            "rcpps xmm1, xmm2" => |_, b, _: &mut Env| approximation::map(b, approximation::reciprocal),
            "rsqrtps xmm1, xmm2" => |_, b, _: &mut Env| approximation::map(b, approximation::reciprocal_root),
        );
    }
}

#[test]
fn double_precision_lanes_agree_with_the_host() {
    let mut random = Lanes(3);
    for _ in 0..20_000 {
        let (a, b, mxcsr) = (random.doubles(), random.doubles(), random.mxcsr());
        agree!(mxcsr, a, b;
            "subpd xmm1, xmm2" => |a, b, env: &mut Env| float::zip(a, b, env, F64::sub),
            "mulpd xmm1, xmm2" => |a, b, env: &mut Env| float::zip(a, b, env, F64::mul),
            "minpd xmm1, xmm2" => |a, b, env: &mut Env| float::zip(a, b, env, F64::min),
            "haddpd xmm1, xmm2" => |a, b, env: &mut Env| float::horizontal(a, b, env, F64::add),
            "addsubpd xmm1, xmm2" => float::add_sub::<F64>,
            "cmppd xmm1, xmm2, 1" => compare::<F64>(1),
            "cmppd xmm1, xmm2, 4" => compare::<F64>(4),
            "cvtdq2pd xmm1, xmm2" => |_, b, _: &mut Env| convert::integers_to_doubles(b),
            "cvtpd2dq xmm1, xmm2" => |_, b, env: &mut Env| convert::doubles_to_integers(b, env),
            "cvttpd2dq xmm1, xmm2" => |_, b, env: &mut Env| truncated(b, env, convert::doubles_to_integers),
            "roundpd xmm1, xmm2, 2" => |_, b, env: &mut Env| rounded::<F64>(b, 2, env),
            "dppd xmm1, xmm2, 0x33" => |a, b, env: &mut Env| dot::<F64>(a, b, 0x33, env),
            "dppd xmm1, xmm2, 0x21" => |a, b, env: &mut Env| dot::<F64>(a, b, 0x21, env),
            "cvtpd2ps xmm1, xmm2" => |_, b, env: &mut Env| convert::doubles_to_singles(b, env),
        );
    }
}
