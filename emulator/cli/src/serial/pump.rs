//! Output that a thread of its own writes, so that a device never waits for the
//! host for long.

use anyhow::Context;
use glassbox_device_api::CharBackend;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Bytes that wait for the host at most.
const LIMIT: usize = 1 << 20;

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
    broken: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes until it is closed and empty, or the host refuses.
    fn drain(&self, mut out: impl Write) {
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
            let result = out.write_all(&bytes).and_then(|()| out.flush());
            state = self.lock();
            if let Err(error) = result {
                log::debug!("serial output ends: {error}");
                state.broken = true;
                state.waiting.clear();
                self.changed.notify_all();
                return;
            }
        }
    }
}

/// Writers that have to finish before the process ends.
#[derive(Debug, Default)]
pub struct Flush(Vec<(Arc<Shared>, JoinHandle<()>)>);

impl Flush {
    /// Waits until everything is written.
    pub fn finish(self) {
        for (shared, thread) in self.0 {
            shared.lock().closed = true;
            shared.changed.notify_all();
            let _ = thread.join();
        }
    }
}

/// The device's side.
#[derive(Debug)]
pub struct Pump {
    shared: Arc<Shared>,
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
        let thread = std::thread::Builder::new()
            .name("serial-out".into())
            .spawn(move || theirs.drain(out))
            .context("cannot start a thread for serial output")?;
        flush.0.push((Arc::clone(&shared), thread));
        Ok(Self { shared, when_full })
    }
}

impl CharBackend for Pump {
    fn write(&mut self, bytes: &[u8]) {
        let mut state = self.shared.lock();
        while self.when_full == WhenFull::Wait && state.waiting.len() >= LIMIT && !state.broken {
            state = self.shared.wait(state);
        }
        if !state.broken && state.waiting.len() < LIMIT {
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
        let mut flush = Flush::default();
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
        let mut flush = Flush::default();
        let mut pump = Pump::start(Slow(send), WhenFull::Wait, &mut flush).unwrap();
        pump.write(&vec![0; LIMIT]);
        pump.write(&[1]);
        flush.finish();
    }
}
