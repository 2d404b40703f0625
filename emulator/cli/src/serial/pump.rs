//! Output that a thread of its own writes, so that a device never waits for the
//! host for long.

use anyhow::Context;
use glassbox_device_api::CharBackend;
use glassbox_machine::Control;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that wait for the host at most.
const LIMIT: usize = 1 << 20;
/// How often a thread that waits for the host asks whether it still should.
const GLANCE: Duration = Duration::from_millis(50);
/// What a run that is over, or a port whose output may be lost, grants the host
/// at the end.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// What to do when the host does not take output for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Hold the guest up, so that nothing is lost.
    Wait,
    /// Drop output: whoever is at the other end is not our user.
    Drop,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    closed: bool,
    /// Nothing more will be written: all is, or the host refuses.
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`wait`](Self::wait), but looks up from time to time.
    fn wait_a_little<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, GLANCE).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes what comes until it is closed and empty, or the host refuses.
    fn drain(&self, out: impl Write) {
        self.write_out(out);
        let mut state = self.lock();
        state.ended = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    fn write_out(&self, mut out: impl Write) {
        let mut state = self.lock();
        loop {
            while state.waiting.is_empty() {
                if state.closed {
                    return;
                }
                state = self.wait(state);
            }
            let bytes = std::mem::take(&mut state.waiting);
            drop(state);
            self.changed.notify_all();
            if let Err(error) = out.write_all(&bytes).and_then(|()| out.flush()) {
                if error.kind() != std::io::ErrorKind::BrokenPipe {
                    log::warn!("serial output cannot be written, from here on it is lost: {error}");
                }
                return;
            }
            state = self.lock();
        }
    }
}

/// Writers that have to finish before the process ends.
#[derive(Debug)]
pub struct Flush {
    control: Control,
    writers: Vec<(Arc<Shared>, WhenFull)>,
}

impl Flush {
    /// No writers yet, of the machine behind `control`.
    pub fn new(control: Control) -> Self {
        Self { control, writers: Vec::new() }
    }

    /// Waits until everything is written, unless the host does not take it and
    /// the run is to end whatever happens.
    pub fn finish(self) {
        for (shared, _) in &self.writers {
            shared.lock().closed = true;
            shared.changed.notify_all();
        }
        for (shared, when_full) in &self.writers {
            let mut hurried_since = None;
            let mut state = shared.lock();
            while !state.ended {
                if *when_full == WhenFull::Drop || self.control.is_hurried() {
                    let since = hurried_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > LAST_CHANCE {
                        break;
                    }
                }
                state = shared.wait_a_little(state);
            }
        }
    }
}

/// The device's side.
#[derive(Debug)]
pub struct Pump {
    shared: Arc<Shared>,
    control: Control,
    when_full: WhenFull,
}

impl Pump {
    /// Starts a thread that writes to `out`; `flush` will wait for it.
    pub fn start(
        out: impl Write + Send + 'static,
        when_full: WhenFull,
        flush: &mut Flush,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("serial-out".into())
            .spawn(move || theirs.drain(out))
            .context("cannot start a thread for serial output")?;
        flush.writers.push((Arc::clone(&shared), when_full));
        Ok(Self { shared, control: flush.control.clone(), when_full })
    }
}

impl CharBackend for Pump {
    fn write(&mut self, bytes: &[u8]) {
        let mut state = self.shared.lock();
        while self.when_full == WhenFull::Wait
            && state.waiting.len() >= LIMIT
            && !state.ended
            && !self.control.is_hurried()
        {
            state = self.shared.wait_a_little(state);
        }
        if !state.ended && state.waiting.len() < LIMIT {
            state.waiting.extend_from_slice(bytes);
            self.shared.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    struct Slow(Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            std::thread::sleep(std::time::Duration::from_millis(1));
            self.0.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn finishing_waits_for_the_last_byte_of_a_slow_host() {
        let (send, receive) = channel();
        let mut flush = Flush::new(Control::new());
        let mut pump = Pump::start(Slow(send), WhenFull::Wait, &mut flush).unwrap();
        for n in 0..200u8 {
            pump.write(&[n]);
        }
        flush.finish();
        let written: Vec<u8> = receive.try_iter().flatten().collect();
        assert_eq!(written, (0..200u8).collect::<Vec<_>>());
    }

    #[test]
    fn a_host_that_is_gone_does_not_hold_the_guest_up() {
        let (send, receive) = channel();
        drop(receive);
        let mut flush = Flush::new(Control::new());
        let mut pump = Pump::start(Slow(send), WhenFull::Wait, &mut flush).unwrap();
        pump.write(&vec![0; LIMIT]);
        pump.write(&[1]);
        flush.finish();
    }

    /// A host that never takes anything, such as a pager nobody looks at.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_run_that_is_to_end_does_not_wait_for_a_host_that_takes_nothing() {
        let control = Control::new();
        let mut flush = Flush::new(control.clone());
        let mut pump = Pump::start(Stuck, WhenFull::Wait, &mut flush).unwrap();
        pump.write(&vec![0; LIMIT]);
        pump.write(&vec![0; LIMIT]);
        control.stop(glassbox_machine::Stop::Quit);
        pump.write(&[1]);
        flush.finish();
    }
}
