//! `--keys`: presses keys when the guest is ready for them.

use super::rows;
use crate::watch::Lines;
use glassbox_device_api::{CharBackend, VmTime};
use glassbox_input::{InputEvent, Key, KeyScript, Layout, Step};
use glassbox_machine::{Control, Look, ScreenWatcher};
use regex::bytes::Regex;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Guest time between two keystrokes, and from down to up: slow enough for a
/// BIOS, whose buffer holds 16 keys.
const STROKE: VmTime = VmTime(40_000_000);
const HOLD: VmTime = VmTime(10_000_000);

/// A step with all looked up.
#[derive(Debug)]
enum Action {
    WaitFor(Regex),
    Wait(VmTime),
    /// Keys down one after the other, then up.
    Press(Vec<Key>),
    Release(Vec<Key>),
}

#[derive(Debug)]
struct State {
    actions: VecDeque<Action>,
    /// Nothing is done before.
    next: VmTime,
}

/// Plays a script; clones play the same one.
#[derive(Clone, Debug)]
pub struct KeyPlayer {
    state: Arc<Mutex<State>>,
    control: Control,
}

impl KeyPlayer {
    /// Prepares a script.
    ///
    /// # Errors
    /// A pattern that is none, a character that the keyboard has not.
    pub fn new(KeyScript(steps): &KeyScript, layout: Layout, control: Control) -> anyhow::Result<Self> {
        let mut actions = VecDeque::new();
        let press = |actions: &mut VecDeque<Action>, keys: Vec<Key>| {
            actions.push_back(Action::Press(keys.clone()));
            actions.push_back(Action::Wait(HOLD));
            actions.push_back(Action::Release(keys));
            actions.push_back(Action::Wait(STROKE));
        };
        for step in steps {
            match step {
                Step::WaitFor(pattern) => actions.push_back(Action::WaitFor(Regex::new(pattern)?)),
                Step::Pause(time) => {
                    let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                    actions.push_back(Action::Wait(VmTime(ns)));
                }
                Step::Press(keys) => press(&mut actions, keys.clone()),
                Step::Type(text) => {
                    for character in text.chars() {
                        let stroke = layout.stroke(character);
                        let stroke =
                            stroke.ok_or_else(|| anyhow::anyhow!("--keys: no key types {character:?}"))?;
                        press(&mut actions, stroke.keys());
                    }
                }
            }
        }
        let state = State { actions, next: VmTime::default() };
        Ok(Self { state: Arc::new(Mutex::new(state)), control })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of serial output, complete or not.
    fn hear(&self, line: &[u8]) {
        let mut state = self.lock();
        if matches!(state.actions.front(), Some(Action::WaitFor(regex)) if regex.is_match(line)) {
            state.actions.pop_front();
            drop(state);
            self.control.wake();
        }
    }

    fn send(&self, key: Key, down: bool) {
        self.control.send_input(InputEvent::Key { key, down });
    }

    fn play(&self, now: VmTime, screen: &[String]) {
        let mut state = self.lock();
        while state.next <= now {
            let done = match state.actions.front() {
                None => return,
                Some(Action::WaitFor(regex)) => screen.iter().any(|row| regex.is_match(row.as_bytes())),
                Some(Action::Wait(time)) => {
                    let time = *time;
                    state.next = now + time;
                    true
                }
                Some(Action::Press(keys)) => {
                    keys.iter().for_each(|key| self.send(*key, true));
                    true
                }
                Some(Action::Release(keys)) => {
                    keys.iter().rev().for_each(|key| self.send(*key, false));
                    true
                }
            };
            if !done {
                return;
            }
            state.actions.pop_front();
        }
    }
}

impl ScreenWatcher for KeyPlayer {
    fn look(&mut self, look: &Look<'_>) {
        self.play(look.now, &look.text.map(rows).unwrap_or_default());
    }

    fn deadline(&self) -> Option<VmTime> {
        let state = self.lock();
        match state.actions.front() {
            // The guest has to run to say something.
            None | Some(Action::WaitFor(_)) => None,
            Some(_) => Some(state.next),
        }
    }
}

/// A serial port that a script listens to.
pub struct Listening {
    port: Box<dyn CharBackend>,
    lines: Lines,
    player: KeyPlayer,
}

impl Listening {
    /// Lets `player` hear what the guest says on `port`.
    pub fn new(port: Box<dyn CharBackend>, player: KeyPlayer) -> Self {
        Self { port, lines: Lines::new(), player }
    }
}

impl CharBackend for Listening {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(line) = self.lines.feed(*byte) {
                self.player.hear(line);
            }
        }
        self.port.write(bytes);
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.port.read(buffer)
    }

    fn is_connected(&self) -> bool {
        self.port.is_connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(script: &str) -> KeyPlayer {
        KeyPlayer::new(&script.parse().unwrap(), Layout::Us, Control::new()).unwrap()
    }

    #[test]
    fn a_script_waits_for_the_screen_and_then_types_at_a_pace() {
        let player = player("wait \"boot:\"; type \"a\"; key ctrl-c");
        player.play(VmTime(0), &["nothing".into()]);
        let left = player.lock().actions.len();
        assert_eq!((left, player.deadline()), (9, None));
        player.play(VmTime(5), &["boot: ".into()]);
        assert_eq!(player.deadline(), Some(VmTime(5) + HOLD));
        player.play(VmTime(5) + HOLD, &[]);
        player.play(VmTime(5) + HOLD + STROKE, &[]);
        assert_eq!(player.lock().actions.len(), 2, "C is down");
    }

    #[test]
    fn what_a_serial_port_says_counts_too() {
        let player = player("wait \"login\"; key a");
        player.hear(b"debian log");
        assert_eq!(player.deadline(), None);
        player.hear(b"debian login:");
        assert_eq!(player.deadline(), Some(VmTime(0)));
    }

    #[test]
    fn what_cannot_be_typed_is_refused() {
        let script = "type \"é\"".parse().unwrap();
        assert!(KeyPlayer::new(&script, Layout::Us, Control::new()).is_err());
        assert!(KeyPlayer::new(&"wait \"(\"".parse().unwrap(), Layout::Us, Control::new()).is_err());
    }
}
