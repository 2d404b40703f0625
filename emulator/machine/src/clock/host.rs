//! Guest time that follows the host's clock.
//!
//! A processor that the host does not run for a while must not see time pass: a
//! guest that calibrates one timer by another, or counts ticks, would find the timers
//! broken. So guest time counts the time for which the processor's thread ran (its CPU
//! time) and the time for which it slept because the guest was halted. What is missing
//! to the host's clock, the *lag*, is caught up: all of it at once while the guest waits for
//! a timer, and bit by bit while it runs, by letting time pass faster. All of a guest's
//! timers are made from this time, so among each other they always agree.

use glassbox_device_api::{TimeSource, VmTime};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The CPU time is asked for when this much time has passed, in nanoseconds. What the
/// host takes away in shorter pieces goes unnoticed.
const MARK_EVERY: u64 = 200_000;
/// So much less CPU time than time means that the host ran something else.
const INTERRUPTED: u64 = 50_000;
/// CPU time that this costs the processor's thread: the switch, cold caches.
const SWITCH: u64 = 20_000;
/// With so much lag, in nanoseconds, time passes twice as fast as the processor runs; with
/// twice as much three times as fast.
const CATCH_UP: u64 = 250_000_000;
/// The fastest.
const FASTEST: u64 = 4;
/// More lag than this, in nanoseconds, is not caught up: time leaps.
const LARGEST_LAG: u64 = 10_000_000_000;
/// Units of [`Progress::rate`].
const RATE_ONE: u64 = 1 << 10;

/// A number that no other running thread has. The standard library's takes longer.
fn this_thread() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

/// What the host's clocks say, in nanoseconds.
pub(crate) trait HostTime: Send + Sync {
    /// Since the machine was built.
    fn wall(&self) -> u64;
    /// CPU time of the thread that asks; `None` where the host does not say.
    fn ran(&self) -> Option<u64>;
}

/// The clocks of a real host.
#[derive(Debug)]
pub(crate) struct Host(Instant);

