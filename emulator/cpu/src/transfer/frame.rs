//! Stacks that a transfer reads or writes before it is certain to succeed.

use crate::mmu::Table;
use crate::state::{SEG_FLAT_STACK, SegReg, Segment, gpr};
use crate::{Cpu, Exception};
use glassbox_x86_spec::segment as attr;

/// A stack and a position in it, apart from SS:RSP. Pushes go to memory at
/// once; the processor's registers change only when the owner commits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    segment: Segment,
    /// Significant bits of the stack pointer.
    mask: u64,
    pointer: u64,
    table: Table,
    /// 64-bit stack: no base, no limit.
    flat: bool,
    /// Limit checks apply but types do not (real and virtual-8086 mode).
    typed: bool,
    fault: Exception,
}

impl Frame {
    /// The current stack, with the rights of the current level.
    pub fn current(cpu: &Cpu) -> Self {
        Self {
            segment: *cpu.state.seg(SegReg::Ss),
            mask: cpu.mode.stack_mask(),
            pointer: cpu.state.regs[gpr::RSP],
            table: cpu.current_table(),
            flat: cpu.state.is_64bit(),
            typed: cpu.state.protected(),
            fault: Exception::SS0,
        }
    }

    /// A 64-bit stack at `rsp`. `None` for the table keeps the current rights,
    /// which a stack of the same level has.
    pub fn flat(cpu: &Cpu, rsp: u64, inner: bool) -> Self {
        Self {
            segment: Segment::default(),
            mask: u64::MAX,
            pointer: rsp,
            table: if inner { Table::Supervisor } else { cpu.current_table() },
            flat: true,
            typed: true,
            fault: Exception::SS0,
        }
    }

    /// The stack of level `cpl` at `segment`:`pointer`; faults name the segment.
    pub fn inner(segment: Segment, pointer: u64, cpl: u8) -> Self {
        Self {
            segment,
            mask: if segment.attr & attr::DB != 0 { 0xFFFF_FFFF } else { 0xFFFF },
            pointer,
            table: if cpl == 3 { Table::User } else { Table::Supervisor },
            flat: false,
            typed: true,
            fault: Exception::ss(crate::segment::index_error(segment.selector)),
        }
    }

    /// The stack pointer as it is to be written to RSP.
    pub fn rsp(&self) -> u64 {
        self.pointer
    }

    /// Moves the pointer by `bytes`, which may be negative, within its width.
    pub fn skip(&mut self, bytes: i64) {
        let moved = self.pointer.wrapping_add(bytes as u64);
        let kept = if self.flat { 0 } else { self.pointer & !self.mask & 0xFFFF_FFFF };
        self.pointer = kept | moved & self.mask;
    }

    /// The linear address of `size` bytes at the pointer.
    fn linear(&self, size: u64, write: bool) -> Result<u64, Exception> {
        let offset = self.pointer & self.mask;
        if self.flat {
            return Ok(offset);
        }
        let s = &self.segment;
        let last = offset + size - 1;
        let inside = if s.attr & (attr::CODE | attr::DC) == attr::DC {
            let top = if s.attr & attr::DB != 0 { u64::from(u32::MAX) } else { 0xFFFF };
            offset > u64::from(s.limit) && last <= top
        } else {
            last <= u64::from(s.limit)
        };
        let usable = !self.typed || !write || s.attr & (attr::CODE | attr::RW) == attr::RW;
        if inside && s.present() && usable {
            Ok(offset.wrapping_add(s.base) & 0xFFFF_FFFF)
        } else {
            Err(self.fault)
        }
    }

    /// Pushes the low `size` (2, 4 or 8) bytes of `value`.
    ///
    /// # Errors
    /// #SS, #PF, #AC; the pointer has not moved then.
    pub fn push(&mut self, cpu: &mut Cpu, size: u8, value: u64) -> Result<(), Exception> {
        let before = self.pointer;
        self.skip(-i64::from(size));
        let stored = self.linear(u64::from(size), true).and_then(|at| match size {
            2 => cpu.store_as(self.table, SEG_FLAT_STACK, at, value as u16),
            4 => cpu.store_as(self.table, SEG_FLAT_STACK, at, value as u32),
            _ => cpu.store_as(self.table, SEG_FLAT_STACK, at, value),
        });
        if stored.is_err() {
            self.pointer = before;
        }
        stored
    }

    /// Pops `size` (2, 4 or 8) bytes, zero-extended.
    ///
    /// # Errors
    /// #SS, #PF, #AC; the pointer has not moved then.
    pub fn pop(&mut self, cpu: &mut Cpu, size: u8) -> Result<u64, Exception> {
        let at = self.linear(u64::from(size), false)?;
        let value = match size {
            2 => u64::from(cpu.load_as::<u16>(self.table, SEG_FLAT_STACK, at)?),
            4 => u64::from(cpu.load_as::<u32>(self.table, SEG_FLAT_STACK, at)?),
            _ => cpu.load_as(self.table, SEG_FLAT_STACK, at)?,
        };
        self.skip(i64::from(size));
        Ok(value)
    }

    /// Pops a selector from a slot of `size` bytes.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    pub fn pop_selector(&mut self, cpu: &mut Cpu, size: u8) -> Result<u16, Exception> {
        self.pop(cpu, size).map(|value| value as u16)
    }
}
