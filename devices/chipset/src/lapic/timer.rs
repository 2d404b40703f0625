//! The APIC timer (Intel SDM Vol. 3A 11.5.4).
//!
//! Counts are derived from guest time when they are asked for, so an armed
//! timer costs nothing until it is due.

use glassbox_device_api::VmTime;
use serde::{Deserialize, Serialize};

/// Input clock of the timer before the divider: the bus clock, as CPUID leaf
/// 15h reports the crystal. One tick is one nanosecond of guest time.
pub const APIC_TIMER_HZ: u64 = 1_000_000_000;

/// The timer mode field of the LVT timer register, bits 18:17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerMode {
    /// Counts down once.
    OneShot,
    /// Starts again from the initial count.
    Periodic,
    /// Due when the time-stamp counter reaches `IA32_TSC_DEADLINE`.
    TscDeadline,
    /// Reserved: never due.
    Reserved,
}

impl TimerMode {
    /// The mode that an LVT timer register holds.
    pub fn of_lvt(lvt: u32) -> Self {
        match lvt >> 17 & 3 {
            0 => Self::OneShot,
            1 => Self::Periodic,
            2 => Self::TscDeadline,
            _ => Self::Reserved,
        }
    }

    /// Whether the initial count register drives the timer.
    pub fn counts(self) -> bool {
        matches!(self, Self::OneShot | Self::Periodic)
    }
}

/// A running count: at `since` it stood at `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countdown {
    since: VmTime,
    from: u32,
}

/// The timer's registers, apart from its LVT entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    initial: u32,
    divide: u32,
    countdown: Option<Countdown>,
    /// `IA32_TSC_DEADLINE`; 0 when disarmed.
    deadline: u64,
    /// The guest time at which the deadline is reached.
    deadline_at: VmTime,
}

impl Timer {
    /// The initial count register.
    pub fn initial(&self) -> u32 {
        self.initial
    }

    /// The divide configuration register.
    pub fn divide(&self) -> u32 {
        self.divide
    }

    /// `IA32_TSC_DEADLINE`; 0 when disarmed.
    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    /// Nanoseconds of one count.
    fn tick_ns(&self) -> u64 {
        // Bits 3, 1 and 0 select 2, 4, 8, 16, 32, 64, 128 and 1.
        let select = self.divide & 3 | self.divide >> 1 & 4;
        let divisor = 1u64 << ((select + 1) & 7);
        divisor * (1_000_000_000 / APIC_TIMER_HZ)
    }

    fn span(&self, counts: u32) -> VmTime {
        VmTime(u64::from(counts) * self.tick_ns())
    }

    /// Starts to count from `initial`; 0 stops.
    pub fn start(&mut self, now: VmTime, initial: u32) {
        self.initial = initial;
        self.countdown = (initial != 0).then_some(Countdown { since: now, from: initial });
    }

    /// Changes the divider; a running count goes on from where it stands.
    pub fn set_divide(&mut self, now: VmTime, divide: u32) {
        let current = self.current(now);
        self.divide = divide & 0b1011;
        if let Some(countdown) = &mut self.countdown {
            *countdown = Countdown { since: now, from: current };
        }
    }

    /// Disarms whatever was armed: the mode changed between counting and the deadline.
    pub fn disarm(&mut self) {
        self.countdown = None;
        self.initial = 0;
        self.deadline = 0;
    }

    /// Arms the deadline for guest time `at`; `tsc` 0 disarms.
    pub fn set_deadline(&mut self, tsc: u64, at: VmTime) {
        self.deadline = tsc;
        self.deadline_at = at;
    }

    /// The current count register. The caller has served what was due before `now`.
    pub fn current(&self, now: VmTime) -> u32 {
        let Some(Countdown { since, from }) = self.countdown else { return 0 };
        let elapsed = (now - since).0 / self.tick_ns();
        u64::from(from).saturating_sub(elapsed) as u32
    }

    /// When the timer is due next.
    pub fn due(&self, mode: TimerMode) -> Option<VmTime> {
        match mode {
            TimerMode::OneShot | TimerMode::Periodic => self.countdown.map(|c| c.since + self.span(c.from)),
            TimerMode::TscDeadline => (self.deadline != 0).then_some(self.deadline_at),
            TimerMode::Reserved => None,
        }
    }

    /// Serves what fell due by `now`; true when an interrupt is to be raised.
    /// Periods that went by unseen make one interrupt, as they would in the IRR.
    pub fn serve(&mut self, now: VmTime, mode: TimerMode) -> bool {
        let Some(due) = self.due(mode).filter(|due| *due <= now) else { return false };
        match mode {
            TimerMode::Periodic => {
                let period = self.span(self.initial).0.max(1);
                let missed = (now - due).0 / period;
                self.countdown = Some(Countdown {
                    since: due + VmTime(missed.saturating_mul(period)),
                    from: self.initial,
                });
            }
            TimerMode::TscDeadline => self.deadline = 0,
            TimerMode::OneShot | TimerMode::Reserved => self.countdown = None,
        }
        true
    }

    /// Whether a saved timer could be this one.
    pub fn is_valid(&self) -> bool {
        let counting = self.countdown.is_none_or(|c| self.initial != 0 && c.from <= self.initial);
        self.divide & !0b1011 == 0 && counting
    }
}
