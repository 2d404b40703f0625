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

use alarm::Alarm;
use calendar::Civil;
use glassbox_device_api::{
    AccessSize, Device, IrqLine, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore, VmClock, VmTime,
};
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};

/// Bytes of CMOS memory, the clock's registers included.
pub const CMOS_SIZE: usize = 128;

/// The time registers, in the order of [`calendar::Fields`].
const TIME: [u8; 8] = [0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32];
const ALARM_SECOND: usize = 0x01;
const ALARM_MINUTE: usize = 0x03;
const ALARM_HOUR: usize = 0x05;
const REG_A: u8 = 0x0a;
const REG_B: u8 = 0x0b;
const REG_C: u8 = 0x0c;
const REG_D: u8 = 0x0d;

const A_UPDATE_IN_PROGRESS: u8 = 0x80;
/// Both high bits of the divider select: the divider chain is held in reset.
const A_DIVIDER_RESET: u8 = 0x60;
const A_RATE: u8 = 0x0f;
const B_SET: u8 = 0x80;
const B_PERIODIC: u8 = 0x40;
const B_ALARM: u8 = 0x20;
const B_UPDATE: u8 = 0x10;
const B_SQUARE_WAVE: u8 = 0x08;
const B_BINARY: u8 = 0x04;
const B_24_HOUR: u8 = 0x02;
const C_REQUEST: u8 = 0x80;
/// Flags of register C, at the places of their enables in register B.
const FLAGS: u8 = B_PERIODIC | B_ALARM | B_UPDATE;
const D_VALID: u8 = 0x80;

const NS: i128 = 1_000_000_000;
/// The time base.
const CRYSTAL_HZ: u64 = 32_768;
/// An update takes 1984 µs, and is announced 244 µs before (time base of 32.768 kHz).
const UPDATE_NS: i128 = (1_984 + 244) * 1_000;

/// The clock and its memory.
#[derive(Debug)]
pub struct Rtc {
    clock: VmClock,
    irq: IrqLine,
    state: RtcSavedV1,
}

/// Saved state of [`Rtc`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RtcSavedV1 {
    index: u8,
    nmi_masked: bool,
    /// [`CMOS_SIZE`] bytes. The time registers are live here only while updates are inhibited.
    cmos: Vec<u8>,
    a: u8,
    b: u8,
    c: u8,
    /// Guest time in ns at which the divider chain began a second; may lie half a second before zero.
    origin: i64,
    /// Calendar time at `origin`, in Unix seconds.
    base: i64,
    weekday_shift: u8,
    /// Guest time up to which the flags are known.
    folded: VmTime,
}

impl Rtc {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 1] = [PortWindow { port: 0x70, len: 2, offset: 0 }];

    /// A clock that shows `unix_seconds` now, runs in BCD and 24-hour format,
    /// has valid (battery-backed) contents of zeros, and interrupts on `irq`.
    pub fn new(clock: VmClock, irq: IrqLine, unix_seconds: i64) -> Self {
        let now = clock.now();
        let state = RtcSavedV1 {
            index: 0,
            nmi_masked: false,
            cmos: vec![0; CMOS_SIZE],
            a: 0x26, // 32.768 kHz, 1024 Hz periodic rate: what every BIOS programs.
            b: B_24_HOUR,
            c: 0,
            origin: i64::try_from(now.0).unwrap_or(i64::MAX),
            base: calendar::normalise(unix_seconds),
            weekday_shift: 0,
            folded: now,
        };
        Self { clock, irq, state }
    }

    /// Sets a byte of CMOS memory as the firmware's setup does. The clock's own
    /// registers (0 to 0Dh but for the alarm, and 32h) and indices beyond the memory are left alone.
    pub fn set_cmos(&mut self, index: u8, value: u8) {
        let clock = TIME.contains(&index) || (REG_A..=REG_D).contains(&index);
        if let (false, Some(byte)) = (clock, self.state.cmos.get_mut(usize::from(index))) {
            *byte = value;
        }
    }

    /// A byte of CMOS memory, without the effects of a guest's read; 0 beyond the memory.
    pub fn cmos(&self, index: u8) -> u8 {
        self.state.cmos.get(usize::from(index)).copied().unwrap_or(0)
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
        self.state.nmi_masked
    }

    /// The calendar time now, in seconds since 1970 as if it were UTC.
    pub fn unix_seconds(&self) -> i64 {
        self.state.seconds(self.clock.now())
    }

    fn fold(&mut self) {
        self.state.fold(self.clock.now());
    }

    fn drive(&self) {
        self.irq.set(self.state.requests());
    }

    fn read(&mut self, offset: u16) -> u8 {
        if offset != 1 {
            return 0xff; // The index is write only.
        }
        self.fold();
        let value = self.state.read(self.clock.now());
        self.drive();
        value
    }

    fn write(&mut self, offset: u16, value: u8) {
        self.fold();
        match offset {
            0 => {
                self.state.index = value & 0x7f;
                self.state.nmi_masked = value & 0x80 != 0;
            }
            1 => self.state.write(self.clock.now(), value),
            _ => {}
        }
        self.drive();
    }
}

