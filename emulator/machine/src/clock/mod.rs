//! Guest time.

mod host;

use crate::ClockMode;
use glassbox_cpu::CpuSignals;
use glassbox_device_api::{TimeSource, VmTime};
use host::HostClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Frequency of the time stamp counter in Hz: constant, whatever guest time is made of.
pub const TSC_HZ: u64 = 2_500_000_000;
/// The rate of the instruction clock where none is given: about what the
/// interpreter does, so that guest and host time pass alike.
pub const DEFAULT_MIPS: u32 = 100;

/// Retired instructions, and the time that was skipped while the processor
/// waited: what makes a run repeatable.
#[derive(Debug)]
pub(crate) struct InstructionClock {
    processor: Arc<CpuSignals>,
    mips: u64,
    /// Nanoseconds that passed without an instruction.
    skipped: AtomicU64,
}

impl InstructionClock {
    fn at(&self, retired: u64) -> VmTime {
        let ns = u128::from(retired) * 1000 / u128::from(self.mips);
        VmTime(self.skipped.load(Ordering::Relaxed).saturating_add(u64::try_from(ns).unwrap_or(u64::MAX)))
    }
}

impl TimeSource for InstructionClock {
    fn now(&self) -> VmTime {
        self.at(self.processor.retired())
    }
}

/// The machine's time source, with what only the run loop may do to it.
#[derive(Clone, Debug)]
pub(crate) enum MachineClock {
    Host(Arc<HostClock>),
    Instructions(Arc<InstructionClock>),
}

impl MachineClock {
    /// A clock at zero; one of instructions counts those of `processor`.
    pub fn new(mode: ClockMode, processor: &Arc<CpuSignals>) -> Self {
        match mode {
            ClockMode::Host => Self::Host(Arc::new(HostClock::new(host::Host::default()))),
            ClockMode::Instructions { mips } => Self::Instructions(Arc::new(InstructionClock {
                processor: Arc::clone(processor),
                mips: u64::from(mips.max(1)),
                skipped: AtomicU64::new(0),
            })),
        }
    }

    pub fn source(&self) -> Arc<dyn TimeSource> {
        match self {
            Self::Host(clock) => Arc::clone(clock) as _,
            Self::Instructions(clock) => Arc::clone(clock) as _,
        }
    }

    pub fn now(&self) -> VmTime {
        match self {
            Self::Host(clock) => clock.now(),
            Self::Instructions(clock) => clock.now(),
        }
    }

    /// The guest is stopped, or goes on: time that is the host's stands still meanwhile.
    pub fn set_stopped(&self, stopped: bool) {
        if let Self::Host(clock) = self {
            clock.set_stopped(stopped);
        }
    }

    /// Instructions until guest time is `deadline`, at least 1; `None` where
    /// instructions do not make the time.
    pub fn instructions_until(&self, deadline: VmTime) -> Option<u64> {
        let Self::Instructions(clock) = self else { return None };
        let wait = (deadline - clock.now()).0;
        let count = (u128::from(wait) * u128::from(clock.mips)).div_ceil(1000);
        Some(u64::try_from(count).unwrap_or(u64::MAX).max(1))
    }

    /// The processor runs on this thread from now on.
    pub fn start(&self) {
        if let Self::Host(clock) = self {
            clock.start();
        }
    }

    /// The processor waits: an instruction clock goes to `deadline` at once, and so does the
    /// host's as far as it lags behind. False where the rest of the time passes by itself.
    pub fn skip_to(&self, deadline: VmTime) -> bool {
        let clock = match self {
            Self::Host(clock) => return clock.skip_to(deadline),
            Self::Instructions(clock) => clock,
        };
        clock.skipped.fetch_add((deadline - clock.now()).0, Ordering::Relaxed);
        true
    }

    /// The processor waits until `deadline`, by calling `sleep`, which may end early.
    pub fn sleep(&self, deadline: Option<VmTime>, sleep: impl FnOnce()) {
        match self {
            Self::Host(clock) => clock.sleep(deadline, sleep),
            Self::Instructions(_) => sleep(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn waiting_takes_an_instruction_clock_to_the_deadline_exactly() {
        let clock = MachineClock::new(ClockMode::Instructions { mips: 3 }, &Arc::default());
        assert_eq!(clock.now(), VmTime(0));
        assert_eq!(clock.instructions_until(VmTime(1000)), Some(3));
        assert_eq!(clock.instructions_until(VmTime(1001)), Some(4), "never early");
        assert!(clock.skip_to(VmTime(777)));
        assert_eq!(clock.now(), VmTime(777));
        assert_eq!(
            clock.instructions_until(VmTime(5)),
            Some(1),
            "a past deadline is due after one instruction"
        );
    }

    #[test]
    fn a_stopped_host_clock_stands_still_and_goes_on_where_it_stood() {
        let clock = MachineClock::new(ClockMode::Host, &Arc::default());
        clock.set_stopped(true);
        let at = clock.now();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(clock.now(), at);
        clock.set_stopped(true);
        clock.set_stopped(false);
        assert!(clock.now() >= at && clock.now() < at + VmTime(15_000_000), "{:?}", clock.now());
    }

    #[test]
    fn the_host_clock_does_not_run_ahead() {
        let clock = MachineClock::new(ClockMode::Host, &Arc::default());
        assert!(!clock.skip_to(VmTime(u64::MAX)));
        assert!(clock.now() < VmTime::SECOND);
        assert_eq!(clock.instructions_until(VmTime::SECOND), None);
    }
}
