//! What becomes of lanes: clearing above the vector length, per-lane immediates,
//! and what crosses from one lane to the other.

use super::*;

#[test]
fn forms_of_128_bits_clear_the_upper_half() {
    // vpaddb xmm1, xmm2, xmm3
    let sum = ymm1(A, B, &[0xC5, 0xE9, 0xFC, 0xCB]);
    assert_eq!(sum, [0x7E6C_5A48_3624_1200, 0x0EFC_EAD8_C6B4_A290, 0, 0]);
    // vmovss xmm1, xmm2, xmm3; vmovss xmm1, [rbx]; vmovd xmm1, ebx; vaddss xmm1, xmm2, [rbx]
    assert_eq!(ymm1(A, B, &[0xC5, 0xEA, 0x10, 0xCB]), [0x0706_0504_3322_1100, A[1], 0, 0]);
    assert_eq!(ymm1(A, B, &[0xC5, 0xFA, 0x10, 0x0B]), [0x3322_1100, 0, 0, 0]);
    assert_eq!(ymm1(A, B, &[0xC5, 0xF9, 0x6E, 0xCB]), [DATA, 0, 0, 0]);
    assert_eq!(ymm1(A, B, &[0xC5, 0xEA, 0x58, 0x0B])[1..], [A[1], 0, 0]);
}

#[test]
fn legacy_forms_keep_the_upper_half() {
    // paddb xmm1, xmm2
    let sum = ymm1(A, B, &[0x66, 0x0F, 0xFC, 0xCA]);
    assert_eq!(sum[2..], [u64::MAX; 2]);
}

#[test]
fn vzeroupper_and_vzeroall_clear_sixteen_registers() {
    let mut cpu = bench(A, B);
    cpu.state.vec[15] = A;
    one(&mut cpu, &[0xC5, 0xF8, 0x77]);
    assert_eq!((cpu.state.vec[2], cpu.state.vec[15]), ([A[0], A[1], 0, 0], [A[0], A[1], 0, 0]));
    one(&mut cpu, &[0xC5, 0xFC, 0x77]);
    assert_eq!(cpu.state.vec, [[0; 4]; 16]);
}

#[test]
fn lanes_are_permuted_by_immediates_and_registers() {
    // vpermq ymm1, ymm2, 0x1B; vperm2i128 ymm1, ymm2, ymm3, 0x82 and 0x31
    assert_eq!(ymm1(A, B, &[0xC4, 0xE3, 0xFD, 0x00, 0xCA, 0x1B]), [A[3], A[2], A[1], A[0]]);
    assert_eq!(ymm1(A, B, &[0xC4, 0xE3, 0x6D, 0x46, 0xCB, 0x82]), [B[0], B[1], 0, 0]);
    assert_eq!(ymm1(A, B, &[0xC4, 0xE3, 0x6D, 0x46, 0xCB, 0x31]), [A[2], A[3], B[2], B[3]]);
    // vpermd ymm1, ymm2, ymm3, with selectors of which only three bits count
    let selectors = [0x8_0000_0007, 0, 0, 0x7_0000_0006];
    let value = ymm1(selectors, B, &[0xC4, 0xE2, 0x6D, 0x36, 0xCB]);
    let first = 0x3322_1100_3322_1100;
    assert_eq!(value, [0x3322_1100_0011_2233, first, first, 0x0011_2233_4455_6677]);
    // vinserti128 ymm1, ymm2, xmm3, 1; vextracti128 xmm1, ymm2, 1
    assert_eq!(ymm1(A, B, &[0xC4, 0xE3, 0x6D, 0x38, 0xCB, 1]), [A[0], A[1], B[0], B[1]]);
    assert_eq!(ymm1(A, B, &[0xC4, 0xE3, 0x7D, 0x39, 0xD1, 1]), [A[2], A[3], 0, 0]);
}

