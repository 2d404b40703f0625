//! `--keys`, and what the monitor types: keys and pointer, when the guest is ready
//! for them.

use super::show::input_sink;
use super::steady::Steady;
use super::{copy, picture_hash, write_picture};
use crate::watch::Lines;
use glassbox_device_api::{CharBackend, VmTime};
use glassbox_input::{Buttons, InputEvent, Key, KeyScript, Layout, Step};
use glassbox_machine::{Control, Look, ScreenWatcher, Stop};
use glassbox_screen::{InputSink, Picture, PictureHash};
use regex::bytes::Regex;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Guest time between two keystrokes, and from down to up: slow enough for a
/// BIOS, whose buffer holds 16 keys.
const STROKE: VmTime = VmTime(40_000_000);
const HOLD: VmTime = VmTime(10_000_000);
/// Guest time after each thing that the mouse does: several of its packets.
const MOUSE: VmTime = VmTime(60_000_000);

/// A step with all looked up.
#[derive(Debug)]
enum Action {
    WaitFor(Regex),
    WaitStable {
        time: VmTime,
        steady: Steady,
    },
    WaitPicture(PictureHash),
    Wait(VmTime),
    /// Keys down one after the other, then up.
    Press(Vec<Key>),
    Release(Vec<Key>),
    MoveTo {
        x: u32,
        y: u32,
    },
    MoveBy {
        dx: i32,
        dy: i32,
    },
    Button {
        buttons: Buttons,
        down: bool,
    },
    Wheel(i32),
    Screenshot(PathBuf),
    Quit,
}

/// Where the script has taken the pointer.
#[derive(Debug, Default)]
struct Pointer {
    /// `None` while it was only moved by some way.
    at: Option<(u32, u32)>,
    buttons: Buttons,
}

impl Pointer {
    /// What the machine is told. Without a screen there is no place on it.
    fn event(&self, (dx, dy): (i32, i32), wheel: i32, size: Option<(u32, u32)>) -> InputEvent {
        match (self.at, size) {
            (Some((x, y)), Some((width, height))) => {
                InputEvent::PointerAt { x, y, width, height, wheel, buttons: self.buttons }
            }
            _ => InputEvent::PointerBy { dx, dy, wheel, buttons: self.buttons },
        }
    }
}

#[derive(Debug, Default)]
struct State {
    actions: VecDeque<Action>,
    /// Nothing is done before.
    next: VmTime,
    pointer: Pointer,
}

/// Plays scripts; clones play the same ones.
#[derive(Clone)]
pub struct KeyPlayer {
    state: Arc<Mutex<State>>,
    layout: Layout,
    control: Control,
    guest: InputSink,
}

impl KeyPlayer {
    /// A player with nothing to play yet, for a guest whose keyboard is set to `layout`.
    pub fn new(layout: Layout, control: Control) -> Self {
        let guest = input_sink(&control);
        Self { state: Arc::default(), layout, control, guest }
    }

    /// Plays a script after what is left of others.
    ///
    /// # Errors
    /// A pattern that is none, a character that the keyboard has not; nothing of
    /// the script is played then.
    pub fn add(&self, KeyScript(steps): &KeyScript) -> anyhow::Result<()> {
        let mut actions = VecDeque::new();
        for step in steps {
            self.prepare(step, &mut actions)?;
        }
        self.lock().actions.append(&mut actions);
        self.control.wake();
        Ok(())
    }

