//! What becomes of the screen: read as text, shown, saved as a picture; and the
//! keys that a script presses.

mod keys;
mod periodic;
mod show;
mod steady;
mod target;
mod text;
mod tty;
#[cfg(feature = "window")]
mod window;

pub use keys::{KeyPlayer, Listening};
pub use periodic::Periodic;
pub use show::{Published, VncArgs};
pub use target::Display;
pub use text::{WatchedScreen, verdict, write_text};
pub use tty::TextDisplay;
#[cfg(feature = "window")]
pub use window::run_beside;

use anyhow::Context;
use glassbox_machine::{Frame, Machine};
use glassbox_screen::{Picture, PictureHash, write_png};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// A frame of the machine as a picture of the host.
fn copy(frame: &Frame, to: &mut Picture) {
    (to.width, to.height) = (frame.width() as usize, frame.height() as usize);
    to.pixels.clear();
    to.pixels.extend_from_slice(frame.pixels());
}

/// The screen now; `None` without a display.
pub fn picture(machine: &Machine) -> Option<Picture> {
    let mut frame = Frame::new();
    machine.frame(&mut frame)?;
    let mut picture = Picture::default();
    copy(&frame, &mut picture);
    Some(picture)
}

/// The hash of the picture in a frame.
fn picture_hash(frame: &Frame) -> PictureHash {
    let mut picture = Picture::default();
    copy(frame, &mut picture);
    PictureHash::of(&picture)
}

/// Writes the screen as PNG.
///
/// # Errors
/// Without a display, and where the file cannot be written.
pub fn write_screenshot(machine: &Machine, file: File) -> anyhow::Result<()> {
    let picture = picture(machine).context("--screenshot: this machine has no display; add --display vga")?;
    write_png(&picture, BufWriter::new(file)).context("--screenshot cannot be written: is the disk full?")
}

/// Writes a picture to a new file as PNG.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_picture(picture: &Picture, path: &Path) -> anyhow::Result<()> {
    let about = || format!("cannot write {}: is the folder there, and can it be written?", path.display());
    let file = File::create(path).with_context(about)?;
    write_png(picture, BufWriter::new(file)).with_context(about)
}
