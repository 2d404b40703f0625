//! What a user-mode instruction reads and writes: registers, flags, the x87
//! and vector state.

use glassbox_cpu::{CpuState, X87Register};
use glassbox_x86_spec::control::Flags;

/// The x87 registers as FXSAVE has them: in stack order, ST(0) first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct X87 {
    /// Control word.
    pub control: u16,
    /// Status word, TOP in bits 11 to 13.
    pub status: u16,
    /// One bit a *physical* register: set where it is not empty.
    pub full: u8,
    /// ST(0) to ST(7): significand, then sign and exponent.
    pub st: [(u64, u16); 8],
}

impl Default for X87 {
    fn default() -> Self {
        Self { control: 0x037F, status: 0, full: 0, st: [(0, 0); 8] }
    }
}

/// The user-visible state of a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserState {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub gpr: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// CF, PF, AF, ZF, SF, OF and DF at their EFLAGS positions.
    pub flags: u32,
    /// SSE control and status.
    pub mxcsr: u32,
    /// YMM0 to YMM15.
    pub vec: [[u64; 4]; 16],
    /// x87 and MMX.
    pub x87: X87,
}

impl Default for UserState {
    fn default() -> Self {
        Self { gpr: [0; 16], rip: 0, flags: 0, mxcsr: 0x1F80, vec: [[0; 4]; 16], x87: X87::default() }
    }
}

/// The flags that [`UserState::flags`] holds.
pub const FLAGS: u32 = 0x0CD5;

/// A fault, as the operating system sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Vector.
    pub vector: u8,
    /// Error code; 0 where the vector has none.
    pub error: u32,
    /// CR2 of a page fault, 0 otherwise.
    pub cr2: u64,
}

impl UserState {
    /// Takes the user-visible part out of a processor's state.
    pub fn of(cpu: &CpuState) -> Self {
        let top = usize::from(cpu.fpu.status >> 11 & 7);
        let mut full = 0;
        let mut st = [(0, 0); 8];
        for (n, slot) in st.iter_mut().enumerate() {
            let register = cpu.fpu.regs[(top + n) & 7];
            *slot = (register.significand, register.sign_exponent);
            full |= u8::from(cpu.fpu.tag >> (2 * n) & 3 != 3) << n;
        }
        let mut gpr = [0; 16];
        gpr.copy_from_slice(&cpu.regs[..16]);
        Self {
            gpr,
            rip: cpu.rip,
            flags: cpu.rflags().bits() & FLAGS,
            mxcsr: cpu.mxcsr,
            vec: cpu.vec,
            x87: X87 { control: cpu.fpu.control, status: cpu.fpu.status, full, st },
        }
    }

    /// Puts the user-visible part into a processor's state; the rest stays.
    pub fn apply(&self, cpu: &mut CpuState) {
        cpu.regs[..16].copy_from_slice(&self.gpr);
        cpu.rip = self.rip;
        let kept = cpu.rflags().bits() & !FLAGS;
        cpu.set_rflags(Flags::from_bits_truncate(kept | self.flags & FLAGS));
        cpu.mxcsr = self.mxcsr;
        cpu.vec = self.vec;
        cpu.fpu.control = self.x87.control;
        cpu.fpu.status = self.x87.status;
        let top = usize::from(self.x87.status >> 11 & 7);
        let mut tag = 0;
        for (n, &(significand, sign_exponent)) in self.x87.st.iter().enumerate() {
            cpu.fpu.regs[(top + n) & 7] = X87Register { significand, sign_exponent };
        }
        for (n, register) in cpu.fpu.regs.iter().enumerate() {
            let kind = if self.x87.full >> n & 1 == 0 { 3 } else { tag_of(register) };
            tag |= kind << (2 * n);
        }
        cpu.fpu.tag = tag;
    }
}

/// The tag of a register that is not empty: 0 valid, 1 zero, 2 special
/// (Intel SDM Vol. 1 8.1.7).
fn tag_of(register: &X87Register) -> u16 {
    match (register.sign_exponent & 0x7FFF, register.significand) {
        (0, 0) => 1,
        (0 | 0x7FFF, _) => 2,
        (_, s) if s >> 63 == 0 => 2,
        _ => 0,
    }
}