    fn prepare(&self, step: &Step, actions: &mut VecDeque<Action>) -> anyhow::Result<()> {
        let press = |actions: &mut VecDeque<Action>, keys: Vec<Key>| {
            actions.push_back(Action::Press(keys.clone()));
            actions.push_back(Action::Wait(HOLD));
            actions.push_back(Action::Release(keys));
            actions.push_back(Action::Wait(STROKE));
        };
        let vm_time = |time: Duration| VmTime(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let mouse = |actions: &mut VecDeque<Action>, action| {
            actions.push_back(action);
            actions.push_back(Action::Wait(MOUSE));
        };
        match step {
            Step::WaitFor(pattern) => actions.push_back(Action::WaitFor(Regex::new(pattern)?)),
            Step::WaitStable(time) => {
                let time = vm_time(*time);
                actions.push_back(Action::WaitStable { time, steady: Steady::default() });
            }
            Step::WaitPicture(hash) => actions.push_back(Action::WaitPicture(hash.parse()?)),
            Step::Pause(time) => actions.push_back(Action::Wait(vm_time(*time))),
            Step::Press(keys) => press(actions, keys.clone()),
            Step::Type(text) => {
                for character in text.chars() {
                    let stroke = self.layout.stroke(character);
                    let stroke = stroke.ok_or_else(|| anyhow::anyhow!("no key types {character:?}"))?;
                    press(actions, stroke.keys());
                }
            }
            Step::MoveTo { x, y } => mouse(actions, Action::MoveTo { x: *x, y: *y }),
            Step::MoveBy { dx, dy } => mouse(actions, Action::MoveBy { dx: *dx, dy: *dy }),
            Step::Button { buttons, down } => {
                mouse(actions, Action::Button { buttons: *buttons, down: *down });
            }
            Step::Wheel(steps) => mouse(actions, Action::Wheel(*steps)),
            Step::Screenshot(path) => actions.push_back(Action::Screenshot(path.into())),
            Step::Quit => actions.push_back(Action::Quit),
        }
        Ok(())
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
        (self.guest)(InputEvent::Key { key, down });
    }

    fn play(&self, look: &Look<'_>) {
        let mut state = self.lock();
        while state.next <= look.now {
            let State { actions, next, pointer } = &mut *state;
            let (mut way, mut wheel) = ((0, 0), 0);
            match actions.front_mut() {
                None => return,
                Some(Action::WaitFor(regex)) => {
                    if !look.rows.iter().any(|row| regex.is_match(row.as_bytes())) {
                        return;
                    }
                }
                Some(Action::WaitStable { time, steady }) => {
                    if !steady.has_been(*time, look) {
                        return;
                    }
                }
                Some(Action::WaitPicture(hash)) => {
                    let shown = look.picture.map(|(frame, _)| picture_hash(frame));
                    if shown.as_ref() != Some(hash) {
                        return;
                    }
                }
                Some(Action::Wait(time)) => *next = look.now + *time,
                Some(Action::Press(keys)) => keys.iter().for_each(|key| self.send(*key, true)),
                Some(Action::Release(keys)) => keys.iter().rev().for_each(|key| self.send(*key, false)),
                Some(Action::MoveTo { x, y }) => pointer.at = Some((*x, *y)),
                Some(Action::MoveBy { dx, dy }) => {
                    pointer.at = None;
                    way = (*dx, *dy);
                }
                Some(Action::Button { buttons, down: true }) => {
                    pointer.buttons = pointer.buttons.with(*buttons);
                }
                Some(Action::Button { buttons, .. }) => pointer.buttons = pointer.buttons.without(*buttons),
                Some(Action::Wheel(steps)) => wheel = *steps,
                Some(Action::Screenshot(path)) => {
                    let Some((frame, _)) = look.picture else { return };
                    let mut picture = Picture::default();
                    copy(frame, &mut picture);
                    if let Err(error) = write_picture(&picture, path) {
                        log::error!("{error:#}");
                    }
                }
                Some(Action::Quit) => self.control.stop(Stop::Quit),
            }
            let pointed = matches!(
                actions.pop_front(),
                Some(
                    Action::MoveTo { .. } | Action::MoveBy { .. } | Action::Button { .. } | Action::Wheel(_)
                )
            );
            if pointed {
                (self.guest)(pointer.event(way, wheel, look.size));
            }
        }
    }
}

impl ScreenWatcher for KeyPlayer {
    fn look(&mut self, look: &Look<'_>) {
        self.play(look);
    }

