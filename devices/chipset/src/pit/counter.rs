//! One counter of an 8254: the register core, in ticks of its clock.
//!
//! Nothing happens per tick: the counter is folded forward to the time of an
//! access or event, and knows at which tick its output changes next.
//!
//! Source: Intel 8254 data sheet (231164), "Programming the 8254" and "Mode definitions".

use glassbox_device_api::RestoreError;
use serde::{Deserialize, Serialize};

use super::speaker::Wave;

/// Byte-lane programming of the control word, bits 5 and 4.
const LANE_LOW: u8 = 1;
const LANE_HIGH: u8 = 2;

/// One counter. Times are absolute ticks of the counter's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    /// Bits 5 to 0 of the last control word, as the status byte shows them.
    control: u8,
    /// The count register: the last complete count written, as written.
    reload: u16,
    /// A complete count was written since the control word.
    has_count: bool,
    /// The count register has yet to reach the counting element.
    null_count: bool,
    /// The low byte of a two-byte write, waiting for the high one.
    write_low: Option<u8>,
    /// The next read of a two-byte count gives the high byte.
    read_high: bool,
    latch: Option<u16>,
    status_latch: Option<u8>,
    gate: bool,
    out: bool,
    /// The tick up to which everything below holds.
    tick: u64,
    /// Ticks to the next change of phase (see `armed`); mode 3 counts its half cycle.
    left: u32,
    /// The count of the running period (modes 2 and 3).
    period: u32,
    /// The counting element holds a count.
    loaded: bool,
    /// Reaching zero still changes the output. Cleared after a one-shot ran out.
    armed: bool,
    /// Tick at which the count register is transferred into the counting element.
    load_at: Option<u64>,
    /// Tick at which the strobe of modes 4 and 5 ends.
    strobe_end: Option<u64>,
}

impl Counter {
    /// A counter after power-on, which the data sheet leaves undefined: waiting
    /// for a count in mode 3 with its output high.
    pub(super) fn new(gate: bool) -> Self {
        Self {
            control: 3 << 4 | 3 << 1,
            reload: 0,
            has_count: false,
            null_count: true,
            write_low: None,
            read_high: false,
            latch: None,
            status_latch: None,
            gate,
            out: true,
            tick: 0,
            left: 0,
            period: 0,
            loaded: false,
            armed: false,
            load_at: None,
            strobe_end: None,
        }
    }

    /// The OUT pin, as of the last [`fold`](Self::fold).
    pub(super) fn out(&self) -> bool {
        self.out
    }

    /// The GATE pin.
    pub(super) fn gate(&self) -> bool {
        self.gate
    }

    /// The mode, 0 to 5 (6 and 7 are 2 and 3).
    fn mode(&self) -> u8 {
        let mode = self.control >> 1 & 7;
        if mode > 5 { mode - 4 } else { mode }
    }

    fn lanes(&self) -> u8 {
        self.control >> 4 & 3
    }

    /// The modulus of the counting element.
    fn modulus(&self) -> u32 {
        if self.control & 1 != 0 { 10_000 } else { 0x1_0000 }
    }

    /// The count register as a number of ticks; zero stands for the modulus.
    fn count(&self) -> u32 {
        let raw = u32::from(self.reload);
        let count = if self.control & 1 != 0 {
            (0..4).rev().fold(0, |n, digit| n * 10 + (raw >> (4 * digit) & 0xf)) % 10_000
        } else {
            raw
        };
        if count == 0 { self.modulus() } else { count }
    }

    /// Whether the clock decrements the counting element.
    fn is_counting(&self) -> bool {
        // In mode 0 the first byte of a two-byte count stops the counting.
        self.loaded
            && match self.mode() {
                0 => self.gate && self.write_low.is_none(),
                1 | 5 => true,
                // The clock pulse after a trigger loads and does not count.
                2 | 3 => self.gate && self.load_at.is_none(),
                _ => self.gate,
            }
    }

    /// The tick of the next change inside the counter.
    fn next_event(&self) -> Option<u64> {
        let terminal = (self.is_counting() && self.armed).then(|| {
            // Mode 2 has its output low for the last tick of the period.
            let early = u32::from(self.mode() == 2 && self.out);
            self.tick.saturating_add(u64::from(self.left.saturating_sub(early)))
        });
        [terminal, self.load_at, self.strobe_end].into_iter().flatten().min()
    }

