//! Virtio over PCI (Virtio 1.2, 4.1).

mod capability;
mod legacy;
mod registers;
mod save;
#[cfg(test)]
mod tests;

use glassbox_device_api::{AccessSize, Device, IrqLine, MsiTarget, PciFunction, ResetKind};
use glassbox_memory::GuestMemory;
use glassbox_pci::{BarKind, BarMapping, ConfigSpace, Identity, Msix, PciDevice};

use self::capability::{
    COMMON, DEVICE, ISR, LEGACY_BAR, MAX_QUEUES, MAX_VECTORS, MODERN_BAR, MODERN_SIZE, MSIX_BAR,
    MSIX_PENDING, MSIX_SIZE, NOTIFY, NOTIFY_STEP,
};
use self::legacy::Legacy;
use self::registers::{Action, ISR_CONFIG, ISR_QUEUE, Registers};
use crate::queue::NO_VECTOR;
use crate::{Rings, VirtioDevice, feature, status};

pub use save::VirtioPciSavedV1;

/// Vendor of virtio devices and, for legacy drivers, of their subsystems.
const VENDOR: u16 = 0x1af4;
/// Modern device IDs are this and the virtio device ID.
const MODERN_ID: u16 = 0x1040;
/// Subsystem of devices that have no legacy interface.
const MODERN_SUBSYSTEM: u16 = 0x1100;
/// Ports of the legacy window.
const LEGACY_PORTS: u64 = 128;
const INTA: u8 = 1;

/// Which drivers find their interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// Legacy and modern ones, where the kind of device has a legacy interface.
    #[default]
    Transitional,
    /// Modern ones only.
    Modern,
}

/// How a device is connected.
#[derive(Debug)]
pub struct VirtioPciConfig {
    /// Guest memory, for the queues.
    pub memory: GuestMemory,
    /// The wire of the interrupt pin INTA#.
    pub line: IrqLine,
    /// Where messages go.
    pub msi: MsiTarget,
    /// Which interfaces there are.
    pub interface: Interface,
}

/// A virtio device as a PCI function.
#[derive(Debug)]
pub struct VirtioPci<D> {
    device: D,
    config: ConfigSpace,
    msix: Msix,
    registers: Registers,
    /// Where in configuration space the window to the structures is.
    window: u8,
    memory: GuestMemory,
    msi: MsiTarget,
    /// Queues that have more than one call could take.
    left: Vec<u16>,
}

impl<D: VirtioDevice> VirtioPci<D> {
    /// Puts `device` behind a PCI function; `None` where it has more queues than
    /// the transport has room for.
    pub fn new(device: D, connect: VirtioPciConfig) -> Option<Self> {
        let VirtioPciConfig { memory, line, msi, interface } = connect;
        let kind = device.kind();
        let transitional = kind.transitional.filter(|_| interface == Interface::Transitional);
        let mut config = ConfigSpace::new(Identity {
            vendor: VENDOR,
            device: transitional.unwrap_or(MODERN_ID + kind.id),
            class: kind.class,
            revision: u8::from(transitional.is_none()),
            subsystem_vendor: VENDOR,
            subsystem: if transitional.is_some() { kind.id } else { MODERN_SUBSYSTEM },
        });
        let sizes = device.queue_sizes();
        let vectors = u16::try_from(sizes.len() + 1).ok().filter(|n| *n <= MAX_VECTORS)?;
        config.set_interrupt_pin(INTA, line);
        let mut placed = sizes.len() <= MAX_QUEUES;
        if transitional.is_some() {
            placed &= config.add_bar(LEGACY_BAR, BarKind::Io, LEGACY_PORTS);
        }
        let memory32 = BarKind::Memory32 { prefetchable: false };
        placed &= config.add_bar(MSIX_BAR.into(), memory32, MSIX_SIZE);
        placed &= config.add_bar(MODERN_BAR.into(), memory32, MODERN_SIZE);
        let msix = Msix::add(&mut config, vectors, MSIX_BAR, 0, MSIX_PENDING)?;
        let window = capability::add(&mut config)?;
        let mut offered = device.features()
            | feature::INDIRECT_DESC
            | feature::EVENT_IDX
            | feature::VERSION_1
            | feature::RING_RESET;
        if transitional.is_some() {
            offered |= feature::ANY_LAYOUT;
        }
        let registers = Registers::new(offered, &sizes, vectors);
        let left = Vec::new();
        placed.then_some(Self { device, config, msix, registers, window, memory, msi, left })
    }

