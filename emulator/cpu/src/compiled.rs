//! What compiled code shares with a processor: field offsets, the words that
//! only it uses, and the way back into the interpreter's functions.

use crate::mmu::{TLB_ENTRIES, TlbEntry};
use crate::op::Op;
use crate::state::{CpuState, REG_BLOCK, Segment};
use crate::{Cpu, CpuSignals, Exception, LazyFlags};
use std::mem::offset_of;

/// Words that compiled code reads and writes beside the architectural state.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct CompiledContext {
    /// Host address of RAM offset 0.
    pub ram: usize,
    /// Host address of the attention flag, a byte.
    pub attention: usize,
    /// A block that would take the retired count above this does not start.
    pub limit: u64,
    /// Host address of the jump that left compiled code for want of a target.
    pub link_site: usize,
    /// Status flags while compiled code runs: LAHF's byte above SETO's.
    pub flags: u16,
    /// What an op raised.
    pub fault: Option<Exception>,
}

/// How an op ended that compiled code had the interpreter run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum OpEnd {
    /// Go on behind it.
    Continue = 0,
    /// It faulted: [`CompiledContext::fault`] says how, RIP is on it.
    Fault = 2,
    /// It overwrote code: RIP is behind it, the rest of the block is stale.
    Leave = 3,
}

/// Byte offsets of what compiled code addresses, from the start of [`Cpu`].
#[allow(missing_docs)]
pub mod layout {
    use super::*;

    const STATE: usize = offset_of!(Cpu, state);
    const TLB: usize = offset_of!(Cpu, tlb);
    const COMPILED: usize = offset_of!(Cpu, compiled);

    pub const REGS: usize = STATE + offset_of!(CpuState, regs);
    pub const RIP: usize = STATE + offset_of!(CpuState, rip);
    pub const RETIRED: usize = STATE + offset_of!(CpuState, retired);
    pub const VEC: usize = STATE + offset_of!(CpuState, vec);
    pub const TLB_TABLE: usize = TLB + crate::mmu::Tlb::TABLE_OFFSET;
    pub const TLB_GENERATION: usize = TLB + crate::mmu::Tlb::GENERATION_OFFSET;
    pub const RAM: usize = COMPILED + offset_of!(CompiledContext, ram);
    pub const ATTENTION: usize = COMPILED + offset_of!(CompiledContext, attention);
    pub const LIMIT: usize = COMPILED + offset_of!(CompiledContext, limit);
    pub const LINK_SITE: usize = COMPILED + offset_of!(CompiledContext, link_site);
    pub const FLAGS: usize = COMPILED + offset_of!(CompiledContext, flags);

    pub const ENTRY_READ: usize = offset_of!(TlbEntry, read);
    pub const ENTRY_WRITE: usize = offset_of!(TlbEntry, write);
    pub const ENTRY_EXEC: usize = offset_of!(TlbEntry, exec);
    pub const ENTRY_ADDEND: usize = offset_of!(TlbEntry, addend);
    /// log2 of an entry's size.
    pub const ENTRY_SHIFT: u32 = size_of::<TlbEntry>().trailing_zeros();
    /// Entries of a table.
    pub const ENTRIES: usize = TLB_ENTRIES;

    /// The base address of segment register `n`, 0 to 7.
    pub const fn segment_base(n: u8) -> usize {
        STATE + offset_of!(CpuState, segs) + n as usize * size_of::<Segment>() + offset_of!(Segment, base)
    }
}

/// LAHF and SETO as one word, of status flags at their EFLAGS positions.
pub const fn pack_flags(bits: u32) -> u16 {
    ((bits & 0xD5 | 2) << 8 | bits >> 11 & 1) as u16
}

/// The reverse of [`pack_flags`].
pub const fn unpack_flags(packed: u16) -> u32 {
    (packed as u32 >> 8) & 0xD5 | (packed as u32 & 1) << 11
}

impl CompiledContext {
    pub(crate) fn new(memory: &glassbox_memory::GuestMemory, signals: &std::sync::Arc<CpuSignals>) -> Self {
        let attention = std::sync::Arc::as_ptr(signals) as usize + CpuSignals::ATTENTION_OFFSET;
        Self { ram: memory.host_base() as usize, attention, ..Self::default() }
    }
}

impl Cpu {
    /// Whether accesses have to take the slow path, so that compiled code must not run.
    pub fn needs_slow_access(&self) -> bool {
        self.slow_access
    }

    /// Runs one op on behalf of compiled code. The block at `block_rip` has been
    /// counted as retired whole; `left` ops of it, this one included, have not run.
    pub fn run_op(&mut self, op: &Op, block_rip: u64, left: u32) -> OpEnd {
        self.state.regs[REG_BLOCK as usize] = block_rip;
        self.state.status = LazyFlags::from_bits(unpack_flags(self.compiled.flags));
        self.state.rip = self.next_rip(op);
        // Relative to the retired count, which is ahead.
        self.op_index = left.wrapping_neg();
        self.leave_block = false;
        let result = (op.run)(self, op);
        self.op_index = 0;
        self.compiled.flags = pack_flags(self.state.status.bits());
        if let Err(fault) = result {
            self.state.retired = self.state.retired.wrapping_sub(u64::from(left));
            self.state.rip = self.this_rip(op);
            self.compiled.fault = Some(fault);
            return OpEnd::Fault;
        }
        if self.leave_block {
            self.state.retired = self.state.retired.wrapping_sub(u64::from(left - 1));
            return OpEnd::Leave;
        }
        OpEnd::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_flags_keep_all_six() {
        for bits in 0..0x1000u32 {
            let status = bits & 0x8D5;
            assert_eq!(unpack_flags(pack_flags(status)), status);
        }
    }
}
