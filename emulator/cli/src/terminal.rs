//! The user's terminal: raw mode while a guest owns it, and the keys that are ours.

use std::io::{IsTerminal, Write};

/// Ctrl-A: what follows is for Glassbox.
const PREFIX: u8 = 0x01;
const HELP: &str = "\r\n\
    Ctrl-A x       quit\r\n\
    Ctrl-A h       this help\r\n\
    Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n";

/// Whether the terminal is in raw mode now.
pub fn is_raw() -> bool {
    crossterm::terminal::is_raw_mode_enabled().unwrap_or(false)
}

/// Raw mode for as long as the value lives; a panic ends it too.
pub struct RawMode(());

impl RawMode {
    /// Enters raw mode; `None` where standard input is no terminal or cannot be raw.
    pub fn enter() -> Option<Self> {
        if !std::io::stdin().is_terminal() {
            return None;
        }
        if let Err(error) = crossterm::terminal::enable_raw_mode() {
            log::warn!("the terminal stays in line mode: {error}");
            return None;
        }
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            leave();
            previous(info);
        }));
        Some(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        leave();
    }
}

/// Leaves raw mode, if the terminal is in it.
pub fn leave() {
    if is_raw() {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// What the user typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// For the guest.
    Bytes(Vec<u8>),
    /// Ctrl-A x.
    Quit,
    /// Ctrl-A h.
    Help,
}

/// Takes the keys that are ours out of what is typed.
#[derive(Debug, Default)]
pub struct KeyFilter {
    prefixed: bool,
}

impl KeyFilter {
    /// Splits `input` into what the guest gets and what is for us, in order.
    pub fn feed(&mut self, input: &[u8]) -> Vec<Typed> {
        let mut typed = Vec::new();
        let send = |typed: &mut Vec<Typed>, byte| match typed.last_mut() {
            Some(Typed::Bytes(bytes)) => bytes.push(byte),
            _ => typed.push(Typed::Bytes(vec![byte])),
        };
        for &byte in input {
            match (std::mem::take(&mut self.prefixed), byte) {
                (false, PREFIX) => self.prefixed = true,
                (true, b'x' | b'X') => typed.push(Typed::Quit),
                (true, b'h' | b'H' | b'?') => typed.push(Typed::Help),
                // Any other key after Ctrl-A is dropped, but for Ctrl-A itself.
                (true, byte) if byte != PREFIX => {}
                (_, byte) => send(&mut typed, byte),
            }
        }
        typed
    }
}

/// Tells the user about the keys.
pub fn show_help() {
    to_stderr(HELP);
}

/// The user typed something that nobody takes.
pub fn ring_bell() {
    to_stderr("\x07");
}

/// Writes a message and a newline to standard error. That nobody can read it is
/// no reason to end.
pub fn tell(message: &str) {
    let message = format!("{message}\n");
    to_stderr(&if is_raw() { message.replace('\n', "\r\n") } else { message });
}

fn to_stderr(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_a_is_ours_and_can_be_sent_twice() {
        let mut filter = KeyFilter::default();
        assert_eq!(filter.feed(b"ab\x01\x01c"), [Typed::Bytes(b"ab\x01c".to_vec())]);
        assert_eq!(filter.feed(b"a\x01"), [Typed::Bytes(b"a".to_vec())]);
        assert_eq!(filter.feed(b"xb"), [Typed::Quit, Typed::Bytes(b"b".to_vec())], "across reads");
        assert_eq!(filter.feed(b"\x01h\x01z"), [Typed::Help]);
    }
}
