//! What compiled code shares with a processor: field offsets, the words that
//! only it uses, and the way back into the interpreter's functions.

use crate::block::{Block, is_near_branch};
pub use crate::code_key::{CodeKey, Reach};
use crate::decode::{Decoded, MAX_BLOCK_BYTES, MAX_INSTRUCTION, decode};
use crate::mmu::{Access, TLB_ENTRIES, TLB_STRIDE, TlbEntry};
use crate::op::Op;
use crate::state::{CpuState, Msrs, REG_BLOCK, Segment};
use crate::{Activity, Cpu, CpuSignals, Exception, LazyFlags, Mode};
use glassbox_memory::{Gva, PAGE_MASK, PAGE_SIZE};
use glassbox_x86_spec::control::Cr4;
use std::mem::offset_of;

/// Words that compiled code reads and writes beside the architectural state.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct CompiledContext {
    /// Host address of RAM offset 0.
    pub ram: usize,
    /// The [bits that say](glassbox_memory::GuestMemory::code_lines) where code is, by host
    /// address.
    pub code_lines: usize,
    /// Host address of the attention flag, a byte.
    pub attention: usize,
    /// A block that would take the retired count above this does not start.
    pub limit: u64,
    /// Host address of the jump that left compiled code for want of a target.
    pub link_site: usize,
    /// Status flags while compiled code runs, on x86-64 hosts: LAHF's byte above SETO's.
    pub flags: u16,
    /// Legacy SSE instructions may run.
    pub sse_ready: bool,
    /// VEX-encoded instructions may run.
    pub avx_ready: bool,
    /// MXCSR is the guest's: set and cleared by compiled code.
    pub float_ready: bool,
    /// x87 instructions may run.
    pub x87_ready: bool,
    /// Exception flags that may be left in the host's x87 status.
    pub x87_flags: u8,
    /// The running loop of x87 instructions has been through once.
    pub x87_round: bool,
    /// The running loop has been through once: its flags are to be made again.
    pub loop_round: bool,
    /// The host's MXCSR.
    pub host_mxcsr: u32,
    /// Translations that several accesses of the running block share; 0 is none.
    pub slots: [u64; 8],
    /// The same on AArch64 hosts: SF, ZF, CF and OF as the host's N, Z, C and V.
    pub nzcv: u32,
    /// PF there: whether the lowest byte has an even number of ones.
    pub parity: u32,
    /// AF there: bit 4 of this, exclusive-ored with `parity`.
    pub adjust: u32,
    /// Translations that the running loop keeps from round to round.
    pub sites: [Site; 32],
    /// Host address of the compiled blocks that a search in vain goes on in; 0 is none.
    pub blocks: usize,
    /// The host's stack pointer where compiled code was entered.
    pub stack_top: usize,
    /// The host's stack pointer when no call of the present fetch context is open.
    pub return_base: usize,
    /// Below this, no call is opened.
    pub return_limit: usize,
    /// The [fetch context](Cpu::fetch_context) in which the latest calls were made.
    pub return_context: u64,
    /// Faults that were delivered without leaving compiled code, since it was entered.
    pub faults: u32,
    /// One block is to run and nothing behind it, not even a fault's handler.
    pub alone: bool,
    /// What the code at CS:RIP is compiled for.
    pub key: CodeKey,
    /// Offsets of code are not linear addresses, or may be others.
    pub segmented: bool,
    /// ES to GS.
    pub reach: [Reach; 6],
    /// The inbox of code that was overwritten.
    pub watcher: Option<std::sync::Arc<glassbox_memory::CodeWatcher>>,
}

/// One access's translation in a loop.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Site {
    /// The linear page.
    pub page: u64,
    /// The access may begin at offsets in the page below this: 0 is no translation.
    pub limit: u64,
    /// Host address minus linear address.
    pub addend: u64,
}

