//! The PCI function: generic host control, interrupts, configuration space.

use glassbox_device_api::{
    AccessSize, Device, IrqLine, Mmio, MsiTarget, PciFunction, ResetKind, RestoreError, SaveRestore,
};
use glassbox_memory::GuestMemory;
use glassbox_pci::{
    BarKind, BarMapping, ConfigSpace, ConfigSpaceSavedV1, Identity, MsiCapability, PciDevice,
};
use serde::{Deserialize, Serialize};

use super::port::{Port, PortRegisters};
use super::registers::host;
use super::slot::Cursor;
use crate::ata::{Attachment, Drive, DriveConfig, DriveSavedV1};

/// Ports of the adapter.
pub const PORTS: usize = 6;

/// ABAR and its size.
const ABAR: usize = 5;
const ABAR_SIZE: u64 = 0x1000;
/// Where the ports' registers begin, and bytes of each.
const PORT_REGISTERS: u64 = 0x100;
const PORT_SIZE: u64 = 0x80;

/// Address map and port control (ICH9 15.1.31 and 15.1.32).
const MAP: u8 = 0x90;
const PORT_CONTROL: u8 = 0x92;

/// The adapter, 8086:2922.
///
/// All its registers are behind base address register 5. It signals by MSI when the
/// guest enables that, by its interrupt pin otherwise.
#[derive(Debug)]
pub struct AhciController {
    config: ConfigSpace,
    msi: Option<MsiCapability>,
    target: MsiTarget,
    memory: GuestMemory,
    ports: Vec<Port>,
    control: u32,
    is: u32,
}

impl AhciController {
    /// The adapter with the wire of its interrupt pin (INTA#), and the drives at its ports.
    pub fn new(
        memory: &GuestMemory,
        line: IrqLine,
        target: MsiTarget,
        drives: [Option<DriveConfig>; PORTS],
    ) -> Self {
        let mut config = ConfigSpace::new(Identity {
            vendor: 0x8086,
            device: 0x2922,
            class: 0x01_0601,
            revision: 2,
            subsystem_vendor: 0,
            subsystem: 0,
        });
        config.set_interrupt_pin(1, line);
        // Both fit: the register is free, and so is the room for capabilities.
        let _ = config.add_bar(ABAR, BarKind::Memory32 { prefetchable: false }, ABAR_SIZE);
        let msi = MsiCapability::add(&mut config, 1);
        config.set_u8(MAP, 0x40);
        config.set_writable(PORT_CONTROL, &[0x3f, 0x00]);
        let ports = drives.map(|drive| Port::new(drive.map(|config| Drive::new(config, Attachment::Serial))));
        Self {
            config,
            msi,
            target,
            memory: memory.clone(),
            ports: ports.into(),
            control: host::GHC_AHCI,
            is: 0,
        }
    }

    /// Waits for the back ends and takes their answers: to be called before
    /// [`save`](SaveRestore::save). A command that is not over by then is lost.
    pub fn quiesce(&mut self) {
        if self.config.is_bus_master() {
            for port in &mut self.ports {
                port.quiesce(&self.memory);
            }
        }
        self.update(false);
    }

    /// Lets the ports work, then signals what they have to tell.
    fn run(&mut self) {
        if self.config.is_bus_master() {
            for port in &mut self.ports {
                port.run(&self.memory);
            }
        }
        self.update(false);
    }

    fn poll(&mut self) {
        if self.config.is_bus_master() {
            for port in self.ports.iter_mut().filter(|port| port.is_waiting()) {
                port.poll(&self.memory);
            }
        }
        self.update(false);
    }

    /// Collects the interrupts of the ports; one that is new, or `again`, is a message.
    fn update(&mut self, again: bool) {
        let before = self.is;
        for (i, port) in self.ports.iter().enumerate() {
            self.is |= u32::from(port.interrupts() != 0) << i;
        }
        let enabled = self.control & host::GHC_INTERRUPTS != 0;
        let by_message = self.msi.is_some_and(|msi| msi.is_enabled(&self.config));
        self.config.set_interrupt(enabled && self.is != 0 && !by_message);
        let new = self.is & !before != 0 || again && self.is != 0;
        if let Some(msi) = &self.msi
            && enabled
            && new
        {
            msi.trigger(&mut self.config, 0, &self.target);
        }
    }

    fn read(&mut self, at: u64) -> u32 {
        match at {
            host::CAP => host::CAPABILITIES | (PORTS as u32 - 1),
            host::GHC => self.control,
            host::IS => self.is,
            host::PI => (1 << PORTS) - 1,
            host::VS => host::VERSION,
            PORT_REGISTERS.. => {
                let index = ((at - PORT_REGISTERS) / PORT_SIZE) as usize;
                self.ports.get(index).map_or(0, |port| port.read(at % PORT_SIZE))
            }
            _ => 0,
        }
    }

    fn write(&mut self, at: u64, value: u32, mask: u32) {
        match at {
            host::GHC => self.write_control(value & mask, mask),
            host::IS => {
                self.is &= !(value & mask);
                // What is still pending is a message again.
                return self.update(true);
            }
            PORT_REGISTERS.. => {
                let index = ((at - PORT_REGISTERS) / PORT_SIZE) as usize;
                let Some(port) = self.ports.get_mut(index) else { return };
                port.write(at % PORT_SIZE, value, mask);
                if self.config.is_bus_master() {
                    port.run(&self.memory);
                }
            }
            _ => {}
        }
        self.update(false);
    }

