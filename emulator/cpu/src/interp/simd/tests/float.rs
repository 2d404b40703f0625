//! Floating-point instructions from their encodings: exceptions, merging, flags.

use super::*;
use crate::gpr;
use glassbox_x86_spec::control::Cr4;

fn single(value: f32) -> u128 {
    u128::from(value.to_bits())
}

fn double(value: f64) -> u128 {
    u128::from(value.to_bits())
}

const UPPER: u128 = 0xAAAA_BBBB_CCCC_DDDD << 64;

#[test]
fn scalar_arithmetic_merges() {
    // addsd xmm1, [rbx]; addss xmm1, xmm2; sqrtsd xmm1, xmm2
    assert_eq!(xmm1(UPPER | double(1.5), double(2.0), &[0xF2, 0x0F, 0x58, 0x0B]), UPPER | double(3.5));
    let upper = UPPER | 5 << 32;
    assert_eq!(xmm1(upper | single(1.5), single(2.0), &[0xF3, 0x0F, 0x58, 0xCA]), upper | single(3.5));
    assert_eq!(xmm1(UPPER, double(16.0), &[0xF2, 0x0F, 0x51, 0xCA]), UPPER | double(4.0));
    // cvtss2sd xmm1, xmm2; cvtsd2ss xmm1, xmm2
    assert_eq!(xmm1(UPPER, single(0.5), &[0xF3, 0x0F, 0x5A, 0xCA]), UPPER | double(0.5));
    assert_eq!(xmm1(upper, double(0.5), &[0xF2, 0x0F, 0x5A, 0xCA]), upper | single(0.5));
}

#[test]
fn an_unmasked_exception_sets_its_flag_and_keeps_the_destination() {
    // divps xmm1, xmm2 with a division by zero in one element and 1/3 in another
    let b = single(3.0) | single(1.0) << 64 | single(1.0) << 96;
    let a = (0..4).fold(0, |a, n| a | single(1.0) << (32 * n));
    let code = [0x0F, 0x5E, 0xCA];
    let mut cpu = bench(a, b);
    cpu.state.mxcsr = 0x1F80 & !0x200;
    assert_eq!(raised(&mut cpu, &code), vector::XM);
    // The unmasked pre-computation exception hides the inexact quotient.
    assert_eq!((cpu.state.mxcsr, cpu.xmm(1)), (0x1F80 & !0x200 | 4, a));
    // Unmasked precision reports everything.
    let mut cpu = bench(a, b);
    cpu.state.mxcsr = 0x1F80 & !0x1000;
    assert_eq!(raised(&mut cpu, &code), vector::XM);
    assert_eq!((cpu.state.mxcsr, cpu.xmm(1)), (0x1F80 & !0x1000 | 0x24, a));
    // Without OSXMMEXCPT it is #UD.
    let mut cpu = bench(a, b);
    cpu.state.mxcsr = 0x1F80 & !0x200;
    cpu.state.cr4 -= Cr4::OSXMMEXCPT;
    assert_eq!(raised(&mut cpu, &code), vector::UD);
    // All masked: infinity, and the flags stay set.
    let mut cpu = bench(a, b);
    one(&mut cpu, &code);
    assert_eq!((cpu.state.mxcsr, (cpu.xmm(1) >> 32) as u32), (0x1FA4, f32::INFINITY.to_bits()));
}

#[test]
fn scalar_comparisons_set_flags() {
    let flags = |a: f64, b: f64, opcode| {
        let mut cpu = bench(double(a), double(b));
        cpu.state.status = crate::LazyFlags::from_bits(0x8D5);
        one(&mut cpu, &[0x66, 0x0F, opcode, 0xCA]);
        (cpu.state.status.bits(), cpu.state.mxcsr & 0x3F)
    };
    assert_eq!(flags(1.0, 2.0, 0x2E), (0x01, 0));
    assert_eq!(flags(2.0, 1.0, 0x2E), (0x00, 0));
    assert_eq!(flags(0.0, -0.0, 0x2E), (0x40, 0));
    assert_eq!(flags(f64::NAN, 1.0, 0x2E), (0x45, 0));
    assert_eq!(flags(f64::NAN, 1.0, 0x2F), (0x45, 1));
}