/// How an op ended that compiled code had the interpreter run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum OpEnd {
    /// Go on behind it; at the end of a block, where RIP says.
    Continue = 0,
    /// Go on where RIP says: it raised something, which was delivered.
    Elsewhere = 1,
    /// The run loop has to look at something first: RIP is where to go on.
    Leave = 2,
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
    pub const CPL: usize = STATE + offset_of!(CpuState, cpl);
    pub const CR0: usize = STATE + offset_of!(CpuState, cr0);
    pub const CR2: usize = STATE + offset_of!(CpuState, cr2);
    pub const CR3: usize = STATE + offset_of!(CpuState, cr3);
    pub const CR4: usize = STATE + offset_of!(CpuState, cr4);
    pub const EFER: usize = STATE + offset_of!(CpuState, efer);
    pub const SYSTEM_FLAGS: usize = STATE + offset_of!(CpuState, system_flags);
    const MSR: usize = STATE + offset_of!(CpuState, msr);
    pub const KERNEL_GS_BASE: usize = MSR + offset_of!(Msrs, kernel_gs_base);
    pub const STAR: usize = MSR + offset_of!(Msrs, star);
    pub const LSTAR: usize = MSR + offset_of!(Msrs, lstar);
    pub const FMASK: usize = MSR + offset_of!(Msrs, fmask);
    pub const TSC_AUX: usize = MSR + offset_of!(Msrs, tsc_aux);
    pub const VEC: usize = STATE + offset_of!(CpuState, vec);
    pub const MXCSR: usize = STATE + offset_of!(CpuState, mxcsr);
    pub const TLB_CONTEXT: usize = TLB + crate::mmu::Tlb::CONTEXT_OFFSET;
    pub const TLB_TABLE: usize = TLB + crate::mmu::Tlb::TABLE_OFFSET;
    pub const TLB_GENERATION: usize = TLB + crate::mmu::Tlb::GENERATION_OFFSET;
    pub const TLB_SELECTED: usize = TLB + crate::mmu::Tlb::SELECTED_OFFSET;
    pub const TLB_BASE: usize = TLB + crate::mmu::Tlb::BASE_OFFSET;
    pub const SUPERVISOR_BIT: u32 = crate::mmu::Tlb::SUPERVISOR_BIT;
    /// What waits to interrupt, INTR and NMI, as two bytes from the attention flag.
    pub const WAITING: usize = CpuSignals::WAITING_OFFSET - CpuSignals::ATTENTION_OFFSET;
    /// Where an op's end is, a byte.
    pub const OP_END: usize = offset_of!(Op, end);
    pub const RAM: usize = COMPILED + offset_of!(CompiledContext, ram);
    pub const CODE_LINES: usize = COMPILED + offset_of!(CompiledContext, code_lines);
    /// The bit that is another one in the tag of a page that may be written beside code.
    pub const BESIDE_CODE_BIT: u32 = crate::mmu::BESIDE_CODE.trailing_zeros();
    pub const ATTENTION: usize = COMPILED + offset_of!(CompiledContext, attention);
    pub const LIMIT: usize = COMPILED + offset_of!(CompiledContext, limit);
    pub const LINK_SITE: usize = COMPILED + offset_of!(CompiledContext, link_site);
    pub const FLAGS: usize = COMPILED + offset_of!(CompiledContext, flags);
    pub const SSE_READY: usize = COMPILED + offset_of!(CompiledContext, sse_ready);
    pub const AVX_READY: usize = COMPILED + offset_of!(CompiledContext, avx_ready);
    pub const FLOAT_READY: usize = COMPILED + offset_of!(CompiledContext, float_ready);
    pub const HOST_MXCSR: usize = COMPILED + offset_of!(CompiledContext, host_mxcsr);
    pub const NZCV: usize = COMPILED + offset_of!(CompiledContext, nzcv);
    pub const PARITY: usize = COMPILED + offset_of!(CompiledContext, parity);
    pub const ADJUST: usize = COMPILED + offset_of!(CompiledContext, adjust);

    pub const X87_READY: usize = COMPILED + offset_of!(CompiledContext, x87_ready);
    pub const X87_FLAGS: usize = COMPILED + offset_of!(CompiledContext, x87_flags);
    pub const LOOP_ROUND: usize = COMPILED + offset_of!(CompiledContext, loop_round);
    pub const X87_ROUND: usize = COMPILED + offset_of!(CompiledContext, x87_round);

    /// The selector of segment register `n`, 0 to 7.
    pub const fn selector(n: u8) -> usize {
        STATE + offset_of!(CpuState, segs) + n as usize * size_of::<Segment>() + offset_of!(Segment, selector)
    }

    pub const STACK_TOP: usize = COMPILED + offset_of!(CompiledContext, stack_top);
    pub const RETURN_BASE: usize = COMPILED + offset_of!(CompiledContext, return_base);
    pub const RETURN_LIMIT: usize = COMPILED + offset_of!(CompiledContext, return_limit);
    pub const RETURN_CONTEXT: usize = COMPILED + offset_of!(CompiledContext, return_context);

    pub const TLB_OWNER: usize = TLB + crate::mmu::Tlb::OWNER_OFFSET;
    pub const SITES: u8 = 32;

    /// Site `n` of [`CompiledContext::sites`].
    pub const fn site(n: u8) -> usize {
        COMPILED + offset_of!(CompiledContext, sites) + size_of::<Site>() * (n % SITES) as usize
    }

    pub const SITE_PAGE: usize = offset_of!(Site, page);
    pub const SITE_LIMIT: usize = offset_of!(Site, limit);
    pub const SITE_ADDEND: usize = offset_of!(Site, addend);

    /// Slot `n` of [`CompiledContext::slots`].
    pub const fn slot(n: u8) -> usize {
        COMPILED + offset_of!(CompiledContext, slots) + 8 * (n & 7) as usize
    }

    pub const SEGMENTED: usize = COMPILED + offset_of!(CompiledContext, segmented);
    /// log2 of the first of the context's bits that are the code key.
    pub const CODE_KEY_SHIFT: u32 = crate::mmu::Tlb::CODE_KEY_SHIFT;

    /// The limit of segment register `n`, 0 to 7.
    pub const fn segment_limit(n: u8) -> usize {
        STATE + offset_of!(CpuState, segs) + n as usize * size_of::<Segment>() + offset_of!(Segment, limit)
    }

    /// The attributes of segment register `n`, 0 to 7.
    pub const fn segment_attributes(n: u8) -> usize {
        STATE + offset_of!(CpuState, segs) + n as usize * size_of::<Segment>() + offset_of!(Segment, attr)
    }

    /// The end of what may be loaded from or stored to segment register `n`, 0 to 5.
    pub const fn reach(n: u8, write: bool) -> usize {
        let kind = if write { offset_of!(Reach, write) } else { offset_of!(Reach, read) };
        COMPILED + offset_of!(CompiledContext, reach) + (n % 6) as usize * size_of::<Reach>() + kind
    }

    pub const ENTRY_READ: usize = offset_of!(TlbEntry, read);
    pub const ENTRY_WRITE: usize = offset_of!(TlbEntry, write);
    pub const ENTRY_EXEC: usize = offset_of!(TlbEntry, exec);
    pub const ENTRY_ADDEND: usize = offset_of!(TlbEntry, addend);
    /// log2 of an entry's size.
    pub const ENTRY_SHIFT: u32 = size_of::<TlbEntry>().trailing_zeros();
    /// Entries of a table.
    pub const ENTRIES: usize = TLB_ENTRIES;
    /// Entries from where a table begins to where the next does.
    pub const TABLE_STRIDE: usize = TLB_STRIDE;

    /// The base address of segment register `n`, 0 to 7.
    pub const fn segment_base(n: u8) -> usize {
        STATE + offset_of!(CpuState, segs) + n as usize * size_of::<Segment>() + offset_of!(Segment, base)
    }
}

