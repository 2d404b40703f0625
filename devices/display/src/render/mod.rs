//! From registers and video memory to pixels.
//!
//! A [`Frame`] remembers what it was made from, so that only lines whose source
//! changed are converted, and several readers can each have a frame of their own.

mod frame;
mod linear;
mod palette;
mod pixels;
mod scan;

pub use frame::{Changes, Frame};

use crate::memory::VideoMemory;
use crate::pages::Changed;
use crate::registers::Registers;
use crate::retrace::Beam;

/// The size shown while no mode is set.
const BLANK_SIZE: (u32, u32) = (640, 480);

/// Width and height of the picture in the monitor's pixels: dots of a halved
/// clock and double-scanned lines count twice.
pub(crate) fn dimensions(registers: &Registers) -> (u32, u32) {
    let Registers { dispi, crtc, sequencer, graphics, .. } = registers;
    if dispi.is_enabled() {
        return (dispi.width(), dispi.height());
    }
    let dots = if graphics.is_graphics() { 8 } else { sequencer.dots() };
    let width = (crtc.horizontal_displayed() * dots) << u32::from(sequencer.half_clock());
    if is_programmed(registers) { (width, crtc.vertical_displayed()) } else { BLANK_SIZE }
}

/// Whether there is a picture: a CRT controller that nobody has programmed yet shows
/// a line or two.
pub(crate) fn is_programmed(registers: &Registers) -> bool {
    let crtc = &registers.crtc;
    registers.dispi.is_enabled() || crtc.vertical_displayed() >= 8 && crtc.horizontal_displayed() >= 2
}

/// Nothing is shown: the screen is off or the palette is the processor's.
fn is_blank(registers: &Registers) -> bool {
    registers.sequencer.screen_off() || !registers.attribute.display_on()
}

/// What a picture is made from.
pub(crate) struct Source<'a> {
    pub registers: &'a Registers,
    pub memory: &'a VideoMemory,
    /// Counts writes to registers and to the window at A0000h.
    pub writes: u64,
    pub beam: Beam,
}

/// Brings `frame` up to date, where `changed` says that something may be new.
pub(crate) fn render(source: &Source<'_>, changed: Changed<'_>, frame: &mut Frame) -> Changes {
    let registers = source.registers;
    let (width, height) = dimensions(registers);
    frame.begin(width, height);
    if is_blank(registers) || !is_programmed(registers) {
        frame.blank();
    } else if registers.dispi.is_enabled() {
        linear::render(registers, source.memory, changed, frame);
    } else {
        scan::render(source, changed, frame);
    }
    frame.finish()
}