#[test]
fn conversions_to_and_from_general_registers() {
    let mut cpu = bench(0, double(-2.5));
    let mut rax = |code: &[u8]| {
        one(&mut cpu, code);
        cpu.state.regs[gpr::RAX]
    };
    // cvtsd2si eax / rax, xmm2; cvttsd2si eax, [rbx]
    assert_eq!(rax(&[0xF2, 0x0F, 0x2D, 0xC2]), 0xFFFF_FFFE);
    assert_eq!(rax(&[0xF2, 0x48, 0x0F, 0x2D, 0xC2]), -2i64 as u64);
    assert_eq!(rax(&[0xF2, 0x0F, 0x2C, 0x03]), 0xFFFF_FFFE);
    let mut cpu = bench(0, double(3e9));
    one(&mut cpu, &[0xF2, 0x0F, 0x2C, 0xC2]);
    assert_eq!((cpu.state.regs[gpr::RAX], cpu.state.mxcsr), (0x8000_0000, 0x1F81));
    one(&mut cpu, &[0xF2, 0x48, 0x0F, 0x2C, 0xC2]);
    assert_eq!(cpu.state.regs[gpr::RAX], 3_000_000_000);
    // cvtsi2sd xmm1, eax / rax
    cpu.state.regs[gpr::RAX] = u64::from(u32::MAX) | 1 << 53;
    one(&mut cpu, &[0xF2, 0x0F, 0x2A, 0xC8]);
    assert_eq!(cpu.xmm(1), double(-1.0));
    cpu.state.mxcsr = 0x1F80;
    one(&mut cpu, &[0xF2, 0x48, 0x0F, 0x2A, 0xC8]);
    assert_eq!((cpu.xmm(1), cpu.state.mxcsr), (double(9_007_203_549_708_288.0), 0x1FA0));
    // An unmasked invalid conversion leaves the register.
    let mut cpu = bench(0, double(f64::NAN));
    cpu.state.mxcsr = 0x1F00;
    cpu.state.regs[gpr::RAX] = 7;
    assert_eq!(raised(&mut cpu, &[0xF2, 0x0F, 0x2C, 0xC2]), vector::XM);
    assert_eq!(cpu.state.regs[gpr::RAX], 7);
}

#[test]
fn conversions_from_memory_integers_do_not_touch_the_x87() {
    let b = 0xFFFF_FFFF_0000_0002;
    let wanted = double(2.0) | double(-1.0) << 64;
    let mut cpu = bench(0, b);
    cpu.state.fpu.status = 3 << 11;
    cpu.state.fpu.tag = 0xFFFF;
    // cvtpi2pd xmm1, [rbx]
    one(&mut cpu, &[0x66, 0x0F, 0x2A, 0x0B]);
    assert_eq!((cpu.xmm(1), cpu.state.fpu.tag), (wanted, 0xFFFF));
    // cvtpi2pd xmm1, mm2
    cpu.state.fpu.regs[2].significand = b as u64;
    one(&mut cpu, &[0x66, 0x0F, 0x2A, 0xCA]);
    assert_eq!((cpu.xmm(1), cpu.state.fpu.tag, cpu.state.fpu.status), (wanted, 0, 0));
    // cvtps2pi mm1, xmm2
    cpu.set_xmm(2, single(-7.5) | single(2.5) << 32);
    one(&mut cpu, &[0x0F, 0x2D, 0xCA]);
    assert_eq!(cpu.mm(1), 0x0000_0002_FFFF_FFF8);
}

#[test]
fn minimum_gives_the_second_operand_when_unordered_or_equal() {
    let min = |a: f32, b: f32| xmm1(single(a), single(b), &[0xF3, 0x0F, 0x5D, 0xCA]) as u32;
    assert_eq!(min(f32::NAN, 1.0), 1f32.to_bits());
    assert_eq!(min(1.0, f32::NAN), f32::NAN.to_bits());
    assert_eq!(min(-0.0, 0.0), 0);
    assert_eq!(min(0.0, -0.0), 1 << 31);
}

