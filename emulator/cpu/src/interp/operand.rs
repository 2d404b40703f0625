//! Where the operands of two-operand instructions come from.

use super::Width;
use crate::mmu::Access;
use crate::{Cpu, Exception, Op};
use iced_x86::{Instruction, OpKind};

/// A form of a two-operand instruction, for generic handlers.
///
/// `dst` and `src` are read through these so that the choice between register,
/// memory and immediate is made at decode time.
pub(crate) trait Form {
    /// The destination is memory.
    const DST_MEM: bool;
    /// Reads the source.
    fn source<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<T, Exception>;
}

/// Register, register.
pub(crate) struct RegReg;
/// Register, immediate.
pub(crate) struct RegImm;
/// Register, memory.
pub(crate) struct RegMem;
/// Memory, register.
pub(crate) struct MemReg;
/// Memory, immediate.
pub(crate) struct MemImm;

macro_rules! form {
    ($name:ident, $dst_mem:literal, $source:expr) => {
        impl Form for $name {
            const DST_MEM: bool = $dst_mem;
            #[inline(always)]
            fn source<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<T, Exception> {
                $source(cpu, op)
            }
        }
    };
}
form!(RegReg, false, |cpu: &mut Cpu, op: &Op| Ok(cpu.reg(op.src)));
form!(MemReg, true, |cpu: &mut Cpu, op: &Op| Ok(cpu.reg(op.src)));
form!(RegImm, false, |_: &mut Cpu, op: &Op| Ok(T::truncate(op.imm)));
form!(MemImm, true, |_: &mut Cpu, op: &Op| Ok(T::truncate(op.imm)));
form!(RegMem, false, |cpu: &mut Cpu, op: &Op| cpu.load_operand(op));

/// Which [`Form`] an instruction has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormKind {
    RegReg,
    RegImm,
    RegMem,
    MemReg,
    MemImm,
}

/// The form of an instruction by its first two operands.
pub(crate) fn form_of(i: &Instruction) -> FormKind {
    match (i.op0_kind(), i.op1_kind()) {
        (OpKind::Memory, OpKind::Register) => FormKind::MemReg,
        (OpKind::Memory, _) => FormKind::MemImm,
        (_, OpKind::Register) => FormKind::RegReg,
        (_, OpKind::Memory) => FormKind::RegMem,
        _ => FormKind::RegImm,
    }
}

/// Picks one instance of a handler that is generic over [`Form`] and [`Width`]:
/// `by_form!(form, bits, handler::<Extra>)` gives the function pointer.
macro_rules! by_width {
    ($bits:expr, $name:ident $(, $extra:ty)*) => {
        match $bits {
            8 => $name::<u8 $(, $extra)*> as crate::Handler,
            16 => $name::<u16 $(, $extra)*>,
            32 => $name::<u32 $(, $extra)*>,
            _ => $name::<u64 $(, $extra)*>,
        }
    };
}
macro_rules! by_form {
    ($form:expr, $bits:expr, $name:ident $(, $extra:ty)*) => {
        match $form {
            crate::interp::operand::FormKind::RegReg => by_width!($bits, $name, crate::interp::operand::RegReg $(, $extra)*),
            crate::interp::operand::FormKind::RegImm => by_width!($bits, $name, crate::interp::operand::RegImm $(, $extra)*),
            crate::interp::operand::FormKind::RegMem => by_width!($bits, $name, crate::interp::operand::RegMem $(, $extra)*),
            crate::interp::operand::FormKind::MemReg => by_width!($bits, $name, crate::interp::operand::MemReg $(, $extra)*),
            crate::interp::operand::FormKind::MemImm => by_width!($bits, $name, crate::interp::operand::MemImm $(, $extra)*),
        }
    };
}
/// As [`by_width`] for what has no byte form.
macro_rules! by_size {
    ($bits:expr, $name:ident) => {
        match $bits {
            16 => $name::<u16> as crate::Handler,
            32 => $name::<u32>,
            _ => $name::<u64>,
        }
    };
}
pub(crate) use {by_form, by_size, by_width};

/// Operand width in bits of operand `n`, register or memory.
pub(crate) fn operand_bits(i: &Instruction, n: u32) -> u32 {
    match i.op_kind(n) {
        OpKind::Register => i.op_register(n).size() as u32 * 8,
        _ => i.memory_size().size() as u32 * 8,
    }
}

impl Cpu {
    /// Reads a general-purpose register of width `T`.
    #[inline(always)]
    pub(crate) fn reg<T: Width>(&self, n: u8) -> T {
        T::read(&self.state.regs, n)
    }

    /// Writes a general-purpose register of width `T`.
    #[inline(always)]
    pub(crate) fn set_reg<T: Width>(&mut self, n: u8, value: T) {
        T::write(&mut self.state.regs, n, value);
    }

    /// Reads the register-or-memory operand; `n` is its register number where
    /// it is a register (`op.dst` or `op.src`).
    #[inline(always)]
    pub(crate) fn read_rm<T: Width>(&mut self, op: &Op, n: u8) -> Result<T, Exception> {
        if op.is_mem() { self.load_operand(op) } else { Ok(self.reg(n)) }
    }

    /// Writes the register-or-memory operand.
    #[inline(always)]
    pub(crate) fn write_rm<T: Width>(&mut self, op: &Op, n: u8, value: T) -> Result<(), Exception> {
        if op.is_mem() {
            self.store_operand(op, value)
        } else {
            self.set_reg(n, value);
            Ok(())
        }
    }

    /// Replaces the register-or-memory destination `op.dst` by `change` of it,
    /// atomically under LOCK, and returns what it was. `change` must have no
    /// effect beside its result: it may run again.
    ///
    /// # Errors
    /// What loading or storing raises; nothing has changed then.
    #[inline(always)]
    pub(crate) fn update_rm<T: Width>(&mut self, op: &Op, change: impl Fn(T) -> T) -> Result<T, Exception> {
        if op.is_mem() {
            self.update_operand(op, change)
        } else {
            let old = self.reg(op.dst);
            self.set_reg(op.dst, change(old));
            Ok(old)
        }
    }

    /// As [`update_rm`](Self::update_rm), for an operand that is memory.
    #[inline(always)]
    pub(crate) fn update_operand<T: Width>(
        &mut self,
        op: &Op,
        change: impl Fn(T) -> T,
    ) -> Result<T, Exception> {
        let size = size_of::<T>() as u64;
        let gva = self.linear_address(op, size, Access::Write)?;
        if op.locked() {
            return self.update_locked(op.seg(), gva, change);
        }
        let entry = self.tlb.entry(gva);
        let tag = self.tlb.tag(gva.wrapping_add(size - 1));
        if entry.write == tag && !self.slow_access {
            let at = self.ram_offset(entry, gva);
            let old = self.memory.read(at);
            self.memory.write(at, change(old));
            return Ok(old);
        }
        // The whole operand has to be writable before any of it is read.
        self.probe_write(op.seg(), gva, size)?;
        let old = self.load(op.seg(), gva)?;
        self.store(op.seg(), gva, change(old))?;
        Ok(old)
    }
}