    fn wants_pictures(&self) -> bool {
        matches!(
            self.lock().actions.front(),
            Some(Action::WaitStable { .. } | Action::WaitPicture(_) | Action::Screenshot(_))
        )
    }

    fn wants_text(&self) -> bool {
        matches!(self.lock().actions.front(), Some(Action::WaitFor(_)))
    }

    fn deadline(&self) -> Option<VmTime> {
        let state = self.lock();
        match state.actions.front() {
            // The guest has to run to say something.
            None | Some(Action::WaitFor(_) | Action::WaitPicture(_)) => None,
            Some(Action::WaitStable { time, steady }) => Some(steady.deadline(*time).max(state.next)),
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
    use glassbox_machine::{TextCell, TextScreen};

    fn player(script: &str) -> KeyPlayer {
        let player = KeyPlayer::new(Layout::Us, Control::new());
        player.add(&script.parse().unwrap()).unwrap();
        player
    }

    fn look(player: &KeyPlayer, now: VmTime, text: &str) {
        let cells = text.bytes().map(|code| TextCell { code, attribute: 7 }).collect::<Vec<_>>();
        let screen = TextScreen { columns: cells.len() as u32, rows: 1, cells, ..TextScreen::default() };
        let size = Some((640, 480));
        let rows = [text.to_owned()];
        player.play(&Look { now, retired: 0, size, text: Some(&screen), rows: &rows, picture: None });
    }

    #[test]
    fn a_script_waits_for_the_screen_and_then_types_at_a_pace() {
        let player = player("wait \"boot:\"; type \"a\"; key ctrl-c");
        look(&player, VmTime(0), "nothing");
        let left = player.lock().actions.len();
        assert_eq!((left, player.deadline()), (9, None));
        look(&player, VmTime(5), "boot: ");
        assert_eq!(player.deadline(), Some(VmTime(5) + HOLD));
        look(&player, VmTime(5) + HOLD, "");
        look(&player, VmTime(5) + HOLD + STROKE, "");
        assert_eq!(player.lock().actions.len(), 2, "C is down");
        player.add(&"key a".parse().unwrap()).unwrap();
        assert_eq!(player.lock().actions.len(), 6, "another script comes behind");
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
    fn the_pointer_clicks_at_a_place_and_moves_by_a_way() {
        let mut player = player("click 10,20 right; move +3,-4");
        let (sender, sent) = std::sync::mpsc::channel();
        player.guest = Arc::new(move |event| sender.send(event).unwrap());
        (0..8).for_each(|n| look(&player, VmTime(n * MOUSE.0), ""));
        let sent: Vec<_> = sent.try_iter().collect();
        let at = |buttons| InputEvent::PointerAt { x: 10, y: 20, width: 640, height: 480, wheel: 0, buttons };
        let by = InputEvent::PointerBy { dx: 3, dy: -4, wheel: 0, buttons: Buttons(0) };
        assert_eq!(sent, [at(Buttons(0)), at(Buttons::RIGHT), at(Buttons(0)), by]);
    }

    #[test]
    fn a_screen_is_stable_when_nothing_new_has_come_for_long_enough() {
        let player = player("wait screen stable 1s; key a");
        assert!(player.wants_pictures());
        let second = VmTime::SECOND.0;
        look(&player, VmTime(0), "one");
        look(&player, VmTime(second / 2), "two");
        look(&player, VmTime(second), "one");
        assert_eq!(player.deadline(), Some(VmTime(second * 3 / 2)), "the second is as new as it gets");
        look(&player, VmTime(second * 3 / 2), "two");
        assert!(!player.wants_pictures());
        assert_eq!(player.lock().actions.len(), 2, "the key is down");
    }

    #[test]
    fn what_cannot_be_typed_is_refused() {
        let player = KeyPlayer::new(Layout::Us, Control::new());
        assert!(player.add(&"key a; type \"é\"".parse().unwrap()).is_err());
        assert!(player.add(&"wait \"(\"".parse().unwrap()).is_err());
        assert!(player.lock().actions.is_empty());
    }
}