    /// The device behind the function.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device behind the function, for what the host has for it; then comes
    /// [`poll_host`](Device::poll_host).
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Whether a driver has the device running.
    pub fn is_running(&self) -> bool {
        self.registers.is_running()
    }

    /// Calls the device with its queues, if it may use them now, and tells the
    /// driver what came of it.
    fn with_rings(&mut self, call: impl FnOnce(&mut D, &mut Rings<'_>)) {
        if !self.registers.is_running() || !self.config.is_bus_master() {
            return;
        }
        let features = self.registers.features & self.registers.offered;
        let mut rings = Rings::new(&self.memory, &mut self.registers.queues, features);
        call(&mut self.device, &mut rings);
        let (mut broken, config_changed) = (rings.broken.take(), rings.config_changed);
        let left = std::mem::take(&mut rings.left);
        for queue in left {
            if !self.left.contains(&queue) {
                self.left.push(queue);
            }
        }
        let mut vectors = Vec::new();
        for (n, queue) in self.registers.queues.iter_mut().enumerate().filter(|(_, q)| q.enabled) {
            match queue.take_interrupt(&self.memory, features) {
                Ok(true) => vectors.push(queue.vector),
                Ok(false) => {}
                Err(error) => broken = broken.or(Some((n as u16, error))),
            }
        }
        vectors.into_iter().for_each(|vector| self.interrupt(vector, ISR_QUEUE));
        if config_changed {
            self.config_changed();
        }
        if let Some((queue, error)) = broken {
            log::warn!("{}: queue {queue}: {error}; the device stops until reset", self.device.name());
            self.registers.status |= status::NEEDS_RESET;
            self.left.clear();
            self.config_changed();
        }
    }

    fn config_changed(&mut self) {
        self.registers.generation = self.registers.generation.wrapping_add(1);
        if self.registers.status & status::DRIVER_OK != 0 {
            self.interrupt(self.registers.config_vector, ISR_CONFIG);
        }
    }

    /// By message where MSI-X is enabled, otherwise by the pin (Virtio 1.2, 4.1.4.5).
    fn interrupt(&mut self, vector: u16, cause: u8) {
        if !self.msix.is_enabled(&self.config) {
            self.registers.isr |= cause;
            self.drive_pin();
        } else if vector != NO_VECTOR {
            self.msix.trigger(&self.config, vector, &self.msi);
        }
    }

    fn drive_pin(&mut self) {
        let level = self.registers.isr != 0 && !self.msix.is_enabled(&self.config);
        self.config.set_interrupt(level);
    }

    fn read_isr(&mut self) -> u8 {
        let isr = std::mem::take(&mut self.registers.isr);
        self.drive_pin();
        isr
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Reset => self.reset_device(),
            Action::ResetQueue(queue) => {
                self.device.reset_queue(queue);
                self.left.retain(|left| *left != queue);
                if let Some(queue) = self.registers.queues.get_mut(usize::from(queue)) {
                    queue.reset();
                }
            }
            Action::Notify(queue) => self.notify(queue),
            Action::Start => {
                for queue in 0..self.registers.queues.len() {
                    self.notify(queue as u16);
                }
            }
        }
    }

    fn notify(&mut self, queue: u16) {
        if self.registers.queues.get(usize::from(queue)).is_some_and(|q| q.enabled) {
            self.with_rings(|device, rings| device.notify(queue, rings));
        }
    }

    /// The driver's reset: configuration space stays.
    fn reset_device(&mut self) {
        self.device.reset();
        self.registers.reset();
        self.left.clear();
        self.drive_pin();
    }

    fn device_read(&self, offset: u64, size: AccessSize) -> u64 {
        let mut bytes = [0; 8];
        let len = size.bytes() as usize;
        self.device.config_read(self.registers.features, offset, &mut bytes[..len]);
        u64::from_le_bytes(bytes)
    }

