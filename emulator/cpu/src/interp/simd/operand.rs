//! Operands of SIMD instructions: register files, memory, availability.

use crate::interp::x87;
use crate::mmu::Access;
use crate::{Cpu, Exception, Op};
use glassbox_x86_spec::control::{Cr0, Cr4};

/// `ES` of the x87 status word: an unmasked exception is pending.
const ERROR_SUMMARY: u16 = 1 << 7;

impl Cpu {
    /// Whether SSE instructions may run now.
    ///
    /// # Errors
    /// #UD by CR0.EM or CR4.OSFXSR, then #NM by CR0.TS (Intel SDM Vol. 3A 14.1).
    #[inline(always)]
    pub(crate) fn sse_ready(&self) -> Result<(), Exception> {
        let blocked = self.state.cr0.bits() & (Cr0::EM | Cr0::TS).bits();
        let enabled = self.state.cr4.bits() & Cr4::OSFXSR.bits();
        if blocked == 0 && enabled != 0 { Ok(()) } else { Err(self.sse_fault()) }
    }

    #[cold]
    fn sse_fault(&self) -> Exception {
        if self.state.cr0.contains(Cr0::EM) || !self.state.cr4.contains(Cr4::OSFXSR) {
            Exception::UD
        } else {
            Exception::NM
        }
    }

    /// Whether MMX instructions may run now.
    ///
    /// # Errors
    /// #UD by CR0.EM, #NM by CR0.TS, #MF (or FERR#) for a pending x87
    /// exception
    /// (Intel SDM Vol. 3A 13.1).
    #[inline(always)]
    pub(crate) fn mmx_ready(&mut self) -> Result<(), Exception> {
        let blocked = self.state.cr0.bits() & (Cr0::EM | Cr0::TS).bits();
        let error = self.state.fpu.status & ERROR_SUMMARY;
        if blocked == 0 && error == 0 { Ok(()) } else { self.mmx_blocked() }
    }

    #[cold]
    fn mmx_blocked(&mut self) -> Result<(), Exception> {
        if self.state.cr0.contains(Cr0::EM) {
            Err(Exception::UD)
        } else if self.state.cr0.contains(Cr0::TS) {
            Err(Exception::NM)
        } else {
            x87::check_pending(self)
        }
    }

    /// What every MMX instruction but EMMS does to the x87 state: TOP is 0 and
    /// all registers are valid (Intel SDM Vol. 1 9.5.1).
    #[inline(always)]
    pub(crate) fn enter_mmx(&mut self) {
        self.state.fpu.status &= !(7 << 11);
        self.state.fpu.tag = 0;
    }

    /// An MMX register.
    #[inline(always)]
    pub(crate) fn mm(&self, n: u8) -> u64 {
        self.state.fpu.regs[(n & 7) as usize].significand
    }

    /// Writes an MMX register, with the effects of [`enter_mmx`](Self::enter_mmx).
    #[inline(always)]
    pub(crate) fn set_mm(&mut self, n: u8, value: u64) {
        self.enter_mmx();
        let register = &mut self.state.fpu.regs[(n & 7) as usize];
        register.significand = value;
        register.sign_exponent = 0xFFFF;
    }

    /// An XMM register.
    #[inline(always)]
    pub(crate) fn xmm(&self, n: u8) -> u128 {
        let register = &self.state.vec[(n & 15) as usize];
        u128::from(register[0]) | u128::from(register[1]) << 64
    }

    /// Writes an XMM register as legacy SSE does: the upper half of YMM stays.
    #[inline(always)]
    pub(crate) fn set_xmm(&mut self, n: u8, value: u128) {
        let register = &mut self.state.vec[(n & 15) as usize];
        register[0] = value as u64;
        register[1] = (value >> 64) as u64;
    }

    /// The low quadword of an XMM register.
    #[inline(always)]
    pub(crate) fn xmm_low(&self, n: u8) -> u64 {
        self.state.vec[(n & 15) as usize][0]
    }

    /// Writes the low quadword of an XMM register, keeping the rest.
    #[inline(always)]
    pub(crate) fn set_xmm_low(&mut self, n: u8, value: u64) {
        self.state.vec[(n & 15) as usize][0] = value;
    }

    /// The address of `size` bytes that have to be aligned. On AMD silicon that
    /// counts before the segment's limit.
    #[inline(always)]
    pub(crate) fn aligned_address(&mut self, op: &Op, size: u64, access: Access) -> Result<u64, Exception> {
        match self.linear_address(op, size, access) {
            Ok(gva) if gva & (size - 1) == 0 => Ok(gva),
            Ok(_) => Err(Exception::GP0),
            Err(fault) => {
                let base = self.state.segs[(op.seg() & 7) as usize].base;
                let misaligned = self.effective_address(op).wrapping_add(base) & (size - 1) != 0;
                Err(if misaligned { Exception::GP0 } else { fault })
            }
        }
    }

    /// Loads the memory operand, 16 bytes that have to be aligned.
    ///
    /// # Errors
    /// #GP(0) where they are not; what loads raise.
    #[inline(always)]
    pub(crate) fn load_aligned(&mut self, op: &Op) -> Result<u128, Exception> {
        let gva = self.aligned_address(op, 16, Access::Read)?;
        self.load(op.seg(), gva)
    }

