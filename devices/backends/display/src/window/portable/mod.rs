//! The window of macOS, Windows and Wayland, through minifb. It has no full screen of
//! its own and cannot grab; the desktop's ways to maximise a window serve as well.

mod keys;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use glassbox_input::{Buttons, Key};
use minifb::{InputCallback, MouseButton, MouseMode, ScaleMode, Window};

use super::person::{Command, Person};
use super::scale::{Placement, Scaler};
use super::{FRAME, Scaling, Title, WindowError, WindowOptions, WindowOwner, first_size};
use crate::screen::{Mirror, whole};
use crate::{InputSink, Screen};

const BUTTONS: [(MouseButton, Buttons); 5] = [
    (MouseButton::Left, Buttons::LEFT),
    (MouseButton::Right, Buttons::RIGHT),
    (MouseButton::Middle, Buttons::MIDDLE),
    (MouseButton::Back, Buttons::BACK),
    (MouseButton::Forward, Buttons::FORWARD),
];

/// Every key that goes down or up, in order, however short the time between.
#[derive(Clone, Default)]
struct Strokes(Rc<RefCell<Vec<(Key, bool)>>>);

impl InputCallback for Strokes {
    fn add_char(&mut self, _: u32) {}

    fn set_key_state(&mut self, key: minifb::Key, down: bool) {
        if let Some(key) = keys::key(key) {
            self.0.borrow_mut().push((key, down));
        }
    }
}

/// See [`super::show`].
pub fn show(
    screen: &Screen,
    input: &InputSink,
    owner: &mut dyn WindowOwner,
    options: WindowOptions,
) -> Result<(), WindowError> {
    if options.full_screen {
        log::warn!("this desktop's windows are maximised by hand: fullscreen is not done");
    }
    let mut shown = Shown::open(screen, input, owner, options)?;
    let mut closes = 0;
    let mut title = Title::new(Instant::now());
    while !owner.has_ended() {
        if !shown.window.is_open() {
            closes += 1;
            shown.person.release();
            if !owner.close_requested(closes) {
                return Ok(());
            }
            // A closed window does not come back: another takes its place.
            shown = Shown::open(screen, input, owner, WindowOptions { scaling: shown.scaling, ..options })?;
        }
        let begin = Instant::now();
        if let Some(title) = title.news(begin, owner, "") {
            shown.window.set_title(title);
        }
        shown.refresh();
        shown.pass_keys();
        shown.pass_pointer();
        std::thread::sleep(FRAME.saturating_sub(begin.elapsed()));
    }
    shown.person.release();
    Ok(())
}

struct Shown {
    window: Window,
    mirror: Mirror,
    scaling: Scaling,
    scaler: Scaler,
    /// The window's pixels, and their size.
    pixels: Vec<u32>,
    size: (usize, usize),
    placement: Placement,
    strokes: Strokes,
    person: Person,
}

impl Shown {
    fn open(
        screen: &Screen,
        input: &InputSink,
        owner: &dyn WindowOwner,
        options: WindowOptions,
    ) -> Result<Self, WindowError> {
        let (width, height) = first_size(screen.size(), &options);
        let host = minifb::WindowOptions {
            resize: true,
            scale_mode: ScaleMode::Stretch,
            ..minifb::WindowOptions::default()
        };
        let window = Window::new(&owner.title(), width, height, host);
        let refused = |reason: minifb::Error| WindowError::Refused {
            desktop: "this desktop".into(),
            reason: reason.to_string(),
        };
        let mut window = window.map_err(refused)?;
        let strokes = Strokes::default();
        window.set_input_callback(Box::new(strokes.clone()));
        Ok(Self {
            window,
            mirror: Mirror::of(screen),
            scaling: options.scaling,
            scaler: Scaler::default(),
            pixels: Vec::new(),
            size: (0, 0),
            placement: Placement::default(),
            strokes,
            person: Person::new(input.clone()),
        })
    }

    /// Shows the picture if it is another one; handles the window's events.
    fn refresh(&mut self) {
        let mut changed = self.mirror.refresh();
        let picture = &self.mirror.picture;
        let size = self.window.get_size();
        let placement = Placement::new(self.scaling, size, picture.size());
        self.scaler.set(picture.size(), (placement.width, placement.height));
        if (size, placement) != (self.size, self.placement) {
            (self.size, self.placement) = (size, placement);
            self.pixels.clear();
            self.pixels.resize(size.0 * size.1, 0);
            changed = whole(picture);
        }
        if changed.is_empty() || placement == Placement::default() {
            return self.window.update();
        }
        for run in changed {
            let rows = self.scaler.affected(&run);
            let mut stretched = Vec::new();
            self.scaler.rows(picture, rows.clone(), &mut stretched);
            let to = self.pixels.chunks_exact_mut(size.0).skip(placement.top + rows.start);
            for (from, to) in stretched.chunks_exact(placement.width).zip(to) {
                to[placement.left..][..placement.width].copy_from_slice(from);
            }
        }
        if let Err(error) = self.window.update_with_buffer(&self.pixels, size.0, size.1) {
            log::warn!("window: {error}");
        }
    }

    fn pass_keys(&mut self) {
        let strokes = self.strokes.0.take();
        if !self.window.is_active() {
            return self.person.release();
        }
        for (key, down) in strokes {
            if self.person.key(key, down) == Some(Command::Scaling) {
                self.scaling = self.scaling.other();
            }
        }
    }

    fn pass_pointer(&mut self) {
        let size = self.mirror.picture.size();
        let at = self.window.get_unscaled_mouse_pos(MouseMode::Pass).map(|(x, y)| (x as i32, y as i32));
        let held = self.person.holds();
        let at = at.and_then(|at| self.placement.point(at, size, held));
        self.person.point(at, size);
        for (button, bit) in BUTTONS {
            self.person.button(bit, self.window.get_mouse_down(button));
        }
        match self.window.get_scroll_wheel() {
            Some((_, up)) if up > 0.0 => self.person.wheel(-1),
            Some((_, up)) if up < 0.0 => self.person.wheel(1),
            _ => {}
        }
    }
}