/// Byte offsets of the x87 state from the start of [`Cpu`].
#[allow(missing_docs)]
pub mod fpu {
    use super::*;
    use crate::state::FpuState;

    const FPU: usize = offset_of!(Cpu, state) + offset_of!(CpuState, fpu);
    /// R0; the others follow every 16 bytes.
    pub const REGS: usize = FPU + offset_of!(FpuState, regs);
    pub const CONTROL: usize = FPU + offset_of!(FpuState, control);
    pub const STATUS: usize = FPU + offset_of!(FpuState, status);
    pub const TAG: usize = FPU + offset_of!(FpuState, tag);
    pub const OPCODE: usize = FPU + offset_of!(FpuState, opcode);
    pub const IP: usize = FPU + offset_of!(FpuState, ip);
    pub const DP: usize = FPU + offset_of!(FpuState, dp);
    pub const CS: usize = FPU + offset_of!(FpuState, cs);
    pub const DS: usize = FPU + offset_of!(FpuState, ds);
}

/// LAHF and SETO as one word, of status flags at their EFLAGS positions.
#[inline]
pub const fn pack_flags(bits: u32) -> u16 {
    ((bits & 0xD5 | 2) << 8 | bits >> 11 & 1) as u16
}

/// The reverse of [`pack_flags`].
#[inline]
pub const fn unpack_flags(packed: u16) -> u32 {
    (packed as u32 >> 8) & 0xD5 | (packed as u32 & 1) << 11
}

/// NZCV of status flags at their EFLAGS positions.
const fn nzcv(bits: u32) -> u32 {
    (bits >> 7 & 1) << 31 | (bits >> 6 & 1) << 30 | (bits & 1) << 29 | (bits >> 11 & 1) << 28
}

impl CompiledContext {
    /// Hands the status flags to compiled code, in its host's form.
    #[inline]
    pub fn set_status(&mut self, status: LazyFlags) {
        let bits = status.bits();
        if cfg!(target_arch = "aarch64") {
            self.nzcv = nzcv(bits);
            self.parity = u32::from(bits & 4 == 0);
            self.adjust = self.parity ^ bits & 0x10;
        } else {
            self.flags = pack_flags(bits);
        }
    }