    fn write_control(&mut self, value: u32, mask: u32) {
        if value & host::GHC_RESET != 0 {
            for port in &mut self.ports {
                port.adapter_reset();
            }
            self.control = host::GHC_AHCI;
            self.is = 0;
            return;
        }
        let before = self.control;
        let bits = mask & host::GHC_INTERRUPTS;
        self.control = before & !bits | value & bits;
        if self.control & !before != 0 {
            self.update(true);
        }
    }
}

impl Mmio for AhciController {
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        // Who polls a register sees the answer of the back end.
        if offset >= PORT_REGISTERS || offset == host::IS {
            self.poll();
        }
        let at = offset & !3;
        let low = u64::from(self.read(at)) >> ((offset & 3) * 8);
        let high = if size == AccessSize::Qword { u64::from(self.read(at + 4)) << 32 } else { 0 };
        (low | high) & size.mask()
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        let (at, shift) = (offset & !3, (offset & 3) * 8);
        self.write(at, (value << shift) as u32, (size.mask() << shift) as u32);
        if size == AccessSize::Qword {
            self.write(at + 4, (value >> 32) as u32, u32::MAX);
        }
    }
}

impl Device for AhciController {
    fn name(&self) -> &'static str {
        "ahci"
    }

    fn reset(&mut self, kind: ResetKind) {
        for port in &mut self.ports {
            port.reset(kind);
        }
        self.control = host::GHC_AHCI;
        self.is = 0;
        self.config.reset();
        self.update(false);
    }

    fn poll_host(&mut self) {
        self.poll();
    }
}

impl PciFunction for AhciController {
    fn config_read(&mut self, offset: u8) -> u32 {
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        self.config.write(offset, value, byte_enables);
        if let Some(msi) = &self.msi {
            msi.send_pending(&mut self.config, &self.target);
        }
        self.run();
    }
}

impl PciDevice for AhciController {
    fn mapping_version(&self) -> u64 {
        self.config.mapping_version()
    }

    fn mappings(&self) -> Vec<BarMapping> {
        self.config.mappings().to_vec()
    }

    fn bar_read(&mut self, bar: usize, offset: u64, size: AccessSize) -> u64 {
        if bar == ABAR && offset < ABAR_SIZE { self.mmio_read(offset, size) } else { size.mask() }
    }

    fn bar_write(&mut self, bar: usize, offset: u64, size: AccessSize, value: u64) {
        if bar == ABAR && offset < ABAR_SIZE {
            self.mmio_write(offset, size, value);
        }
    }
}

/// Saved state of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSavedV1 {
    registers: PortRegisters,
    cursors: Vec<Cursor>,
    drive: Option<DriveSavedV1>,
}

/// Saved state of an [`AhciController`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AhciControllerSavedV1 {
    config: ConfigSpaceSavedV1,
    ports: Vec<PortSavedV1>,
    control: u32,
    is: u32,
}

impl SaveRestore for AhciController {
    type Saved = AhciControllerSavedV1;

    /// After [`quiesce`](AhciController::quiesce).
    fn save(&self) -> AhciControllerSavedV1 {
        let Self { config, msi: _, target: _, memory: _, ports, control, is } = self;
        let ports = ports.iter().map(|port| {
            let Port { registers, cursors, drive } = port;
            PortSavedV1 {
                registers: registers.clone(),
                cursors: cursors.to_vec(),
                drive: drive.as_ref().map(Drive::save),
            }
        });
        AhciControllerSavedV1 { config: config.save(), ports: ports.collect(), control: *control, is: *is }
    }

    fn restore(&mut self, saved: AhciControllerSavedV1) -> Result<(), RestoreError> {
        let AhciControllerSavedV1 { config, ports, control, is } = saved;
        let invalid = |field| Err(RestoreError::Invalid { device: "ahci", field });
        if ports.len() != PORTS || is >> PORTS != 0 {
            return invalid("ports");
        }
        if control & !host::GHC_INTERRUPTS != host::GHC_AHCI {
            return invalid("control");
        }
        for (port, saved) in self.ports.iter().zip(&ports) {
            if !Port::is_possible(&saved.registers, &saved.cursors) {
                return invalid("registers");
            }
            match (&port.drive, &saved.drive) {
                (Some(drive), Some(saved)) => drive.check(saved)?,
                (None, None) => {}
                _ => return invalid("drive"),
            }
        }
        self.config.restore(config)?;
        for (port, saved) in self.ports.iter_mut().zip(ports) {
            let PortSavedV1 { registers, cursors, drive } = saved;
            port.registers = registers;
            for (to, from) in port.cursors.iter_mut().zip(cursors) {
                *to = from;
            }
            if let (Some(drive), Some(saved)) = (&mut port.drive, drive) {
                drive.restore(saved)?;
            }
        }
        self.control = control;
        self.is = is;
        let by_message = self.msi.is_some_and(|msi| msi.is_enabled(&self.config));
        self.config.set_interrupt(control & host::GHC_INTERRUPTS != 0 && is != 0 && !by_message);
        Ok(())
    }
}
