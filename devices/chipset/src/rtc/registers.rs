//! The register core of the clock: no bus, no line; time is handed in.

use glassbox_device_api::{RestoreError, VmTime};
use serde::{Deserialize, Serialize};

use super::CMOS_SIZE;
use super::alarm::Alarm;
use super::calendar::{self, Civil};

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
pub(super) const B_BINARY: u8 = 0x04;
pub(super) const B_24_HOUR: u8 = 0x02;
const C_REQUEST: u8 = 0x80;
/// Flags of register C, at the places of their enables in register B.
const FLAGS: u8 = B_PERIODIC | B_ALARM | B_UPDATE;
const D_VALID: u8 = 0x80;

const NS: i128 = 1_000_000_000;
/// The time base.
const CRYSTAL_HZ: u64 = 32_768;
/// An update takes 1984 µs, and is announced 244 µs before (time base of 32.768 kHz).
const UPDATE_NS: i128 = (1_984 + 244) * 1_000;

/// The registers and memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Registers {
    index: u8,
    pub(super) nmi_masked: bool,
    /// [`CMOS_SIZE`] bytes. The time registers are live here only while updates are inhibited.
    pub(super) cmos: Vec<u8>,
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

/// Whether the byte at `index` is a register of the clock rather than memory.
pub(super) fn is_clock(index: u8) -> bool {
    TIME.contains(&index) || (REG_A..=REG_D).contains(&index)
}

impl Registers {
    /// A clock in BCD and 24-hour format that shows `unix_seconds` at `now`.
    pub(super) fn new(now: VmTime, unix_seconds: i64) -> Self {
        Self {
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
        }
    }

    /// The RESET pin.
    pub(super) fn reset(&mut self) {
        self.b &= !(FLAGS | B_SQUARE_WAVE);
        self.c = 0;
        self.nmi_masked = false;
    }

    /// Writes the index port.
    pub(super) fn select(&mut self, value: u8) {
        self.index = value & 0x7f;
        self.nmi_masked = value & 0x80 != 0;
    }

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
    pub(super) fn seconds(&self, now: VmTime) -> i64 {
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
    pub(super) fn requests(&self) -> bool {
        self.c & self.b & FLAGS != 0
    }

    /// Sets the flags for what happened since the last fold.
    pub(super) fn fold(&mut self, now: VmTime) {
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
    pub(super) fn deadline(&self) -> Option<VmTime> {
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

    pub(super) fn read(&mut self, now: VmTime) -> u8 {
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

    pub(super) fn write(&mut self, now: VmTime, value: u8) {
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
    pub(super) fn check(&self, now: VmTime) -> Result<(), RestoreError> {
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
