//! The logical processor: state, caches of derived facts, and its wires.

use crate::compiled::CompiledContext;
use crate::cpuid::CpuModel;
use crate::mmu::{DevicePages, Tlb};
use crate::mode::Mode;
use crate::op::Op;
use crate::state::{REG_BLOCK, REG_ZERO};
use crate::{CpuBus, CpuSignals, CpuState};
use glassbox_memory::GuestMemory;
use glassbox_x86_spec::control::{Cr0, Flags, dr7};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// One logical processor.
pub struct Cpu {
    /// Architectural state. Whoever changes what [`Cpu::sync`] derives from
    /// calls it afterwards.
    pub state: CpuState,
    /// Guest RAM.
    pub memory: GuestMemory,
    /// Ports, MMIO, the local APIC.
    pub bus: Box<dyn CpuBus>,
    /// Interrupt wires.
    pub signals: Arc<CpuSignals>,
    /// What CPUID says.
    pub model: Arc<CpuModel>,
    /// How code is decoded now; derived.
    pub(crate) mode: Mode,
    pub(crate) tlb: Tlb,
    /// Set when the rest of the running block must not be executed as it was
    /// decoded (its code was written). Read after each op.
    pub(crate) leave_block: bool,
    /// The memory map that the TLB's translations are of.
    pub(crate) map_generation: u64,
    /// Pages where there is a device or nothing.
    pub(crate) device_pages: DevicePages,
    /// Index of the running op in its block.
    pub(crate) op_index: u32,
    /// Data breakpoints that the running instruction hit: DR6 bits.
    pub(crate) pending_db: u64,
    /// Data breakpoints are armed, an observer listens, or alignment is
    /// checked: every access takes the slow path.
    pub(crate) slow_access: bool,
    /// Exceptions, interrupts and memory touches, for traces. `None` is free.
    pub observer: Option<Box<dyn Observer>>,
    /// Instructions run one by one: single-step, RF, breakpoints, an observer. Derived.
    pub(crate) stepping: bool,
    /// The last delivered exceptions, oldest first: the report of a crash.
    pub fault_chain: VecDeque<FaultRecord>,
    /// Forms without an implementation that were reported already.
    pub(crate) reported: HashSet<iced_x86::Code>,
    /// Unknown MSRs that were reported already.
    pub(crate) reported_msrs: HashSet<u32>,
    /// What compiled code uses beside the state.
    pub compiled: CompiledContext,
    /// While there is one, every store notes here what it overwrites: RAM offset
    /// and bytes. Call [`Cpu::sync`] after a change between some and none.
    pub journal: Option<Vec<(u64, Vec<u8>)>>,
}

/// One delivered event: kept for the report of a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    /// Vector.
    pub vector: u8,
    /// Error code if it had one.
    pub error: Option<u32>,
    /// CS selector at the time.
    pub cs: u16,
    /// RIP at the time.
    pub rip: u64,
    /// CR2 at the time.
    pub cr2: u64,
}

/// Watches a processor.
pub trait Observer: Send {
    /// A data access of the running instruction, after translation faults were ruled out.
    fn memory(&mut self, address: u64, bytes: &[u8], write: bool);
    /// An exception or interrupt is delivered.
    fn event(&mut self, state: &CpuState, vector: u8, error: Option<u32>);
    /// The event was delivered: its handler is next, and accesses since
    /// [`event`](Self::event) were the delivery's. Not called for INT n and kin,
    /// which are instructions and retire.
    fn delivered(&mut self, state: &CpuState) {
        let _ = state;
    }
    /// An instruction retired; `before` is the state it began with.
    fn retired(&mut self, before: &CpuState, after: &CpuState, bytes: &[u8]);
}

impl Cpu {
    /// A processor in its reset state.
    pub fn new(
        memory: GuestMemory,
        bus: Box<dyn CpuBus>,
        signals: Arc<CpuSignals>,
        model: Arc<CpuModel>,
    ) -> Self {
        let compiled = CompiledContext::new(&memory, &signals);
        let mut cpu = Self {
            state: CpuState::reset(model.signature()),
            memory,
            bus,
            signals,
            model,
            mode: Mode::default(),
            tlb: Tlb::new(),
            leave_block: false,
            map_generation: 0,
            device_pages: DevicePages::default(),
            op_index: 0,
            pending_db: 0,
            slow_access: false,
            observer: None,
            stepping: false,
            fault_chain: VecDeque::new(),
            reported: HashSet::new(),
            reported_msrs: HashSet::new(),
            compiled,
            journal: None,
        };
        cpu.sync();
        cpu
    }

