//! The built-in BIOS on this machine: the port that its stubs write to, and
//! what its services see of processor and board.

use crate::board::Placed;
use crate::bus::processor::lock;
use crate::clock::MachineClock;
use crate::{BiosImage, BootSource, DriveInterface, DriveMedia, Machine, MachineError, boot};
use glassbox_cpu::{Cpu, CpuState, Exception, SegReg, gpr};
use glassbox_device_api::{AccessSize, Device, PortIo, PortWindow, ResetKind, VmTime};
use glassbox_display::Edid;
use glassbox_memory::Gpa;
use glassbox_services::rom::TRAP_PORT;
use glassbox_services::{
    Bios, BiosConfig, BiosHost, Drive, DriveBus, DriveKind, GuestFault, Processors, Register, Registers,
    SegmentRegister, Served,
};
use glassbox_tables::{E820Entry, Installed, TablesConfig, pc_memory_map};
use glassbox_x86_spec::control::{Cr0, Flags};

/// The port that stubs write to. The engine is left behind the `OUT`, which ends
/// a block, before it looks at interrupts: nothing runs in between.
#[derive(Debug, Default)]
pub(crate) struct ServicePort {
    called: bool,
}

impl ServicePort {
    /// Where the port is.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: TRAP_PORT as u16, len: 1, offset: 0 }];

    /// Whether a stub has called.
    pub fn called(&self) -> bool {
        self.called
    }

    /// Takes the call.
    pub fn take(&mut self) -> bool {
        std::mem::take(&mut self.called)
    }
}

impl Device for ServicePort {
    fn name(&self) -> &'static str {
        "bios-services"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.called = false;
    }
}

impl PortIo for ServicePort {
    fn port_read(&mut self, _offset: u16, size: AccessSize) -> u32 {
        size.mask() as u32
    }

    fn port_write(&mut self, _offset: u16, _size: AccessSize, _value: u32) {
        self.called = true;
    }
}

/// What the tables say that a processor has: FPU, machine checks, CMPXCHG8B, a
/// local APIC (CPUID leaf 1, EDX). The MP specification asks for no more.
pub(crate) const PROCESSOR_FEATURES: u32 = 1 | 1 << 7 | 1 << 8 | 1 << 9;

/// The BIOS of a machine.
pub(crate) struct BuiltIn {
    bios: Bios,
    tables: TablesConfig,
    /// What POST installed of them.
    installed: Option<Installed>,
}

/// A drive as the services have it.
fn drive(placed: &Placed) -> Drive {
    let config = &placed.config;
    let kind = match config.media {
        DriveMedia::Disk => DriveKind::Disk,
        DriveMedia::Cdrom => DriveKind::CdRom,
        DriveMedia::Floppy => DriveKind::Floppy,
    };
    let mut drive = Drive::new(kind, config.name.clone(), config.source.client());
    drive.boot_index = config.boot_index;
    let Some(function) = placed.function else { return drive };
    let pci = u16::from(function.slot()) << 3 | u16::from(function.function());
    drive.on(match config.interface {
        DriveInterface::Ide { channel, unit } => DriveBus::Ata { pci, channel, device: unit },
        DriveInterface::Ahci { port } => DriveBus::Pci { pci, unit: port.into() },
        _ => DriveBus::Pci { pci, unit: 0 },
    })
}

impl BuiltIn {
    /// A BIOS for what is to boot, with the board's drives, for processors with
    /// this signature.
    pub fn new(source: &BootSource, placed: &[Placed], tables: TablesConfig, signature: u32) -> Self {
        let processors = Processors {
            apic_ids: tables.processors.iter().filter_map(|id| u8::try_from(*id).ok()).collect(),
            ioapic_id: tables.ioapic_id,
            signature,
            features: PROCESSOR_FEATURES,
        };
        let mut placed: Vec<&Placed> = placed.iter().collect();
        placed.sort_by_key(|placed| placed.config.interface);
        let config = BiosConfig {
            boot_order: match source {
                BootSource::BuiltIn(setup) => setup.boot_order.clone(),
                _ => Vec::new(),
            },
            drives: placed.into_iter().map(drive).collect(),
            processors,
            host_boots: !matches!(source, BootSource::BuiltIn(_)),
        };
        let mut bios = Bios::new(config);
        bios.set_edid(*Edid::default().bytes());
        Self { bios, tables, installed: None }
    }

    /// The ROM.
    pub fn image(&self) -> BiosImage {
        BiosImage(self.bios.rom().image().to_vec())
    }

    /// Power-on, or the reset line: the next POST is a whole one.
    pub fn power_on(&mut self) {
        self.bios.power_on();
    }
}

/// Processor and board as a service sees them.
struct Host<'a> {
    cpu: &'a mut Cpu,
    clock: &'a MachineClock,
    tables: &'a TablesConfig,
    installed: &'a mut Option<Installed>,
    /// The fault that a [`GuestFault`] stands for.
    fault: Option<Exception>,
}

impl Host<'_> {
    fn keep(&mut self, fault: Exception) -> GuestFault {
        self.fault = Some(fault);
        GuestFault
    }
}

