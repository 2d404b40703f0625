//! A picture that knows what it was made from.

use std::ops::Range;

use crate::pages::Seen;

/// What an update changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The picture has another size than before; then all rows changed.
    pub resized: bool,
    /// Runs of rows whose pixels may differ, from top to bottom.
    pub rows: Vec<Range<u32>>,
}

impl Changes {
    /// Whether the picture is as it was.
    pub fn is_empty(&self) -> bool {
        !self.resized && self.rows.is_empty()
    }
}

/// How the sources of a line become pixels. Lines are converted anew when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Which conversion, and its parameters.
    pub kind: Kind,
    /// Colours of pixel values, 00RRGGBBh.
    pub colors: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Nothing,
    Blank,
    /// Character cells of 8 or 9 dots.
    Text {
        dots: u32,
        doubled: bool,
    },
    /// Groups of four plane bytes.
    Planar {
        doubled: bool,
    },
    Interleaved {
        doubled: bool,
    },
    /// Four pixels of eight bits, or eight of four.
    Packed {
        eight_bits: bool,
        doubled: bool,
    },
    /// Bytes of memory at so many bits a pixel, from byte `start` on.
    Linear {
        bits: u32,
        start: u32,
        stride: u32,
    },
}

/// What a picture of the VGA's own modes depends on beside watched memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Writes to registers and to the window at A0000h.
    pub writes: u64,
    /// The phases of blinking cursors and characters.
    pub phases: [bool; 2],
}

/// A picture of 32-bit pixels, brought up to date by [`Vga::frame`](crate::Vga::frame).
#[derive(Clone, Debug, Default)]
pub struct Frame {
    width: u32,
    height: u32,
    pixels: Vec<u32>,
    style: Style,
    /// What each line was made from.
    sources: Vec<Vec<u8>>,
    changes: Changes,
    /// What of video memory it has seen.
    pub(crate) seen: Seen,
    /// The state of the VGA that the last update saw.
    pub(super) version: Option<Version>,
}

impl Frame {
    /// An empty frame: the first update fills it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pixels of a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All pixels, row after row, as 00RRGGBBh.
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// The pixels of a row; empty below the picture.
    pub fn row(&self, row: u32) -> &[u32] {
        let width = self.width as usize;
        let start = row as usize * width;
        self.pixels.get(start..start + width).unwrap_or_default()
    }

    /// Forgets what the frame was made from: the next update converts everything.
    pub fn invalidate(&mut self) {
        self.style = Style::default();
        self.version = None;
    }

    #[cfg(test)]
    pub(crate) fn pixels_mut(&mut self) -> &mut [u32] {
        &mut self.pixels
    }

    pub(crate) fn begin(&mut self, width: u32, height: u32) {
        self.changes = Changes::default();
        if (width, height) != (self.width, self.height) {
            (self.width, self.height) = (width, height);
            self.pixels = vec![0; width as usize * height as usize];
            self.invalidate();
            self.changes.resized = true;
        }
    }

    /// Says how lines are converted in this update. True when that changed: then
    /// every line has to be given.
    pub(super) fn set_style(&mut self, style: Style) -> bool {
        let changed = self.style != style;
        if changed {
            self.style = style;
            self.sources.clear();
        }
        self.sources.resize(self.height as usize, Vec::new());
        changed
    }

    /// The whole picture is black.
    pub(super) fn blank(&mut self) {
        let style = Style { kind: Kind::Blank, colors: Vec::new() };
        if self.style != style {
            self.pixels.fill(0);
            self.changes.rows = std::iter::once(0..self.height).collect();
            self.set_style(style);
        }
    }

    /// Compares `source` with what line `y` was made from. When it differs it is
    /// taken over (by swapping), and the line's pixels are handed to `convert`.
    pub(super) fn line(
        &mut self,
        y: u32,
        source: &mut Vec<u8>,
        convert: impl FnOnce(&[u8], &[u32], &mut [u32]),
    ) {
        let Some(seen) = self.sources.get_mut(y as usize) else { return };
        if *seen == *source {
            return;
        }
        std::mem::swap(seen, source);
        let start = y as usize * self.width as usize;
        if let Some(row) = self.pixels.get_mut(start..start + self.width as usize) {
            convert(seen, &self.style.colors, row);
        }
        match self.changes.rows.last_mut() {
            Some(last) if last.end == y => last.end = y + 1,
            _ => self.changes.rows.push(y..y + 1),
        }
    }

    pub(super) fn finish(&mut self) -> Changes {
        if self.changes.resized {
            self.changes.rows = std::iter::once(0..self.height).collect();
        }
        std::mem::take(&mut self.changes)
    }
}