    /// Returns to the reset state; time and RAM go on.
    pub fn reset(&mut self) {
        let retired = self.state.retired;
        let tsc_offset = self.state.msr.tsc_offset;
        let entropy = self.state.entropy;
        self.state = CpuState::reset(self.model.signature());
        self.state.retired = retired;
        self.state.msr.tsc_offset = tsc_offset;
        self.state.entropy = entropy;
        self.pending_db = 0;
        self.tlb.flush_all();
        self.sync();
    }

    /// INIT: as [`reset`](Self::reset), but caches, x87 and vector registers,
    /// MSRs and the A20 gate stay as they are (Intel SDM Vol. 3A 10.1, Table 10-1).
    pub fn init(&mut self) {
        let before = self.state.clone();
        self.reset();
        let kept = Cr0::CD | Cr0::NW;
        self.state.cr0 = (self.state.cr0 - kept) | before.cr0 & kept;
        self.state.xcr0 = before.xcr0;
        self.state.mxcsr = before.mxcsr;
        self.state.vec = before.vec;
        self.state.fpu = before.fpu;
        self.state.msr = before.msr;
        self.state.a20 = before.a20;
        self.sync();
    }

    /// Drives A20M#: off masks bit 20 of physical addresses. Translations that
    /// were made with the other setting go.
    pub fn set_a20(&mut self, on: bool) {
        if self.state.a20 != on {
            self.state.a20 = on;
            self.tlb.flush_all();
            self.sync();
        }
    }

    /// Translations put into the TLB, and flushes of all or part of it, since power-on.
    pub fn tlb_counts(&self) -> (u64, u64) {
        (self.tlb.fills, self.tlb.flushes)
    }

    /// Derives everything that is cached from the state anew: decoding mode,
    /// MMU table, slow-path conditions. Call after segment, CPL, CR, EFER,
    /// EFLAGS.AC/VM or DR7 changes. Cheap.
    pub fn sync(&mut self) {
        self.state.regs[REG_ZERO as usize] = 0;
        self.mode = Mode::of(&self.state);
        self.compiled.sync_segments(&self.state, self.mode);
        self.sync_access();
        self.compiled.sse_ready = self.sse_ready().is_ok();
        self.compiled.x87_ready = !self.state.cr0.intersects(Cr0::EM | Cr0::TS);
        self.compiled.avx_ready = self.avx_ready().is_ok();
        self.stepping = self.state.system_flags.intersects(Flags::TF | Flags::RF)
            || self.state.dr[7] & dr7::ENABLES != 0
            || self.observer.is_some();
    }

    /// Ends an op that is to be entered again, such as a string instruction in
    /// the middle of its run: RIP stays and it does not count as retired.
    pub(crate) fn run_again(&mut self, op: &Op) {
        self.state.rip = self.this_rip(op);
        self.state.retired = self.state.retired.wrapping_sub(1);
    }

    /// Logs an instruction that has no implementation, once a form.
    pub(crate) fn report_unimplemented(&mut self, op: &Op) {
        if self.reported.insert(op.code) {
            log::warn!("unimplemented instruction {:?} at {:#x}: raising #UD", op.code, self.this_rip(op));
        }
    }

    /// The address behind `op`, as an offset in CS.
    #[inline(always)]
    pub fn next_rip(&self, op: &Op) -> u64 {
        self.state.regs[REG_BLOCK as usize].wrapping_add(u64::from(op.end)) & self.mode.rip_mask()
    }

    /// The address of `op` itself.
    #[inline(always)]
    pub fn this_rip(&self, op: &Op) -> u64 {
        self.state.regs[REG_BLOCK as usize].wrapping_add(u64::from(op.end) - u64::from(op.len))
            & self.mode.rip_mask()
    }

    /// Goes out to the bus at the exact time. What it did to code or to the memory
    /// map, or wants done by the run loop, holds from the next instruction on.
    pub(crate) fn outside<R>(&mut self, access: impl FnOnce(&mut dyn CpuBus) -> R) -> R {
        self.publish_time();
        let stale = self.memory.stale_code();
        let result = access(&mut *self.bus);
        self.leave_block |= self.memory.stale_code() != stale || self.signals.attention();
        self.follow_memory_map();
        result
    }

    /// Drops all translations where addresses lead elsewhere since they were made:
    /// for who uses [`bus`](Self::bus) on the processor's behalf.
    pub fn follow_memory_map(&mut self) {
        let generation = self.memory.generation();
        if self.map_generation != generation {
            self.map_generation = generation;
            self.leave_block = true;
            self.tlb.flush_all();
        }
    }

    /// Publishes the exact retired count before the bus is entered.
    pub(crate) fn publish_time(&self) {
        self.signals.publish_retired(self.state.retired.wrapping_add(self.op_index as i32 as u64));
    }
}
