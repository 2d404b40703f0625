//! Putting the board together: which device is where and what its wires lead to.

use super::devices::DebugConsole;
use super::{Board, Devices, Input, MmioDevice, PortDevice};
use crate::MachineError;
use crate::bus::{MmioMap, PortMap};
use crate::clock::TSC_HZ;
use crate::interrupts::Interrupts;
use crate::stats::DeviceStats;
use glassbox_chipset::ioapic::IOAPIC_BASE;
use glassbox_chipset::{
    AcpiPm, DebugExit, ExitRequest, LocalApic, LocalApicConfig, Pic, Pit, PostCode, ResetControl,
    SystemControlA,
};
use glassbox_cpu::CpuSignals;
use glassbox_device_api::{CharBackend, InterruptQueue, PortWindow, VmClock};
use glassbox_serial::Uart16550;
use std::sync::Arc;

/// First port and ISA interrupt of COM1 and COM2.
const COM: [(u16, u8); 2] = [(0x3F8, 4), (0x2F8, 3)];
const UART_PORTS: u16 = 8;
const TIMER_IRQ: u8 = 0;
const SCI_IRQ: u8 = 9;
const FERR_IRQ: u8 = 13;
const IOAPIC_SIZE: u64 = 0x1000;
/// MAXPHYADDR that the processors report.
const PHYSICAL_ADDRESS_BITS: u8 = 40;

/// What a board is built from.
pub(crate) struct Parts {
    pub clock: VmClock,
    pub processors: Vec<Arc<CpuSignals>>,
    pub serial: [Option<Box<dyn CharBackend>>; 2],
    pub debug_console: Option<Box<dyn CharBackend>>,
    pub debug_exit: Option<u16>,
}

impl Board {
    /// Builds the board.
    ///
    /// # Errors
    /// [`MachineError::PortTaken`] where the exit device is put onto another.
    pub fn new(parts: Parts) -> Result<Self, MachineError> {
        let Parts { clock, processors, serial, debug_console, debug_exit } = parts;
        let mut interrupts =
            Interrupts::new(InterruptQueue::new(), local_apics(&clock, processors.len()), processors.clone());
        let wires = &mut interrupts.wires;
        let mut com = 0;
        let uarts = serial.map(|backend| {
            let irq = COM[com].1;
            com += 1;
            backend.map(|b| Uart16550::new(clock.clone(), wires.connect(Input::Isa(irq)), b))
        });
        let exit_request = ExitRequest::new();
        let devices = Devices {
            pit: Pit::new(clock.clone(), wires.connect(Input::Isa(TIMER_IRQ)), wires.connect(Input::Nmi)),
            acpi_pm: AcpiPm::new(clock.clone(), wires.connect(Input::Isa(SCI_IRQ))),
            system_control: SystemControlA::new(wires.connect(Input::Init), wires.connect(Input::A20)),
            reset_control: ResetControl::new(wires.connect(Input::Init), wires.connect(Input::Reset)),
            post_code: PostCode::new(),
            uarts,
            debug_exit: debug_exit.map(|_| DebugExit::new(exit_request.clone())),
            exit_request,
            debug_console: debug_console.map(DebugConsole::new),
        };
        let ferr = wires.connect(Input::Isa(FERR_IRQ));

        let ports = port_map(&devices, debug_exit)?;
        let mut mmio = MmioMap::default();
        mmio.claim(MmioDevice::IoApic, IOAPIC_BASE, IOAPIC_SIZE);
        let counts = DeviceStats::default();
        let mut board = Self { devices, interrupts, ports, mmio, ferr, processors, planned: None, counts };
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
        physical_address_bits: PHYSICAL_ADDRESS_BITS,
    };
    (0..count).map(|id| LocalApic::new(config(id), clock.clone())).collect()
}

fn port_map(devices: &Devices, debug_exit: Option<u16>) -> Result<PortMap, MachineError> {
    let mut ports = PortMap::new();
    ports.claim(PortDevice::Pic, "the interrupt controllers", &Pic::WINDOWS)?;
    ports.claim(PortDevice::Pit, "the timer", &Pit::WINDOWS)?;
    ports.claim(PortDevice::AcpiPm, "power management", &AcpiPm::WINDOWS)?;
    ports.claim(PortDevice::SystemControlA, "port 92h", &SystemControlA::WINDOWS)?;
    ports.claim(PortDevice::ResetControl, "reset control", &ResetControl::WINDOWS)?;
    ports.claim(PortDevice::PostCode, "the POST code latch", &PostCode::WINDOWS)?;
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
    if let Some(port) = debug_exit {
        let window = PortWindow { port, ..DebugExit::WINDOWS[0] };
        ports.claim(PortDevice::DebugExit, "--debug-exit", &[window])?;
    }
    Ok(ports)
}
