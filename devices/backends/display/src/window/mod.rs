//! A window on the host's desktop.
//!
//! | module | what |
//! | --- | --- |
//! | `person` | what a person does, as the guest is told it, and the keys that are ours |
//! | `scale` | where the picture lies in the window, and its pixels there |
//! | `x11` | the window of an X server: full screen, grabs, keys by their place |
//! | `portable` | the window of macOS, Windows and Wayland, through a library |

mod person;
mod portable;
mod scale;
#[cfg(all(unix, not(target_os = "macos")))]
mod x11;

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::{InputSink, Screen};

/// Why there is no window.
#[derive(Debug, Error)]
pub enum WindowError {
    /// Neither an X server nor a Wayland compositor is named.
    #[error(
        "no desktop to open a window on: DISPLAY and WAYLAND_DISPLAY are not set; \
         without a desktop use --display vnc=127.0.0.1:5900 or --display text"
    )]
    NoDesktop,
    /// The desktop did not open one.
    #[error(
        "cannot open a window on {desktop}: {reason}; without a desktop use --display vnc=127.0.0.1:5900 \
         or --display text"
    )]
    Refused {
        /// Which.
        desktop: String,
        /// Why not.
        reason: String,
    },
    /// The desktop ended before the machine did.
    #[error("the window is gone with its desktop: {0}")]
    Gone(String),
}

/// How large the picture is in the window. Its shape is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scaling {
    /// As large as the window.
    #[default]
    Fitted,
    /// As large as fits with squares for pixels; smaller than the picture, as large
    /// as the window.
    Whole,
}

impl Scaling {
    /// The other one.
    fn other(self) -> Self {
        if self == Self::Fitted { Self::Whole } else { Self::Fitted }
    }
}

/// How the window is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowOptions {
    /// How large the picture is in it.
    pub scaling: Scaling,
    /// Window pixels for each pixel of the picture, until a person resizes the window.
    pub factor: u16,
    /// The window covers the whole screen.
    pub full_screen: bool,
}

impl Default for WindowOptions {
    fn default() -> Self {
        Self { scaling: Scaling::Fitted, factor: 1, full_screen: false }
    }
}

/// The one whose screen is shown.
pub trait WindowOwner {
    /// What the title says, asked twice a second.
    fn title(&self) -> String;
    /// Whether the machine has ended: the window closes. Whoever changes the answer
    /// [wakes](Screen::wake) the screen.
    fn has_ended(&self) -> bool;
    /// The person closes the window, for the `times`th time. True: it stays open,
    /// since the guest was asked to switch itself off.
    fn close_requested(&mut self, times: u32) -> bool;
}

/// Time between two pictures at least.
const FRAME: Duration = Duration::from_micros(16_600);
const TITLE_PACE: Duration = Duration::from_millis(500);
/// A window is opened with this size if nothing is shown yet.
const FIRST_SIZE: (usize, usize) = (720, 400);

/// Shows the screen until its owner ends or the person closes the window. On
/// macOS only the main thread may call this.
///
/// # Errors
/// [`WindowError`] where there is no desktop.
pub fn show(
    screen: &Screen,
    input: &InputSink,
    owner: &mut dyn WindowOwner,
    options: WindowOptions,
) -> Result<(), WindowError> {
    #[cfg(all(unix, not(target_os = "macos")))]
    {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_set("DISPLAY") {
            return x11::show(screen, input, owner, options);
        }
        if !is_set("WAYLAND_DISPLAY") {
            return Err(WindowError::NoDesktop);
        }
    }
    portable::show(screen, input, owner, options)
}

/// The size of a window that shows a picture of `size` as `options` want it.
fn first_size(size: (usize, usize), options: &WindowOptions) -> (usize, usize) {
    let (width, height) = if size.0 * size.1 == 0 { FIRST_SIZE } else { size };
    (width * usize::from(options.factor), height * usize::from(options.factor))
}

/// The title, told when it changes.
struct Title {
    last: String,
    due: Instant,
}

impl Title {
    fn new(now: Instant) -> Self {
        Self { last: String::new(), due: now }
    }

    /// The title with what is to be known of the keys, if it is another one.
    fn news(&mut self, now: Instant, owner: &dyn WindowOwner, hint: &str) -> Option<&str> {
        if now < self.due {
            return None;
        }
        self.due = now + TITLE_PACE;
        let title = owner.title() + hint;
        if title == self.last {
            return None;
        }
        self.last = title;
        Some(&self.last)
    }
}