    /// Stores to the memory operand, 16 bytes that have to be aligned.
    ///
    /// # Errors
    /// As [`load_aligned`](Self::load_aligned).
    #[inline(always)]
    pub(crate) fn store_aligned(&mut self, op: &Op, value: u128) -> Result<(), Exception> {
        let gva = self.aligned_address(op, 16, Access::Write)?;
        self.store(op.seg(), gva, value)
    }

    /// The source operand: register `op.src`, or aligned memory.
    #[inline(always)]
    pub(crate) fn xmm_source(&mut self, op: &Op) -> Result<u128, Exception> {
        if op.is_mem() { self.load_aligned(op) } else { Ok(self.xmm(op.src)) }
    }

    /// The low 8 bytes of the source operand; memory need not be aligned.
    #[inline(always)]
    pub(crate) fn xmm_source64(&mut self, op: &Op) -> Result<u64, Exception> {
        if op.is_mem() { self.load_operand(op) } else { Ok(self.xmm_low(op.src)) }
    }

    /// The low 4 bytes of the source operand; memory need not be aligned.
    #[inline(always)]
    pub(crate) fn xmm_source32(&mut self, op: &Op) -> Result<u32, Exception> {
        if op.is_mem() { self.load_operand(op) } else { Ok(self.xmm_low(op.src) as u32) }
    }
}

/// XMM or MMX registers, as packed instructions use them.
pub(crate) trait File {
    /// Whether instructions on these registers may run.
    fn ready(cpu: &mut Cpu) -> Result<(), Exception>;
    /// Reads a register, zero-extended.
    fn get(cpu: &Cpu, n: u8) -> u128;
    /// Writes a register.
    fn set(cpu: &mut Cpu, n: u8, value: u128);
    /// The source operand: register `op.src` or memory.
    fn source(cpu: &mut Cpu, op: &Op) -> Result<u128, Exception>;
}

/// XMM registers.
pub(crate) struct Xmm;
/// MMX registers.
pub(crate) struct Mm;

impl File for Xmm {
    #[inline(always)]
    fn ready(cpu: &mut Cpu) -> Result<(), Exception> {
        cpu.sse_ready()
    }
    #[inline(always)]
    fn get(cpu: &Cpu, n: u8) -> u128 {
        cpu.xmm(n)
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, n: u8, value: u128) {
        cpu.set_xmm(n, value);
    }
    #[inline(always)]
    fn source(cpu: &mut Cpu, op: &Op) -> Result<u128, Exception> {
        cpu.xmm_source(op)
    }
}

impl File for Mm {
    #[inline(always)]
    fn ready(cpu: &mut Cpu) -> Result<(), Exception> {
        cpu.mmx_ready()
    }
    #[inline(always)]
    fn get(cpu: &Cpu, n: u8) -> u128 {
        u128::from(cpu.mm(n))
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, n: u8, value: u128) {
        cpu.set_mm(n, value as u64);
    }
    #[inline(always)]
    fn source(cpu: &mut Cpu, op: &Op) -> Result<u128, Exception> {
        Ok(u128::from(if op.is_mem() { cpu.load_operand::<u64>(op)? } else { cpu.mm(op.src) }))
    }
}

/// `dst = f(dst, src)`.
#[inline(always)]
pub(crate) fn binary<R: File>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u128, u128) -> u128,
) -> Result<(), Exception> {
    R::ready(cpu)?;
    let b = R::source(cpu, op)?;
    let a = R::get(cpu, op.dst);
    R::set(cpu, op.dst, f(a, b));
    Ok(())
}

/// `dst = f(src)`.
#[inline(always)]
pub(crate) fn unary<R: File>(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u128) -> u128) -> Result<(), Exception> {
    R::ready(cpu)?;
    let b = R::source(cpu, op)?;
    R::set(cpu, op.dst, f(b));
    Ok(())
}

/// `dst = f(dst, src, imm8)`.
#[inline(always)]
pub(crate) fn binary_imm<R: File>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u128, u128, u8) -> u128,
) -> Result<(), Exception> {
    binary::<R>(cpu, op, |a, b| f(a, b, op.imm as u8))
}

/// The handler of a packed instruction `dst = f(dst, src)` in its XMM or MMX
/// form: `packed!(mmx, f)`, or `packed!(mmx, f_for_xmm, f_for_mm)` where the
/// halves of a register play a part.
macro_rules! packed {
    ($mmx:expr, $f:expr) => {
        packed!($mmx, $f, $f)
    };
    ($mmx:expr, $xmm:expr, $mm:expr) => {
        if $mmx {
            |cpu, op| crate::interp::simd::operand::binary::<crate::interp::simd::operand::Mm>(cpu, op, $mm)
        } else {
            |cpu, op| crate::interp::simd::operand::binary::<crate::interp::simd::operand::Xmm>(cpu, op, $xmm)
        }
    };
}
/// As `packed!`, for `dst = f(src)`.
macro_rules! packed_unary {
    ($mmx:expr, $f:expr) => {
        if $mmx {
            |cpu, op| crate::interp::simd::operand::unary::<crate::interp::simd::operand::Mm>(cpu, op, $f)
        } else {
            |cpu, op| crate::interp::simd::operand::unary::<crate::interp::simd::operand::Xmm>(cpu, op, $f)
        }
    };
}
pub(crate) use {packed, packed_unary};
