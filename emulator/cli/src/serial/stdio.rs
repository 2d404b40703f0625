//! A serial port on standard input and output.

use super::{Flush, Pump, WhenFull};
use crate::monitor::Monitor;
use crate::terminal::{self, KeyFilter, Pressed, Typed};
use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use glassbox_device_api::CharBackend;
use glassbox_machine::{Control, Stop};
use std::io::{ErrorKind, Read, Write};

/// Reads from a file or pipe that wait for the guest; then the pipe waits.
const WAITING_READS: usize = 16;
/// Reads from a keyboard that wait for a guest that does not read; then keys are
/// dropped, so that Ctrl-A is still heard.
const WAITING_KEYS: usize = 1024;

/// Bytes that arrive through a channel.
#[derive(Debug)]
pub struct Inbox {
    receiver: Receiver<Vec<u8>>,
    current: Vec<u8>,
}

impl Inbox {
    pub fn new(receiver: Receiver<Vec<u8>>) -> Self {
        Self { receiver, current: Vec::new() }
    }

    /// Moves waiting bytes into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        if self.current.is_empty() {
            self.current = self.receiver.try_recv().unwrap_or_default();
        }
        let count = self.current.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.current[..count]);
        self.current.drain(..count);
        count
    }
}

/// Standard input and output.
#[derive(Debug)]
pub struct Stdio {
    output: Pump,
    input: Inbox,
}

/// Standard output. When its reader is gone, so is the reason to run.
struct Stdout(Control);

impl Stdout {
    fn look_at<T>(&self, result: std::io::Result<T>) -> std::io::Result<T> {
        result.inspect_err(|error| {
            if error.kind() == ErrorKind::BrokenPipe {
                self.0.stop(Stop::Interrupted("nobody reads standard output any more"));
            }
        })
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.look_at(std::io::stdout().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.look_at(std::io::stdout().flush())
    }
}

/// Starts reading standard input. Its end is not the end of the guest.
/// On a terminal Ctrl-A c leads to `monitor`.
pub fn open(control: Control, monitor: Monitor, flush: &mut Flush) -> anyhow::Result<Stdio> {
    let keys = terminal::is_raw().then(KeyFilter::default);
    let (sender, receiver) = bounded(if keys.is_some() { WAITING_KEYS } else { WAITING_READS });
    let output = Stdout(control.clone());
    std::thread::Builder::new()
        .name("serial-in".into())
        .spawn(move || read_input(keys, &sender, &control, &monitor))
        .context("cannot start a thread for serial input")?;
    let output = Pump::start(output, WhenFull::Wait, flush)?;
    Ok(Stdio { output, input: Inbox::new(receiver) })
}

fn read_input(mut keys: Option<KeyFilter>, guest: &Sender<Vec<u8>>, control: &Control, monitor: &Monitor) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0; 4096];
    loop {
        let input = match stdin.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => &buffer[..len],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return log::debug!("standard input ends: {error}"),
        };
        let is_keyboard = keys.is_some();
        let typed = match &mut keys {
            Some(keys) => keys.feed(input),
            None => vec![Typed::Bytes(input.to_vec())],
        };
        for typed in typed {
            match typed {
                Typed::Bytes(bytes) => {
                    // Rings before and after: a full channel waits for the guest to read.
                    control.input_ready();
                    if !pass_on(bytes, guest, is_keyboard) {
                        return;
                    }
                    control.input_ready();
                }
                Typed::Command(Pressed::Quit) => control.stop(Stop::Quit),
                Typed::Command(Pressed::Help) => terminal::show_help(),
                Typed::Command(Pressed::Monitor) => monitor.open(),
                Typed::Command(Pressed::Guest | Pressed::Nothing) => {}
            }
        }
    }
}

/// Hands input to the guest's side; false when that is gone.
fn pass_on(bytes: Vec<u8>, guest: &Sender<Vec<u8>>, is_keyboard: bool) -> bool {
    if !is_keyboard {
        return guest.send(bytes).is_ok();
    }
    match guest.try_send(bytes) {
        Err(TrySendError::Disconnected(_)) => false,
        Err(TrySendError::Full(_)) => {
            terminal::ring_bell();
            true
        }
        Ok(()) => true,
    }
}

impl CharBackend for Stdio {
    fn write(&mut self, bytes: &[u8]) {
        self.output.write(bytes);
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.input.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_for_a_guest_that_does_not_read_are_dropped_but_not_waited_for() {
        let (sender, receiver) = bounded(1);
        assert!(pass_on(b"a".to_vec(), &sender, true));
        assert!(pass_on(b"b".to_vec(), &sender, true), "the channel is full");
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [b"a".to_vec()]);
        drop(receiver);
        assert!(!pass_on(b"c".to_vec(), &sender, true));
    }

    #[test]
    fn a_small_buffer_gets_input_in_order() {
        let (sender, receiver) = bounded(4);
        sender.send(b"abc".to_vec()).unwrap();
        sender.send(b"de".to_vec()).unwrap();
        let mut inbox = Inbox::new(receiver);
        let mut buffer = [0; 2];
        let mut all = Vec::new();
        loop {
            let count = inbox.read(&mut buffer);
            if count == 0 {
                break;
            }
            all.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(all, b"abcde");
    }
}
