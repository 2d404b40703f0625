//! What firmware and a boot loader would have done by the time the kernel runs.

use crate::board::Board;
use crate::{BiosImage, BootFile, BootSector, BootSource, FlatImage, Kernel, MachineError};
use glassbox_boot::{BootRequest, EntryMode, EntryState, SegmentKind, SegmentState};
use glassbox_cpu::{Activity, Cpu, DescriptorTable, SegReg, Segment, gpr};
use glassbox_memory::{Gpa, GuestMemory, PAGE_SIZE};
use glassbox_tables::Installed;
use glassbox_x86_spec::control::{Cr0, Cr4, Efer, Flags};
use glassbox_x86_spec::segment as attr;

/// C0000000h to FFFFFFFFh, where devices are: uncached by the MTRRs.
pub(crate) const DEVICES_START: u64 = 0xC000_0000;

const ONE_MIB: u64 = 1 << 20;
const FOUR_GIB: u64 = 1 << 32;

/// How a BIOS leaves the chipset: PCI interrupts A and B on IRQ 10, C and D on
/// IRQ 11, both level triggered; C0000h to FFFFFh are RAM; both IDE
/// channels are decoded.
const BIOS_PORT_WRITES: [(u16, u8, u32); 11] = [
    (CONFIG_ADDRESS, 4, 0x8000_0860),
    (CONFIG_DATA, 4, 0x0B0B_0A0A),
    (0x4D1, 1, 0x0C),
    (CONFIG_ADDRESS, 4, 0x8000_0058),
    (CONFIG_DATA + 1, 1, 0x30),
    (CONFIG_DATA + 2, 2, 0x3333),
    (CONFIG_ADDRESS, 4, 0x8000_005C),
    (CONFIG_DATA, 4, 0x3333_3333),
    (CONFIG_ADDRESS, 4, 0x8000_0940),
    (CONFIG_DATA, 4, 0x8000_8000),
    (CONFIG_ADDRESS, 4, 0),
];
/// The IRQs of PCI interrupts A to D, as the routing registers above have them.
const PIRQ_IRQS: [u8; 4] = [10, 10, 11, 11];
const CONFIG_ADDRESS: u16 = 0xCF8;
const CONFIG_DATA: u16 = 0xCFC;

/// Leaves processor and board as a BIOS does before it boots.
pub(crate) fn leave_firmware_state(cpu: &mut Cpu, board: &mut Board) {
    if let Some(apic) = board.interrupts.lapics.first_mut() {
        apic.set_virtual_wire_mode();
    }
    for (port, size, value) in BIOS_PORT_WRITES {
        board.port_write(port, size, value);
    }
    board.place_windows(PIRQ_IRQS);
    board.devices.dma.set_up_cascade();
    board.interrupts.settle();
    cpu.set_firmware_mtrrs(DEVICES_START);
    cpu.set_a20(true);
}

/// Puts into memory what boots after the built-in BIOS's POST, and the processor at
/// its entry; `installed` is what POST left for kernels, and there may be a VGA with
/// text on its screen.
pub(crate) fn load(
    cpu: &mut Cpu,
    source: &BootSource,
    installed: Option<&Installed>,
    text_screen: bool,
) -> Result<(), MachineError> {
    match source {
        BootSource::Kernel(kernel) => load_kernel(cpu, kernel, installed, text_screen),
        BootSource::Sector(sector) => load_sector(cpu, sector),
        BootSource::Flat(_) | BootSource::Bios(_) | BootSource::BuiltIn(_) | BootSource::Firmware(_) => {
            Ok(())
        }
    }
}

/// Maps firmware below 4 GiB, and its end below 1 MiB; once for a machine.
pub(crate) fn map_firmware(memory: &GuestMemory, image: &[u8]) -> Result<(), MachineError> {
    let size = image.len();
    if size == 0 || size > BiosImage::LARGEST || !(size as u64).is_multiple_of(PAGE_SIZE) {
        return Err(MachineError::FirmwareSize(size as u64));
    }
    map_chip(memory, image)
}

fn map_chip(memory: &GuestMemory, image: &[u8]) -> Result<(), MachineError> {
    let low = &image[image.len().saturating_sub(BiosImage::LOW_WINDOW)..];
    memory.map_rom(Gpa(FOUR_GIB - image.len() as u64), image)?;
    memory.map_rom(Gpa(ONE_MIB - low.len() as u64), low)?;
    Ok(())
}

