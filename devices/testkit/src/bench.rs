//! The bench: a clock that the test moves and wires that remember.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use glassbox_device_api::{
    Device, InterruptQueue, IrqLine, ManualClock, MsiTarget, Signal, TimeSource, VmClock, VmTime,
};

/// What surrounds a device under test.
#[derive(Debug)]
pub struct Bench {
    clock: Arc<ManualClock>,
    queue: Arc<InterruptQueue>,
    seen: RefCell<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    levels: BTreeMap<u32, bool>,
    untaken: Vec<Signal>,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// A bench at time zero with no wires.
    pub fn new() -> Self {
        Self {
            clock: Arc::new(ManualClock::default()),
            queue: InterruptQueue::new(),
            seen: RefCell::default(),
        }
    }

    /// The clock to hand to the device.
    pub fn vm_clock(&self) -> VmClock {
        VmClock::new(Arc::clone(&self.clock) as Arc<dyn TimeSource>)
    }

    /// A recorded wire with the given number.
    pub fn line(&self, line: u32) -> IrqLine {
        self.queue.line(line)
    }

    /// A recorded target for messages.
    pub fn msi(&self) -> MsiTarget {
        self.queue.msi()
    }

    /// Guest time now.
    pub fn now(&self) -> VmTime {
        self.clock.now()
    }

    /// Lets `by` pass without telling any device.
    pub fn pass(&self, by: VmTime) {
        self.clock.advance(by);
    }

    /// Moves the clock to `to` (never back) without telling any device.
    pub fn set_time(&self, to: VmTime) {
        self.clock.set(to);
    }

    /// Lets `by` pass, serving each deadline of `device` exactly when it falls due.
    ///
    /// Returns how many deadlines there were.
    ///
    /// # Panics
    /// When the device's deadline does not move on: see [`run_until`].
    pub fn run(&self, device: &mut dyn Device, by: VmTime) -> usize {
        run_until(self, device, self.now() + by)
    }

    /// Moves the clock to the device's next deadline and serves it.
    ///
    /// Returns the time, or `None` (and does nothing) when the device is idle.
    pub fn run_to_deadline(&self, device: &mut dyn Device) -> Option<VmTime> {
        let due = device.next_deadline()?;
        self.clock.set(due);
        device.advance(self.now());
        Some(self.now())
    }

    /// Whether the line is asserted.
    pub fn level(&self, line: u32) -> bool {
        self.drain();
        self.seen.borrow().levels.get(&line).copied().unwrap_or(false)
    }

    /// The lines that ever changed, with their levels.
    pub fn asserted(&self) -> Vec<u32> {
        self.drain();
        self.seen.borrow().levels.iter().filter(|(_, level)| **level).map(|(line, _)| *line).collect()
    }

    /// What came over the wires since the last call, oldest first.
    pub fn take(&self) -> Vec<Signal> {
        self.drain();
        std::mem::take(&mut self.seen.borrow_mut().untaken)
    }

    /// How often the line was raised since the last call of this or [`take`](Self::take).
    /// Forgets what came over the other wires too.
    pub fn take_rises(&self, line: u32) -> usize {
        self.take().iter().filter(|s| **s == Signal::Line { line, level: true }).count()
    }

    fn drain(&self) {
        let mut seen = self.seen.borrow_mut();
        while let Some(signal) = self.queue.pop() {
            if let Signal::Line { line, level } = signal {
                seen.levels.insert(line, level);
            }
            seen.untaken.push(signal);
        }
    }
}

/// Serves each deadline of `device` up to and including `end`, then sets the clock to `end`.
///
/// Returns how many deadlines there were.
///
/// # Panics
/// When a deadline stays due after [`Device::advance`]: a machine would hang there.
pub fn run_until(bench: &Bench, device: &mut dyn Device, end: VmTime) -> usize {
    let mut served = 0;
    while let Some(due) = device.next_deadline().filter(|due| *due <= end) {
        bench.set_time(due);
        serve(bench, device);
        served += 1;
    }
    bench.set_time(end);
    device.advance(end);
    served
}

/// Calls [`Device::advance`] for the present and checks that the deadline moved past it.
pub(crate) fn serve(bench: &Bench, device: &mut dyn Device) {
    let now = bench.now();
    device.advance(now);
    if let Some(next) = device.next_deadline() {
        assert!(next > now, "{}: still due at {next:?} after advance({now:?})", device.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ticker {
        next: VmTime,
        step: VmTime,
        out: IrqLine,
    }

    impl Device for Ticker {
        fn name(&self) -> &'static str {
            "ticker"
        }
        fn reset(&mut self, _: glassbox_device_api::ResetKind) {}
        fn next_deadline(&self) -> Option<VmTime> {
            Some(self.next)
        }
        fn advance(&mut self, now: VmTime) {
            while self.step > VmTime(0) && self.next <= now {
                self.next = self.next + self.step;
                self.out.pulse();
            }
        }
    }

    #[test]
    fn every_deadline_is_served_once_and_recorded() {
        let bench = Bench::new();
        let mut ticker = Ticker { next: VmTime(10), step: VmTime(10), out: bench.line(3) };
        assert_eq!(bench.run(&mut ticker, VmTime(35)), 3);
        assert_eq!(bench.now(), VmTime(35));
        assert_eq!(bench.take_rises(3), 3);
        assert!(!bench.level(3));
        assert_eq!(bench.run_to_deadline(&mut ticker), Some(VmTime(40)));
    }

    #[test]
    #[should_panic(expected = "still due")]
    fn a_deadline_that_does_not_move_on_is_caught() {
        let bench = Bench::new();
        let mut ticker = Ticker { next: VmTime(10), step: VmTime(0), out: bench.line(3) };
        bench.run(&mut ticker, VmTime(35));
    }
}
