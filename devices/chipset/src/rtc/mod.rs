//! MC146818 real-time clock and 128 bytes of CMOS memory.
//!
//! | offset | conventional port | register |
//! | --- | --- | --- |
//! | 0 | 70h | index (bits 0 to 6), NMI disable (bit 7); write only |
//! | 1 | 71h | data of the indexed byte |
//!
//! The calendar runs on guest time from the wall clock given at construction. It
//! is computed when read; only an enabled interrupt has a deadline. Register 32h
//! holds the century, as the ACPI FADT says.
//!
//! Sources: Motorola MC146818A data sheet; Intel 82371AB (PIIX4) data sheet 4.2.4.

mod alarm;
mod calendar;
mod registers;

use glassbox_device_api::{
    AccessSize, Device, IrqLine, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore, VmClock, VmTime,
};
use registers::{Registers, is_clock};
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};

/// Bytes of CMOS memory, the clock's registers included.
pub const CMOS_SIZE: usize = 128;

/// The clock and its memory.
#[derive(Debug)]
pub struct Rtc {
    clock: VmClock,
    irq: IrqLine,
    registers: Registers,
}

/// Saved state of [`Rtc`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RtcSavedV1 {
    registers: Registers,
}

impl Rtc {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: 0x70, len: 2, offset: 0 }];

    /// A clock that shows `unix_seconds` now, runs in BCD and 24-hour format,
    /// has valid (battery-backed) contents of zeros, and interrupts on `irq`.
    pub fn new(clock: VmClock, irq: IrqLine, unix_seconds: i64) -> Self {
        let registers = Registers::new(clock.now(), unix_seconds);
        Self { clock, irq, registers }
    }

    /// Sets a byte of CMOS memory as the firmware's setup does. The clock's own
    /// registers (0 to 0Dh but for the alarm, and 32h) and indices beyond the memory are left alone.
    pub fn set_cmos(&mut self, index: u8, value: u8) {
        if let Some(byte) = self.registers.cmos.get_mut(usize::from(index))
            && !is_clock(index)
        {
            *byte = value;
        }
    }

    /// A byte of CMOS memory, without the effects of a guest's read; 0 beyond the memory.
    pub fn cmos(&self, index: u8) -> u8 {
        self.registers.cmos.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// Describes the memory in the bytes where PC firmware does: base memory
    /// (15h), extended memory in KiB (17h, 30h), above 16 MiB (34h) and above
    /// 4 GiB (5Bh) in 64 KiB units. Sizes are in bytes of RAM below and above 4 GiB.
    pub fn set_memory_size(&mut self, below_4g: u64, above_4g: u64) {
        const MIB: u64 = 1 << 20;
        let base_kib = (below_4g >> 10).min(640);
        let extended_kib = (below_4g.saturating_sub(MIB) >> 10).min(0xffff);
        let above_16m = (below_4g.saturating_sub(16 * MIB) >> 16).min(0xffff);
        let above_4g = (above_4g >> 16).min(0xff_ffff);
        for (index, bytes, value) in [
            (0x15, 2, base_kib),
            (0x17, 2, extended_kib),
            (0x30, 2, extended_kib),
            (0x34, 2, above_16m),
            (0x5b, 3, above_4g),
        ] {
            for byte in 0..bytes {
                self.set_cmos(index + byte, (value >> (8 * byte)) as u8);
            }
        }
    }

    /// Whether bit 7 of the index port holds NMI back from the processor.
    pub fn nmi_masked(&self) -> bool {
        self.registers.nmi_masked
    }

    /// The calendar time now, in seconds since 1970 as if it were UTC.
    pub fn unix_seconds(&self) -> i64 {
        self.registers.seconds(self.clock.now())
    }

    fn fold(&mut self) {
        self.registers.fold(self.clock.now());
    }

    fn drive(&self) {
        self.irq.set(self.registers.requests());
    }

    fn read(&mut self, offset: u16) -> u8 {
        if offset != 1 {
            return 0xff; // The index is write only.
        }
        self.fold();
        let value = self.registers.read(self.clock.now());
        self.drive();
        value
    }

    fn write(&mut self, offset: u16, value: u8) {
        self.fold();
        match offset {
            0 => self.registers.select(value),
            1 => self.registers.write(self.clock.now(), value),
            _ => {}
        }
        self.drive();
    }
}

impl Device for Rtc {
    fn name(&self) -> &'static str {
        "rtc"
    }

    /// The RESET pin: interrupts off and flags clear; time, memory and the
    /// divider are the battery's.
    fn reset(&mut self, _kind: ResetKind) {
        self.fold();
        self.registers.reset();
        self.irq.lower();
    }

    fn next_deadline(&self) -> Option<VmTime> {
        self.registers.deadline()
    }

    fn advance(&mut self, _now: VmTime) {
        self.fold();
        self.drive();
    }
}

impl PortIo for Rtc {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        read_bytes(offset, size, |offset| self.read(offset))
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        write_bytes(offset, size, value, |offset, byte| self.write(offset, byte));
    }
}

impl SaveRestore for Rtc {
    type Saved = RtcSavedV1;

    fn save(&self) -> RtcSavedV1 {
        let Self { clock: _, irq: _, registers } = self;
        RtcSavedV1 { registers: registers.clone() }
    }

    fn restore(&mut self, saved: RtcSavedV1) -> Result<(), RestoreError> {
        let RtcSavedV1 { registers } = saved;
        registers.check(self.clock.now())?;
        self.registers = registers;
        self.drive();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
