//! Where the beam is: display enable and retrace by guest time.

use glassbox_device_api::VmTime;

use crate::registers::Registers;

/// One frame in dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Hz.
    clock: u64,
    /// Dots of a line, and of its displayed part.
    line: (u64, u64),
    /// Lines of a frame, and of its displayed part.
    lines: (u64, u64),
    /// First line and number of lines of the vertical retrace.
    retrace: (u64, u64),
}

/// What status register 1 tells of the beam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beam {
    /// Neither blanked nor in the border.
    pub displaying: bool,
    /// In the vertical retrace.
    pub retrace: bool,
    /// How many retraces began since power-on (of frames of this timing).
    pub retraces: u64,
    /// How many frames began since power-on (of frames of this timing).
    pub frames: u64,
}

impl Timing {
    pub fn of(registers: &Registers) -> Self {
        if registers.dispi.is_enabled() {
            return Self::sixty_hertz(registers.dispi.width(), registers.dispi.height());
        }
        let (crtc, sequencer) = (&registers.crtc, &registers.sequencer);
        let dots = u64::from(sequencer.dots()) << u32::from(sequencer.half_clock());
        let total = u64::from(crtc.horizontal_total());
        let displayed = u64::from(crtc.horizontal_displayed()).min(total);
        let lines = u64::from(crtc.vertical_total());
        Self {
            clock: registers.general.dot_clock(),
            line: (total * dots, displayed * dots),
            lines: (lines, u64::from(crtc.vertical_displayed()).min(lines)),
            retrace: (crtc.retrace_start().into(), crtc.retrace_lines().into()),
        }
    }

    /// DISPI has no timing: blanking as monitors of 60 Hz have it.
    fn sixty_hertz(width: u32, height: u32) -> Self {
        let (width, height) = (u64::from(width), u64::from(height));
        let line = width * 5 / 4;
        let lines = height + height / 20 + 6;
        Self {
            clock: 60 * line * lines,
            line: (line, width),
            lines: (lines, height),
            retrace: (height + 2, 3),
        }
    }

    pub fn at(&self, now: VmTime) -> Beam {
        let frame = (self.line.0 * self.lines.0).max(1);
        let dot = now.ticks(self.clock);
        let in_frame = dot % frame;
        let (line, column) = (in_frame / self.line.0.max(1), in_frame % self.line.0.max(1));
        let since_retrace = line.wrapping_sub(self.retrace.0);
        let before = frame.saturating_sub(self.retrace.0.saturating_mul(self.line.0));
        Beam {
            displaying: line < self.lines.1 && column < self.line.1,
            retrace: since_retrace < self.retrace.1,
            retraces: dot.saturating_add(before) / frame,
            frames: dot / frame,
        }
    }
}
