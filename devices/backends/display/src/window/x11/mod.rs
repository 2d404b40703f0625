//! The window of an X server, in the X protocol itself: keys by their place, everything
//! that is pressed in its order, full screen, grabs. Waits for events and pictures, and
//! costs nothing while there are none.

mod canvas;
mod desktop;
mod keys;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use glassbox_input::Buttons;
use x11rb::connection::Connection;
use x11rb::errors::{ConnectionError, ReplyOrIdError};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{ConnectionExt, NotifyMode};
use x11rb::rust_connection::RustConnection;

use self::canvas::Canvas;
use self::desktop::Desktop;
use self::keys::Places;
use super::person::{Command, Person};
use super::{FRAME, Scaling, Title, WindowError, WindowOptions, WindowOwner, first_size};
use crate::screen::{Mirror, whole};
use crate::{InputSink, Screen};

/// What the server said, oldest first.
type Said = Mutex<VecDeque<Result<Event, ConnectionError>>>;

/// Why a window is no longer there.
enum End {
    /// The machine has ended, or the person wants it to.
    Closed,
    /// Somebody else destroyed it.
    Destroyed,
}

/// See [`super::show`].
pub fn show(
    screen: &Screen,
    input: &InputSink,
    owner: &mut dyn WindowOwner,
    options: WindowOptions,
) -> Result<(), WindowError> {
    let mut closes = 0;
    loop {
        let refused = |reason: String| WindowError::Refused {
            desktop: format!("display {}", std::env::var("DISPLAY").unwrap_or_default()),
            reason,
        };
        let (connection, number) = x11rb::connect(None).map_err(|error| refused(error.to_string()))?;
        let gone = |error: ReplyOrIdError| WindowError::Gone(error.to_string());
        let keys = Places::ask(&connection).map_err(|error| refused(error.to_string()))?;
        let size = first_size(screen.size(), &options);
        let desktop = Desktop::open(&connection, number, size, &options).map_err(gone)?;
        let canvas = Canvas::new(&connection, number, desktop.window, desktop.size).map_err(gone)?;
        let canvas = canvas.ok_or_else(|| refused("it has no true colour of 32 bits".into()))?;
        let mut shown = Shown {
            connection: &connection,
            desktop,
            canvas,
            keys,
            mirror: Mirror::of(screen),
            factor: options.factor,
            followed: None,
            scaling: options.scaling,
            person: Person::new(input.clone()),
            redraw: true,
            motion: None,
            grab: None,
        };
        let said = Said::default();
        let end = thread::scope(|scope| {
            let listener = thread::Builder::new().name("window-events".into());
            listener
                .spawn_scoped(scope, || listen(&connection, screen, &said))
                .map_err(ConnectionError::from)?;
            let end = shown.run(&said, owner, &mut closes);
            shown.person.release();
            // The listener ends with the window.
            let _ = connection.destroy_window(shown.desktop.window);
            let _ = connection.flush();
            end
        });
        match end.map_err(gone)? {
            End::Closed => return Ok(()),
            End::Destroyed => {
                closes += 1;
                if !owner.close_requested(closes) {
                    return Ok(());
                }
            }
        }
    }
}

/// Hands on what the server says, until the window or the server is gone.
fn listen(connection: &RustConnection, screen: &Screen, said: &Said) {
    let mut goes_on = true;
    while goes_on {
        let event = connection.wait_for_event();
        goes_on = !matches!(event, Err(_) | Ok(Event::DestroyNotify(_)));
        said.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
        screen.wake();
    }
}

struct Shown<'a> {
    connection: &'a RustConnection,
    desktop: Desktop,
    canvas: Canvas,
    keys: Places,
    mirror: Mirror,
    /// Window pixels for a pixel of the picture, and the size that the window was
    /// given for the picture: until a person gives it another one it follows.
    factor: u16,
    followed: Option<(u16, u16)>,
    scaling: Scaling,
    person: Person,
    redraw: bool,
    /// Where the pointer is after what was heard last.
    motion: Option<(i16, i16)>,
    grab: Option<Grab>,
}

/// The pointer while it is the guest's alone.
struct Grab {
    last: (i16, i16),
    /// Where it was put, and has not arrived yet.
    warped: Option<(i16, i16)>,
}

