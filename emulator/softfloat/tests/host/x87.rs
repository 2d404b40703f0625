//! Every exact x87 operation against the processor the test runs on: result
//! and status word must be the same, in all rounding modes, precisions and
//! with any of the exceptions unmasked.

use crate::random::Random;
use glassbox_softfloat::x87::{self, Examined};
use glassbox_softfloat::{Env, F32, F64, F80, Relation, flag};
use std::arch::asm;

const CASES: u32 = 60_000;
pub const C0: u16 = 1 << 8;
pub const C1: u16 = 1 << 9;
pub const C2: u16 = 1 << 10;
pub const C3: u16 = 1 << 14;

/// What the host's x87 holds after one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub st: [F80; 2],
    pub memory: [u8; 10],
    /// The exception flags and C0 to C3.
    pub status: u16,
}

/// Runs one instruction with `st(0)`, `st(1)` and a memory operand.
macro_rules! host {
    ($name:ident, $instruction:literal) => {
        pub fn $name(st: [F80; 2], memory: [u8; 10], control: u16) -> Outcome {
            let (a, b) = (st[0].to_bytes(), st[1].to_bytes());
            let mut image = [0u8; 108];
            let mut memory = memory;
            // SAFETY: the pointers are to live buffers of the sizes used;
            // FNSAVE leaves the x87 initialised as Rust expects it.
            unsafe {
                asm!(
                    "fninit",
                    "fld tbyte ptr [{b}]",
                    "fld tbyte ptr [{a}]",
                    "fldcw word ptr [{control}]",
                    $instruction,
                    "fnsave [{image}]",
                    a = in(reg) a.as_ptr(),
                    b = in(reg) b.as_ptr(),
                    control = in(reg) &control,
                    image = in(reg) image.as_mut_ptr(),
                    in("rdi") memory.as_mut_ptr(),
                    out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                    out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
                );
            }
            let register = |index: usize| F80::from_bytes(image[28 + index * 10..][..10].try_into().unwrap());
            let status = u16::from_le_bytes([image[4], image[5]]);
            Outcome { st: [register(0), register(1)], memory, status: status & 0x473f }
        }
    };
}

pub(crate) use host;

pub type Host = fn([F80; 2], [u8; 10], u16) -> Outcome;
pub type Ours = fn([F80; 2], [u8; 10], &mut Env) -> Outcome;

/// Keeps what an unmasked pre-computation exception must not change, and
/// sets the status as the instruction would.
pub fn settle(before: [F80; 2], memory: [u8; 10], after: Outcome, env: &Env) -> Outcome {
    let mut outcome = after;
    if env.unmasked() & flag::PRE_COMPUTATION != 0 {
        // Comparisons set their condition codes all the same.
        let codes = if after.st == before { after.status } else { 0 };
        outcome = Outcome { st: before, memory, status: codes };
    }
    outcome.status |= u16::from(env.raised());
    if env.rounded_up() {
        outcome.status |= C1;
    }
    outcome
}

pub fn control_word(random: &mut Random, case: u32) -> u16 {
    let precision = [0u16, 2, 3, 3][(case >> 2 & 3) as usize];
    let masks = if case & 0x30 != 0 { 0x3f } else { random.next() as u16 & 0x3f };
    (case as u16 & 3) << 10 | precision << 8 | masks
}

fn agree(name: &str, operand: fn(&mut Random) -> [u8; 10], ignored: u16, host: Host, ours: Ours) {
    let mut random = Random(0x5eed_0080);
    let mut failures = 0;
    for case in 0..CASES {
        let mut st = [random.extended(), random.extended()]
            .map(|(significand, sign_exponent)| F80 { significand, sign_exponent });
        if case % 3 == 0 {
            // Near to each other: cancellation, and remainders that complete.
            let exponent =
                (st[0].sign_exponent & 0x7fff).wrapping_add(random.below(80) as u16).wrapping_sub(10);
            st[1].sign_exponent = st[1].sign_exponent & 0x8000 | exponent & 0x7fff;
        }
        let memory = operand(&mut random);
        let control = control_word(&mut random, case);
        let mut want = host(st, memory, control);
        let mut env = Env::from_x87_control(control);
        let mut got = settle(st, memory, ours(st, memory, &mut env), &env);
        want.status &= !ignored;
        got.status &= !ignored;
        if got != want {
            eprintln!("{name} {st:x?} {memory:x?} control {control:#x}:\n  ours {got:x?}\n  host {want:x?}");
            failures += 1;
            assert!(failures < 5, "{name}: after {case} cases");
        }
    }
    assert_eq!(failures, 0, "{name}");
}

