//! The bus of a processor whose engines check each other.

use glassbox_cpu::{CpuBus, OpenBus};
use glassbox_memory::Gpa;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bus that counts its uses.
pub struct Counted {
    inner: Box<dyn CpuBus>,
    count: Arc<AtomicU64>,
}

impl Counted {
    /// Puts itself in front of `bus`.
    pub fn wrap(bus: &mut Box<dyn CpuBus>, count: Arc<AtomicU64>) {
        let inner = std::mem::replace(bus, Box::new(OpenBus));
        *bus = Box::new(Self { inner, count });
    }

    fn inner(&mut self) -> &mut dyn CpuBus {
        self.count.fetch_add(1, Ordering::Relaxed);
        &mut *self.inner
    }
}

impl CpuBus for Counted {
    fn mmio_read(&mut self, at: Gpa, size: u8) -> u64 {
        self.inner().mmio_read(at, size)
    }
    fn mmio_write(&mut self, at: Gpa, size: u8, value: u64) {
        self.inner().mmio_write(at, size, value);
    }
    fn port_read(&mut self, port: u16, size: u8) -> u32 {
        self.inner().port_read(port, size)
    }
    fn port_write(&mut self, port: u16, size: u8, value: u32) {
        self.inner().port_write(port, size, value);
    }
    fn port_read_run(&mut self, port: u16, size: u8, to: &mut [u8]) -> usize {
        self.inner().port_read_run(port, size, to)
    }
    fn port_write_run(&mut self, port: u16, size: u8, from: &[u8]) -> usize {
        self.inner().port_write_run(port, size, from)
    }
    fn backdoor(&mut self, registers: &mut [u32; 6]) -> bool {
        self.inner().backdoor(registers)
    }
    fn acknowledge_interrupt(&mut self) -> Option<u8> {
        self.inner().acknowledge_interrupt()
    }
    fn tsc(&mut self) -> u64 {
        self.inner().tsc()
    }
    fn apic_msr_read(&mut self, msr: u32) -> Option<u64> {
        self.inner().apic_msr_read(msr)
    }
    fn apic_msr_write(&mut self, msr: u32, value: u64) -> Option<()> {
        self.inner().apic_msr_write(msr, value)
    }
    fn cr8_read(&mut self) -> u8 {
        self.inner().cr8_read()
    }
    fn cr8_write(&mut self, value: u8) {
        self.inner().cr8_write(value);
    }
    fn ferr(&mut self, asserted: bool) {
        self.inner().ferr(asserted);
    }
}
