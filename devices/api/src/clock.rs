//! Guest time.

use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A point of guest time, or a span of it: nanoseconds since power-on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct VmTime(pub u64);

impl VmTime {
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);

    /// Whole ticks of a clock of `hz` that fit into this time.
    pub fn ticks(self, hz: u64) -> u64 {
        if hz < 1 << 34 {
            // A division of 128 bits takes longer than the rest of a look at the clock.
            let (seconds, rest) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
            return seconds.wrapping_mul(hz).wrapping_add(rest * hz / 1_000_000_000);
        }
        (u128::from(self.0) * u128::from(hz) / 1_000_000_000) as u64
    }

    /// The earliest time at which a clock of `hz` (above 0) has made `ticks` ticks.
    pub fn of_ticks(ticks: u64, hz: u64) -> Self {
        let ns = (u128::from(ticks) * 1_000_000_000).div_ceil(u128::from(hz.max(1)));
        Self(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

impl Add for VmTime {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

impl Sub for VmTime {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        Self(self.0.saturating_sub(rhs.0))
    }
}

/// Where guest time comes from: the host's clock, retired instructions, a test.
pub trait TimeSource: Send + Sync {
    /// Guest time now. Never goes back.
    fn now(&self) -> VmTime;
}

/// A device's view of guest time.
#[derive(Clone)]
pub struct VmClock(Arc<dyn TimeSource>);

impl VmClock {
    /// A clock over `source`.
    pub fn new(source: Arc<dyn TimeSource>) -> Self {
        Self(source)
    }

    /// Guest time now.
    pub fn now(&self) -> VmTime {
        self.0.now()
    }
}

impl std::fmt::Debug for VmClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VmClock({:?})", self.now())
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Sets the time.
    pub fn set(&self, to: VmTime) {
        self.0.fetch_max(to.0, Ordering::SeqCst);
    }

    /// Moves the time on.
    pub fn advance(&self, by: VmTime) {
        self.0.fetch_add(by.0, Ordering::SeqCst);
    }
}

impl TimeSource for ManualClock {
    fn now(&self) -> VmTime {
        VmTime(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_slow_and_of_fast_clocks_are_whole() {
        for ns in [0, 1, 999_999_999, 1_000_000_001, 123_456_789_012_345, u64::MAX] {
            for hz in [1, 32_768, 2_500_000_000, (1 << 34) - 1, 1 << 34, u64::MAX] {
                let exact = (u128::from(ns) * u128::from(hz) / 1_000_000_000) as u64;
                assert_eq!(VmTime(ns).ticks(hz), exact, "{ns} ns at {hz} Hz");
            }
        }
    }

    #[test]
    fn a_tick_has_come_at_the_time_that_of_ticks_says() {
        for hz in [32_768, 1_193_182, 3_579_545, 1_000_000_000] {
            for n in [0, 1, 2, 1000, 65_536, 10_000_000_000] {
                let at = VmTime::of_ticks(n, hz);
                assert_eq!(at.ticks(hz), n, "{n} ticks of {hz} Hz");
                assert!(n == 0 || VmTime(at.0 - 1).ticks(hz) < n);
            }
        }
    }
}
