//! Putting the board together: which device is where and what its wires lead to.

use super::devices::DebugConsole;
use super::firmware::LogConsole;
use super::storage::{Around, IDE_FUNCTION, Storage};
use super::windows::{FunctionBar, Windows};
use super::{Aperture, Board, Devices, Input, MmioDevice, PortDevice, cmos};
use crate::bios::ServicePort;
use crate::bus::{MmioMap, PortMap};
use crate::clock::TSC_HZ;
use crate::interrupts::{Interrupts, RTC_IRQ, TIMER_IRQ};
use crate::stats::DeviceStats;
use crate::{DisplayConfig, DriveConfig, MachineError};
use glassbox_chipset::acpi_pm::PM_BASE;
use glassbox_chipset::hpet::{HPET_BASE, HPET_SIZE};
use glassbox_chipset::ioapic::IOAPIC_BASE;
use glassbox_chipset::smbus::SMBUS_BASE;
use glassbox_chipset::{
    AcpiPm, Backdoor, DebugExit, Dma, ExitRequest, Hpet, HpetLines, I8042, I8042Lines, LocalApic,
    LocalApicConfig, Pic, Pit, PostCode, ResetControl, Rtc, SmbusHost, SystemControlA,
};
use glassbox_cpu::{Cpu, CpuSignals};
use glassbox_device_api::{CharBackend, InterruptQueue, PortWindow, VmClock};
use glassbox_display::{Vga, VgaConfig, VideoMemory};
use glassbox_memory::{BackingKind, GuestMemory, RamBlock};
use glassbox_pci::{FunctionAddress, HostBridge, IsaBridge, PciBus, PciDevice, PmFunction, Shared};
use glassbox_serial::Uart16550;
use glassbox_storage::floppy::Floppy;
use glassbox_storage::ide::IdeController;
use glassbox_virtio::InputKind;
use std::collections::VecDeque;
use std::sync::Arc;

/// First port and ISA interrupt of COM1 and COM2.
const COM: [(u16, u8); 2] = [(0x3F8, 4), (0x2F8, 3)];
const UART_PORTS: u16 = 8;
const KEYBOARD_IRQ: u8 = 1;
const MOUSE_IRQ: u8 = 12;
const SCI_IRQ: u8 = 9;
const FERR_IRQ: u8 = 13;
/// Where the chipset's functions are on PCI bus 0; the DSDT says the same.
const HOST_BRIDGE: FunctionAddress = FunctionAddress::new(0, 0);
const ISA_BRIDGE: FunctionAddress = FunctionAddress::new(1, 0);
const PM_FUNCTION: FunctionAddress = FunctionAddress::new(1, 3);
pub(super) const VGA_FUNCTION: FunctionAddress = FunctionAddress::new(2, 0);
/// Behind all slots of drives.
const KEYBOARD_FUNCTION: FunctionAddress = FunctionAddress::new(30, 0);
const TABLET_FUNCTION: FunctionAddress = FunctionAddress::new(31, 0);
const IOAPIC_SIZE: u64 = 0x1000;

/// What a board is built from.
pub(crate) struct Parts {
    pub clock: VmClock,
    pub processors: Vec<Arc<CpuSignals>>,
    pub serial: [Option<Box<dyn CharBackend>>; 2],
    pub debug_console: Option<Box<dyn CharBackend>>,
    pub debug_exit: Option<u16>,
    pub memory: GuestMemory,
    /// The board is one that firmware made for QEMU recognises.
    pub for_qemu: bool,
    /// What the RTC shows at power-on: seconds since 1970.
    pub rtc_seconds: i64,
    /// The built-in BIOS is there.
    pub services: bool,
    /// Controllers are there without drives, too.
    pub legacy: bool,
    pub drives: Vec<DriveConfig>,
    pub display: Option<DisplayConfig>,
    /// A keyboard and a tablet behind virtio.
    pub virtio_input: bool,
}

