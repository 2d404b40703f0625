//! What a person does at the window, as the guest is told it.

use glassbox_input::{Buttons, InputEvent, Key};

use crate::InputSink;

/// What the keys ask for that are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The window covers the screen, or no longer.
    FullScreen,
    /// Mouse and keyboard are the guest's alone, or no longer.
    Grab,
    /// The next [`Scaling`](super::Scaling).
    Scaling,
}

/// With Control and Alt.
const COMMANDS: [(Key, Command); 3] =
    [(Key::F, Command::FullScreen), (Key::G, Command::Grab), (Key::S, Command::Scaling)];

/// Keys and pointer of a person. A key is told once, however often the host repeats
/// it: keyboards repeat by themselves.
pub struct Person {
    input: InputSink,
    down: Vec<Key>,
    /// The key of a command, which the guest is not told of.
    ours: Option<Key>,
    buttons: Buttons,
    /// The pointer in the picture, and the picture's size.
    at: Option<((u32, u32), (u32, u32))>,
    grabbed: bool,
}

impl Person {
    pub fn new(input: InputSink) -> Self {
        Self { input, down: Vec::new(), ours: None, buttons: Buttons(0), at: None, grabbed: false }
    }

    fn tell_key(&self, key: Key, down: bool) {
        (self.input)(InputEvent::Key { key, down });
    }

    /// A key went down or up.
    pub fn key(&mut self, key: Key, down: bool) -> Option<Command> {
        let is_down = self.down.contains(&key);
        if !down {
            self.ours.take_if(|ours| *ours == key);
            if is_down {
                self.down.retain(|other| *other != key);
                self.tell_key(key, false);
            }
            return None;
        }
        if is_down || self.ours == Some(key) {
            return None;
        }
        let control = [Key::ControlLeft, Key::ControlRight].iter().any(|key| self.down.contains(key));
        // The right Alt key may be AltGr, which types.
        if control
            && self.down.contains(&Key::AltLeft)
            && let Some((_, command)) = COMMANDS.iter().find(|(ours, _)| *ours == key)
        {
            self.release();
            self.ours = Some(key);
            return Some(*command);
        }
        self.down.push(key);
        self.tell_key(key, true);
        None
    }

    /// Nothing is held any more: what goes up while the window has no focus is never
    /// seen.
    pub fn release(&mut self) {
        self.ours = None;
        for key in std::mem::take(&mut self.down).into_iter().rev() {
            self.tell_key(key, false);
        }
        if self.buttons != Buttons(0) {
            self.buttons = Buttons(0);
            self.tell_pointer((0, 0), 0);
        }
    }

    /// From now on the pointer is told by its movements, or by its place.
    #[cfg(any(test, all(unix, not(target_os = "macos"))))]
    pub fn set_grabbed(&mut self, grabbed: bool) {
        self.grabbed = grabbed;
    }

    /// Whether a button is held.
    pub fn holds(&self) -> bool {
        self.buttons != Buttons(0)
    }

    /// The pointer is there in a picture of `size`; `None` beside it.
    pub fn point(&mut self, at: Option<(u32, u32)>, size: (usize, usize)) {
        let at = at.map(|at| (at, (size.0 as u32, size.1 as u32)));
        if at != self.at {
            self.at = at;
            self.tell_pointer((0, 0), 0);
        }
    }

    /// The grabbed pointer moved.
    #[cfg(any(test, all(unix, not(target_os = "macos"))))]
    pub fn moved(&mut self, dx: i32, dy: i32) {
        if (dx, dy) != (0, 0) {
            self.tell_pointer((dx, dy), 0);
        }
    }

    /// A button went down or up. One that goes down beside the picture is not the guest's.
    pub fn button(&mut self, button: Buttons, down: bool) {
        let buttons = match down {
            true if self.grabbed || self.at.is_some() => self.buttons.with(button),
            true => return,
            false => self.buttons.without(button),
        };
        if buttons != self.buttons {
            self.buttons = buttons;
            self.tell_pointer((0, 0), 0);
        }
    }

