//! A bench for instruction tests: a processor, a megabyte of RAM, an open bus.

use crate::state::SegReg;
use crate::{Cpu, CpuBus, CpuModel, CpuSignals, Exit, Interpreter, OpenBus, Segment};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_x86_spec::control::{Cr0, Cr4, Efer};
use glassbox_x86_spec::segment as attr;
use std::sync::{Arc, Mutex};

/// Where test code is put.
pub(crate) const CODE: u64 = 0x1000;
/// Where tests keep data; mapped one to one.
pub(crate) const DATA: u64 = 0x8000;
/// Initial stack pointer.
pub(crate) const STACK: u64 = 0x7000;
const PAGE_TABLES: u64 = 0x8_0000;

/// A processor in its reset state with a megabyte of RAM.
pub(crate) fn cpu_with_bus(bus: Box<dyn CpuBus>) -> Cpu {
    let memory = GuestMemory::new(1 << 20).expect("a megabyte can be mapped");
    Cpu::new(memory, bus, Arc::new(CpuSignals::default()), Arc::new(CpuModel::default()))
}

/// A processor in real mode with CS, DS, ES and SS at 0 and RIP at [`CODE`].
pub(crate) fn cpu16() -> Cpu {
    let mut cpu = cpu_with_bus(Box::new(OpenBus));
    for seg in &mut cpu.state.segs[..6] {
        *seg = Segment::real(0, 0);
    }
    cpu.state.rip = CODE;
    cpu.state.regs[crate::gpr::RSP] = STACK;
    cpu.sync();
    cpu
}

fn flat(extra: u16, selector: u16) -> Segment {
    let attr = attr::P | attr::S | attr::RW | attr::ACCESSED | attr::G | extra;
    Segment { base: 0, limit: u32::MAX, attr, selector }
}

/// A processor in 32-bit protected mode, flat segments, CPL 0, no paging.
pub(crate) fn cpu32() -> Cpu {
    let mut cpu = cpu16();
    cpu.state.cr0 |= Cr0::PE | Cr0::NE;
    for seg in &mut cpu.state.segs[..6] {
        *seg = flat(attr::DB, 0x10);
    }
    cpu.state.segs[SegReg::Cs as usize] = flat(attr::DB | attr::CODE, 8);
    cpu.state.cr4 |= Cr4::OSFXSR | Cr4::OSXMMEXCPT;
    cpu.sync();
    cpu
}

/// A processor in 64-bit mode, CPL 0, the first gigabyte mapped one to one.
pub(crate) fn cpu64() -> Cpu {
    let mut cpu = cpu32();
    let entry = |at: u64, value: u64| cpu.memory.write_bytes(Gpa(at), &value.to_le_bytes()).expect("RAM");
    entry(PAGE_TABLES, (PAGE_TABLES + 0x1000) | 7);
    entry(PAGE_TABLES + 0x1000, 0x87);
    cpu.state.cr3 = PAGE_TABLES;
    cpu.state.cr4 |= Cr4::PAE;
    cpu.state.efer |= Efer::LME | Efer::LMA | Efer::NXE | Efer::SCE;
    cpu.state.cr0 |= Cr0::PG | Cr0::WP;
    cpu.state.segs[SegReg::Cs as usize] = flat(attr::L | attr::CODE, 8);
    cpu.sync();
    cpu
}

/// Puts `code` at [`CODE`] and runs `count` instructions from there.
pub(crate) fn run(cpu: &mut Cpu, code: &[u8], count: u64) -> Exit {
    cpu.memory.write_bytes(Gpa(CODE), code).expect("the code fits");
    cpu.state.rip = CODE;
    Interpreter::new().run(cpu, count)
}

/// Puts bytes into RAM.
pub(crate) fn put(cpu: &Cpu, at: u64, bytes: &[u8]) {
    cpu.memory.write_bytes(Gpa(at), bytes).expect("the bytes fit");
}

/// Runs `count` instructions from where RIP is.
pub(crate) fn go(cpu: &mut Cpu, count: u64) -> Exit {
    Interpreter::new().run(cpu, count)
}