    fn device_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        let bytes = value.to_le_bytes();
        let features = self.registers.features;
        self.device.config_write(features, offset, &bytes[..size.bytes() as usize]);
    }

    fn modern_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        match offset {
            COMMON..ISR => self.registers.common_read(offset - COMMON, size),
            ISR => u64::from(self.read_isr()),
            DEVICE..NOTIFY => self.device_read(offset - DEVICE, size),
            _ => 0,
        }
    }

    fn modern_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        let action = match offset {
            COMMON..ISR => self.registers.common_write(offset - COMMON, size, value),
            DEVICE..NOTIFY => {
                self.device_write(offset - DEVICE, size, value);
                Action::Nothing
            }
            // The address says which queue; the value does too.
            NOTIFY..MODERN_SIZE => Action::Notify(((offset - NOTIFY) / NOTIFY_STEP) as u16),
            _ => Action::Nothing,
        };
        self.act(action);
    }

    fn ports_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        match legacy::decode(offset, self.msix.is_enabled(&self.config)) {
            Legacy::Isr => u64::from(self.read_isr()),
            Legacy::Device(at) => self.device_read(at, size),
            Legacy::Register(at) => self.registers.legacy_read(at, size),
        }
    }

    fn ports_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        match legacy::decode(offset, self.msix.is_enabled(&self.config)) {
            Legacy::Isr => {}
            Legacy::Device(at) => self.device_write(at, size, value),
            Legacy::Register(at) => {
                let action = self.registers.legacy_write(at, size, value);
                self.act(action);
            }
        }
    }

    /// What the window in configuration space points to (Virtio 1.2, 4.1.4.9):
    /// an offset in the structures and a width.
    fn window(&self) -> Option<(u64, AccessSize)> {
        let offset = u64::from(self.config.u32(self.window + 8));
        let size = match self.config.u32(self.window + 12) {
            1 => AccessSize::Byte,
            2 => AccessSize::Word,
            4 => AccessSize::Dword,
            _ => return None,
        };
        let inside = self.config.u8(self.window + 4) == MODERN_BAR && offset < MODERN_SIZE;
        (inside && offset.is_multiple_of(size.bytes())).then_some((offset, size))
    }
}

impl<D: VirtioDevice> Device for VirtioPci<D> {
    fn name(&self) -> &'static str {
        self.device.name()
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.reset_device();
        self.msix.reset();
        self.config.reset();
        self.drive_pin();
    }

    fn poll_host(&mut self) {
        let left = std::mem::take(&mut self.left);
        self.with_rings(|device, rings| device.poll_host(rings));
        left.into_iter().for_each(|queue| self.notify(queue));
    }
}

impl<D: VirtioDevice> PciFunction for VirtioPci<D> {
    fn config_read(&mut self, offset: u8) -> u32 {
        if offset & !3 == self.window + 16 {
            let read = self.window().map(|(at, size)| self.modern_read(at, size) & size.mask());
            return read.unwrap_or(0) as u32;
        }
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        let was_master = self.config.is_bus_master();
        self.config.write(offset, value, byte_enables);
        if offset & !3 == self.window + 16
            && let Some((at, size)) = self.window()
        {
            self.modern_write(at, size, u64::from(value) & size.mask());
        }
        self.drive_pin();
        self.msix.send_pending(&self.config, &self.msi);
        if !was_master && self.config.is_bus_master() {
            // What was notified while memory could not be accessed.
            self.act(Action::Start);
        }
    }
}

impl<D: VirtioDevice> PciDevice for VirtioPci<D> {
    fn mapping_version(&self) -> u64 {
        self.config.mapping_version()
    }

    fn mappings(&self) -> Vec<BarMapping> {
        self.config.mappings().to_vec()
    }

    fn bar_read(&mut self, bar: usize, offset: u64, size: AccessSize) -> u64 {
        let value = match bar {
            LEGACY_BAR => self.ports_read(offset, size),
            bar if bar == usize::from(MSIX_BAR) => self.msix.mmio_read(offset, size),
            bar if bar == usize::from(MODERN_BAR) => self.modern_read(offset, size),
            _ => u64::MAX,
        };
        value & size.mask()
    }

    fn bar_write(&mut self, bar: usize, offset: u64, size: AccessSize, value: u64) {
        match bar {
            LEGACY_BAR => self.ports_write(offset, size, value),
            bar if bar == usize::from(MSIX_BAR) => {
                self.msix.mmio_write(&self.config, &self.msi, offset, size, value);
            }
            bar if bar == usize::from(MODERN_BAR) => self.modern_write(offset, size, value),
            _ => {}
        }
    }
}