/// The register core.
impl RtcSavedV1 {
    fn divider_runs(&self) -> bool {
        self.a & A_DIVIDER_RESET != A_DIVIDER_RESET
    }

    /// Whether the calendar advances; else the time registers hold what is written to them.
    fn updates(&self) -> bool {
        self.divider_runs() && self.b & B_SET == 0
    }

    /// Time since the divider chain's origin.
    fn elapsed(&self, now: VmTime) -> VmTime {
        let ns = i128::from(now.0) - i128::from(self.origin);
        VmTime(ns.clamp(0, i128::from(u64::MAX)) as u64)
    }

    /// Guest time at `elapsed` after the origin.
    fn at(&self, elapsed: VmTime) -> VmTime {
        let ns = i128::from(elapsed.0) + i128::from(self.origin);
        VmTime(ns.clamp(0, i128::from(u64::MAX)) as u64)
    }

    /// Whole seconds that the divider chain made by `now`.
    fn whole_seconds(&self, now: VmTime) -> i64 {
        (self.elapsed(now).0 / VmTime::SECOND.0) as i64
    }

    /// Calendar time at `now`.
    fn seconds(&self, now: VmTime) -> i64 {
        if self.updates() {
            calendar::normalise(self.base + self.whole_seconds(now))
        } else {
            calendar::decode(TIME.map(|index| self.cmos[usize::from(index)]), self.b).0
        }
    }

    /// Ticks of the crystal in a period of the periodic interrupt.
    fn period_ticks(&self) -> Option<u64> {
        match self.a & A_RATE {
            0 => None,
            // The two fastest taps do not exist at this time base: they repeat 8 and 9.
            rate @ 1..=2 => Some(1 << (rate + 6)),
            rate => Some(1 << (rate - 1)),
        }
    }

    fn alarm(&self) -> Alarm {
        let [second, minute, hour] = [ALARM_SECOND, ALARM_MINUTE, ALARM_HOUR].map(|index| self.cmos[index]);
        Alarm::new(second, minute, hour, self.b)
    }

    /// Whether the interrupt line is asserted.
    fn requests(&self) -> bool {
        self.c & self.b & FLAGS != 0
    }

    /// Sets the flags for what happened since the last fold.
    fn fold(&mut self, now: VmTime) {
        let from = std::mem::replace(&mut self.folded, now);
        if !self.divider_runs() {
            return;
        }
        if let Some(period) = self.period_ticks() {
            let periods = |at| self.elapsed(at).ticks(CRYSTAL_HZ) / period;
            if periods(now) > periods(from) {
                self.c |= B_PERIODIC;
            }
        }
        let (was, is) = (self.whole_seconds(from), self.whole_seconds(now));
        if self.updates() && is > was {
            self.c |= B_UPDATE;
            let time = calendar::time_of_day(self.base + was);
            if self.alarm().next_after(time).is_some_and(|wait| i64::from(wait) <= is - was) {
                self.c |= B_ALARM;
            }
        }
    }

    /// When an enabled flag will next be set while none requests.
    fn deadline(&self) -> Option<VmTime> {
        if self.requests() || !self.divider_runs() {
            return None;
        }
        let elapsed = self.elapsed(self.folded);
        let periodic = self.period_ticks().filter(|_| self.b & B_PERIODIC != 0).map(|period| {
            let next = (elapsed.ticks(CRYSTAL_HZ) / period + 1) * period;
            self.at(VmTime::of_ticks(next, CRYSTAL_HZ))
        });
        let second = self.whole_seconds(self.folded);
        let in_seconds = |wait: i64| self.at(VmTime::of_ticks((second + wait) as u64, 1));
        let update = (self.updates() && self.b & B_UPDATE != 0).then(|| in_seconds(1));
        let alarm = (self.updates() && self.b & B_ALARM != 0)
            .then(|| self.alarm().next_after(calendar::time_of_day(self.base + second)))
            .flatten()
            .map(|wait| in_seconds(wait.into()));
        [periodic, update, alarm].into_iter().flatten().min()
    }