#[test]
fn the_upper_lane_has_its_own_share_of_some_immediates() {
    // vshufpd ymm1, ymm2, ymm3, 0b0110; vblendps ymm1, ymm2, ymm3, 0xF0
    assert_eq!(ymm1(A, B, &[0xC5, 0xED, 0xC6, 0xCB, 6]), [A[0], B[1], A[3], B[2]]);
    assert_eq!(ymm1(A, B, &[0xC4, 0xE3, 0x6D, 0x0C, 0xCB, 0xF0]), [A[0], A[1], B[2], B[3]]);
    // vpalignr ymm1, ymm2, ymm3, 8: within lanes
    assert_eq!(ymm1(A, B, &[0xC4, 0xE3, 0x6D, 0x0F, 0xCB, 8]), [B[1], A[0], B[3], A[2]]);
    // vmpsadbw ymm1, ymm2, ymm3, 0x38: lane 1 from offsets 4 and 12
    let sums = ymm1(A, [0; 4], &[0xC4, 0xE3, 0x6D, 0x42, 0xCB, 0x38]);
    assert_eq!((sums[0] & 0xFFFF, sums[2] & 0xFFFF), (6, 0x14 + 0x15 + 0x16 + 0x17));
}

#[test]
fn broadcasts_and_widening_moves_load_no_more_than_they_need() {
    let mut cpu = bench(A, B);
    let last = (1u64 << 20) - 4;
    cpu.memory.write_bytes(Gpa(last), &0x80FF_7F01u32.to_le_bytes()).expect("RAM");
    cpu.state.regs[crate::gpr::RBX] = last;
    // vbroadcastss ymm1, [rbx]; vpmovsxbq ymm1, [rbx]
    one(&mut cpu, &[0xC4, 0xE2, 0x7D, 0x18, 0x0B]);
    assert_eq!(cpu.state.vec[1], [0x80FF_7F01_80FF_7F01; 4]);
    one(&mut cpu, &[0xC4, 0xE2, 0x7D, 0x22, 0x0B]);
    assert_eq!(cpu.state.vec[1], [1, 0x7F, u64::MAX, 0xFFFF_FFFF_FFFF_FF80]);
    // vpmovzxbw ymm1, xmm2
    one(&mut cpu, &[0xC4, 0xE2, 0x7D, 0x30, 0xCA]);
    assert_eq!(cpu.state.vec[1][2], 0x000B_000A_0009_0008);
}

#[test]
fn counts_of_variable_shifts_saturate_element_by_element() {
    let counts = [31 << 32 | 4, 0xFFFF_FFFF_0000_0020, 0, 1];
    let ones = [0x8000_0001_8000_0001; 4];
    // vpsllvd, vpsrlvd, vpsravd ymm1, ymm2, ymm3
    let left = ymm1(ones, counts, &[0xC4, 0xE2, 0x6D, 0x47, 0xCB]);
    assert_eq!(left[..2], [0x8000_0000_0000_0010, 0]);
    let right = ymm1(ones, counts, &[0xC4, 0xE2, 0x6D, 0x45, 0xCB]);
    assert_eq!(right[..2], [0x0000_0001_0800_0000, 0]);
    let arithmetic = ymm1(ones, counts, &[0xC4, 0xE2, 0x6D, 0x46, 0xCB]);
    assert_eq!(arithmetic[..2], [0xFFFF_FFFF_F800_0000, u64::MAX]);
}

#[test]
fn fused_multiplication_rounds_once() {
    // (1 + 2^-52) * (1 - 2^-52) - 1 is -2^-104, which a rounded product loses.
    let (up, down, one) = (0x3FF0_0000_0000_0001u64, 0x3FEF_FFFF_FFFF_FFFEu64, 0x3FF0_0000_0000_0000u64);
    let mut cpu = bench([up; 4], [down; 4]);
    cpu.state.vec[1] = [one; 4];
    // vfmsub231pd ymm1, ymm2, ymm3
    super::one(&mut cpu, &[0xC4, 0xE2, 0xED, 0xBA, 0xCB]);
    assert_eq!(cpu.state.vec[1], [0xB970_0000_0000_0000; 4]);
    assert_eq!(cpu.state.mxcsr & 0x3F, 0, "the result is exact");
}

#[test]
fn half_precision_keeps_denormals_whatever_mxcsr_says() {
    // vcvtps2ph xmm1, xmm2, 0 of 2^-24 under FTZ; vcvtph2ps xmm1, xmm3 of it under DAZ
    let mut cpu = bench([0x3380_0000, 0, 0, 0], [1, 0, 0, 0]);
    cpu.state.mxcsr |= 0x8040;
    one(&mut cpu, &[0xC4, 0xE3, 0x79, 0x1D, 0xD1, 0]);
    assert_eq!(cpu.state.vec[1], [1, 0, 0, 0]);
    one(&mut cpu, &[0xC4, 0xE2, 0x79, 0x13, 0xCB]);
    assert_eq!(cpu.state.vec[1], [0x3380_0000, 0, 0, 0]);
}
