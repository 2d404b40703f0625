//! Every SSE operation against the processor the test runs on: bits and
//! flags must be the same, in all rounding modes, with and without
//! denormals-are-zero and flush-to-zero.

use crate::random::Random;
use glassbox_softfloat::{Env, F16, F32, F64, Relation, Rounding, SseFloat};
use std::arch::asm;

const CASES: u32 = 60_000;

/// Runs one instruction on host registers under `mxcsr`; gives the
/// destination and the flags.
macro_rules! host {
    ($name:ident, $instruction:literal) => {
        fn $name(a: u64, b: u64, c: u64, mxcsr: u32) -> (u64, u8) {
            let (mut control, mut saved, mut bits) = (mxcsr, 0u32, a);
            // SAFETY: only the listed registers and the two stack variables
            // are touched, and MXCSR is restored.
            unsafe {
                asm!(
                    "stmxcsr [{saved}]",
                    "ldmxcsr [{control}]",
                    "movq xmm0, {a}",
                    "movq xmm1, {b}",
                    "movq xmm2, {c}",
                    $instruction,
                    "movq {a}, xmm0",
                    "stmxcsr [{control}]",
                    "ldmxcsr [{saved}]",
                    saved = in(reg) &mut saved,
                    control = in(reg) &mut control,
                    a = inout(reg) bits,
                    b = in(reg) b,
                    c = in(reg) c,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("rax") _,
                );
            }
            (bits, (control & 0x3f) as u8)
        }
    };
}

type Host = fn(u64, u64, u64, u32) -> (u64, u8);
type Ours = fn(u64, u64, u64, &mut Env) -> u64;

/// Compares over random operands: `formats` are (width, fraction bits) of
/// the three operands, `width` the result's.
fn agree(name: &str, formats: [(u32, u32); 3], width: u32, host: Host, ours: Ours) {
    let mut random = Random(0x5eed_0001);
    let mask = u64::MAX >> (64 - width);
    for case in 0..CASES {
        let [a, b, c] = formats.map(|(width, fraction)| {
            if fraction == 0 {
                random.significand() & (u64::MAX >> (64 - width))
            } else {
                random.ieee(width, fraction)
            }
        });
        let control = 0x1f80 | (case & 3) << 13 | (case >> 2 & 1) << 6 | (case >> 3 & 1) << 15;
        let (want, want_flags) = host(a, b, c, control);
        let mut env = Env::from_mxcsr(control);
        let got = ours(a, b, c, &mut env);
        assert_eq!(
            (got & mask, env.raised()),
            (want & mask, want_flags),
            "{name} {a:#x} {b:#x} {c:#x} mxcsr {control:#x}: ours {:#x} host {:#x}",
            got & mask,
            want & mask
        );
        // The fast path: the same result, and no flag but the one set.
        let control = control | 0x20;
        let mut env = Env::from_mxcsr(control);
        let got = ours(a, b, c, &mut env);
        assert_eq!(
            (got & mask, env.raised() | 0x20),
            (want & mask, want_flags | 0x20),
            "{name} {a:#x} {b:#x} {c:#x} mxcsr {control:#x}"
        );
    }
}

const S: (u32, u32) = (32, 23);
const D: (u32, u32) = (64, 52);
const H: (u32, u32) = (16, 10);
const I32: (u32, u32) = (32, 0);
const I64: (u32, u32) = (64, 0);

host!(addss, "addss xmm0, xmm1");
host!(addsd, "addsd xmm0, xmm1");
host!(subss, "subss xmm0, xmm1");
host!(subsd, "subsd xmm0, xmm1");
host!(mulss, "mulss xmm0, xmm1");
host!(mulsd, "mulsd xmm0, xmm1");
host!(divss, "divss xmm0, xmm1");
host!(divsd, "divsd xmm0, xmm1");
host!(sqrtss, "sqrtss xmm0, xmm0");
host!(sqrtsd, "sqrtsd xmm0, xmm0");
host!(minss, "minss xmm0, xmm1");
host!(minsd, "minsd xmm0, xmm1");
host!(maxss, "maxss xmm0, xmm1");
host!(maxsd, "maxsd xmm0, xmm1");

fn s(bits: u64) -> F32 {
    F32(bits as u32)
}

fn both(name: &str, hosts: [Host; 2], single: Ours, double: Ours) {
    agree(&format!("{name}ss"), [S, S, S], 32, hosts[0], single);
    agree(&format!("{name}sd"), [D, D, D], 64, hosts[1], double);
}

