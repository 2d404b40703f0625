//! A bench for instruction tests: a processor, a megabyte of RAM, an open bus.

use crate::state::SegReg;
use crate::{Cpu, CpuBus, CpuModel, CpuSignals, Exit, Interpreter, Segment};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_x86_spec::control::{Cr0, Cr4, Efer};
use glassbox_x86_spec::segment as attr;
use std::sync::Arc;

/// Where test code is put.
pub(crate) const CODE: u64 = 0x1000;
/// Where tests keep data; mapped one to one.
pub(crate) const DATA: u64 = 0x8000;
/// Initial stack pointer.
pub(crate) const STACK: u64 = 0x7000;
const PAGE_TABLES: u64 = 0x8_0000;

/// A bus with nothing on it.
pub(crate) struct OpenBus;

impl CpuBus for OpenBus {
    fn mmio_read(&mut self, _: Gpa, size: u8) -> u64 {
        u64::MAX >> (64 - 8 * u32::from(size))
    }
    fn mmio_write(&mut self, _: Gpa, _: u8, _: u64) {}
    fn port_read(&mut self, _: u16, size: u8) -> u32 {
        u32::MAX >> (32 - 8 * u32::from(size))
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32) {}
    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        None
    }
    fn tsc(&mut self) -> u64 {
        0
    }
    fn apic_msr_read(&mut self, _: u32) -> Option<u64> {
        None
    }
    fn apic_msr_write(&mut self, _: u32, _: u64) -> Option<()> {
        None
    }
    fn cr8_read(&mut self) -> u8 {
        0
    }
    fn cr8_write(&mut self, _: u8) {}
}

/// A processor in real mode with CS, DS, ES and SS at 0 and RIP at [`CODE`].
pub(crate) fn cpu16() -> Cpu {
    let memory = GuestMemory::new(1 << 20).expect("a megabyte can be mapped");
    let mut cpu =
        Cpu::new(memory, Box::new(OpenBus), Arc::new(CpuSignals::default()), Arc::new(CpuModel::default()));
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