pub fn none(_: &mut Random) -> [u8; 10] {
    [0; 10]
}

fn bytes(value: u64) -> [u8; 10] {
    let mut memory = [0; 10];
    memory[..8].copy_from_slice(&value.to_le_bytes());
    memory
}

fn single(random: &mut Random) -> [u8; 10] {
    bytes(random.ieee(32, 23))
}

fn double(random: &mut Random) -> [u8; 10] {
    bytes(random.ieee(64, 52))
}

fn integer(random: &mut Random) -> [u8; 10] {
    bytes(random.significand())
}

fn decimal(random: &mut Random) -> [u8; 10] {
    let mut memory = [0; 10];
    for byte in &mut memory[..9] {
        *byte = (random.below(10) << 4 | random.below(10)) as u8;
    }
    memory[9] = random.next() as u8 & 0x80;
    memory
}

fn m32(memory: [u8; 10]) -> F32 {
    F32(u32::from_le_bytes(memory[..4].try_into().unwrap()))
}

fn m64(memory: [u8; 10]) -> F64 {
    F64(u64::from_le_bytes(memory[..8].try_into().unwrap()))
}

/// An outcome that only changes `st(0)`.
fn top(st: [F80; 2], memory: [u8; 10], result: F80) -> Outcome {
    Outcome { st: [result, st[1]], memory, status: 0 }
}

host!(fadd, "fadd st(0), st(1)");
host!(fsub, "fsub st(0), st(1)");
host!(fsubr, "fsubr st(0), st(1)");
host!(fmul, "fmul st(0), st(1)");
host!(fdiv, "fdiv st(0), st(1)");
host!(fdivr, "fdivr st(0), st(1)");
host!(fsqrt, "fsqrt");
host!(fadd_m32, "fadd dword ptr [rdi]");
host!(fsub_m64, "fsub qword ptr [rdi]");
host!(fsubr_m32, "fsubr dword ptr [rdi]");
host!(fmul_m64, "fmul qword ptr [rdi]");
host!(fdivr_m64, "fdivr qword ptr [rdi]");
host!(fdiv_m32, "fdiv dword ptr [rdi]");
host!(fiadd_m16, "fiadd word ptr [rdi]");
host!(fidiv_m32, "fidiv dword ptr [rdi]");

#[test]
fn add_and_sub() {
    agree("fadd", none, 0, fadd, |st, m, e| top(st, m, x87::add(st[0], st[1], e)));
    agree("fsub", none, 0, fsub, |st, m, e| top(st, m, x87::sub(st[0], st[1], e)));
    agree("fsubr", none, 0, fsubr, |st, m, e| top(st, m, x87::sub(st[1], st[0], e)));
}

#[test]
fn mul_and_div() {
    agree("fmul", none, 0, fmul, |st, m, e| top(st, m, x87::mul(st[0], st[1], e)));
    agree("fdiv", none, 0, fdiv, |st, m, e| top(st, m, x87::div(st[0], st[1], e)));
    agree("fdivr", none, 0, fdivr, |st, m, e| top(st, m, x87::div(st[1], st[0], e)));
    agree("fsqrt", none, 0, fsqrt, |st, m, e| top(st, m, st[0].sqrt(e)));
}