impl Board {
    /// Builds the board.
    ///
    /// # Errors
    /// [`MachineError::PortTaken`] where the exit device is put onto another.
    pub fn new(parts: Parts) -> Result<Self, MachineError> {
        let Parts { clock, processors, serial, debug_console, debug_exit, .. } = parts;
        let Parts { memory, for_qemu, rtc_seconds, services, legacy, drives, display, virtio_input, .. } =
            parts;
        let queue = InterruptQueue::new();
        let msi = queue.msi();
        let mut interrupts =
            Interrupts::new(queue, local_apics(&clock, processors.len()), processors.clone());
        let wires = &mut interrupts.wires;
        let mut com = 0;
        let uarts = serial.map(|backend| {
            let irq = COM[com].1;
            com += 1;
            backend.map(|b| Uart16550::new(clock.clone(), wires.connect(Input::Isa(irq)), b))
        });
        let exit_request = ExitRequest::new();
        let debug_console = debug_console.or_else(|| for_qemu.then(|| Box::new(LogConsole::default()) as _));
        let host_bridge = Shared::new(if for_qemu { HostBridge::of_qemu() } else { HostBridge::new() });
        let isa_bridge = Shared::new(IsaBridge::new());
        let mut rtc = Rtc::new(clock.clone(), wires.connect_legacy(Input::Isa(RTC_IRQ)), rtc_seconds);
        rtc.set_memory_size(memory.low_ram_size(), memory.high_ram_size());
        let hpet_lines = HpetLines {
            legacy_irq0: wires.connect(Input::Isa(TIMER_IRQ)),
            legacy_irq8: wires.connect(Input::Isa(RTC_IRQ)),
            pins: std::array::from_fn(|pin| wires.connect(Input::IoApic(pin as u8))),
        };
        let i8042_lines = I8042Lines {
            keyboard_irq: wires.connect(Input::Isa(KEYBOARD_IRQ)),
            mouse_irq: wires.connect(Input::Isa(MOUSE_IRQ)),
            reset: wires.connect(Input::Init),
            a20: wires.connect(Input::A20),
        };
        let dma = Dma::new(memory.clone());
        let mut around = Around { clock: &clock, memory: &memory, wires: &mut *wires, msi, dma: &dma };
        let keyboard = virtio_input.then(|| around.input(InputKind::Keyboard, KEYBOARD_FUNCTION)).flatten();
        let tablet = virtio_input.then(|| around.input(InputKind::Tablet, TABLET_FUNCTION)).flatten();
        let Storage { ide, floppy, functions, placed } = Storage::new(drives, legacy, around)?;
        if let (Some(ide), true) = (&ide, for_qemu) {
            ide.lock().decode_after_reset();
        }
        cmos::describe(&mut rtc, floppy.as_ref(), &placed);
        let mut windows = Windows::default();
        let (vga, video) = match display {
            Some(display) => {
                let (vga, block) = display_adapter(&clock, &memory, &display, &mut windows)?;
                (Some(Shared::new(vga)), Some(block))
            }
            None => (None, None),
        };
        let mut devices = Devices {
            pit: Pit::new(
                clock.clone(),
                wires.connect_legacy(Input::Isa(TIMER_IRQ)),
                wires.connect(Input::Nmi),
            ),
            rtc,
            hpet: Hpet::new(clock.clone(), hpet_lines),
            i8042: I8042::new(clock.clone(), i8042_lines),
            acpi_pm: AcpiPm::new(clock.clone(), wires.connect(Input::Isa(SCI_IRQ))),
            smbus: SmbusHost::new(wires.connect(Input::Isa(SCI_IRQ))),
            system_control: SystemControlA::new(wires.connect(Input::Init), wires.connect(Input::A20)),
            reset_control: ResetControl::new(wires.connect(Input::Init), wires.connect(Input::Reset)),
            post_code: PostCode::new(),
            pci: pci_bus(&host_bridge, &isa_bridge, for_qemu),
            host_bridge,
            isa_bridge,
            dma,
            backdoor: vga.is_some().then(|| Backdoor::new(TSC_HZ)),
            vga,
            ide,
            keyboard,
            tablet,
            floppy,
            uarts,
            debug_exit: debug_exit.map(|_| DebugExit::new(exit_request.clone())),
            exit_request,
            debug_console: debug_console.map(DebugConsole::new),
            services: ServicePort::default(),
            fw_cfg: None,
            flash: None,
        };
        let mut functions = functions;
        if let Some(vga) = &devices.vga {
            functions.push((VGA_FUNCTION, Box::new(vga.clone())));
        }
        if let Some(ide) = &devices.ide {
            functions.push((IDE_FUNCTION, Box::new(ide.clone())));
        }
        for (at, input) in [(KEYBOARD_FUNCTION, &devices.keyboard), (TABLET_FUNCTION, &devices.tablet)] {
            if let Some(input) = input {
                functions.push((at, Box::new(input.clone())));
            }
        }
        insert_functions(&mut devices.pci, functions);
        let ferr = wires.connect(Input::Isa(FERR_IRQ));

        let ports = port_map(&devices, debug_exit, services)?;
        let mut mmio = MmioMap::default();
        mmio.claim(MmioDevice::IoApic, IOAPIC_BASE, IOAPIC_SIZE);
        mmio.claim(MmioDevice::Hpet, HPET_BASE, HPET_SIZE);
        if devices.vga.is_some() {
            let (start, len) = Vga::APERTURE;
            mmio.claim(MmioDevice::Vga, start, len);
        }
        let counts = DeviceStats::default();
        let post_codes = VecDeque::new();
        let mut board = Self {
            devices,
            interrupts,
            memory,
            ports,
            mmio,
            ferr,
            processors,
            planned: None,
            touched: None,
            windows,
            aperture: Aperture { block: video, ..Aperture::default() },
            shadowed: None,
            drives: placed,
            counts,
            post_codes,
        };
        board.follow_pci();
        board.interrupts.settle();
        board.interrupts.requests = Default::default();
        Ok(board)
    }
}

fn local_apics(clock: &VmClock, count: usize) -> Vec<LocalApic> {
    let config = |id: usize| LocalApicConfig {
        id: id as u32,
        bsp: id == 0,
        tsc_hz: TSC_HZ,
        physical_address_bits: Cpu::PHYSICAL_BITS as u8,
    };
    (0..count).map(|id| LocalApic::new(config(id), clock.clone())).collect()
}