    /// The status flags that compiled code left.
    #[inline]
    pub fn status(&self) -> LazyFlags {
        LazyFlags::from_bits(if cfg!(target_arch = "aarch64") {
            let even = u32::from((self.parity as u8).count_ones() & 1 == 0);
            (self.nzcv >> 31) << 7
                | (self.nzcv >> 30 & 1) << 6
                | (self.nzcv >> 29 & 1)
                | (self.nzcv >> 28 & 1) << 11
                | even << 2
                | (self.parity ^ self.adjust) & 0x10
        } else {
            unpack_flags(self.flags)
        })
    }

    /// Derives what compiled code is for, and how far it may reach, from the segments.
    #[inline]
    pub(crate) fn sync_segments(&mut self, state: &CpuState, mode: Mode) {
        self.key = CodeKey::of(state, mode);
        self.segmented = !mode.is_64bit() && !self.key.has_flat_code();
        if !mode.is_64bit() {
            let typed = state.protected();
            for (reach, segment) in self.reach.iter_mut().zip(&state.segs) {
                *reach = Reach::of(segment, typed);
            }
        }
    }

    pub(crate) fn new(memory: &glassbox_memory::GuestMemory, signals: &std::sync::Arc<CpuSignals>) -> Self {
        let attention = std::sync::Arc::as_ptr(signals) as usize + CpuSignals::ATTENTION_OFFSET;
        let (ram, code_lines) = (memory.host_address(0) as usize, memory.code_lines());
        Self { ram, code_lines, attention, host_mxcsr: 0x1F80, ..Self::default() }
    }
}

impl Cpu {
    /// Whether accesses have to take the slow path, so that compiled code must not run.
    pub fn needs_slow_access(&self) -> bool {
        self.slow_access
    }

    /// Whatever loop keeps translations of its own looks them up anew: to be called
    /// before compiled code is entered, which may be another engine's than last time.
    pub fn disown_loops(&mut self) {
        self.tlb.disown_loops();
    }

    /// RAM offset of the code at CS:RIP, which the TLB then has. `None` where the run loop
    /// has to look, which raises the fault if there is one.
    pub fn code_offset(&mut self) -> Option<u64> {
        let gva = self.code_address();
        let entry = self.tlb.entry(gva);
        if entry.exec == self.tlb.tag(gva) {
            return Some(self.ram_offset(entry, gva));
        }
        if self.mode.is_64bit() && !self.is_canonical(gva) {
            return None;
        }
        let (cr2, table) = (self.state.cr2, self.current_table());
        match self.fill(Gva(gva), Access::Fetch, table) {
            Ok(found) => self.memory.lookup(found.gpa).map(|backing| backing.offset),
            Err(_) => {
                self.state.cr2 = cr2;
                None
            }
        }
    }

    /// How the code at CS:RIP decodes.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What the code at CS:RIP is compiled for.
    pub fn code_key(&self) -> CodeKey {
        self.compiled.key
    }

    /// A number that changes whenever fetches might translate or be allowed
    /// otherwise, and is the same again when they are as they were.
    pub fn fetch_context(&self) -> u64 {
        self.tlb.context()
    }

    /// Runs one op in the middle of a block on behalf of compiled code. The block
    /// at `block_rip` has been counted as retired whole; `left` ops of it, this
    /// one included, have not run.
    pub fn run_op(&mut self, op: &Op, block_rip: u64, left: u32) -> OpEnd {
        if let Err(fault) = self.call_handler(op, block_rip, left) {
            return self.fault_in_compiled(fault);
        }
        if self.leave_block {
            self.state.retired = self.state.retired.wrapping_sub(u64::from(left - 1));
            return OpEnd::Leave;
        }
        if self.signals.attention() {
            // The block goes on to its end, as an interpreted one does; none begins.
            self.compiled.limit = self.state.retired;
        }
        OpEnd::Continue
    }

    /// As [`run_op`](Self::run_op), for an op that ends its block.
    pub fn run_last(&mut self, op: &Op, block_rip: u64, left: u32) -> OpEnd {
        let la57 = self.state.cr4.contains(Cr4::LA57);
        if let Err(fault) = self.call_handler(op, block_rip, left) {
            return self.fault_in_compiled(fault);
        }
        if self.leave_block || self.state.cr4.contains(Cr4::LA57) != la57 {
            return OpEnd::Leave;
        }
        self.may_go_on()
    }