#[test]
fn memory_operands() {
    agree("fadd m32", single, 0, fadd_m32, |st, m, e| top(st, m, x87::add(st[0], m32(m), e)));
    agree("fsub m64", double, 0, fsub_m64, |st, m, e| top(st, m, x87::sub(st[0], m64(m), e)));
    agree("fsubr m32", single, 0, fsubr_m32, |st, m, e| top(st, m, x87::sub(m32(m), st[0], e)));
    agree("fmul m64", double, 0, fmul_m64, |st, m, e| top(st, m, x87::mul(st[0], m64(m), e)));
    agree("fdiv m32", single, 0, fdiv_m32, |st, m, e| top(st, m, x87::div(st[0], m32(m), e)));
    agree("fdivr m64", double, 0, fdivr_m64, |st, m, e| top(st, m, x87::div(m64(m), st[0], e)));
    agree("fiadd m16", integer, 0, fiadd_m16, |st, m, e| top(st, m, x87::add(st[0], m64(m).0 as i16, e)));
    agree("fidiv m32", integer, 0, fidiv_m32, |st, m, e| top(st, m, x87::div(st[0], m64(m).0 as i32, e)));
}

host!(fcom, "fcom st(1)");
host!(fucom, "fucom st(1)");
host!(ftst, "ftst");
host!(fcom_m32, "fcom dword ptr [rdi]");
host!(ficom_m16, "ficom word ptr [rdi]");
host!(fxam, "fxam");

fn condition(st: [F80; 2], memory: [u8; 10], relation: Relation) -> Outcome {
    let status = match relation {
        Relation::Greater => 0,
        Relation::Less => C0,
        Relation::Equal => C3,
        Relation::Unordered => C0 | C2 | C3,
    };
    Outcome { st, memory, status }
}

#[test]
fn compare() {
    agree("fcom", none, 0, fcom, |st, m, e| condition(st, m, x87::compare(st[0], st[1], true, e)));
    agree("fucom", none, 0, fucom, |st, m, e| condition(st, m, x87::compare(st[0], st[1], false, e)));
    agree("ftst", none, 0, ftst, |st, m, e| condition(st, m, x87::compare(st[0], F80::ZERO, true, e)));
    agree("fcom m32", single, 0, fcom_m32, |st, m, e| condition(st, m, x87::compare(st[0], m32(m), true, e)));
    agree("ficom m16", integer, 0, ficom_m16, |st, m, e| {
        condition(st, m, x87::compare(st[0], m64(m).0 as i16, true, e))
    });
}

#[test]
fn examine() {
    agree("fxam", none, 0, fxam, |st, m, _| {
        let class = match st[0].examine() {
            Examined::Unsupported => 0,
            Examined::Nan => C0,
            Examined::Normal => C2,
            Examined::Infinity => C2 | C0,
            Examined::Zero => C3,
            Examined::Denormal => C3 | C2,
        };
        Outcome { st, memory: m, status: class | if st[0].is_negative() { C1 } else { 0 } }
    });
}

host!(fst_m32, "fst dword ptr [rdi]");
host!(fst_m64, "fst qword ptr [rdi]");
host!(fist_m16, "fist word ptr [rdi]");
host!(fist_m32, "fist dword ptr [rdi]");
host!(fistp_m64, "fld st(0); fistp qword ptr [rdi]");
host!(fbstp, "fld st(0); fbstp tbyte ptr [rdi]");

/// A store of `width` bytes; nothing if an exception that prevents it is
/// not masked.
fn stored(st: [F80; 2], memory: [u8; 10], result: &[u8], env: &Env) -> Outcome {
    let mut after = memory;
    if env.unmasked() & !flag::PRECISION == 0 {
        after[..result.len()].copy_from_slice(result);
    }
    Outcome { st, memory: after, status: 0 }
}

#[test]
fn stores() {
    agree("fst m32", integer, 0, fst_m32, |st, m, e| {
        let result = st[0].to_f32(e).0.to_le_bytes();
        stored(st, m, &result, e)
    });
    agree("fst m64", integer, 0, fst_m64, |st, m, e| {
        let result = st[0].to_f64(e).0.to_le_bytes();
        stored(st, m, &result, e)
    });
    agree("fist m16", integer, 0, fist_m16, |st, m, e| {
        let result = st[0].to_i16(e).to_le_bytes();
        stored(st, m, &result, e)
    });
    agree("fist m32", integer, 0, fist_m32, |st, m, e| {
        let result = st[0].to_i32(e).to_le_bytes();
        stored(st, m, &result, e)
    });
}