#[test]
fn add_and_sub() {
    both(
        "add",
        [addss, addsd],
        |a, b, _, e| s(a).add(s(b), e).0.into(),
        |a, b, _, e| F64(a).add(F64(b), e).0,
    );
    both(
        "sub",
        [subss, subsd],
        |a, b, _, e| s(a).sub(s(b), e).0.into(),
        |a, b, _, e| F64(a).sub(F64(b), e).0,
    );
}

#[test]
fn mul_and_div() {
    both(
        "mul",
        [mulss, mulsd],
        |a, b, _, e| s(a).mul(s(b), e).0.into(),
        |a, b, _, e| F64(a).mul(F64(b), e).0,
    );
    both(
        "div",
        [divss, divsd],
        |a, b, _, e| s(a).div(s(b), e).0.into(),
        |a, b, _, e| F64(a).div(F64(b), e).0,
    );
}

#[test]
fn square_root() {
    both("sqrt", [sqrtss, sqrtsd], |a, _, _, e| s(a).sqrt(e).0.into(), |a, _, _, e| F64(a).sqrt(e).0);
}

#[test]
fn min_and_max() {
    both(
        "min",
        [minss, minsd],
        |a, b, _, e| s(a).min(s(b), e).0.into(),
        |a, b, _, e| F64(a).min(F64(b), e).0,
    );
    both(
        "max",
        [maxss, maxsd],
        |a, b, _, e| s(a).max(s(b), e).0.into(),
        |a, b, _, e| F64(a).max(F64(b), e).0,
    );
}

host!(comiss, "comiss xmm0, xmm1; pushfq; pop rax; movq xmm0, rax");
host!(comisd, "comisd xmm0, xmm1; pushfq; pop rax; movq xmm0, rax");
host!(ucomiss, "ucomiss xmm0, xmm1; pushfq; pop rax; movq xmm0, rax");
host!(ucomisd, "ucomisd xmm0, xmm1; pushfq; pop rax; movq xmm0, rax");

/// ZF, PF, CF as the low seven flag bits hold them.
fn eflags(relation: Relation) -> u64 {
    match relation {
        Relation::Greater => 2,
        Relation::Less => 2 | 1,
        Relation::Equal => 2 | 0x40,
        Relation::Unordered => 2 | 0x45,
    }
}

#[test]
fn compare() {
    agree("comiss", [S, S, S], 7, comiss, |a, b, _, e| eflags(s(a).compare(s(b), true, e)));
    agree("comisd", [D, D, D], 7, comisd, |a, b, _, e| eflags(F64(a).compare(F64(b), true, e)));
    agree("ucomiss", [S, S, S], 7, ucomiss, |a, b, _, e| eflags(s(a).compare(s(b), false, e)));
    agree("ucomisd", [D, D, D], 7, ucomisd, |a, b, _, e| eflags(F64(a).compare(F64(b), false, e)));
}

host!(cvtss2sd, "cvtss2sd xmm0, xmm0");
host!(cvtsd2ss, "cvtsd2ss xmm0, xmm0");
host!(cvtss2si, "cvtss2si eax, xmm0; movq xmm0, rax");
host!(cvtss2si64, "cvtss2si rax, xmm0; movq xmm0, rax");
host!(cvtsd2si, "cvtsd2si eax, xmm0; movq xmm0, rax");
host!(cvtsd2si64, "cvtsd2si rax, xmm0; movq xmm0, rax");
host!(cvttss2si, "cvttss2si eax, xmm0; movq xmm0, rax");
host!(cvttsd2si64, "cvttsd2si rax, xmm0; movq xmm0, rax");
host!(cvtsi2ss, "movq rax, xmm0; cvtsi2ss xmm0, eax");
host!(cvtsi2ss64, "movq rax, xmm0; cvtsi2ss xmm0, rax");
host!(cvtsi2sd, "movq rax, xmm0; cvtsi2sd xmm0, eax");
host!(cvtsi2sd64, "movq rax, xmm0; cvtsi2sd xmm0, rax");

#[test]
fn between_precisions() {
    agree("cvtss2sd", [S, S, S], 64, cvtss2sd, |a, _, _, e| s(a).to_f64(e).0);
    agree("cvtsd2ss", [D, D, D], 32, cvtsd2ss, |a, _, _, e| F64(a).to_f32(e).0.into());
}