/// Selectors of the descriptors that [`Tables::install`] makes.
pub(crate) const KERNEL_CODE: u16 = 0x08;
pub(crate) const KERNEL_DATA: u16 = 0x10;
pub(crate) const KERNEL64: u16 = 0x18;
pub(crate) const USER_CODE: u16 = 0x20;
pub(crate) const USER_DATA: u16 = 0x28;
pub(crate) const USER64: u16 = 0x30;
/// The TSS; 16 bytes in long mode.
pub(crate) const TASK: u16 = 0x38;
/// The first selector that tests may use for themselves.
pub(crate) const FREE: u16 = 0x48;

pub(crate) const GDT: u64 = 0x2000;
pub(crate) const IDT: u64 = 0x3000;
pub(crate) const TSS: u64 = 0x4000;
/// Where tests put a handler.
pub(crate) const HANDLER: u64 = 0x5000;
/// ESP0 or RSP0.
pub(crate) const RING0_STACK: u64 = 0x6800;

pub(crate) const INT_GATE: u8 = 14;
pub(crate) const TRAP_GATE: u8 = 15;

/// Packs a segment descriptor; `attr` as [`glassbox_x86_spec::segment`] has it.
pub(crate) fn descriptor(base: u32, limit: u32, attr: u16) -> u64 {
    let (base, limit) = (u64::from(base), u64::from(limit));
    limit & 0xFFFF
        | (limit >> 16 & 0xF) << 48
        | (base & 0xFF_FFFF) << 16
        | (base >> 24) << 56
        | u64::from(attr) << 40
}

/// A GDT with flat segments of both rings, a TSS and an empty IDT.
pub(crate) struct Tables;

impl Tables {
    pub(crate) fn new() -> Self {
        Self
    }

    /// Writes the tables and loads GDTR, IDTR, TR, CS and SS for the mode that
    /// `cpu` is in.
    pub(crate) fn install(self, cpu: &mut Cpu) {
        let long = cpu.state.long_mode();
        let all = attr::P | attr::S | attr::RW | attr::ACCESSED | attr::G;
        let ring3 = 3 << 5;
        for (selector, extra) in [
            (KERNEL_CODE, attr::CODE | attr::DB),
            (KERNEL_DATA, attr::DB),
            (KERNEL64, attr::CODE | attr::L),
            (USER_CODE, attr::CODE | attr::DB | ring3),
            (USER_DATA, attr::DB | ring3),
            (USER64, attr::CODE | attr::L | ring3),
        ] {
            set_descriptor(cpu, selector, descriptor(0, 0xF_FFFF, all | extra));
        }
        set_descriptor(cpu, TASK, descriptor(TSS as u32, 0x67, attr::P | 11));
        cpu.state.gdtr = crate::DescriptorTable { base: GDT, limit: 0xFFF };
        cpu.state.idtr = crate::DescriptorTable { base: IDT, limit: 0xFFF };
        cpu.state.tr = Segment { base: TSS, limit: 0x67, attr: attr::P | 11, selector: TASK };
        if long {
            put(cpu, TSS + 4, &RING0_STACK.to_le_bytes());
            cpu.state.segs[SegReg::Cs as usize].selector = KERNEL64;
        } else {
            put(cpu, TSS + 4, &(RING0_STACK as u32).to_le_bytes());
            put(cpu, TSS + 8, &KERNEL_DATA.to_le_bytes());
        }
        cpu.sync();
    }
}

/// Writes one descriptor to the GDT.
pub(crate) fn set_descriptor(cpu: &Cpu, selector: u16, raw: u64) {
    put(cpu, GDT + u64::from(selector & !7), &raw.to_le_bytes());
}

/// Packs the first eight bytes of a gate.
pub(crate) fn gate(selector: u16, offset: u64, kind: u8, dpl: u8, low5: u8) -> u64 {
    offset & 0xFFFF
        | u64::from(selector) << 16
        | u64::from(low5) << 32
        | u64::from(0x80 | dpl << 5 | kind) << 40
        | (offset >> 16 & 0xFFFF) << 48
}