    /// The wheel turned, towards the person.
    pub fn wheel(&mut self, steps: i32) {
        self.tell_pointer((0, 0), steps);
    }

    fn tell_pointer(&self, (dx, dy): (i32, i32), wheel: i32) {
        let buttons = self.buttons;
        let event = match self.at {
            _ if self.grabbed => InputEvent::PointerBy { dx, dy, wheel, buttons },
            Some(((x, y), (width, height))) => InputEvent::PointerAt { x, y, width, height, wheel, buttons },
            // Beside the picture nothing is the guest's.
            None => return,
        };
        (self.input)(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Arc, Mutex};

    fn person() -> (Person, Receiver<InputEvent>) {
        let (sender, events) = channel();
        let sender = Mutex::new(sender);
        (Person::new(Arc::new(move |event| sender.lock().unwrap().send(event).unwrap())), events)
    }

    fn keys(events: &Receiver<InputEvent>) -> Vec<(Key, bool)> {
        let key = |event| match event {
            InputEvent::Key { key, down } => (key, down),
            other => panic!("{other:?}"),
        };
        events.try_iter().map(key).collect()
    }

    #[test]
    fn a_key_that_the_host_repeats_is_told_once() {
        let (mut person, events) = person();
        for down in [true, true, true, false, false, true] {
            assert_eq!(person.key(Key::A, down), None);
        }
        assert_eq!(keys(&events), [(Key::A, true), (Key::A, false), (Key::A, true)]);
    }

    #[test]
    fn commands_are_not_the_guests_and_hold_nothing_down() {
        let (mut person, events) = person();
        person.key(Key::ControlLeft, true);
        person.key(Key::AltLeft, true);
        assert_eq!(person.key(Key::G, true), Some(Command::Grab));
        assert_eq!(person.key(Key::G, true), None, "repeated");
        [Key::G, Key::AltLeft, Key::ControlLeft]
            .iter()
            .for_each(|key| assert!(person.key(*key, false).is_none()));
        let told = [
            (Key::ControlLeft, true),
            (Key::AltLeft, true),
            (Key::AltLeft, false),
            (Key::ControlLeft, false),
        ];
        assert_eq!(keys(&events), told);
        assert_eq!(person.key(Key::G, true), None);
        assert_eq!(keys(&events), [(Key::G, true)]);
    }

    #[test]
    fn altgr_types() {
        let (mut person, events) = person();
        [Key::ControlLeft, Key::AltRight].iter().for_each(|key| assert!(person.key(*key, true).is_none()));
        assert_eq!(person.key(Key::F, true), None);
        assert_eq!(keys(&events).len(), 3);
    }

    #[test]
    fn without_the_focus_nothing_is_held() {
        let (mut person, events) = person();
        person.key(Key::ShiftLeft, true);
        person.key(Key::A, true);
        person.release();
        assert_eq!(keys(&events)[2..], [(Key::A, false), (Key::ShiftLeft, false)]);
        person.point(Some((1, 2)), (10, 10));
        person.button(Buttons::LEFT, true);
        person.release();
        let held: Vec<_> = events.try_iter().collect();
        let at = |buttons| InputEvent::PointerAt { x: 1, y: 2, width: 10, height: 10, wheel: 0, buttons };
        assert_eq!(held, [at(Buttons(0)), at(Buttons::LEFT), at(Buttons(0))]);
        person.key(Key::A, false);
        assert_eq!(events.try_iter().count(), 0, "it is up already");
    }

    #[test]
    fn clicks_beside_the_picture_are_not_the_guests() {
        let (mut person, events) = person();
        person.button(Buttons::LEFT, true);
        person.button(Buttons::LEFT, false);
        person.wheel(1);
        assert_eq!(events.try_iter().count(), 0);
        person.set_grabbed(true);
        person.button(Buttons::LEFT, true);
        person.moved(3, -4);
        let by = |dx, dy| InputEvent::PointerBy { dx, dy, wheel: 0, buttons: Buttons::LEFT };
        assert_eq!(events.try_iter().collect::<Vec<_>>(), [by(0, 0), by(3, -4)]);
    }
}
