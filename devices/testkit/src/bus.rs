//! Accesses by width, written as short as on a real bus.

use glassbox_device_api::{AccessSize, Mmio, PortIo};

/// `in` and `out` on a device behind ports.
pub trait PortBus: PortIo {
    /// `in al`.
    fn in8(&mut self, offset: u16) -> u8 {
        self.port_read(offset, AccessSize::Byte) as u8
    }
    /// `in ax`.
    fn in16(&mut self, offset: u16) -> u16 {
        self.port_read(offset, AccessSize::Word) as u16
    }
    /// `in eax`.
    fn in32(&mut self, offset: u16) -> u32 {
        self.port_read(offset, AccessSize::Dword)
    }
    /// `out al`.
    fn out8(&mut self, offset: u16, value: u8) {
        self.port_write(offset, AccessSize::Byte, value.into());
    }
    /// `out ax`.
    fn out16(&mut self, offset: u16, value: u16) {
        self.port_write(offset, AccessSize::Word, value.into());
    }
    /// `out eax`.
    fn out32(&mut self, offset: u16, value: u32) {
        self.port_write(offset, AccessSize::Dword, value);
    }
}

impl<T: PortIo + ?Sized> PortBus for T {}

/// Loads and stores on a device behind memory addresses.
pub trait MmioBus: Mmio {
    /// Reads a byte.
    fn read8(&mut self, offset: u64) -> u8 {
        self.mmio_read(offset, AccessSize::Byte) as u8
    }
    /// Reads a word.
    fn read16(&mut self, offset: u64) -> u16 {
        self.mmio_read(offset, AccessSize::Word) as u16
    }
    /// Reads a dword.
    fn read32(&mut self, offset: u64) -> u32 {
        self.mmio_read(offset, AccessSize::Dword) as u32
    }
    /// Reads a qword.
    fn read64(&mut self, offset: u64) -> u64 {
        self.mmio_read(offset, AccessSize::Qword)
    }
    /// Writes a byte.
    fn write8(&mut self, offset: u64, value: u8) {
        self.mmio_write(offset, AccessSize::Byte, value.into());
    }
    /// Writes a word.
    fn write16(&mut self, offset: u64, value: u16) {
        self.mmio_write(offset, AccessSize::Word, value.into());
    }
    /// Writes a dword.
    fn write32(&mut self, offset: u64, value: u32) {
        self.mmio_write(offset, AccessSize::Dword, value.into());
    }
    /// Writes a qword.
    fn write64(&mut self, offset: u64, value: u64) {
        self.mmio_write(offset, AccessSize::Qword, value);
    }
}

impl<T: Mmio + ?Sized> MmioBus for T {}
