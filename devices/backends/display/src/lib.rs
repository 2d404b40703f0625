//! The guest's screen on the host: for VNC clients, in a window, in files.
//!
//! Whoever has the pictures [`publish`](Screen::publish)es them to a [`Screen`];
//! everything else here shows what is published and hands what people do to an
//! [`InputSink`]. The guest never waits for any of it.

mod screen;
mod screenshot;
mod vnc;
#[cfg(feature = "window")]
mod window;

use std::sync::Arc;

use glassbox_input::InputEvent;

pub use screen::{Picture, Screen};
pub use screenshot::{NotAHash, PictureHash, write_png};
pub use vnc::{VncError, VncServer};
#[cfg(feature = "window")]
pub use window::{Scaling, WindowError, WindowOptions, WindowOwner, show};

/// Where keys and pointer go.
pub type InputSink = Arc<dyn Fn(InputEvent) + Send + Sync>;