    /// The tick of the next event after the last fold, for a deadline.
    pub(super) fn next_change(&self) -> Option<u64> {
        self.next_event()
    }

    /// Moves on to tick `to`; returns whether the output rose on the way.
    pub(super) fn fold(&mut self, to: u64) -> bool {
        self.fold_heard(to, &mut |_| {})
    }

    /// As [`fold`](Self::fold), and tells what the output did on the way.
    pub(super) fn fold_heard(&mut self, to: u64, hear: &mut dyn FnMut(Wave)) -> bool {
        let mut rose = false;
        while let Some(at) = self.next_event().filter(|at| *at <= to) {
            let was = self.out;
            hear(self.steady(at));
            self.count_to(at);
            self.event(at);
            rose |= self.out && !was;
            rose |= self.skip_periods(to, hear);
        }
        hear(self.steady(to));
        self.count_to(to);
        rose
    }

    /// The output stays as it is until tick `to`.
    fn steady(&self, to: u64) -> Wave {
        let ticks = to.saturating_sub(self.tick);
        Wave { from: self.tick, ticks, level: self.out, first: 0, period: 0 }
    }

    /// Skips whole periods of modes 2 and 3: a machine may have been stopped for hours.
    fn skip_periods(&mut self, to: u64, hear: &mut dyn FnMut(Wave)) -> bool {
        let steady = matches!(self.mode(), 2 | 3)
            && self.is_counting()
            && self.load_at.is_none()
            && !self.null_count
            && self.period > 0;
        let periods = if steady { to.saturating_sub(self.tick) / u64::from(self.period) } else { 0 };
        let ticks = periods * u64::from(self.period);
        if let Some(change) = self.next_event().filter(|_| ticks > 0) {
            let first = change.saturating_sub(self.tick) as u32;
            hear(Wave { from: self.tick, ticks, level: self.out, first, period: self.period });
        }
        self.tick += ticks;
        periods > 0
    }

    /// Lets the counting element count to tick `at` where nothing else happens before.
    fn count_to(&mut self, at: u64) {
        let ticks = at.saturating_sub(self.tick);
        self.tick = self.tick.max(at);
        if !self.is_counting() {
            return;
        }
        if self.armed {
            self.left = u64::from(self.left).saturating_sub(ticks) as u32;
        } else {
            // A one-shot that ran out keeps counting and wraps.
            let modulus = u64::from(self.modulus());
            self.left = ((u64::from(self.left) + modulus - ticks % modulus) % modulus) as u32;
        }
    }

    fn event(&mut self, at: u64) {
        if self.load_at == Some(at) {
            self.load_at = None;
            self.load();
        } else if self.strobe_end == Some(at) {
            self.strobe_end = None;
            self.out = true;
        } else {
            self.terminal();
        }
    }

    /// Transfers the count register into the counting element.
    fn load(&mut self) {
        self.null_count = false;
        self.loaded = true;
        self.armed = true;
        self.start_period();
        match self.mode() {
            1 => self.out = false,
            2 | 3 => self.out = true,
            _ => {}
        }
    }

    fn start_period(&mut self) {
        self.null_count = false;
        // A count of 1 is illegal in modes 2 and 3; 2 is the shortest period there is.
        self.period = if matches!(self.mode(), 2 | 3) { self.count().max(2) } else { self.count() };
        self.left = if self.mode() == 3 { self.period.div_ceil(2) } else { self.period };
    }

    /// The counting element ran out (or, in mode 2, is about to).
    fn terminal(&mut self) {
        match self.mode() {
            0 | 1 => {
                self.out = true;
                self.armed = false;
            }
            2 if self.out => self.out = false,
            2 => {
                self.out = true;
                self.start_period();
            }
            3 if self.out => {
                self.out = false;
                if self.null_count {
                    // A new count is taken over at the end of the half cycle.
                    self.start_period();
                }
                self.left = self.period / 2;
            }
            3 => {
                self.out = true;
                self.start_period();
            }
            _ => {
                self.out = false;
                self.armed = false;
                self.strobe_end = Some(self.tick + 1);
            }
        }
    }