#[test]
fn to_integers() {
    agree("cvtss2si", [S, S, S], 32, cvtss2si, |a, _, _, e| s(a).to_i32(e) as u64);
    agree("cvtss2si64", [S, S, S], 64, cvtss2si64, |a, _, _, e| s(a).to_i64(e) as u64);
    agree("cvtsd2si", [D, D, D], 32, cvtsd2si, |a, _, _, e| F64(a).to_i32(e) as u64);
    agree("cvtsd2si64", [D, D, D], 64, cvtsd2si64, |a, _, _, e| F64(a).to_i64(e) as u64);
    agree("cvttss2si", [S, S, S], 32, cvttss2si, |a, _, _, e| {
        let mut zero = e.with_rounding(Rounding::Zero);
        let integer = s(a).to_i32(&mut zero);
        e.raise(zero.raised());
        integer as u64
    });
    agree("cvttsd2si64", [D, D, D], 64, cvttsd2si64, |a, _, _, e| {
        let mut zero = e.with_rounding(Rounding::Zero);
        let integer = F64(a).to_i64(&mut zero);
        e.raise(zero.raised());
        integer as u64
    });
}

#[test]
fn from_integers() {
    agree("cvtsi2ss", [I32, I32, I32], 32, cvtsi2ss, |a, _, _, e| F32::from_i32(a as i32, e).0.into());
    agree("cvtsi2ss64", [I64, I64, I64], 32, cvtsi2ss64, |a, _, _, e| F32::from_i64(a as i64, e).0.into());
    agree("cvtsi2sd", [I32, I32, I32], 64, cvtsi2sd, |a, _, _, e| F64::from_i32(a as i32, e).0);
    agree("cvtsi2sd64", [I64, I64, I64], 64, cvtsi2sd64, |a, _, _, e| F64::from_i64(a as i64, e).0);
}

host!(roundss_control, "roundss xmm0, xmm0, 4");
host!(roundsd_control, "roundsd xmm0, xmm0, 4");
host!(roundss_floor_quiet, "roundss xmm0, xmm0, 9");

#[test]
fn round_to_integral() {
    if !is_x86_feature_detected!("sse4.1") {
        return;
    }
    agree("roundss", [S, S, S], 32, roundss_control, |a, _, _, e| s(a).round_to_integral(true, e).0.into());
    agree("roundsd", [D, D, D], 64, roundsd_control, |a, _, _, e| F64(a).round_to_integral(true, e).0);
    agree("roundss floor", [S, S, S], 32, roundss_floor_quiet, |a, _, _, e| {
        let mut down = e.with_rounding(Rounding::Down);
        let rounded = s(a).round_to_integral(false, &mut down);
        e.raise(down.raised());
        rounded.0.into()
    });
}

host!(vfmadd213ss, "vfmadd213ss xmm0, xmm1, xmm2");
host!(vfmadd213sd, "vfmadd213sd xmm0, xmm1, xmm2");
host!(vfmadd231ss, "vfmadd231ss xmm0, xmm1, xmm2");
host!(vfmadd132ss, "vfmadd132ss xmm0, xmm1, xmm2");
host!(vfmsub213ss, "vfmsub213ss xmm0, xmm1, xmm2");
host!(vfnmadd213sd, "vfnmadd213sd xmm0, xmm1, xmm2");
host!(vcvtps2ph, "vcvtps2ph xmm0, xmm0, 4");
host!(vcvtph2ps, "vcvtph2ps xmm0, xmm0");

#[test]
fn fused_multiply_add() {
    if !is_x86_feature_detected!("fma") {
        return;
    }
    agree("213ss", [S, S, S], 32, vfmadd213ss, |a, b, c, e| s(b).mul_add(s(a), s(c), e).0.into());
    agree("213sd", [D, D, D], 64, vfmadd213sd, |a, b, c, e| F64(b).mul_add(F64(a), F64(c), e).0);
    agree("231ss", [S, S, S], 32, vfmadd231ss, |a, b, c, e| s(b).mul_add(s(c), s(a), e).0.into());
    agree("132ss", [S, S, S], 32, vfmadd132ss, |a, b, c, e| s(a).mul_add(s(c), s(b), e).0.into());
    agree("msub", [S, S, S], 32, vfmsub213ss, |a, b, c, e| {
        s(b).mul_add(s(a), s(c).negated_unless_nan(), e).0.into()
    });
    agree("nmadd", [D, D, D], 64, vfnmadd213sd, |a, b, c, e| {
        F64(b).negated_unless_nan().mul_add(F64(a), F64(c), e).0
    });
}

#[test]
fn half_precision() {
    if !is_x86_feature_detected!("f16c") {
        return;
    }
    agree("ps2ph", [S, S, S], 16, vcvtps2ph, |a, _, _, e| s(a).to_f16(e).0.into());
    agree("ph2ps", [H, H, H], 32, vcvtph2ps, |a, _, _, e| F16(a as u16).to_f32(e).0.into());
}
