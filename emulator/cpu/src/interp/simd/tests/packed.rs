//! That encodings reach the right lane function, in XMM and MMX form.

use super::*;

/// MM1 after one instruction on MM1 = `a`, MM2 and `[rbx]` = `b`.
fn mm1(a: u64, b: u64, code: &[u8]) -> u64 {
    let mut cpu = bench(0, u128::from(b));
    cpu.set_mm(1, a);
    cpu.set_mm(2, b);
    one(&mut cpu, code);
    cpu.mm(1)
}

#[test]
fn additions_wrap_and_saturate() {
    assert_eq!(xmm1(A, B, &[0x66, 0x0F, 0xFC, 0x0B]), 0x0EFC_EAD8_C6B4_A290_7E6C_5A48_3624_1200);
    assert_eq!(xmm1(B, B, &[0x66, 0x0F, 0xDC, 0xCA]), 0xFFFF_FFFF_FFFF_FFFF_EECC_AA88_6644_2200);
    assert_eq!(mm1(0x7F80_0100_FF00_0102, 0x0180_0100_0100_0102, &[0x0F, 0xEC, 0xCA]), 0x7F80_0200_0000_0204);
}

#[test]
fn mmx_unpacks_take_the_halves_of_64_bits() {
    let (a, b) = (0x0706_0504_0302_0100, 0x1716_1514_1312_1110);
    assert_eq!(mm1(a, b, &[0x0F, 0x60, 0xCA]), 0x1303_1202_1101_1000);
    assert_eq!(mm1(a, b, &[0x0F, 0x60, 0x0B]), 0x1303_1202_1101_1000);
    assert_eq!(mm1(a, b, &[0x0F, 0x68, 0xCA]), 0x1707_1606_1505_1404);
    assert_eq!(mm1(a, b, &[0x0F, 0x6A, 0xCA]), 0x1716_1514_0706_0504);
}

#[test]
fn mmx_packs_put_the_destination_below_the_source() {
    let (a, b) = (0x8000_7FFF_0001_FFFF, 0x0080_00FF_0100_007F);
    assert_eq!(mm1(a, b, &[0x0F, 0x63, 0xCA]), 0x7F7F_7F7F_807F_01FF);
    assert_eq!(mm1(a, b, &[0x0F, 0x67, 0xCA]), 0x80FF_FF7F_00FF_0100);
}

#[test]
fn mmx_byte_shuffles_ignore_bit_3_and_alignment_covers_16_bytes() {
    let a = 0x0706_0504_0302_0100;
    assert_eq!(mm1(a, 0x8F0F_0807_0605_8100, &[0x0F, 0x38, 0x00, 0xCA]), 0x0007_0007_0605_0000);
    let b = 0x1716_1514_1312_1110;
    assert_eq!(mm1(a, b, &[0x0F, 0x3A, 0x0F, 0xCA, 3]), 0x0201_0017_1615_1413);
    assert_eq!(mm1(a, b, &[0x0F, 0x3A, 0x0F, 0xCA, 11]), 0x0000_0007_0605_0403);
    assert_eq!(mm1(a, b, &[0x0F, 0x3A, 0x0F, 0xCA, 16]), 0);
    // phaddw mm1, mm2
    assert_eq!(
        mm1(0x0004_0003_0002_0001, 0x0040_0030_0020_0010, &[0x0F, 0x38, 0x01, 0xCA]),
        0x0070_0030_0007_0003
    );
}

#[test]
fn shift_counts_of_the_width_and_more() {
    // psllw xmm1, 15 / 16; psraw xmm1, 200; pslldq xmm1, 15 / 16
    assert_eq!(xmm1(A, 0, &[0x66, 0x0F, 0x71, 0xF1, 15]), 0);
    assert_eq!(xmm1(A >> 8, 0, &[0x66, 0x0F, 0x71, 0xF1, 15]), 0x8000_8000_8000_8000_8000_8000_8000_8000);
    assert_eq!(xmm1(B, 0, &[0x66, 0x0F, 0x71, 0xF1, 16]), 0);
    assert_eq!(xmm1(B, 0, &[0x66, 0x0F, 0x71, 0xE1, 200]), 0xFFFF_FFFF_FFFF_FFFF_0000_0000_0000_0000);
    assert_eq!(xmm1(A | 7, 0, &[0x66, 0x0F, 0x73, 0xF9, 15]), 7 << 120);
    assert_eq!(xmm1(A, 0, &[0x66, 0x0F, 0x73, 0xF9, 16]), 0);
    // A count register is 64 bits wide: psrlq xmm1, xmm2
    assert_eq!(xmm1(A, 1 << 32, &[0x66, 0x0F, 0xD3, 0xCA]), 0);
    assert_eq!(xmm1(A, 8 | 1 << 64, &[0x66, 0x0F, 0xD3, 0xCA]), 0x000F_0E0D_0C0B_0A09_0007_0605_0403_0201);
    // psrld mm1, 8
    assert_eq!(mm1(0x1122_3344_5566_7788, 0, &[0x0F, 0x72, 0xD1, 8]), 0x0011_2233_0055_6677);
}

#[test]
fn shuffles_by_immediate() {
    assert_eq!(xmm1(0, B, &[0x66, 0x0F, 0x70, 0xCA, 0x1B]), 0x3322_1100_7766_5544_BBAA_9988_FFEE_DDCC);
    assert_eq!(xmm1(0, B, &[0xF2, 0x0F, 0x70, 0xCA, 0x1B]), 0xFFEE_DDCC_BBAA_9988_1100_3322_5544_7766);
    assert_eq!(xmm1(0, B, &[0xF3, 0x0F, 0x70, 0xCA, 0x1B]), 0x9988_BBAA_DDCC_FFEE_7766_5544_3322_1100);
    assert_eq!(xmm1(A, B, &[0x0F, 0xC6, 0xCA, 0x4E]), A >> 64 | B << 64);
    assert_eq!(mm1(0, 0x4444_3333_2222_1111, &[0x0F, 0x70, 0xCA, 0x1B]), 0x1111_2222_3333_4444);
}

#[test]
fn ptest_sets_zf_and_cf_and_clears_the_rest() {
    let flags = |a, b| {
        let mut cpu = bench(a, b);
        cpu.state.status = crate::LazyFlags::from_bits(0x8D5);
        one(&mut cpu, &[0x66, 0x0F, 0x38, 0x17, 0xCA]);
        cpu.state.status.bits()
    };
    assert_eq!(flags(0xF0, 0x0F), 0x40);
    assert_eq!(flags(0xFF, 0x0F), 0x01);
    assert_eq!(flags(0x0F, 0xFF), 0);
    assert_eq!(flags(0, 0), 0x41);
}
