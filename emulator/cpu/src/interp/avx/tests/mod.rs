//! AVX instructions, run from their encodings.

mod coverage;
mod faults;
mod gathers;
mod lanes;

use crate::Cpu;
use crate::state::VectorRegister;
use crate::testing::{DATA, cpu64, one, raised};
use glassbox_memory::Gpa;
use glassbox_x86_spec::control::Cr4;

const A: VectorRegister =
    [0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908, 0x1716_1514_1312_1110, 0x1F1E_1D1C_1B1A_1918];
const B: VectorRegister =
    [0x7766_5544_3322_1100, 0xFFEE_DDCC_BBAA_9988, 0x8899_AABB_CCDD_EEFF, 0x0011_2233_4455_6677];

/// A 64-bit processor with AVX enabled: YMM2 = `a`, YMM3 and the memory at
/// [`DATA`], to which RBX points, `b`; YMM1 is all ones.
fn bench(a: VectorRegister, b: VectorRegister) -> Cpu {
    let mut cpu = cpu64();
    cpu.state.cr4 |= Cr4::OSXSAVE;
    cpu.state.xcr0 = 7;
    cpu.state.vec[1] = [u64::MAX; 4];
    cpu.state.vec[2] = a;
    cpu.state.vec[3] = b;
    cpu.state.regs[crate::gpr::RBX] = DATA;
    cpu.memory.write_bytes(Gpa(DATA), bytemuck::bytes_of(&b)).expect("RAM");
    cpu
}

/// YMM1 after one instruction on YMM2 = `a`, YMM3 and `[rbx]` = `b`.
fn ymm1(a: VectorRegister, b: VectorRegister, code: &[u8]) -> VectorRegister {
    let mut cpu = bench(a, b);
    one(&mut cpu, code);
    cpu.state.vec[1]
}