    /// Drives GATE at the time of the last fold.
    pub(super) fn set_gate(&mut self, gate: bool) {
        let rising = gate && !self.gate;
        self.gate = gate;
        match self.mode() {
            1 | 5 if rising && self.has_count => self.load_at = Some(self.tick + 1),
            2 | 3 if rising && self.has_count => self.load_at = Some(self.tick + 1),
            2 | 3 if !gate => self.out = true,
            _ => {}
        }
    }

    /// A control word for this counter (not a latch command), at the time of the last fold.
    pub(super) fn write_control(&mut self, control: u8) {
        let left = self.left;
        *self = Self { control: control & 0x3f, tick: self.tick, ..Self::new(self.gate) };
        self.left = left % self.modulus();
        self.out = self.mode() != 0;
    }

    /// Writes a byte of the count, at the time of the last fold.
    pub(super) fn write(&mut self, value: u8) {
        let count = match (self.lanes(), self.write_low) {
            (LANE_LOW, _) => u16::from(value),
            (LANE_HIGH, _) => u16::from(value) << 8,
            (_, None) => {
                self.write_low = Some(value);
                if self.mode() == 0 {
                    self.out = false;
                }
                return;
            }
            (_, Some(low)) => u16::from_le_bytes([low, value]),
        };
        self.write_low = None;
        self.reload = count;
        self.null_count = true;
        let first = !self.has_count;
        self.has_count = true;
        let load = match self.mode() {
            0 => {
                self.out = false;
                true
            }
            4 => true,
            // A running period is finished first.
            2 | 3 => first,
            // Modes 1 and 5 wait for the trigger.
            _ => false,
        };
        if load {
            self.load_at = Some(self.tick + 1);
        }
    }

    /// The counting element as a program reads it, at the time of the last fold.
    fn element(&self) -> u16 {
        let ticks = if self.mode() == 3 && self.loaded {
            // Decremented by two, from an even number, in each half.
            let half = if self.out { self.period.div_ceil(2) } else { self.period / 2 };
            (self.period & !1).saturating_sub(2 * half.saturating_sub(self.left))
        } else {
            self.left
        };
        let ticks = ticks % self.modulus();
        if self.control & 1 != 0 {
            (0..4).rev().fold(0, |bcd, digit| bcd << 4 | (ticks / 10u32.pow(digit) % 10) as u16)
        } else {
            ticks as u16
        }
    }

    /// Counter latch command: holds the count until it was read.
    pub(super) fn latch_count(&mut self) {
        if self.latch.is_none() {
            self.latch = Some(self.element());
        }
    }

    /// Read-back command: holds the status until it was read.
    pub(super) fn latch_status(&mut self) {
        if self.status_latch.is_none() {
            let status = u8::from(self.out) << 7 | u8::from(self.null_count) << 6 | self.control;
            self.status_latch = Some(status);
        }
    }

    /// Reads a byte of status or count, at the time of the last fold.
    pub(super) fn read(&mut self) -> u8 {
        if let Some(status) = self.status_latch.take() {
            return status;
        }
        let [low, high] = self.latch.unwrap_or_else(|| self.element()).to_le_bytes();
        let (value, last) = match self.lanes() {
            LANE_LOW => (low, true),
            LANE_HIGH => (high, true),
            _ => {
                self.read_high = !self.read_high;
                if self.read_high { (low, false) } else { (high, true) }
            }
        };
        if last {
            self.latch = None;
        }
        value
    }

    /// Whether this could be the state of a counter at tick `now`.
    pub(super) fn check(&self, now: u64) -> Result<(), RestoreError> {
        let soon = |at: Option<u64>| at.is_none_or(|at| at > self.tick && at - self.tick == 1);
        let field = if self.control > 0x3f {
            "control"
        } else if self.left > self.modulus() || (self.loaded && self.armed && self.left == 0) {
            "left"
        } else if self.period > self.modulus() || (self.loaded && self.period == 0) {
            "period"
        } else if self.tick > now || !soon(self.load_at) || !soon(self.strobe_end) {
            "tick"
        } else {
            return Ok(());
        };
        Err(RestoreError::Invalid { device: "pit", field })
    }
}

#[cfg(test)]
#[path = "counter_tests.rs"]
mod tests;