#[test]
fn insertion_and_extraction() {
    // insertps xmm1, xmm2, 0x9A: element 2 of B to element 1, then 1 and 3 are cleared
    assert_eq!(
        xmm1(A, B, &[0x66, 0x0F, 0x3A, 0x21, 0xCA, 0x90]),
        A & !(0xFFFF_FFFF << 32) | 0xBBAA_9988 << 32
    );
    assert_eq!(xmm1(A, B, &[0x66, 0x0F, 0x3A, 0x21, 0xCA, 0x9A]) >> 32 & 0xFFFF_FFFF, 0);
    // From memory the source is the doubleword itself.
    assert_eq!(xmm1(A, B, &[0x66, 0x0F, 0x3A, 0x21, 0x0B, 0xF0]) >> 96, B & 0xFFFF_FFFF);
    let mut cpu = bench(A, B);
    // pextrb eax, xmm1, 0x1A; pextrw eax, xmm2, 7; pextrq [rbx], xmm1, 1
    one(&mut cpu, &[0x66, 0x0F, 0x3A, 0x14, 0xC8, 0x1A]);
    assert_eq!(cpu.state.regs[gpr::RAX], 0x0A);
    one(&mut cpu, &[0x66, 0x0F, 0xC5, 0xC2, 7]);
    assert_eq!(cpu.state.regs[gpr::RAX], 0xFFEE);
    one(&mut cpu, &[0x66, 0x48, 0x0F, 0x3A, 0x16, 0x0B, 1]);
    assert_eq!(memory(&cpu, 0), B >> 64 << 64 | A >> 64);
    // pinsrw xmm1, eax, 9; pinsrb xmm1, [rbx], 0; pinsrq xmm1, rax, 1
    one(&mut cpu, &[0x66, 0x0F, 0xC4, 0xC8, 9]);
    assert_eq!(cpu.xmm(1), A & !(0xFFFF << 16) | 0xFFEE << 16);
    one(&mut cpu, &[0x66, 0x0F, 0x3A, 0x20, 0x0B, 0]);
    assert_eq!(cpu.xmm(1) as u8, 0x08);
    one(&mut cpu, &[0x66, 0x48, 0x0F, 0x3A, 0x22, 0xC8, 1]);
    assert_eq!(cpu.xmm(1) >> 64, 0xFFEE);
}

#[test]
fn variable_blends_take_their_mask_from_xmm0() {
    let mut cpu = bench(A, B);
    cpu.set_xmm(0, 0x80 << 120 | 0x80);
    one(&mut cpu, &[0x66, 0x0F, 0x38, 0x10, 0xCA]);
    assert_eq!(cpu.xmm(1), A & !(0xFF << 120) | 0xFF << 120);
    // blendvpd xmm1, xmm2
    one(&mut cpu, &[0x66, 0x0F, 0x38, 0x15, 0xCA]);
    assert_eq!(cpu.xmm(1) >> 64, B >> 64);
}

#[test]
fn widening_moves_load_no_more_than_they_need() {
    // pmovsxbq xmm1, [rbx]: two bytes; pmovzxwq xmm1, xmm2
    assert_eq!(xmm1(0, 0x7F80, &[0x66, 0x0F, 0x38, 0x22, 0x0B]), 0x7F << 64 | 0xFFFF_FFFF_FFFF_FF80);
    assert_eq!(xmm1(0, 0x7F80_FFFF, &[0x66, 0x0F, 0x38, 0x34, 0xCA]), 0x7F80 << 64 | 0xFFFF);
}

#[test]
fn sse4a_bit_fields_as_silicon_has_them() {
    let a = 0xAABB_CCDD_EEFF_0011 << 64 | 0x1122_3344_5566_7788;
    // extrq xmm1, length, index
    assert_eq!(xmm1(a, 0, &[0x66, 0x0F, 0x78, 0xC1, 8, 8]), 0x77);
    assert_eq!(xmm1(a, 0, &[0x66, 0x0F, 0x78, 0xC1, 0, 0]), 0x1122_3344_5566_7788);
    assert_eq!(xmm1(a, 0x0808, &[0x66, 0x0F, 0x79, 0xCA]), 0x77);
    // insertq xmm1, xmm2, 8, 16 and by register
    let b = 0x0102_0304_0506_0708;
    assert_eq!(xmm1(a, b, &[0xF2, 0x0F, 0x78, 0xCA, 8, 16]), 0x1122_3344_5508_7788);
    assert_eq!(xmm1(a, b | 0x0808 << 64, &[0xF2, 0x0F, 0x79, 0xCA]), 0x1122_3344_5566_0888);
}