impl Default for Host {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl HostTime for Host {
    fn wall(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn ran(&self) -> Option<u64> {
        use nix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
        u64::try_from(std::time::Duration::from(time).as_nanos()).ok()
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    fn ran(&self) -> Option<u64> {
        None
    }
}

/// Guest time at a mark, and how fast it passes from there on.
#[derive(Debug)]
struct Progress {
    /// The host's clock and the thread's CPU time at the mark.
    wall: u64,
    ran: Option<u64>,
    /// Guest time at the mark.
    guest: u64,
    /// How much faster than the processor runs.
    rate: u64,
    /// The latest that anybody was told.
    told: u64,
    /// The processor's thread, once there is one.
    thread: Option<usize>,
    /// The host's time for which the guest was stopped: it never was.
    lost: u64,
    /// Since when on the host's clock the guest is stopped.
    stopped: Option<u64>,
}

impl Progress {
    fn after(&self, ran: u64) -> u64 {
        let passed = u128::from(ran) * u128::from(self.rate) / u128::from(RATE_ONE);
        self.guest.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Makes a mark at `guest`, which neither goes back nor ahead of the host.
    fn mark(&mut self, wall: u64, ran: Option<u64>, guest: u64) {
        let guest = guest.min(wall).max(wall.saturating_sub(LARGEST_LAG)).max(self.told);
        let lag = wall.saturating_sub(guest);
        let more = u128::from(lag) * u128::from(RATE_ONE) / u128::from(CATCH_UP);
        self.rate = RATE_ONE + u64::try_from(more).unwrap_or(u64::MAX).min((FASTEST - 1) * RATE_ONE);
        (self.wall, self.ran, self.guest, self.told) = (wall, ran, guest, guest);
    }

    /// Makes a mark at the present of the processor's thread.
    fn mark_now(&mut self, wall: u64, ran: Option<u64>) {
        let passed = wall.saturating_sub(self.wall);
        let counted = match (self.ran, ran) {
            (Some(before), Some(now)) => now.saturating_sub(before).min(passed),
            _ => passed,
        };
        let guest = if passed - counted > INTERRUPTED {
            // What going and coming back cost is not the guest's, either.
            self.after(counted.saturating_sub(SWITCH)).max(self.told)
        } else {
            self.after(counted)
        };
        self.mark(wall, ran, guest);
    }
}

/// The latest mark once more, for the thread that makes all of them: it looks at the time
/// very often, and there is nobody to wait for.
#[derive(Debug, Default)]
struct Recent {
    /// That thread; 0 where there is none yet or time stands still.
    thread: AtomicUsize,
    wall: AtomicU64,
    guest: AtomicU64,
    rate: AtomicU64,
    lost: AtomicU64,
    told: AtomicU64,
}

/// Guest time in the host's.
#[derive(Debug)]
pub(crate) struct HostClock<H = Host> {
    host: H,
    progress: Mutex<Progress>,
    recent: Recent,
}

impl<H: HostTime> HostClock<H> {
    /// A clock at zero.
    pub fn new(host: H) -> Self {
        let progress = Progress {
            wall: host.wall(),
            ran: None,
            guest: 0,
            rate: RATE_ONE,
            told: 0,
            thread: None,
            lost: 0,
            stopped: None,
        };
        Self { host, progress: Mutex::new(progress), recent: Recent::default() }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.told = progress.told.max(self.recent.told.load(Ordering::Relaxed));
        progress
    }

    /// To be called after changes on the processor's thread.
    fn publish(&self, progress: &Progress) {
        let (recent, running) = (&self.recent, progress.stopped.is_none());
        recent.thread.store(progress.thread.filter(|_| running).unwrap_or(0), Ordering::Relaxed);
        recent.wall.store(progress.wall, Ordering::Relaxed);
        recent.guest.store(progress.guest, Ordering::Relaxed);
        recent.rate.store(progress.rate, Ordering::Relaxed);
        recent.lost.store(progress.lost, Ordering::Relaxed);
        recent.told.store(progress.told, Ordering::Relaxed);
    }

    /// The time on the processor's thread, if there need not be a mark now.
    fn soon_after_mark(&self) -> Option<u64> {
        let recent = &self.recent;
        if recent.thread.load(Ordering::Relaxed) != this_thread() {
            return None;
        }
        let wall = self.host.wall().saturating_sub(recent.lost.load(Ordering::Relaxed));
        let passed = wall.saturating_sub(recent.wall.load(Ordering::Relaxed));
        if passed >= MARK_EVERY {
            return None;
        }
        let more = passed * recent.rate.load(Ordering::Relaxed) / RATE_ONE;
        let now = recent.guest.load(Ordering::Relaxed).saturating_add(more).min(wall);
        let told = now.max(recent.told.load(Ordering::Relaxed));
        recent.told.store(told, Ordering::Relaxed);
        Some(told)
    }

    /// The host's clock without the time for which the guest was stopped.
    fn wall(&self, progress: &Progress) -> u64 {
        progress.stopped.unwrap_or_else(|| self.host.wall()).saturating_sub(progress.lost)
    }

    /// Lets guest time stand still, or pass; for the processor's thread.
    pub fn set_stopped(&self, stopped: bool) {
        let mut progress = self.progress();
        match progress.stopped {
            None if stopped => {
                let now = self.host.wall();
                let wall = now.saturating_sub(progress.lost);
                progress.mark_now(wall, self.host.ran());
                progress.stopped = Some(now);
            }
            Some(since) if !stopped => {
                progress.lost += self.host.wall().saturating_sub(since);
                progress.stopped = None;
                let guest = progress.guest;
                let wall = self.wall(&progress);
                progress.mark(wall, self.host.ran(), guest);
            }
            _ => {}
        }
        self.publish(&progress);
    }

    /// The processor runs on this thread from now on; until now all time has counted.
    pub fn start(&self) {
        let mut progress = self.progress();
        progress.thread = Some(this_thread());
        progress.ran = None;
        let wall = self.wall(&progress);
        progress.mark_now(wall, self.host.ran());
        self.publish(&progress);
    }

    /// The processor waits: lag is caught up, to `deadline` at most. True when that is now.
    pub fn skip_to(&self, deadline: VmTime) -> bool {
        let mut progress = self.progress();
        let (wall, ran) = (self.wall(&progress), self.host.ran());
        progress.mark_now(wall, ran);
        let guest = wall.min(deadline.0).max(progress.guest);
        progress.mark(wall, ran, guest);
        self.publish(&progress);
        guest >= deadline.0
    }

    /// Sleeps by calling `sleep`. The time counts, to `deadline` if there is one: what comes
    /// after it, because the host was late, becomes lag.
    pub fn sleep(&self, deadline: Option<VmTime>, sleep: impl FnOnce()) {
        let mut progress = self.progress();
        let wall = self.wall(&progress);
        progress.mark_now(wall, self.host.ran());
        self.publish(&progress);
        drop(progress);
        sleep();
        let mut progress = self.progress();
        let wall = self.wall(&progress);
        let all = progress.guest.saturating_add(wall.saturating_sub(progress.wall));
        let counted = deadline.map_or(all, |deadline| all.min(deadline.0));
        progress.mark(wall, self.host.ran(), counted);
        self.publish(&progress);
    }
}

impl<H: HostTime> TimeSource for HostClock<H> {
    fn now(&self) -> VmTime {
        if let Some(now) = self.soon_after_mark() {
            return VmTime(now);
        }
        let mut progress = self.progress();
        if progress.stopped.is_some() {
            return VmTime(progress.told);
        }
        let wall = self.wall(&progress);
        if progress.thread.is_some_and(|thread| thread != this_thread()) {
            // The CPU time of this thread is not the processor's.
            return VmTime(progress.told);
        }
        if wall.saturating_sub(progress.wall) >= MARK_EVERY {
            let ran = self.host.ran();
            progress.mark_now(wall, ran);
        } else {
            let now = progress.after(wall.saturating_sub(progress.wall)).min(wall);
            progress.told = progress.told.max(now);
        }
        self.publish(&progress);
        VmTime(progress.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::thread;

    const MS: u64 = 1_000_000;
    const SECOND: u64 = 1000 * MS;

    #[derive(Default)]
    struct Fake {
        wall: AtomicU64,
        ran: AtomicU64,
    }

    impl HostTime for Fake {
        fn wall(&self) -> u64 {
            self.wall.load(Relaxed)
        }

        fn ran(&self) -> Option<u64> {
            Some(self.ran.load(Relaxed))
        }
    }

    impl HostClock<Fake> {
        fn started() -> Self {
            let clock = Self::new(Fake::default());
            clock.start();
            clock
        }

        /// The processor runs and looks at the clock every 10 µs.
        fn run(&self, ns: u64) {
            for _ in 0..ns / 10_000 {
                self.host.wall.fetch_add(10_000, Relaxed);
                self.host.ran.fetch_add(10_000, Relaxed);
                self.now();
            }
        }

        /// The host runs something else.
        fn lose(&self, ns: u64) {
            self.host.wall.fetch_add(ns, Relaxed);
        }

        fn lag(&self) -> u64 {
            self.host.wall() - self.now().0
        }
    }

    #[test]
    fn a_processor_that_always_runs_has_the_hosts_time() {
        let clock = HostClock::started();
        clock.run(50 * MS);
        assert_eq!(clock.now(), VmTime(50 * MS));
    }

    #[test]
    fn time_that_the_host_gives_to_others_is_not_seen_and_comes_back_slowly() {
        let clock = HostClock::started();
        clock.run(10 * MS);
        clock.lose(20 * MS);
        assert!(clock.now().0 < 10 * MS + MARK_EVERY, "{:?}", clock.now());
        // A tenth of it is caught up in 25 ms: no two looks are further apart than ever.
        let mut before = clock.now();
        for _ in 0..2500 {
            clock.run(10_000);
            let now = clock.now();
            assert!(now > before && now.0 - before.0 < 12_000, "{before:?} {now:?}");
            before = now;
        }
        assert!((17 * MS..19 * MS).contains(&clock.lag()), "{}", clock.lag());
        clock.run(2 * SECOND);
        assert!(clock.lag() < MS, "{}", clock.lag());
    }

    #[test]
    fn a_loop_that_compares_looks_does_not_see_the_host_switch() {
        let clock = HostClock::started();
        clock.run(10 * MS);
        clock.host.ran.fetch_add(8_000, Relaxed);
        clock.lose(3 * MS);
        assert_eq!(clock.now(), VmTime(10 * MS));
        // One that looks seldom has run in between, and time has passed.
        clock.host.ran.fetch_add(MS, Relaxed);
        clock.lose(4 * MS);
        assert!(clock.now().0 >= 11 * MS - SWITCH, "{:?}", clock.now());
    }

    #[test]
    fn on_half_a_processor_guest_time_keeps_up_and_never_leaps() {
        let clock = HostClock::started();
        let mut before = clock.now();
        for _ in 0..1000 {
            clock.run(5 * MS);
            clock.lose(5 * MS);
            let now = clock.now();
            assert!(now.0 - before.0 <= 20 * MS + MARK_EVERY, "{before:?} {now:?}");
            before = now;
        }
        assert!(clock.lag() < SECOND / 2, "{}", clock.lag());
    }

    #[test]
    fn a_guest_that_waits_catches_up_from_deadline_to_deadline() {
        let clock = HostClock::started();
        clock.run(MS);
        clock.lose(20 * MS);
        for tick in 1..=4 {
            assert!(clock.skip_to(VmTime(tick * 5 * MS)));
            assert_eq!(clock.now(), VmTime(tick * 5 * MS));
        }
        assert!(!clock.skip_to(VmTime(25 * MS)), "there is no more lag");
        assert_eq!(clock.now(), VmTime(21 * MS));
    }

    #[test]
    fn sleep_counts_and_waking_late_is_lag() {
        let clock = HostClock::started();
        clock.sleep(Some(VmTime(5 * MS)), || clock.lose(3 * MS));
        assert_eq!(clock.now(), VmTime(3 * MS), "woken early");
        clock.sleep(Some(VmTime(5 * MS)), || clock.lose(9 * MS));
        assert_eq!(clock.now(), VmTime(5 * MS));
        assert!(clock.skip_to(VmTime(10 * MS)), "the next deadline is over, too");
        clock.sleep(None, || clock.lose(30 * MS));
        assert_eq!(clock.now(), VmTime(40 * MS));
    }

    #[test]
    fn a_host_that_was_away_for_long_is_not_caught_up_with() {
        let clock = HostClock::started();
        clock.lose(3600 * SECOND);
        assert_eq!(clock.lag(), LARGEST_LAG);
    }

    #[test]
    fn other_threads_are_told_what_the_processor_saw_last() {
        let clock = HostClock::started();
        clock.run(7 * MS);
        clock.lose(MS);
        let told = thread::scope(|scope| scope.spawn(|| clock.now()).join().unwrap());
        assert_eq!(told, VmTime(7 * MS));
    }

    #[test]
    fn before_it_runs_and_without_cpu_times_all_time_counts() {
        struct Plain(AtomicU64);
        impl HostTime for Plain {
            fn wall(&self) -> u64 {
                self.0.load(Relaxed)
            }
            fn ran(&self) -> Option<u64> {
                None
            }
        }
        let clock = HostClock::new(Plain(AtomicU64::new(0)));
        clock.host.0.store(5 * MS, Relaxed);
        assert_eq!(clock.now(), VmTime(5 * MS));
        clock.start();
        clock.host.0.store(9 * MS, Relaxed);
        assert_eq!(clock.now(), VmTime(9 * MS));
    }

    #[test]
    fn the_hosts_cpu_time_counts_work_and_not_sleep() {
        let host = Host::default();
        let Some(before) = host.ran() else { return };
        thread::sleep(std::time::Duration::from_millis(50));
        assert!(host.ran().unwrap() - before < 40 * MS);
        let start = Instant::now();
        while start.elapsed().as_millis() < 2000 && host.ran().unwrap() - before < 50 * MS {
            std::hint::spin_loop();
        }
        assert!(host.ran().unwrap() - before >= 5 * MS);
    }
}