impl Shown<'_> {
    fn run(
        &mut self,
        said: &Said,
        owner: &mut dyn WindowOwner,
        closes: &mut u32,
    ) -> Result<End, ReplyOrIdError> {
        let mut title = Title::new(Instant::now());
        let mut next = Instant::now();
        while !owner.has_ended() {
            let heard = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
            for event in heard {
                match event? {
                    Event::DestroyNotify(_) => return Ok(End::Destroyed),
                    Event::ClientMessage(message) if self.desktop.is_close(&message) => {
                        *closes += 1;
                        if !owner.close_requested(*closes) {
                            return Ok(End::Closed);
                        }
                    }
                    event => self.hear(&event)?,
                }
            }
            self.pass_motion()?;
            let now = Instant::now();
            if let Some(title) = title.news(now, owner, self.hint()) {
                self.desktop.set_title(self.connection, title)?;
            }
            if now >= next && self.refresh()? {
                next = now + FRAME;
                // No faster than the server draws.
                self.connection.get_input_focus()?.reply()?;
            }
            let due = Instant::now() >= next;
            self.mirror.wait(due, Some(if due { title.due } else { next.min(title.due) }));
        }
        Ok(End::Closed)
    }

    fn hint(&self) -> &'static str {
        if self.grab.is_some() { " - Ctrl-Alt-G frees the mouse" } else { "" }
    }

    /// Shows what is new. Whether there was something.
    fn refresh(&mut self) -> Result<bool, ReplyOrIdError> {
        let before = self.mirror.picture.size();
        let mut rows = self.mirror.refresh();
        let size = self.mirror.picture.size();
        if size != before && size.0 * size.1 != 0 {
            self.follow(size)?;
        }
        if std::mem::take(&mut self.redraw) {
            rows = whole(&self.mirror.picture);
        }
        if rows.is_empty() {
            return Ok(false);
        }
        self.canvas.draw(self.connection, &self.mirror.picture, self.scaling, rows)?;
        Ok(true)
    }

    /// Gives the window the size of a new picture, unless a person gave it one.
    fn follow(&mut self, size: (usize, usize)) -> Result<(), ReplyOrIdError> {
        let is_ours = self.followed.is_none_or(|size| size == self.canvas.size());
        let (width, height) = (size.0 * usize::from(self.factor), size.1 * usize::from(self.factor));
        let fits = width <= self.desktop.screen.0.into() && height <= self.desktop.screen.1.into();
        if is_ours && fits && !self.desktop.full_screen {
            let size = (width as u16, height as u16);
            self.followed = Some(size);
            self.desktop.resize(self.connection, size)?;
        }
        Ok(())
    }

    fn hear(&mut self, event: &Event) -> Result<(), ReplyOrIdError> {
        match event {
            Event::KeyPress(key) | Event::KeyRelease(key) => {
                let down = matches!(event, Event::KeyPress(_));
                let command = self.keys.key(key.detail).and_then(|key| self.person.key(key, down));
                if let Some(command) = command {
                    self.obey(command)?;
                }
            }
            Event::MotionNotify(motion) => self.motion = Some((motion.event_x, motion.event_y)),
            Event::ButtonPress(button) | Event::ButtonRelease(button) => {
                self.motion = Some((button.event_x, button.event_y));
                self.pass_motion()?;
                self.button(button.detail, matches!(event, Event::ButtonPress(_)));
            }
            Event::LeaveNotify(_) if self.grab.is_none() && !self.person.holds() => {
                self.motion = None;
                self.person.point(None, (0, 0));
            }
            Event::ConfigureNotify(now) => {
                let size = (now.width, now.height);
                if size != self.canvas.size() {
                    self.canvas.resize(self.connection, size)?;
                    self.redraw = true;
                }
            }
            Event::Expose(part) => {
                self.canvas.show(self.connection, part.x, part.y, part.width, part.height)?;
            }
            Event::FocusOut(focus) => {
                if self.grab.is_some() && matches!(focus.mode, NotifyMode::NORMAL | NotifyMode::WHILE_GRABBED)
                {
                    self.release_grab()?;
                }
                self.person.release();
            }
            Event::Error(error) => log::debug!("window: the X server refused a request: {error:?}"),
            _ => {}
        }
        Ok(())
    }

    fn obey(&mut self, command: Command) -> Result<(), ReplyOrIdError> {
        match command {
            Command::FullScreen => self.desktop.toggle_full_screen(self.connection)?,
            Command::Scaling => {
                self.scaling = self.scaling.other();
                self.redraw = true;
            }
            Command::Grab if self.grab.is_some() => self.release_grab()?,
            Command::Grab => {
                if self.desktop.grab(self.connection)? {
                    self.person.set_grabbed(true);
                    let centre = self.centre();
                    self.desktop.warp(self.connection, centre)?;
                    self.grab = Some(Grab { last: centre, warped: Some(centre) });
                    self.motion = None;
                }
            }
        }
        Ok(())
    }

    fn release_grab(&mut self) -> Result<(), ReplyOrIdError> {
        self.grab = None;
        self.person.release();
        self.person.set_grabbed(false);
        self.desktop.release_grab(self.connection)
    }

    fn centre(&self) -> (i16, i16) {
        let (width, height) = self.canvas.size();
        ((width / 2) as i16, (height / 2) as i16)
    }

    /// Tells the guest where the pointer is, or how far it went.
    fn pass_motion(&mut self) -> Result<(), ReplyOrIdError> {
        let Some(at) = self.motion.take() else { return Ok(()) };
        let Some(grab) = &mut self.grab else {
            let size = self.mirror.picture.size();
            let at = (at.0.into(), at.1.into());
            let point = self.canvas.placement().point(at, size, self.person.holds());
            self.person.point(point, size);
            return Ok(());
        };
        if grab.warped.take_if(|warped| *warped == at).is_none() {
            self.person.moved((at.0 - grab.last.0).into(), (at.1 - grab.last.1).into());
        }
        grab.last = at;
        // It is kept from the edges, where it could go no further.
        let centre = self.centre();
        let far = |at: i16, centre: i16| (at - centre).abs() > centre / 2;
        if let Some(grab) = &mut self.grab
            && grab.warped.is_none()
            && (far(at.0, centre.0) || far(at.1, centre.1))
        {
            grab.warped = Some(centre);
            self.desktop.warp(self.connection, centre)?;
        }
        Ok(())
    }

    fn button(&mut self, number: u8, down: bool) {
        let button = match number {
            1 => Buttons::LEFT,
            2 => Buttons::MIDDLE,
            3 => Buttons::RIGHT,
            4 | 5 if down => return self.person.wheel(if number == 4 { -1 } else { 1 }),
            8 => Buttons::BACK,
            9 => Buttons::FORWARD,
            _ => return,
        };
        self.person.button(button, down);
    }
}