fn pci_bus(host_bridge: &Shared<HostBridge>, isa_bridge: &Shared<IsaBridge>, for_qemu: bool) -> PciBus {
    let pm = if for_qemu { PmFunction::without_smm } else { PmFunction::new }(PM_BASE, SMBUS_BASE);
    let mut pci = PciBus::new();
    let functions: [(FunctionAddress, Box<dyn PciDevice>); 3] = [
        (HOST_BRIDGE, Box::new(host_bridge.clone())),
        (ISA_BRIDGE, Box::new(isa_bridge.clone())),
        (PM_FUNCTION, Box::new(pm)),
    ];
    insert_functions(&mut pci, functions);
    pci
}

fn insert_functions(
    pci: &mut PciBus,
    functions: impl IntoIterator<Item = (FunctionAddress, Box<dyn PciDevice>)>,
) {
    for (at, function) in functions {
        if pci.insert(at, function).is_err() {
            log::error!("two PCI functions at {at:?}");
        }
    }
}

/// The VGA, its memory, and what is mapped straight to that.
fn display_adapter(
    clock: &VmClock,
    memory: &GuestMemory,
    display: &DisplayConfig,
    windows: &mut Windows,
) -> Result<(Vga, RamBlock), MachineError> {
    let bytes = display.memory;
    if !bytes.is_power_of_two() || !(1 << 20..=64 << 20).contains(&bytes) {
        return Err(MachineError::VideoMemory(bytes));
    }
    let block = memory.allocate(bytes.into())?;
    let framebuffer = FunctionBar { function: VGA_FUNCTION, bar: 0 };
    windows.set_memory(framebuffer, block, BackingKind::Ram);
    if !display.option_rom.is_empty() {
        // As large as its window, whose size is a power of two.
        let rom = memory.allocate(display.option_rom.len().next_power_of_two() as u64)?;
        memory.fill_at(rom.offset(), rom.len() as usize, 0xFF);
        memory.write_slice_at(rom.offset(), &display.option_rom);
        windows.set_memory(FunctionBar { function: VGA_FUNCTION, bar: 6 }, rom, BackingKind::Rom);
    }
    let video = VideoMemory::watched(memory.clone(), block);
    let config = VgaConfig { option_rom: display.option_rom.clone(), ..VgaConfig::default() };
    Ok((Vga::new(clock.clone(), video, config), block))
}

fn port_map(devices: &Devices, debug_exit: Option<u16>, services: bool) -> Result<PortMap, MachineError> {
    let mut ports = PortMap::new();
    ports.claim(PortDevice::Pic, "the interrupt controllers", &Pic::WINDOWS)?;
    ports.claim(PortDevice::Pit, "the timer", &Pit::WINDOWS)?;
    ports.claim(PortDevice::Rtc, "the real-time clock", &Rtc::WINDOWS)?;
    ports.claim(PortDevice::I8042, "the keyboard controller", &I8042::WINDOWS)?;
    ports.claim(PortDevice::Pci, "PCI configuration", &PciBus::WINDOWS)?;
    ports.claim(PortDevice::AcpiPm, "power management", &AcpiPm::WINDOWS)?;
    ports.claim(PortDevice::Smbus, "the SMBus host", &SmbusHost::WINDOWS)?;
    ports.claim(PortDevice::SystemControlA, "port 92h", &SystemControlA::WINDOWS)?;
    ports.claim(PortDevice::ResetControl, "reset control", &ResetControl::WINDOWS)?;
    ports.claim(PortDevice::PostCode, "the POST code latch", &PostCode::WINDOWS)?;
    ports.claim(PortDevice::Dma, "the DMA controllers", &Dma::WINDOWS)?;
    if devices.vga.is_some() {
        ports.claim(PortDevice::Vga, "the display", &Vga::WINDOWS)?;
    }
    if devices.ide.is_some() {
        ports.claim(PortDevice::Ide, "the IDE channels", &IdeController::WINDOWS)?;
    }
    if devices.floppy.is_some() {
        ports.claim(PortDevice::Floppy, "the floppy disk controller", &Floppy::WINDOWS)?;
    }
    for (n, (port, _)) in COM.into_iter().enumerate() {
        if devices.uarts[n].is_some() {
            let window = PortWindow { port, len: UART_PORTS, offset: 0 };
            ports.claim(PortDevice::Uart(n as u8), "a serial port", &[window])?;
        }
    }
    if devices.debug_console.is_some() {
        let window = PortWindow { port: DebugConsole::PORT, len: 1, offset: 0 };
        ports.claim(PortDevice::DebugConsole, "the debug console", &[window])?;
    }
    if services {
        ports.claim(PortDevice::Services, "the built-in BIOS", &ServicePort::WINDOWS)?;
    }
    if let Some(port) = debug_exit {
        let window = PortWindow { port, ..DebugExit::WINDOWS[0] };
        ports.claim(PortDevice::DebugExit, "--debug-exit", &[window])?;
    }
    Ok(ports)
}
