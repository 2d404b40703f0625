//! Reads text off pictures: what systems in graphics modes draw with a font that is
//! known, on a grid of cells.
//!
//! | file | what it is |
//! | --- | --- |
//! | `glyphs.rs` | which glyph is which character |
//! | `dots.rs` | from pixels to the dots of a cell |
//! | `grid.rs` | where the cells lie |

mod dots;
mod glyphs;
mod grid;

#[cfg(test)]
mod tests;

use glassbox_device_api::VmTime;

use crate::{Changes, Frame};
use glyphs::Glyphs;
use grid::{Grid, Score};

/// Between two searches for cells in a picture that has none.
const SEARCH: VmTime = VmTime(250_000_000);
/// The same, when many searches have found nothing.
const RARE_SEARCH: VmTime = VmTime(4_000_000_000);

/// Reads the text of a picture that changes.
#[derive(Debug)]
pub struct TextReader {
    glyphs: Glyphs,
    grid: Option<Grid>,
    /// Rows of text, and what is known of each.
    rows: Vec<(String, Score)>,
    /// Rows that have to be read again.
    stale: Vec<bool>,
    /// The picture has changed since cells were looked for in vain.
    changed: bool,
    pause: VmTime,
    next_search: VmTime,
}

impl Default for TextReader {
    fn default() -> Self {
        Self {
            glyphs: Glyphs::known(),
            grid: None,
            rows: Vec::new(),
            stale: Vec::new(),
            changed: true,
            pause: SEARCH,
            next_search: VmTime::default(),
        }
    }
}

impl TextReader {
    /// A reader that knows common fonts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a font known: the rows of eight dots of each glyph, leftmost in bit 7, in
    /// the order of `characters`.
    pub fn add_font(&mut self, characters: &str, font: &[u8]) {
        self.glyphs.add(characters, font);
    }

    /// Takes note of what changed in the picture. To be called for each update, whether
    /// text is read then or not.
    pub fn note(&mut self, changes: &Changes) {
        self.changed |= !changes.is_empty();
        if changes.resized {
            self.forget();
        }
        let Some(grid) = self.grid else { return };
        for rows in &changes.rows {
            let (first, last) = (grid.row_at(rows.start), grid.row_at(rows.end.saturating_sub(1)));
            let end = self.stale.len().min(last + 1);
            if let Some(stale) = self.stale.get_mut(first..end) {
                stale.fill(true);
            }
        }
    }

    fn forget(&mut self) {
        self.grid = None;
        self.rows.clear();
        self.stale.clear();
        self.pause = SEARCH;
        self.next_search = VmTime::default();
    }

    /// The text of a picture whose changes were [noted](Self::note): rows from the
    /// first cells on, blanks at their ends left out, U+FFFD for what is no known
    /// character. Nothing where there is no text. At most every 250 ms of `now` cells
    /// are looked for where none are known.
    pub fn read(&mut self, frame: &Frame, now: VmTime) -> impl Iterator<Item = &str> {
        self.update(frame);
        if self.changed && !self.is_text() && now >= self.next_search {
            self.search(frame, now);
        }
        self.rows.iter().map(|(text, _)| text.as_str())
    }

    /// Whether the cells that are known still have text in them.
    fn is_text(&self) -> bool {
        let mut all = Score::default();
        for (_, score) in &self.rows {
            all.known += score.known;
            all.unknown += score.unknown;
        }
        all.is_text()
    }

    fn update(&mut self, frame: &Frame) {
        let Some(grid) = self.grid else { return };
        let count = grid.rows(frame);
        self.rows.resize_with(count, Default::default);
        self.stale.resize(count, true);
        for (row, (line, stale)) in self.rows.iter_mut().zip(&mut self.stale).enumerate() {
            if std::mem::take(stale) {
                *line = grid.read(frame, row, &self.glyphs);
            }
        }
    }

    fn search(&mut self, frame: &Frame, now: VmTime) {
        self.changed = false;
        self.pause = VmTime(self.pause.0.saturating_mul(2).min(RARE_SEARCH.0));
        if let Some(grid) = Grid::find(frame, &self.glyphs) {
            self.forget();
            self.grid = Some(grid);
            self.update(frame);
        }
        self.next_search = now + self.pause;
    }
}
