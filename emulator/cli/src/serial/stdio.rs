//! A serial port on standard input and output.

use super::{Flush, Pump, WhenFull};
use crate::terminal::{self, KeyFilter, Typed};
use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, bounded};
use glassbox_device_api::CharBackend;
use glassbox_machine::{Control, Stop};
use std::io::Read;

/// Reads from standard input that wait for the guest.
const WAITING_READS: usize = 16;

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

/// Starts reading standard input. Its end is not the end of the guest.
pub fn open(control: Control, flush: &mut Flush) -> anyhow::Result<Stdio> {
    let (sender, receiver) = bounded(WAITING_READS);
    let keys = terminal::is_raw().then(KeyFilter::default);
    std::thread::Builder::new()
        .name("serial-in".into())
        .spawn(move || read_input(keys, &sender, &control))
        .context("cannot start a thread for serial input")?;
    let output = Pump::start(std::io::stdout(), WhenFull::Wait, flush)?;
    Ok(Stdio { output, input: Inbox::new(receiver) })
}

fn read_input(mut keys: Option<KeyFilter>, guest: &Sender<Vec<u8>>, control: &Control) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0; 4096];
    loop {
        let input = match stdin.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(len) => &buffer[..len],
        };
        let typed = match &mut keys {
            Some(keys) => keys.feed(input),
            None => vec![Typed::Bytes(input.to_vec())],
        };
        for typed in typed {
            match typed {
                Typed::Bytes(bytes) => {
                    // Rings before and after: a full channel waits for the guest to read.
                    control.input_ready();
                    if guest.send(bytes).is_err() {
                        return;
                    }
                    control.input_ready();
                }
                Typed::Quit => control.stop(Stop::Quit),
                Typed::Help => terminal::show_help(),
            }
        }
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
