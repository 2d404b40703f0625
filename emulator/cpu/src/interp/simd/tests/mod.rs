//! SIMD instructions, run from their encodings; and lane functions against the host.

mod coverage;
mod float;
#[cfg(target_arch = "x86_64")]
mod host;
#[cfg(target_arch = "x86_64")]
mod host_float;
#[cfg(target_arch = "x86_64")]
mod host_state;
#[cfg(target_arch = "x86_64")]
mod host_string;
mod moves;
mod packed;
mod state;

use crate::Cpu;
use crate::testing::{DATA, cpu64, one, raised};
use glassbox_memory::Gpa;
use glassbox_x86_spec::vector;

/// A 64-bit processor with SSE enabled, and `a` in XMM1, `b` in XMM2 and at
/// [`DATA`], to which RBX points.
fn bench(a: u128, b: u128) -> Cpu {
    let mut cpu = cpu64();
    cpu.set_xmm(1, a);
    cpu.set_xmm(2, b);
    cpu.state.regs[crate::gpr::RBX] = DATA;
    cpu.memory.write_bytes(Gpa(DATA), &b.to_le_bytes()).unwrap();
    cpu
}

/// XMM1 after one instruction on XMM1 = `a`, XMM2 and `[rbx]` = `b`.
fn xmm1(a: u128, b: u128, code: &[u8]) -> u128 {
    let mut cpu = bench(a, b);
    one(&mut cpu, code);
    cpu.xmm(1)
}

fn memory(cpu: &Cpu, at: u64) -> u128 {
    cpu.memory.read(DATA + at)
}

const A: u128 = 0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100;
const B: u128 = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100;

#[test]
fn sse_needs_osfxsr_and_no_emulation_and_mmx_only_the_latter() {
    use glassbox_x86_spec::control::{Cr0, Cr4};
    let paddb_xmm = [0x66, 0x0F, 0xFC, 0xCA];
    let paddb_mm = [0x0F, 0xFC, 0xCA];
    for (code, without_osfxsr) in [(&paddb_xmm[..], Some(vector::UD)), (&paddb_mm[..], None)] {
        let mut cpu = bench(A, B);
        cpu.state.cr0 |= Cr0::EM | Cr0::TS;
        assert_eq!(raised(&mut cpu, code), vector::UD);
        let mut cpu = bench(A, B);
        cpu.state.cr0 |= Cr0::TS;
        assert_eq!(raised(&mut cpu, code), vector::NM);
        let mut cpu = bench(A, B);
        cpu.state.cr4 -= Cr4::OSFXSR;
        match without_osfxsr {
            Some(wanted) => assert_eq!(raised(&mut cpu, code), wanted),
            None => one(&mut cpu, code),
        }
    }
}

#[test]
fn a_pending_x87_exception_stops_mmx_and_not_sse() {
    let mut cpu = bench(A, B);
    cpu.state.fpu.status = 0x8081;
    one(&mut cpu, &[0x66, 0x0F, 0xFC, 0xCA]);
    assert_eq!(raised(&mut cpu, &[0x0F, 0xFC, 0xCA]), vector::MF);
}

#[test]
fn misaligned_memory_is_gp_for_packed_but_not_for_unaligned_moves() {
    let mut cpu = bench(A, B);
    // paddb xmm1, [rbx + 1]
    assert_eq!(raised(&mut cpu, &[0x66, 0x0F, 0xFC, 0x4B, 1]), vector::GP);
    let mut cpu = bench(A, B);
    // movups xmm1, [rbx + 1]
    one(&mut cpu, &[0x0F, 0x10, 0x4B, 1]);
    assert_eq!(cpu.xmm(1), B >> 8);
}

#[test]
fn legacy_sse_keeps_the_upper_half_of_ymm() {
    let mut cpu = bench(A, B);
    cpu.state.vec[1][2] = 5;
    one(&mut cpu, &[0x66, 0x0F, 0x6F, 0xCA]);
    assert_eq!((cpu.xmm(1), cpu.state.vec[1][2]), (B, 5));
}