    /// Writes the running calendar into the time registers.
    fn hold(&mut self, now: VmTime) {
        let fields = Civil::at(self.seconds(now), self.weekday_shift).encode(self.b);
        for (index, field) in TIME.into_iter().zip(fields) {
            self.cmos[usize::from(index)] = field;
        }
    }

    /// Lets the calendar run on from the time registers.
    fn release(&mut self, now: VmTime) {
        let fields = TIME.map(|index| self.cmos[usize::from(index)]);
        let (seconds, shift) = calendar::decode(fields, self.b);
        self.base = calendar::normalise(seconds - self.whole_seconds(now));
        self.weekday_shift = shift;
    }

    fn read(&mut self, now: VmTime) -> u8 {
        match self.index {
            REG_A if self.updates() => {
                let to_second = NS - i128::from(self.elapsed(now).0) % NS;
                if to_second <= UPDATE_NS { self.a | A_UPDATE_IN_PROGRESS } else { self.a }
            }
            REG_A => self.a,
            REG_B => self.b,
            REG_C => {
                let request = if self.requests() { C_REQUEST } else { 0 };
                std::mem::take(&mut self.c) | request
            }
            REG_D => D_VALID,
            index => {
                if self.updates() && TIME.contains(&index) {
                    self.hold(now);
                }
                self.cmos[usize::from(index)]
            }
        }
    }

    fn write(&mut self, now: VmTime, value: u8) {
        let updated = self.updates();
        match self.index {
            REG_A => {
                if updated {
                    self.hold(now);
                }
                let ran = self.divider_runs();
                self.a = value & !A_UPDATE_IN_PROGRESS;
                if self.divider_runs() && !ran {
                    // The first update comes half a second after the divider is let go.
                    let now = i64::try_from(now.0).unwrap_or(i64::MAX);
                    self.origin = now - NS as i64 / 2;
                }
                if self.updates() {
                    self.release(now);
                }
            }
            REG_B => {
                let began_set = value & !self.b & B_SET != 0;
                if updated && began_set {
                    self.hold(now);
                }
                // SET going high clears the update-ended enable. A calendar that
                // runs on is shown in the new format from now on.
                self.b = if began_set { value & !B_UPDATE } else { value };
                if !updated && self.updates() {
                    self.release(now);
                }
            }
            REG_C | REG_D => {}
            index if updated && TIME.contains(&index) => {
                self.hold(now);
                self.cmos[usize::from(index)] = value;
                self.release(now);
            }
            index => self.cmos[usize::from(index)] = value,
        }
    }

    /// Whether this could be the state of a clock at `now`.
    fn check(&self, now: VmTime) -> Result<(), RestoreError> {
        let field = if self.cmos.len() != CMOS_SIZE {
            "cmos"
        } else if self.index > 0x7f {
            "index"
        } else if self.a & A_UPDATE_IN_PROGRESS != 0 {
            "a"
        } else if self.c & !FLAGS != 0 {
            "c"
        } else if self.origin < -(NS as i64) || i128::from(self.origin) > i128::from(now.0) {
            "origin"
        } else if self.base != calendar::normalise(self.base) {
            "base"
        } else if self.weekday_shift > 6 {
            "weekday_shift"
        } else if self.folded > now {
            "folded"
        } else {
            return Ok(());
        };
        Err(RestoreError::Invalid { device: "rtc", field })
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
        self.state.b &= !(FLAGS | B_SQUARE_WAVE);
        self.state.c = 0;
        self.state.nmi_masked = false;
        self.irq.lower();
    }

    fn next_deadline(&self) -> Option<VmTime> {
        self.state.deadline()
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
        let Self { clock: _, irq: _, state } = self;
        state.clone()
    }

    fn restore(&mut self, saved: RtcSavedV1) -> Result<(), RestoreError> {
        saved.check(self.clock.now())?;
        self.state = saved;
        self.drive();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