impl BiosHost for Host<'_> {
    fn read(&mut self, linear: u32, to: &mut [u8]) -> Result<(), GuestFault> {
        self.cpu.load_for_program(linear.into(), to).map_err(|fault| self.keep(fault))
    }

    fn write(&mut self, linear: u32, from: &[u8]) -> Result<(), GuestFault> {
        self.cpu.store_for_program(linear.into(), from).map_err(|fault| self.keep(fault))
    }

    fn read_physical(&mut self, at: u64, to: &mut [u8]) -> bool {
        self.cpu.memory.read_bytes(Gpa(at), to).is_ok()
    }

    fn write_physical(&mut self, at: u64, from: &[u8]) -> bool {
        self.cpu.memory.write_bytes(Gpa(at), from).is_ok()
    }

    fn port_read(&mut self, port: u16, size: u8) -> u32 {
        let value = self.cpu.bus.port_read(port, size);
        self.cpu.follow_memory_map();
        value
    }

    fn port_write(&mut self, port: u16, size: u8, value: u32) {
        self.cpu.bus.port_write(port, size, value);
        self.cpu.follow_memory_map();
    }

    fn now(&self) -> VmTime {
        self.clock.now()
    }

    fn prepare(&mut self) -> Vec<E820Entry> {
        self.cpu.state.cr0 = Cr0::ET;
        self.cpu.set_firmware_mtrrs(boot::DEVICES_START);
        match glassbox_tables::install(&self.cpu.memory, self.tables) {
            Ok(installed) => self.installed.insert(installed).e820.clone(),
            Err(error) => {
                log::warn!("no ACPI tables: {error}");
                pc_memory_map(self.cpu.memory.low_ram_size(), self.cpu.memory.high_ram_size(), &[])
            }
        }
    }
}

impl Machine {
    /// A stub of the ROM wrote to the port: RIP is behind the `OUT`.
    ///
    /// # Errors
    /// [`MachineError`] where POST is over, and what is to boot then cannot be loaded.
    pub(crate) fn serve_bios(&mut self) -> Result<(), MachineError> {
        let Some(built_in) = &mut self.bios else { return Ok(()) };
        if self.cpu.state.long_mode() {
            return Ok(());
        }
        let before = registers(&self.cpu.state);
        let mut after = before;
        let BuiltIn { bios, tables, installed } = built_in;
        let mut host = Host { cpu: &mut self.cpu, clock: &self.clock, tables, installed, fault: None };
        let served = bios.serve(&mut after, &mut host);
        let fault = host.fault;
        apply(&mut self.cpu, &before, &after);
        match (served, fault) {
            (Ok(Served::HandOver), _) => self.boot_program(),
            (Err(GuestFault), Some(fault)) => {
                self.cpu.deliver_fault(fault);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// POST is over: loads what the host boots, and enters it.
    fn boot_program(&mut self) -> Result<(), MachineError> {
        let installed = self.bios.as_ref().and_then(|bios| bios.installed.as_ref());
        let text_screen = lock(&self.board).devices.vga.is_some();
        boot::load(&mut self.cpu, &self.source, installed, text_screen)
    }
}

/// General-purpose registers in the order in which instructions number them.
fn general(regs: &mut Registers) -> [&mut Register; 8] {
    let Registers { ax, bx, cx, dx, si, di, bp, sp, .. } = regs;
    [ax, cx, dx, bx, sp, bp, si, di]
}

fn registers(state: &CpuState) -> Registers {
    let segment = |which: SegReg| {
        let segment = state.seg(which);
        SegmentRegister { selector: segment.selector, base: segment.base as u32 }
    };
    let mut regs = Registers {
        ip: state.rip as u32,
        flags: state.rflags().bits(),
        cs: segment(SegReg::Cs),
        ds: segment(SegReg::Ds),
        es: segment(SegReg::Es),
        ss: segment(SegReg::Ss),
        ..Registers::default()
    };
    for (to, from) in general(&mut regs).into_iter().zip(&state.regs[gpr::RAX..=gpr::RDI]) {
        to.0 = *from as u32;
    }
    regs
}

/// Gives the processor what the service changed.
fn apply(cpu: &mut Cpu, before: &Registers, after: &Registers) {
    let state = &mut cpu.state;
    let mut values = *after;
    for (to, from) in state.regs[gpr::RAX..=gpr::RDI].iter_mut().zip(general(&mut values)) {
        *to = *to & !0xFFFF_FFFF | u64::from(from.0);
    }
    state.rip = after.ip.into();
    if before.flags != after.flags {
        state.set_rflags(Flags::from_bits_truncate(after.flags));
    }
    let segments = [
        (SegReg::Cs, before.cs, after.cs),
        (SegReg::Ds, before.ds, after.ds),
        (SegReg::Es, before.es, after.es),
        (SegReg::Ss, before.ss, after.ss),
    ];
    for (which, old, new) in segments {
        if old == new {
            continue;
        }
        if state.protected() {
            log::debug!("a BIOS service for protected mode changed a segment register");
            continue;
        }
        // Limit and attributes stay, as with a load in real mode.
        let segment = &mut state.segs[which as usize];
        (segment.selector, segment.base) = (new.selector, new.base.into());
    }
    cpu.sync();
    cpu.signals.request_attention();
}