/// Writes a 64-bit IDT entry of DPL 3.
pub(crate) fn gate64(cpu: &Cpu, vector: u8, selector: u16, offset: u64, kind: u8, ist: u8) {
    let at = IDT + u64::from(vector) * 16;
    put(cpu, at, &gate(selector, offset, kind, 3, ist).to_le_bytes());
    put(cpu, at + 8, &(offset >> 32).to_le_bytes());
}

/// Writes an 8-byte IDT entry.
pub(crate) fn gate32(cpu: &Cpu, vector: u8, selector: u16, offset: u64, kind: u8, dpl: u8) {
    put(cpu, IDT + u64::from(vector) * 8, &gate(selector, offset, kind, dpl, 0).to_le_bytes());
}

/// Puts the processor into 64-bit user mode, IF set.
pub(crate) fn enter_ring3_64(cpu: &mut Cpu) {
    enter_ring3(cpu, flat(attr::L | attr::CODE | 3 << 5, USER64 | 3));
}

/// Puts the processor into 32-bit user mode, IF set.
pub(crate) fn enter_ring3_32(cpu: &mut Cpu) {
    enter_ring3(cpu, flat(attr::DB | attr::CODE | 3 << 5, USER_CODE | 3));
}

fn enter_ring3(cpu: &mut Cpu, code: Segment) {
    for seg in &mut cpu.state.segs[..6] {
        *seg = flat(attr::DB | 3 << 5, USER_DATA | 3);
    }
    cpu.state.segs[SegReg::Cs as usize] = code;
    cpu.state.cpl = 3;
    cpu.state.system_flags |= glassbox_x86_spec::control::Flags::IF;
    cpu.sync();
}

/// The faults that running `code` ends in a shutdown with, oldest first: the
/// IDT is unusable, so that every fault shows. The first is that of the code.
pub(crate) fn faults(cpu: &mut Cpu, code: &[u8]) -> Vec<(u8, Option<u32>)> {
    cpu.state.idtr.limit = 0;
    cpu.fault_chain.clear();
    cpu.state.activity = crate::Activity::Active;
    run(cpu, code, 16);
    cpu.fault_chain.iter().map(|fault| (fault.vector, fault.error)).collect()
}

/// The fault that running `code` raises, `None` if 16 instructions passed.
pub(crate) fn fault(cpu: &mut Cpu, code: &[u8]) -> Option<(u8, Option<u32>)> {
    faults(cpu, code).first().copied()
}

/// An instruction with a selector and offset: far JMP (EAh) or CALL (9Ah) to
/// ptr16:32.
pub(crate) fn far(opcode: u8, selector: u16, offset: u32) -> Vec<u8> {
    let mut code = vec![opcode];
    code.extend(offset.to_le_bytes());
    code.extend(selector.to_le_bytes());
    code
}

/// What a [`log_bus`] was written.
pub(crate) type Log = Arc<Mutex<Vec<u8>>>;

/// A bus that keeps what is written to port E9h, and what it keeps it in.
pub(crate) fn log_bus() -> (Box<dyn CpuBus>, Log) {
    let log = Log::default();
    (Box::new(LogBus(Arc::clone(&log))), log)
}

struct LogBus(Log);

impl CpuBus for LogBus {
    fn port_write(&mut self, port: u16, _: u8, value: u32) {
        if port == 0xE9 {
            self.0.lock().expect("no other user panicked").push(value as u8);
        }
    }
}

/// Runs one instruction, which must not fault.
pub(crate) fn one(cpu: &mut Cpu, code: &[u8]) {
    assert_eq!(run(cpu, code, 1), Exit::Budget, "{:?}", cpu.fault_chain);
    assert!(cpu.fault_chain.is_empty(), "{:?}", cpu.fault_chain);
}

/// Runs one instruction and returns the vector it raised.
pub(crate) fn raised(cpu: &mut Cpu, code: &[u8]) -> u8 {
    run(cpu, code, 1);
    cpu.fault_chain.front().expect("the instruction faults").vector
}