/// For pops: the host's stack differs when the store is prevented, so only
/// masked outcomes are compared.
fn agree_masked(name: &str, operand: fn(&mut Random) -> [u8; 10], host: Host, ours: Ours) {
    let mut random = Random(0x5eed_0081);
    for case in 0..CASES {
        let (significand, sign_exponent) = random.extended();
        let st = [F80 { significand, sign_exponent }, F80::ONE];
        let memory = operand(&mut random);
        let control = control_word(&mut random, case) | 0x3f;
        let want = host(st, memory, control);
        let mut env = Env::from_x87_control(control);
        let got = settle(st, memory, ours(st, memory, &mut env), &env);
        assert_eq!(got, want, "{name} {st:x?} {memory:x?} control {control:#x}");
    }
}

host!(fld_m32, "fstp st(0); fld dword ptr [rdi]");
host!(fld_m64, "fstp st(0); fld qword ptr [rdi]");
host!(fild_m16, "fstp st(0); fild word ptr [rdi]");
host!(fild_m32, "fstp st(0); fild dword ptr [rdi]");
host!(fild_m64, "fstp st(0); fild qword ptr [rdi]");
host!(fbld, "fstp st(0); fbld tbyte ptr [rdi]");

#[test]
fn popping_stores() {
    agree_masked("fistp m64", integer, fistp_m64, |st, m, e| {
        let result = st[0].to_i64(e).to_le_bytes();
        stored(st, m, &result, e)
    });
    agree_masked("fbstp", integer, fbstp, |st, m, e| {
        let result = st[0].to_bcd(e);
        stored(st, m, &result, e)
    });
}

#[test]
fn loads() {
    agree_masked("fld m32", single, fld_m32, |st, m, e| top(st, m, F80::from_f32(m32(m), e)));
    agree_masked("fld m64", double, fld_m64, |st, m, e| top(st, m, F80::from_f64(m64(m), e)));
    agree_masked("fild m16", integer, fild_m16, |st, m, _| {
        top(st, m, F80::from_i64((m64(m).0 as i16).into()))
    });
    agree_masked("fild m32", integer, fild_m32, |st, m, _| {
        top(st, m, F80::from_i64((m64(m).0 as i32).into()))
    });
    agree_masked("fild m64", integer, fild_m64, |st, m, _| top(st, m, F80::from_i64(m64(m).0 as i64)));
    agree_masked("fbld", decimal, fbld, |st, m, _| top(st, m, F80::from_bcd(m)));
}

host!(frndint, "frndint");
host!(fscale, "fscale");
host!(fxtract, "fxtract");
host!(fprem, "fprem");
host!(fprem1, "fprem1");

#[test]
fn round_and_scale() {
    agree("frndint", none, 0, frndint, |st, m, e| top(st, m, st[0].round_to_integral(e)));
    agree("fscale", none, 0, fscale, |st, m, e| top(st, m, st[0].scale(st[1], e)));
}

#[test]
fn extract() {
    agree("fxtract", none, 0, fxtract, |st, m, e| {
        let (significand, exponent) = st[0].extract(e);
        Outcome { st: [significand, exponent], memory: m, status: 0 }
    });
}

fn remainder(st: [F80; 2], memory: [u8; 10], result: x87::Remainder) -> Outcome {
    let bit = |bit: u8, code| if result.quotient.unwrap_or(0) >> bit & 1 != 0 { code } else { 0 };
    let incomplete = if result.complete { 0 } else { C2 };
    let status = bit(2, C0) | bit(1, C3) | bit(0, C1) | incomplete;
    Outcome { status, ..top(st, memory, result.value) }
}

#[test]
fn partial_remainder() {
    agree("fprem", none, 0, fprem, |st, m, e| remainder(st, m, st[0].partial_remainder(st[1], e)));
    agree("fprem1", none, 0, fprem1, |st, m, e| remainder(st, m, st[0].partial_remainder_ieee(st[1], e)));
}
