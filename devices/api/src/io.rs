//! How the bus reaches a device.

use crate::VmTime;

/// Bytes of one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessSize {
    /// 1 byte.
    Byte = 1,
    /// 2 bytes.
    Word = 2,
    /// 4 bytes.
    Dword = 4,
    /// 8 bytes; MMIO only.
    Qword = 8,
}

impl AccessSize {
    /// Bytes of the access.
    pub const fn bytes(self) -> u64 {
        self as u64
    }

    /// All ones in the width of the access: what an open bus reads.
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self as u32)
    }

    /// The size of `bytes` bytes, if there is one.
    pub const fn from_bytes(bytes: usize) -> Option<Self> {
        match bytes {
            1 => Some(Self::Byte),
            2 => Some(Self::Word),
            4 => Some(Self::Dword),
            8 => Some(Self::Qword),
            _ => None,
        }
    }
}

/// How thorough a reset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetKind {
    /// As after power-on: everything.
    Cold,
    /// The reset line: what battery-backed or power-good state survives.
    Warm,
}

/// What every device can do.
pub trait Device: Send {
    /// A short name for logs and statistics, such as `pit`.
    fn name(&self) -> &'static str;

    /// Returns to the reset state and releases all interrupt lines.
    fn reset(&mut self, kind: ResetKind);

    /// The next guest time at which [`advance`](Self::advance) has something to
    /// do (an interrupt falls due). `None` when idle. Asked again after every access.
    fn next_deadline(&self) -> Option<VmTime> {
        None
    }

    /// Guest time has reached `now`: do what fell due.
    fn advance(&mut self, now: VmTime) {
        let _ = now;
    }

    /// The host may have something for the device: input, the answer of a back end.
    fn poll_host(&mut self) {}
}

/// Where a bus conventionally puts a run of a device's ports.
///
/// A device whose ports are not contiguous numbers all of them in one space of
/// offsets, and lists its runs as such windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortWindow {
    /// The first I/O port.
    pub port: u16,
    /// How many ports.
    pub len: u16,
    /// The device's offset for the first port.
    pub offset: u16,
}

/// A device behind I/O ports. Offsets are relative to where the bus put it.
pub trait PortIo {
    /// Reads; the value is in the low bits.
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32;
    /// Writes the low bits of `value`.
    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32);
    /// Reads elements of `size` at `offset` as a repeated INS does, and returns how many.
    /// Only behind the last of them may an interrupt rise or the device do anything but
    /// hand out data. At 0, with nothing done, each is read by itself.
    fn port_read_run(&mut self, offset: u16, size: AccessSize, to: &mut [u8]) -> usize {
        let _ = (offset, size, to);
        0
    }
    /// Writes elements as a repeated OUTS does, on the terms of
    /// [`port_read_run`](Self::port_read_run).
    fn port_write_run(&mut self, offset: u16, size: AccessSize, from: &[u8]) -> usize {
        let _ = (offset, size, from);
        0
    }
}

/// A device behind memory addresses. Offsets are relative to its window.
pub trait Mmio {
    /// Reads; the value is in the low bits.
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64;
    /// Writes the low bits of `value`.
    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64);
}

/// One function on the PCI bus: 256 bytes of configuration space.
pub trait PciFunction: Device {
    /// Reads the dword at `offset` (0 to 252, a multiple of 4).
    fn config_read(&mut self, offset: u8) -> u32;
    /// Writes the bytes of the dword at `offset` that `byte_enables` (bits 0 to 3) selects.
    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8);
}