    /// What RDTSC reads as the last op of its block, which has been counted as retired whole.
    pub fn time_stamp(&mut self) -> u64 {
        self.op_index = 1_u32.wrapping_neg();
        let now = self.guest_tsc();
        self.op_index = 0;
        now
    }

    /// Runs STI, or a load of SS, and the instruction that it holds interrupts off for,
    /// the last two of their block.
    pub fn run_shadowed(&mut self, sti: &Op, next: &Op, block_rip: u64) -> OpEnd {
        if let Err(fault) = self.call_handler(sti, block_rip, 2) {
            return self.fault_in_compiled(fault);
        }
        let shadow = std::mem::take(&mut self.state.interrupt_shadow);
        self.state.debug_shadow = false;
        let end = self.run_last(next, block_rip, 1);
        if shadow {
            self.interrupts_may_be_open();
        }
        if end == OpEnd::Leave { end } else { self.may_go_on() }
    }

    /// The instruction behind `block`, if it lies on the same page and is one that
    /// compiled code may run in STI's shadow. Its bytes count as code from now on.
    pub fn decode_behind(&mut self, block: &Block) -> Option<Op> {
        let (at, offset) = (block.start + block.code_bytes(), block.code_bytes() as usize);
        let in_page = (PAGE_SIZE - (at & !PAGE_MASK)) as usize;
        if at & PAGE_MASK != block.start & PAGE_MASK || offset + MAX_INSTRUCTION > MAX_BLOCK_BYTES {
            return None;
        }
        let mut bytes = [0; MAX_INSTRUCTION];
        let bytes = &mut bytes[..MAX_INSTRUCTION.min(in_page)];
        self.mark_code(at, 1);
        self.memory.read_slice_at(at, bytes);
        let Decoded::Op(op) = decode(bytes, block.mode, offset as u8, &self.model) else { return None };
        let simple = op.flags & Op::ENDS_BLOCK == 0 || is_near_branch(op.code);
        (simple && self.is_code(at, None, &bytes[..op.len.into()])).then_some(op)
    }

    /// As [`run_op`](Self::run_op), but compiled code does not come back to the rest
    /// of the block: it goes on elsewhere.
    pub fn run_out(&mut self, op: &Op, block_rip: u64, left: u32) -> OpEnd {
        if let Err(fault) = self.call_handler(op, block_rip, left) {
            return self.fault_in_compiled(fault);
        }
        self.state.retired = self.state.retired.wrapping_sub(u64::from(left - 1));
        if self.leave_block { OpEnd::Leave } else { self.may_go_on() }
    }

    #[inline]
    fn call_handler(&mut self, op: &Op, block_rip: u64, left: u32) -> Result<(), Exception> {
        self.state.regs[REG_BLOCK as usize] = block_rip;
        self.state.status = self.compiled.status();
        self.state.rip = self.next_rip(op);
        self.compiled.slots = [0; 8];
        // Relative to the retired count, which is ahead.
        self.op_index = left.wrapping_neg();
        self.leave_block = false;
        let result = (op.run)(self, op);
        self.op_index = 0;
        if result.is_err() {
            self.state.retired = self.state.retired.wrapping_sub(u64::from(left));
            self.state.rip = self.this_rip(op);
        }
        self.compiled.set_status(self.state.status);
        result
    }

    /// Delivers a fault as the run loop does.
    fn fault_in_compiled(&mut self, fault: Exception) -> OpEnd {
        self.raise(fault);
        self.compiled.set_status(self.state.status);
        self.compiled.faults += 1;
        // A guest that faults for ever retires nothing and would never get out.
        if self.compiled.faults > MAX_FAULTS { OpEnd::Leave } else { self.may_go_on() }
    }

    /// Whether there is nothing that the run loop would do between two blocks.
    #[inline]
    fn may_go_on(&self) -> OpEnd {
        let stale = self.compiled.watcher.as_ref().is_some_and(|watcher| watcher.is_pending());
        let quiet = !self.signals.attention()
            && self.state.activity == Activity::Active
            && !self.stepping
            && !self.state.interrupt_shadow
            && !self.slow_access
            && !self.compiled.alone
            && !stale;
        if quiet { OpEnd::Elsewhere } else { OpEnd::Leave }
    }
}

/// Faults that are delivered without looking at the run loop's conditions.
const MAX_FAULTS: u32 = 256;

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

    #[test]
    fn compiled_code_gets_all_six_flags_and_gives_them_back() {
        let mut context = CompiledContext::default();
        for bits in 0..0x1000u32 {
            let status = bits & 0x8D5;
            context.set_status(LazyFlags::from_bits(status));
            assert_eq!(context.status().bits(), status);
        }
    }
}
