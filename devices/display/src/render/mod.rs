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
    let height = crtc.vertical_displayed();
    // A CRT controller that nobody has programmed yet shows a line or two.
    if height < 8 || width < 16 { BLANK_SIZE } else { (width, height) }
}

/// Nothing is shown: the screen is off or the palette is the processor's.
fn is_blank(registers: &Registers) -> bool {
    registers.sequencer.screen_off() || !registers.attribute.display_on()
}

/// Brings `frame` up to date.
pub(crate) fn render(registers: &Registers, memory: &VideoMemory, beam: Beam, frame: &mut Frame) -> Changes {
    let (width, height) = dimensions(registers);
    frame.begin(width, height);
    if is_blank(registers) {
        frame.blank();
    } else if !registers.dispi.is_enabled() {
        scan::render(registers, memory, beam, frame);
    } else if registers.dispi.bits_per_pixel() == 4 {
        linear::render_planar(registers, memory, frame);
    } else {
        linear::render(registers, memory, frame);
    }
    frame.finish()
}
