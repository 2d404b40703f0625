//! The user's terminal: raw mode while a guest owns it, and the keys that are ours.

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use std::io::{IsTerminal, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// Ctrl-A: what follows is for Glassbox.
const PREFIX: u8 = 0x01;
const HELP: &str = "\r\n\
    Ctrl-A x       quit\r\n\
    Ctrl-A c       the monitor: commands to the machine\r\n\
    Ctrl-A h       this help\r\n\
    Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n";

/// Whether the terminal shows its other screen: the state of a thing of which the
/// process has one, known to whoever ends it.
static ALTERNATE: AtomicBool = AtomicBool::new(false);

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

/// Shows the terminal's other screen, until [`leave`].
///
/// # Errors
/// Where the terminal cannot be written to.
pub fn enter_alternate() -> std::io::Result<()> {
    ALTERNATE.store(true, Ordering::Release);
    execute!(stdout(), EnterAlternateScreen)
}

/// Leaves the other screen and raw mode, if the terminal is in them.
pub fn leave() {
    if ALTERNATE.swap(false, Ordering::AcqRel) {
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    }
    if is_raw() {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// The terminal as a shell has it, for as long as the value lives, whatever it was before.
pub struct Cooked {
    was_raw: bool,
}

impl Cooked {
    pub fn new() -> Self {
        let was_raw = is_raw();
        leave();
        Self { was_raw }
    }
}

impl Drop for Cooked {
    fn drop(&mut self) {
        if self.was_raw && crossterm::terminal::enable_raw_mode().is_err() {
            log::warn!("the terminal stays in line mode");
        }
    }
}

/// Gives the terminal back as it was found, even where somebody reads a line when
/// the machine ends.
pub struct Kept {
    #[cfg(unix)]
    settings: Option<nix::sys::termios::Termios>,
}

impl Kept {
    pub fn new() -> Self {
        Self {
            #[cfg(unix)]
            settings: nix::sys::termios::tcgetattr(std::io::stdin()).ok(),
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(settings) = &self.settings {
            use nix::sys::termios::{SetArg, tcsetattr};
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, settings);
        }
    }
}

/// What the user typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// For the guest.
    Bytes(Vec<u8>),
    /// For us.
    Command(Pressed),
}

/// Whom a key is for, and what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// The guest's.
    Guest,
    /// Ours, and nothing yet, or nothing at all.
    Nothing,
    /// Ctrl-A x.
    Quit,
    /// Ctrl-A h.
    Help,
    /// Ctrl-A c.
    Monitor,
}

/// Takes the keys that are ours out of what is typed.
#[derive(Debug, Default)]
pub struct KeyFilter {
    prefixed: bool,
}

impl KeyFilter {
    /// Takes a key: whether it is Ctrl-A, and the character that it is.
    pub fn key(&mut self, is_prefix: bool, character: Option<char>) -> Pressed {
        match (std::mem::take(&mut self.prefixed), character) {
            (false, _) if is_prefix => {
                self.prefixed = true;
                Pressed::Nothing
            }
            (false, _) => Pressed::Guest,
            (true, _) if is_prefix => Pressed::Guest,
            (true, Some('x' | 'X')) => Pressed::Quit,
            (true, Some('c' | 'C')) => Pressed::Monitor,
            (true, Some('h' | 'H' | '?')) => Pressed::Help,
            // Any other key after Ctrl-A is dropped.
            (true, _) => Pressed::Nothing,
        }
    }

    /// Splits `input` into what the guest gets and what is for us, in order.
    pub fn feed(&mut self, input: &[u8]) -> Vec<Typed> {
        let mut typed = Vec::new();
        for &byte in input {
            match (self.key(byte == PREFIX, Some(char::from(byte))), typed.last_mut()) {
                (Pressed::Nothing, _) => {}
                (Pressed::Guest, Some(Typed::Bytes(bytes))) => bytes.push(byte),
                (Pressed::Guest, _) => typed.push(Typed::Bytes(vec![byte])),
                (pressed, _) => typed.push(Typed::Command(pressed)),
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
        assert_eq!(
            filter.feed(b"xb"),
            [Typed::Command(Pressed::Quit), Typed::Bytes(b"b".to_vec())],
            "across reads"
        );
        assert_eq!(
            filter.feed(b"\x01h\x01z\x01c"),
            [Typed::Command(Pressed::Help), Typed::Command(Pressed::Monitor)]
        );
    }
}
