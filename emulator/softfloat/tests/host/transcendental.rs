//! The transcendental functions against the host's x87: special operands and
//! exact results must be the same, others within one unit in the last place.

use crate::random::Random;
use crate::x87::{C1, C2, Host, Ours, Outcome, control_word, host, settle};
use glassbox_softfloat::{Env, F80, flag};
use std::arch::asm;

const CASES: u32 = 30_000;

/// How many representable numbers lie between two of one sign.
fn distance(a: F80, b: F80) -> u128 {
    let rank =
        |x: F80| (u128::from(x.sign_exponent & 0x7fff) << 63) + u128::from(x.significand & (u64::MAX >> 1));
    if a.is_negative() != b.is_negative() { u128::MAX } else { rank(a).abs_diff(rank(b)) }
}

type Operands = fn(&mut Random) -> [F80; 2];

/// Any encoding at all.
fn any(random: &mut Random) -> [F80; 2] {
    [random.extended(), random.extended()]
        .map(|(significand, sign_exponent)| F80 { significand, sign_exponent })
}

fn normal(random: &mut Random, low: u64, high: u64) -> F80 {
    let exponent = low + random.below(high - low);
    let sign = random.next() & 1 != 0;
    F80::new(sign, exponent as u16, random.next() | 1 << 63)
}

/// Magnitudes from 2^-40 to 2^20.
fn middling(random: &mut Random) -> [F80; 2] {
    [normal(random, 0x3fff - 40, 0x3fff + 20), normal(random, 0x3fff - 40, 0x3fff + 20)]
}

/// Magnitudes from 2^-40 to one.
fn small(random: &mut Random) -> [F80; 2] {
    [normal(random, 0x3fff - 40, 0x3fff), normal(random, 0x3fff - 10, 0x3fff + 10)]
}

/// Positive `st(0)` around one.
fn positive(random: &mut Random) -> [F80; 2] {
    let [x, y] = middling(random);
    [x.abs(), y]
}

/// `st(0)` in the range of `FYL2XP1`.
fn near_zero(random: &mut Random) -> [F80; 2] {
    [normal(random, 0x3fff - 60, 0x3fff - 2), normal(random, 0x3fff - 10, 0x3fff + 10)]
}

/// Compares the registers `st(0)` to `st(results - 1)`. At least four fifths
/// must be the same to the bit (with `--nocapture` the number is printed).
fn compare(name: &str, results: usize, operands: Operands, host: Host, ours: Ours) {
    let mut random = Random(0x5eed_0082);
    let (mut equal, mut one_apart, mut only_c1) = (0, 0, 0);
    for case in 0..CASES {
        let st = operands(&mut random);
        let control = control_word(&mut random, case) | 0x3f;
        let want = host(st, [0; 10], control);
        let mut env = Env::from_x87_control(control);
        let got = settle(st, [0; 10], ours(st, [0; 10], &mut env), &env);
        let apart = (0..results).map(|i| distance(got.st[i], want.st[i])).max().unwrap_or(0);
        let same_flags = got.status & !C1 == want.status & !C1;
        let inexact = got.status & u16::from(flag::PRECISION) != 0;
        match apart {
            0 if got.status == want.status => equal += 1,
            0 if same_flags => only_c1 += 1,
            1 if same_flags && inexact => one_apart += 1,
            _ => panic!("{name} {st:x?} control {control:#x}:\n  ours {got:x?}\n  host {want:x?}"),
        }
    }
    println!("{name}: {equal} equal, {one_apart} one unit apart, {only_c1} differ in C1 alone, of {CASES}");
    assert!(equal * 5 >= CASES * 4, "{name}: only {equal} of {CASES} equal");
}

host!(fsin, "fsin");
host!(fcos, "fcos");
host!(fsincos, "fsincos");
host!(fptan, "fptan");
host!(fpatan, "fpatan");
host!(f2xm1, "f2xm1");
host!(fyl2x, "fyl2x");
host!(fyl2xp1, "fyl2xp1");

fn top(st: [F80; 2], result: Option<F80>) -> Outcome {
    match result {
        Some(result) => Outcome { st: [result, st[1]], memory: [0; 10], status: 0 },
        None => Outcome { st, memory: [0; 10], status: C2 },
    }
}

fn popped(result: F80) -> Outcome {
    Outcome { st: [result, F80::ZERO], memory: [0; 10], status: 0 }
}

fn sine(st: [F80; 2], _: [u8; 10], env: &mut Env) -> Outcome {
    top(st, st[0].sin(env))
}

fn cosine(st: [F80; 2], _: [u8; 10], env: &mut Env) -> Outcome {
    top(st, st[0].cos(env))
}

fn both(st: [F80; 2], _: [u8; 10], env: &mut Env) -> Outcome {
    match st[0].sin_cos(env) {
        Some((sine, cosine)) => Outcome { st: [cosine, sine], memory: [0; 10], status: 0 },
        None => Outcome { st, memory: [0; 10], status: C2 },
    }
}

fn tangent(st: [F80; 2], _: [u8; 10], env: &mut Env) -> Outcome {
    match st[0].tan(env) {
        Some(tangent) => {
            let pushed = if tangent.sign_exponent & 0x7fff == 0x7fff { tangent } else { F80::ONE };
            Outcome { st: [pushed, tangent], memory: [0; 10], status: 0 }
        }
        None => Outcome { st, memory: [0; 10], status: C2 },
    }
}

fn arctangent(st: [F80; 2], _: [u8; 10], env: &mut Env) -> Outcome {
    popped(st[1].atan2(st[0], env))
}

fn exponential(st: [F80; 2], _: [u8; 10], env: &mut Env) -> Outcome {
    top(st, Some(st[0].exp2_minus_1(env)))
}

fn logarithm(st: [F80; 2], _: [u8; 10], env: &mut Env) -> Outcome {
    popped(st[1].times_log2(st[0], env))
}

fn logarithm_plus_1(st: [F80; 2], _: [u8; 10], env: &mut Env) -> Outcome {
    popped(st[1].times_log2_plus_1(st[0], env))
}

#[test]
fn sines() {
    compare("fsin", 1, middling, fsin, sine);
    compare("fsin any", 1, any, fsin, sine);
}

#[test]
fn cosines() {
    compare("fcos", 1, middling, fcos, cosine);
    compare("fcos any", 1, any, fcos, cosine);
}

#[test]
fn sines_and_cosines() {
    compare("fsincos", 2, middling, fsincos, both);
    compare("fsincos any", 2, any, fsincos, both);
}

#[test]
fn tangents() {
    compare("fptan", 2, middling, fptan, tangent);
    compare("fptan any", 2, any, fptan, tangent);
}

#[test]
fn arctangents() {
    compare("fpatan", 1, middling, fpatan, arctangent);
    compare("fpatan any", 1, any, fpatan, arctangent);
}

#[test]
fn exponentials() {
    compare("f2xm1", 1, small, f2xm1, exponential);
    compare("f2xm1 any", 1, any, f2xm1, exponential);
}

#[test]
fn logarithms() {
    compare("fyl2x", 1, positive, fyl2x, logarithm);
    compare("fyl2x any", 1, any, fyl2x, logarithm);
}

#[test]
fn logarithms_near_one() {
    compare("fyl2xp1", 1, near_zero, fyl2xp1, logarithm_plus_1);
    compare("fyl2xp1 any", 1, any, fyl2xp1, logarithm_plus_1);
}
