//! Masked moves and gathers: what is not accessed does not fault.

use super::*;
use crate::testing::put;
use glassbox_x86_spec::vector;

/// The first address that is not mapped.
const END: u64 = 1 << 30;
const SIGN: u64 = 1 << 63;

#[test]
fn masked_elements_beyond_the_end_of_memory_do_not_fault() {
    // vpmaskmovq ymm1, ymm2, [rbx]
    let load = [0xC4, 0xE2, 0xED, 0x8C, 0x0B];
    let mut cpu = bench([SIGN, SIGN, 0, 0], B);
    cpu.state.regs[crate::gpr::RBX] = END - 16;
    one(&mut cpu, &load);
    assert_eq!(cpu.state.vec[1][2..], [0, 0]);
    let mut cpu = bench([SIGN, 0, SIGN, 0], B);
    cpu.state.regs[crate::gpr::RBX] = END - 16;
    assert_eq!(raised(&mut cpu, &load), vector::PF);
    assert_eq!((cpu.state.cr2, cpu.state.vec[1]), (END, [u64::MAX; 4]));
}

#[test]
fn a_masked_store_writes_all_of_its_elements_or_none() {
    // vpmaskmovq [rbx], ymm2, ymm3
    let store = [0xC4, 0xE2, 0xED, 0x8E, 0x1B];
    let mut cpu = bench([0, SIGN, 0, SIGN], B);
    put(&cpu, DATA, &[0; 32]);
    one(&mut cpu, &store);
    let words: [u64; 4] = std::array::from_fn(|n| cpu.memory.read(DATA + 8 * n as u64));
    assert_eq!(words, [0, B[1], 0, B[3]]);
}

#[test]
fn a_gather_that_faults_goes_on_where_it_stopped() {
    // vpgatherqq ymm1, [rbx + ymm3 * 8], ymm2
    let code = [0xC4, 0xE2, 0xED, 0x90 | 1, 0x0C, 0xDB];
    let far = (END - DATA) / 8;
    let mut cpu = bench([SIGN, 0, SIGN, SIGN], [1, far, far, 0]);
    put(&cpu, DATA, &[7; 8]);
    put(&cpu, DATA + 8, &[9; 8]);
    assert_eq!(raised(&mut cpu, &code), vector::PF);
    let (seven, nine) = (0x0707_0707_0707_0707, 0x0909_0909_0909_0909);
    assert_eq!(cpu.state.cr2, END);
    assert_eq!(cpu.state.vec[1], [nine, u64::MAX, u64::MAX, u64::MAX]);
    assert_eq!(cpu.state.vec[2], [0, 0, SIGN, SIGN], "element 1 was not asked for");
    // The fault is mended: the index of the first element no longer counts.
    let stopped = cpu.state.vec;
    let mut cpu = bench(stopped[2], [far, far, 1, 0]);
    put(&cpu, DATA, &[7; 8]);
    put(&cpu, DATA + 8, &[9; 8]);
    cpu.state.vec[1] = stopped[1];
    one(&mut cpu, &code);
    assert_eq!(cpu.state.vec[1], [nine, u64::MAX, nine, seven]);
    assert_eq!(cpu.state.vec[2], [0; 4]);
}

#[test]
fn gathers_by_quadwords_of_doublewords_clear_the_rest() {
    // vpgatherqd xmm1, [rbx + xmm3 * 1 - 4], xmm2
    let mut cpu = bench([u64::MAX; 4], [4, 8, 0, 0]);
    put(&cpu, DATA, &[0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x22, 0x22]);
    one(&mut cpu, &[0xC4, 0xE2, 0x69, 0x91, 0x4C, 0x1B, 0xFC]);
    assert_eq!(cpu.state.vec[1], [0x2222_2222_1111_1111, 0, 0, 0]);
}
