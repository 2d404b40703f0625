//! The fast paths of loads and stores, and operand access for instructions.

use super::tlb::{Entry, Table};
use super::walk::Access;
use crate::op::Op;
use crate::state::{REG_BLOCK, SEG_FLAT};
use crate::{Cpu, Exception};
use glassbox_memory::Pod;
use glassbox_x86_spec::control::{Cr0, Cr4, Flags};

impl Cpu {
    /// Derives the TLB table and the slow-path switch from the state.
    #[inline]
    pub(crate) fn sync_access(&mut self) {
        let ac = self.state.system_flags.contains(Flags::AC);
        self.tlb.select(self.current_table(), self.compiled.key.number());
        self.slow_access = (ac && self.state.cpl == 3 && self.state.cr0.contains(Cr0::AM))
            || self.data_breakpoints_armed()
            || self.observer.is_some()
            || self.journal.is_some();
    }

    /// The table of plain accesses.
    #[inline]
    pub(crate) fn current_table(&self) -> Table {
        if self.state.cpl == 3 {
            Table::User
        } else if self.state.system_flags.contains(Flags::AC) || !self.state.cr4.contains(Cr4::SMAP) {
            Table::SupervisorAc
        } else {
            Table::Supervisor
        }
    }

    /// The RAM offset of `gva`, by the entry that translates it.
    #[inline(always)]
    pub(crate) fn ram_offset(&self, entry: &Entry, gva: u64) -> u64 {
        self.memory.offset_of(gva.wrapping_add(entry.addend))
    }

    // --- linear addresses, rights of the current privilege level ---

    /// Loads from a linear address. `seg` (0 to 7) only decides between #GP and #SS.
    #[inline(always)]
    pub(crate) fn load<T: Pod>(&mut self, seg: u8, gva: u64) -> Result<T, Exception> {
        let entry = self.tlb.entry(gva);
        let last = gva.wrapping_add(size_of::<T>() as u64 - 1);
        if entry.read == self.tlb.tag(last) && !self.slow_access {
            Ok(self.memory.read(self.ram_offset(entry, gva)))
        } else {
            self.load_slow(seg, gva)
        }
    }

    /// Stores to a linear address.
    #[inline(always)]
    pub(crate) fn store<T: Pod>(&mut self, seg: u8, gva: u64, value: T) -> Result<(), Exception> {
        let entry = self.tlb.entry(gva);
        let last = gva.wrapping_add(size_of::<T>() as u64 - 1);
        if entry.write == self.tlb.tag(last) && !self.slow_access {
            self.memory.write(self.ram_offset(entry, gva), value);
            Ok(())
        } else {
            self.store_slow(seg, gva, value)
        }
    }

    // --- the op's memory operand ---

    /// The effective address of the memory operand: the offset in its segment,
    /// in the operand's address size. This is what LEA computes.
    #[inline(always)]
    pub(crate) fn effective_address(&self, op: &Op) -> u64 {
        let regs = &self.state.regs;
        let base = regs[(op.base & 31) as usize];
        let index = regs[(op.index & 31) as usize] << (op.scale_seg & 3);
        let address = base.wrapping_add(index).wrapping_add(op.disp as i64 as u64);
        if op.flags & (Op::EA_MASK | Op::DISP_FROM_END) == 0 {
            address
        } else {
            self.narrow_address(op, address)
        }
    }

    #[cold]
    fn narrow_address(&self, op: &Op, address: u64) -> u64 {
        let address = match op.flags & Op::DISP_FROM_END != 0 {
            true if op.base == REG_BLOCK => address.wrapping_add(u64::from(op.end)),
            true => op.imm,
            false => address,
        };
        match op.address_bits() {
            16 => address & 0xFFFF,
            32 => address & 0xFFFF_FFFF,
            _ => address,
        }
    }

    /// The linear address of the memory operand for an access of `size` bytes,
    /// segment checks done.
    ///
    /// # Errors
    /// #GP or #SS from the segment checks. Canonicality is left to the access.
    #[inline(always)]
    pub(crate) fn linear_address(&mut self, op: &Op, size: u64, access: Access) -> Result<u64, Exception> {
        let offset = self.effective_address(op);
        if op.flags & Op::EA_MASK <= Op::EA_32 {
            let base = self.state.segs[(op.seg() & 7) as usize].base;
            Ok(offset.wrapping_add(base))
        } else {
            self.segmented(op.seg(), offset, size, access)
        }
    }

    /// Loads the memory operand.
    #[inline(always)]
    pub(crate) fn load_operand<T: Pod>(&mut self, op: &Op) -> Result<T, Exception> {
        let gva = self.linear_address(op, size_of::<T>() as u64, Access::Read)?;
        self.load(op.seg(), gva)
    }

    /// Stores to the memory operand.
    #[inline(always)]
    pub(crate) fn store_operand<T: Pod>(&mut self, op: &Op, value: T) -> Result<(), Exception> {
        let gva = self.linear_address(op, size_of::<T>() as u64, Access::Write)?;
        self.store(op.seg(), gva, value)
    }

    // --- segment and offset: strings, XLAT, far pointers ---

    /// Loads at an offset in a segment (0 to 7), with the segment's checks.
    #[inline(always)]
    pub(crate) fn load_seg<T: Pod>(&mut self, seg: u8, offset: u64) -> Result<T, Exception> {
        let gva = self.segmented(seg, offset, size_of::<T>() as u64, Access::Read)?;
        self.load(seg, gva)
    }

    /// Stores at an offset in a segment (0 to 7), with the segment's checks.
    #[inline(always)]
    pub(crate) fn store_seg<T: Pod>(&mut self, seg: u8, offset: u64, value: T) -> Result<(), Exception> {
        let gva = self.segmented(seg, offset, size_of::<T>() as u64, Access::Write)?;
        self.store(seg, gva, value)
    }

    // --- implicit supervisor accesses: descriptor tables, TSS ---

    /// Loads with supervisor rights whatever the CPL (Intel SDM Vol. 3A 5.6.1).
    pub(crate) fn load_system<T: Pod>(&mut self, gva: u64) -> Result<T, Exception> {
        self.load_as(Table::Supervisor, SEG_FLAT, gva)
    }

    /// Stores with supervisor rights whatever the CPL.
    pub(crate) fn store_system<T: Pod>(&mut self, gva: u64, value: T) -> Result<(), Exception> {
        self.store_as(Table::Supervisor, SEG_FLAT, gva, value)
    }
}
