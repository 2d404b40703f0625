//! A function that the bus and the board both hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glassbox_device_api::{AccessSize, Device, Mmio, PciFunction, PortIo, ResetKind, VmTime};

use crate::{BarMapping, PciDevice};

/// A handle to a function: one clone goes into the [`PciBus`](crate::PciBus), the
/// others reach the device by its BARs. Configuration accesses are rare, so the
/// lock is almost never contended.
pub struct Shared<T: ?Sized> {
    name: &'static str,
    inner: Arc<Mutex<T>>,
}

impl<T: Device> Shared<T> {
    /// A handle to `device`.
    pub fn new(device: T) -> Self {
        Self { name: device.name(), inner: Arc::new(Mutex::new(device)) }
    }
}

impl<T: ?Sized> Shared<T> {
    /// The device itself. A panic of another holder does not bar the way.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { name: self.name, inner: Arc::clone(&self.inner) }
    }
}

impl<T: ?Sized> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared({})", self.name)
    }
}

impl<T: Device + ?Sized> Device for Shared<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn reset(&mut self, kind: ResetKind) {
        self.lock().reset(kind);
    }

    fn next_deadline(&self) -> Option<VmTime> {
        self.lock().next_deadline()
    }

    fn advance(&mut self, now: VmTime) {
        self.lock().advance(now);
    }

    fn poll_host(&mut self) {
        self.lock().poll_host();
    }
}

impl<T: PciFunction + ?Sized> PciFunction for Shared<T> {
    fn config_read(&mut self, offset: u8) -> u32 {
        self.lock().config_read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        self.lock().config_write(offset, value, byte_enables);
    }
}

impl<T: PciDevice + ?Sized> PciDevice for Shared<T> {
    fn mapping_version(&self) -> u64 {
        self.lock().mapping_version()
    }

    fn mappings(&self) -> Vec<BarMapping> {
        self.lock().mappings()
    }

    fn bar_read(&mut self, bar: usize, offset: u64, size: AccessSize) -> u64 {
        self.lock().bar_read(bar, offset, size)
    }

    fn bar_write(&mut self, bar: usize, offset: u64, size: AccessSize, value: u64) {
        self.lock().bar_write(bar, offset, size, value);
    }
}

impl<T: PortIo + ?Sized> PortIo for Shared<T> {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        self.lock().port_read(offset, size)
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        self.lock().port_write(offset, size, value);
    }

    fn port_read_run(&mut self, offset: u16, size: AccessSize, to: &mut [u8]) -> usize {
        self.lock().port_read_run(offset, size, to)
    }

    fn port_write_run(&mut self, offset: u16, size: AccessSize, from: &[u8]) -> usize {
        self.lock().port_write_run(offset, size, from)
    }
}

impl<T: Mmio + ?Sized> Mmio for Shared<T> {
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        self.lock().mmio_read(offset, size)
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        self.lock().mmio_write(offset, size, value);
    }
}
