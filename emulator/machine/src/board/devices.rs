//! The devices on the board, interrupt controllers aside.

use super::windows::FunctionBar;
use crate::bios::ServicePort;
use glassbox_chipset::{
    AcpiPm, Backdoor, DebugExit, Dma, ExitRequest, Hpet, I8042, Pit, PostCode, ResetControl, Rtc, SmbusHost,
    SystemControlA,
};
use glassbox_device_api::{AccessSize, CharBackend, Device, Mmio, PortIo, ResetKind};
use glassbox_display::Vga;
use glassbox_flash::CfiFlash;
use glassbox_fw_cfg::FwCfg;
use glassbox_pci::{HostBridge, IsaBridge, PciBus, Shared};
use glassbox_serial::Uart16550;
use glassbox_storage::floppy::Floppy;
use glassbox_storage::ide::IdeController;
use glassbox_virtio::{VirtioInput, VirtioPci};

/// Who can be behind an I/O port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortDevice {
    Pic,
    Pit,
    Rtc,
    I8042,
    AcpiPm,
    Smbus,
    Pci,
    SystemControlA,
    ResetControl,
    PostCode,
    /// COM1 is 0.
    Uart(u8),
    Dma,
    Vga,
    Ide,
    Floppy,
    /// A window of a PCI function.
    PciBar(FunctionBar),
    DebugExit,
    DebugConsole,
    /// What the stubs of the built-in BIOS write to.
    Services,
    FwCfg,
}

/// Who can be behind a physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MmioDevice {
    IoApic,
    Hpet,
    /// A0000h to BFFFFh.
    Vga,
    /// A window of a PCI function.
    PciBar(FunctionBar),
    Flash,
}

/// The devices.
pub(crate) struct Devices {
    pub pit: Pit,
    pub rtc: Rtc,
    pub hpet: Hpet,
    pub i8042: I8042,
    pub acpi_pm: AcpiPm,
    pub smbus: SmbusHost,
    pub system_control: SystemControlA,
    pub reset_control: ResetControl,
    pub post_code: PostCode,
    pub pci: PciBus,
    /// Directs accesses below 1 MiB; also a function on the bus.
    pub host_bridge: Shared<HostBridge>,
    /// Routes PCI interrupts; also a function on the bus.
    pub isa_bridge: Shared<IsaBridge>,
    pub dma: Dma,
    /// Those that are functions on the bus, too.
    pub vga: Option<Shared<Vga>>,
    pub ide: Option<Shared<IdeController>>,
    pub keyboard: Option<Shared<VirtioPci<VirtioInput>>>,
    pub tablet: Option<Shared<VirtioPci<VirtioInput>>>,
    pub floppy: Option<Floppy>,
    /// VMware's, for its pointer: there where there is a screen.
    pub backdoor: Option<Backdoor>,
    /// COM1 and COM2.
    pub uarts: [Option<Uart16550>; 2],
    pub debug_exit: Option<DebugExit>,
    /// Where the exit device leaves its request.
    pub exit_request: ExitRequest,
    pub debug_console: Option<DebugConsole>,
    /// Where the stubs of the built-in BIOS call its services.
    pub services: ServicePort,
    pub fw_cfg: Option<FwCfg>,
    pub flash: Option<CfiFlash>,
}

/// A device behind ports.
pub(crate) trait PortUnit: PortIo + Device {}

impl<T: PortIo + Device> PortUnit for T {}

/// A device behind memory addresses.
pub(crate) trait MmioUnit: Mmio + Device {}

impl<T: Mmio + Device> MmioUnit for T {}

impl Devices {
    /// The ports of a device.
    pub fn port_io(&mut self, device: PortDevice) -> Option<&mut dyn PortUnit> {
        Some(match device {
            PortDevice::Pit => &mut self.pit,
            PortDevice::Rtc => &mut self.rtc,
            PortDevice::I8042 => &mut self.i8042,
            PortDevice::Pci => &mut self.pci,
            PortDevice::AcpiPm => &mut self.acpi_pm,
            PortDevice::Smbus => &mut self.smbus,
            PortDevice::SystemControlA => &mut self.system_control,
            PortDevice::ResetControl => &mut self.reset_control,
            PortDevice::PostCode => &mut self.post_code,
            PortDevice::Dma => &mut self.dma,
            PortDevice::Vga => self.vga.as_mut()?,
            PortDevice::Ide => self.ide.as_mut()?,
            PortDevice::Floppy => self.floppy.as_mut()?,
            PortDevice::Uart(n) => self.uarts.get_mut(usize::from(n))?.as_mut()?,
            PortDevice::DebugExit => self.debug_exit.as_mut()?,
            PortDevice::DebugConsole => self.debug_console.as_mut()?,
            PortDevice::Services => &mut self.services,
            PortDevice::FwCfg => self.fw_cfg.as_mut()?,
            // The interrupt controllers are not among these devices, and windows
            // are reached through the bus.
            PortDevice::Pic | PortDevice::PciBar(_) => return None,
        })
    }

    /// Calls `each` with every device.
    pub fn each(&mut self, each: &mut dyn FnMut(&mut dyn Device)) {
        let Self {
            pit,
            rtc,
            hpet,
            i8042,
            acpi_pm,
            smbus,
            system_control,
            reset_control,
            post_code,
            pci,
            // Reset with the bus that they are on.
            host_bridge: _,
            isa_bridge: _,
            vga: _,
            ide: _,
            keyboard: _,
            tablet: _,
            backdoor,
            dma,
            floppy,
            uarts,
            debug_exit,
            exit_request: _,
            debug_console,
            services,
            fw_cfg,
            flash,
        } = self;
        each(pit);
        each(rtc);
        each(hpet);
        each(i8042);
        each(acpi_pm);
        each(smbus);
        each(system_control);
        each(reset_control);
        each(post_code);
        each(pci);
        each(dma);
        if let Some(device) = floppy {
            each(device);
        }
        if let Some(device) = backdoor {
            each(device);
        }
        each(services);
        for uart in uarts.iter_mut().flatten() {
            each(uart);
        }
        if let Some(device) = debug_exit {
            each(device);
        }
        if let Some(device) = debug_console {
            each(device);
        }
        if let Some(device) = fw_cfg {
            each(device);
        }
        if let Some(device) = flash {
            each(device);
        }
    }

    /// Whether the guest switched itself off, wrote to the exit device or called
    /// the built-in BIOS.
    pub fn wants_to_end(&self) -> bool {
        self.acpi_pm.power_off_requested() || self.exit_request.status().is_some() || self.services.called()
    }
}

/// Bochs' debug console: bytes written to port E9h go out, and reading gives
/// E9h, by which software finds that it is there.
pub(crate) struct DebugConsole(Box<dyn CharBackend>);

impl DebugConsole {
    /// The port.
    pub const PORT: u16 = 0xE9;
    /// Where SeaBIOS and OVMF expect it.
    pub const FIRMWARE_PORT: u16 = 0x402;

    pub fn new(backend: Box<dyn CharBackend>) -> Self {
        Self(backend)
    }
}

impl Device for DebugConsole {
    fn name(&self) -> &'static str {
        "debug-console"
    }

    fn reset(&mut self, _kind: ResetKind) {}
}

impl PortIo for DebugConsole {
    fn port_read(&mut self, _offset: u16, _size: AccessSize) -> u32 {
        Self::PORT.into()
    }

    fn port_write(&mut self, _offset: u16, _size: AccessSize, value: u32) {
        self.0.write(&[value as u8]);
    }
}