/// Maps a BIOS image below 4 GiB and below 1 MiB; once for a machine.
pub(crate) fn map_bios(memory: &GuestMemory, BiosImage(image): &BiosImage) -> Result<(), MachineError> {
    let size = image.len();
    if size == 0 || size > BiosImage::LARGEST || !size.is_multiple_of(BiosImage::UNIT) {
        return Err(MachineError::BiosSize(size));
    }
    map_chip(memory, image)
}

/// Puts a boot sector where a BIOS does and enters it.
fn load_sector(cpu: &mut Cpu, BootSector(sector): &BootSector) -> Result<(), MachineError> {
    cpu.memory.write_bytes(Gpa(BootSector::ADDRESS.into()), &sector[..])?;
    let state = &mut cpu.state;
    state.regs[gpr::RDX] = BootSector::DRIVE.into();
    state.regs[gpr::RSP] = BootSector::ADDRESS.into();
    for seg in [SegReg::Ds, SegReg::Es, SegReg::Ss] {
        let segment = &mut state.segs[seg as usize];
        (segment.selector, segment.base) = (0, 0);
    }
    enter_real_mode(cpu, BootSector::ADDRESS);
    Ok(())
}

/// Puts a flat image into memory and the processor, in real mode, at its first byte.
pub(crate) fn load_flat(cpu: &mut Cpu, flat: &FlatImage) -> Result<(), MachineError> {
    if u64::from(flat.address) >= ONE_MIB {
        return Err(MachineError::FlatTooHigh(flat.address));
    }
    cpu.memory.write_bytes(Gpa(flat.address.into()), &flat.image)?;
    cpu.state.regs[gpr::RBX] = flat.ebx.into();
    enter_real_mode(cpu, flat.address);
    Ok(())
}

/// The processor in real mode at a physical address below 1 MiB, in the segment
/// that begins at a multiple of 64 KiB.
fn enter_real_mode(cpu: &mut Cpu, address: u32) {
    let state = &mut cpu.state;
    state.rip = u64::from(address & 0xFFFF);
    // Firmware has caches on; reset has them off.
    state.cr0 = Cr0::ET;
    let code = attr::P | attr::S | attr::CODE | attr::RW | attr::ACCESSED;
    let selector = (address >> 4 & 0xF000) as u16;
    state.segs[SegReg::Cs as usize] = Segment { attr: code, ..Segment::real(selector, 0) };
    cpu.sync();
}

/// Puts a kernel into memory and the processor at its entry.
fn load_kernel(
    cpu: &mut Cpu,
    kernel: &Kernel,
    installed: Option<&Installed>,
    text_screen: bool,
) -> Result<(), MachineError> {
    let image = kernel.image.read()?;
    let initrd = kernel.initrd.as_ref().map(BootFile::read).transpose()?;
    let files = kernel.modules.iter().map(|module| module.image.read()).collect::<Result<Vec<_>, _>>()?;
    let strings = kernel.modules.iter().map(|module| &module.cmdline[..]);
    let modules: Vec<_> =
        files.iter().zip(strings).map(|(image, cmdline)| glassbox_boot::Module { image, cmdline }).collect();
    let entry = glassbox_boot::load(
        &cpu.memory,
        &BootRequest {
            kernel: &image,
            name: &kernel.name,
            initrd: initrd.as_deref(),
            modules: &modules,
            cmdline: &kernel.cmdline,
            rsdp: installed.map(|tables| tables.rsdp),
            e820: installed.map_or(&[], |tables| &tables.e820),
            text_screen,
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
    let real = attr::P | attr::S | attr::RW | attr::ACCESSED;
    let flat = real | attr::G;
    let attr = match from.kind {
        SegmentKind::Code16 => real | attr::CODE,
        SegmentKind::Data16 => real,
        SegmentKind::Code32 => flat | attr::CODE | attr::DB,
        SegmentKind::Code64 => flat | attr::CODE | attr::L,
        SegmentKind::Data => flat | attr::DB,
        SegmentKind::BusyTss => attr::P | u16::from(attr::system::TSS_BUSY),
    };
    Segment { base: from.base, limit: from.limit, attr, selector: from.selector }
}
