//! A window on the host's desktop.

mod keys;
mod place;

use std::time::{Duration, Instant};

use glassbox_input::{Buttons, InputEvent, Key};
use minifb::{KeyRepeat, MouseButton, MouseMode, ScaleMode, Window, WindowOptions};
use thiserror::Error;

use crate::{InputSink, Picture, Screen};

/// Why there is no window.
#[derive(Debug, Error)]
#[error("cannot open a window ({0}); without a desktop use --display vnc=127.0.0.1:5900 or --display none")]
pub struct WindowError(String);

/// The one whose screen is shown.
pub trait WindowOwner {
    /// What the title says, asked twice a second.
    fn title(&self) -> String;
    /// Whether the machine has ended: the window closes.
    fn has_ended(&self) -> bool;
    /// The person closes the window, for the `times`th time. True: it stays open,
    /// since the guest was asked to switch itself off.
    fn close_requested(&mut self, times: u32) -> bool;
}

/// Time between two looks at keys and picture.
const FRAME: Duration = Duration::from_micros(16_600);
const TITLE_PACE: Duration = Duration::from_millis(500);
/// A window is opened with this size if nothing is shown yet.
const FIRST_SIZE: (usize, usize) = (720, 400);

const BUTTONS: [(MouseButton, Buttons); 3] = [
    (MouseButton::Left, Buttons::LEFT),
    (MouseButton::Right, Buttons::RIGHT),
    (MouseButton::Middle, Buttons::MIDDLE),
];

/// Shows the screen until its owner ends or the person closes the window. On
/// macOS only the main thread may call this.
///
/// # Errors
/// [`WindowError`] where there is no desktop.
pub fn show(screen: &Screen, input: &InputSink, owner: &mut dyn WindowOwner) -> Result<(), WindowError> {
    let mut shown = Shown::open(screen, owner)?;
    let mut closes = 0;
    let mut titled = Instant::now();
    while !owner.has_ended() {
        if !shown.window.is_open() {
            closes += 1;
            shown.release_keys(input);
            if !owner.close_requested(closes) {
                return Ok(());
            }
            // A closed window does not come back: another takes its place.
            shown = Shown::open(screen, owner)?;
        }
        if titled.elapsed() >= TITLE_PACE {
            titled = Instant::now();
            shown.window.set_title(&owner.title());
        }
        let begin = Instant::now();
        shown.refresh(screen);
        shown.pass_keys(input);
        shown.pass_pointer(input);
        std::thread::sleep(FRAME.saturating_sub(begin.elapsed()));
    }
    shown.release_keys(input);
    Ok(())
}

struct Shown {
    window: Window,
    picture: Picture,
    version: u64,
    down: Vec<Key>,
    pointer: (u32, u32, Buttons),
}

impl Shown {
    fn open(screen: &Screen, owner: &dyn WindowOwner) -> Result<Self, WindowError> {
        let (width, height) = match screen.size() {
            (0, _) | (_, 0) => FIRST_SIZE,
            size => size,
        };
        let options = WindowOptions {
            resize: true,
            scale_mode: ScaleMode::AspectRatioStretch,
            ..WindowOptions::default()
        };
        let window = Window::new(&owner.title(), width, height, options);
        let window = window.map_err(|error| WindowError(error.to_string()))?;
        let picture = Picture::black(width, height);
        Ok(Self { window, picture, version: u64::MAX, down: Vec::new(), pointer: Default::default() })
    }

    /// Shows the picture if it is another one; handles the window's events.
    fn refresh(&mut self, screen: &Screen) {
        let seen = self.version;
        let picture = &mut self.picture;
        let version = screen.look(|version, new| {
            if version != seen && !new.pixels.is_empty() {
                picture.clone_from(new);
            }
            version
        });
        let result = if version == seen {
            self.window.update();
            Ok(())
        } else {
            self.version = version;
            self.window.update_with_buffer(&self.picture.pixels, self.picture.width, self.picture.height)
        };
        if let Err(error) = result {
            log::warn!("window: {error}");
        }
    }

    fn pass_keys(&mut self, input: &InputSink) {
        if !self.window.is_active() {
            return self.release_keys(input);
        }
        let pressed = self.window.get_keys_pressed(KeyRepeat::No);
        for key in self.window.get_keys_released().into_iter().filter_map(keys::key) {
            if self.down.contains(&key) {
                self.down.retain(|other| *other != key);
                input(InputEvent::Key { key, down: false });
            }
        }
        let mut pressed: Vec<Key> = pressed.into_iter().filter_map(keys::key).collect();
        // What is pressed in one frame has no order: modifiers come first.
        pressed.sort_by_key(|key| !key.is_modifier());
        for key in pressed {
            if !self.down.contains(&key) {
                self.down.push(key);
                input(InputEvent::Key { key, down: true });
            }
        }
    }

    /// A key that goes up while the window has no focus is never seen.
    fn release_keys(&mut self, input: &InputSink) {
        for key in self.down.drain(..) {
            input(InputEvent::Key { key, down: false });
        }
    }

    fn pass_pointer(&mut self, input: &InputSink) {
        let Some(at) = self.window.get_unscaled_mouse_pos(MouseMode::Discard) else { return };
        let size = (self.picture.width, self.picture.height);
        let Some((x, y)) = place::in_picture(at, self.window.get_size(), size) else { return };
        let pressed = BUTTONS.iter().filter(|(button, _)| self.window.get_mouse_down(*button));
        let buttons = Buttons(pressed.fold(0, |all, (_, bit)| all | bit.0));
        let wheel = match self.window.get_scroll_wheel() {
            Some((_, up)) if up > 0.0 => -1,
            Some((_, up)) if up < 0.0 => 1,
            _ => 0,
        };
        if self.pointer != (x, y, buttons) || wheel != 0 {
            self.pointer = (x, y, buttons);
            let (width, height) = (size.0 as u32, size.1 as u32);
            input(InputEvent::PointerAt { x, y, width, height, wheel, buttons });
        }
    }
}
