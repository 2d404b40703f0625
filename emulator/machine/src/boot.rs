//! What firmware and a boot loader would have done by the time the kernel runs.

use crate::board::Board;
use crate::{Kernel, MachineError};
use glassbox_boot::{BootRequest, EntryMode, EntryState, SegmentKind, SegmentState};
use glassbox_cpu::{Activity, Cpu, DescriptorTable, SegReg, Segment};
use glassbox_tables::TablesConfig;
use glassbox_x86_spec::control::{Cr0, Cr4, Efer, Flags};
use glassbox_x86_spec::segment as attr;

/// MTRRs and fixed ranges enabled, write-back by default (Intel SDM Vol. 3A 12.11.2.1).
const MTRR_DEFAULT: u64 = 0xC06;
const MTRR_WRITE_BACK: u64 = 0x0606_0606_0606_0606;
const MTRR_UNCACHEABLE: u64 = 0;
/// The fixed range registers of A0000h to BFFFFh: the VGA window.
const MTRR_FIXED_VGA: usize = 2;
/// C0000000h to FFFFFFFFh, where devices are: uncacheable.
const MTRR_DEVICES_BASE: u64 = 0xC000_0000;
const MTRR_DEVICES_MASK: u64 = 0xFF_C000_0800;

/// Leaves processor and board as a BIOS does before it boots.
pub(crate) fn leave_firmware_state(cpu: &mut Cpu, board: &mut Board) {
    if let Some(apic) = board.interrupts.lapics.first_mut() {
        apic.set_virtual_wire_mode();
    }
    board.interrupts.settle();
    let msr = &mut cpu.state.msr;
    msr.mtrr_def_type = MTRR_DEFAULT;
    msr.mtrr_fixed = [MTRR_WRITE_BACK; 11];
    msr.mtrr_fixed[MTRR_FIXED_VGA] = MTRR_UNCACHEABLE;
    msr.mtrr_variable[0] = MTRR_DEVICES_BASE;
    msr.mtrr_variable[1] = MTRR_DEVICES_MASK;
    cpu.state.a20 = true;
}

/// Puts ACPI tables and kernel into memory and the processor at its entry.
pub(crate) fn load_kernel(cpu: &mut Cpu, kernel: &Kernel) -> Result<(), MachineError> {
    let tables = TablesConfig { hpet: None, ..TablesConfig::new(vec![0]) };
    let installed = glassbox_tables::install(&cpu.memory, &tables)?;
    let entry = glassbox_boot::load(
        &cpu.memory,
        &BootRequest {
            kernel: &kernel.image,
            initrd: kernel.initrd.as_deref(),
            cmdline: &kernel.cmdline,
            rsdp: Some(installed.rsdp),
            e820: &installed.e820,
        },
    )?;
    apply(cpu, &entry);
    Ok(())
}

/// Puts the processor into the state that the kernel is entered in.
fn apply(cpu: &mut Cpu, entry: &EntryState) {
    let state = &mut cpu.state;
    state.regs[..16].copy_from_slice(&entry.gprs);
    state.rip = entry.entry;
    state.set_rflags(Flags::from_bits_truncate(entry.rflags as u32));
    state.cr0 = Cr0::from_bits_truncate(entry.cr0);
    state.cr4 = Cr4::from_bits_truncate(entry.cr4);
    state.efer = Efer::from_bits_truncate(entry.efer);
    if let EntryMode::Long { cr3 } = entry.mode {
        state.cr3 = cr3.0;
    }
    state.gdtr = DescriptorTable { base: entry.gdt.base, limit: entry.gdt.limit };
    state.idtr = DescriptorTable { base: entry.idt.base, limit: entry.idt.limit };
    for seg in [SegReg::Ds, SegReg::Es, SegReg::Fs, SegReg::Gs, SegReg::Ss] {
        state.segs[seg as usize] = segment(&entry.data);
    }
    state.segs[SegReg::Cs as usize] = segment(&entry.cs);
    state.tr = segment(&entry.tr);
    state.ldtr = Segment::default();
    state.cpl = 0;
    state.activity = Activity::Active;
    cpu.sync();
}

fn segment(from: &SegmentState) -> Segment {
    let flat = attr::P | attr::S | attr::RW | attr::ACCESSED | attr::G;
    let attr = match from.kind {
        SegmentKind::Code32 => flat | attr::CODE | attr::DB,
        SegmentKind::Code64 => flat | attr::CODE | attr::L,
        SegmentKind::Data => flat | attr::DB,
        SegmentKind::BusyTss => attr::P | u16::from(attr::system::TSS_BUSY),
    };
    Segment { base: from.base, limit: from.limit, attr, selector: from.selector }
}
