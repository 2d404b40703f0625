//! Where the cells of a text lie.

use super::dots::{Cell, DOTS, Scale, Strip, strips};
use super::glyphs::Glyphs;
use crate::Frame;

/// Fewer characters are no text.
const FEWEST: u32 = 3;
/// So many at a place that is tried first, and no other is looked for.
const MANY: u32 = 32;

/// Cells of equal size, in dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub scale: Scale,
    /// Dots above the first row, and left of the first column.
    pub top: usize,
    pub left: usize,
    /// Lines of dots of a cell.
    pub height: usize,
}

/// How well a grid fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub known: u32,
    pub unknown: u32,
}

impl Score {
    pub fn count(&mut self, cell: Cell) {
        match cell {
            Cell::Character(_) => self.known += 1,
            Cell::Unknown => self.unknown += 1,
            Cell::Blank | Cell::Picture => {}
        }
    }

    /// There is text, rather than a picture in which something looks like it.
    pub fn is_text(self) -> bool {
        self.known >= FEWEST && self.known >= self.unknown
    }

    fn is_beyond_doubt(self) -> bool {
        self.known >= MANY && self.known >= 8 * self.unknown
    }

    fn rank(self) -> i64 {
        i64::from(self.known) * 2 - i64::from(self.unknown)
    }
}

/// A whole picture as strips, for one distance from the left edge.
struct Strips {
    columns: usize,
    lines: usize,
    strips: Vec<Strip>,
    /// For each column how many strips above a line are drawn on.
    drawn: Vec<u16>,
}

impl Strips {
    fn of(frame: &Frame, scale: Scale, left: usize) -> Self {
        let lines = frame.height() as usize / scale.y;
        let columns = (frame.width() as usize / scale.x).saturating_sub(left) / DOTS;
        let mut all = Vec::with_capacity(columns * lines);
        (0..lines).for_each(|y| strips(frame, scale, left, y, &mut all));
        let mut drawn = vec![0; columns * (lines + 1)];
        for (n, strip) in all.iter().enumerate() {
            drawn[n + columns] = drawn[n] + u16::from(strip.is_drawn());
        }
        Self { columns, lines, strips: all, drawn }
    }

    fn score(&self, top: usize, height: usize, glyphs: &Glyphs) -> Score {
        let mut score = Score::default();
        let rows = self.lines.saturating_sub(top) / height;
        for start in (0..rows).map(|row| (top + row * height) * self.columns) {
            let end = start + height * self.columns;
            let mut paper = self.strips.get(start).map_or(0, Strip::first);
            for column in 0..self.columns {
                if self.drawn[start + column] == self.drawn[end + column] {
                    continue;
                }
                let cell = self.strips[start..end].iter().skip(column).step_by(self.columns);
                score.count(Cell::read(cell.copied(), &mut paper, glyphs));
            }
        }
        score
    }
}

impl Grid {
    /// The grid by which the most of a picture is text.
    pub fn find(frame: &Frame, glyphs: &Glyphs) -> Option<Self> {
        let scale = Scale::of(frame);
        let mut best: Option<(Score, Self)> = None;
        for left in 0..DOTS {
            let strips = Strips::of(frame, scale, left);
            if strips.drawn.iter().all(|drawn| *drawn == 0) {
                return None;
            }
            for (top, height) in places(glyphs.heights()) {
                let score = strips.score(top, height, glyphs);
                let grid = Self { scale, top, left, height };
                if score.is_beyond_doubt() {
                    return Some(grid);
                }
                if score.is_text() && best.is_none_or(|(other, _)| score.rank() > other.rank()) {
                    best = Some((score, grid));
                }
            }
        }
        best.map(|(_, grid)| grid)
    }

    /// How many rows of text a picture has room for.
    pub fn rows(&self, frame: &Frame) -> usize {
        (frame.height() as usize / self.scale.y).saturating_sub(self.top) / self.height
    }

    /// The line of dots that is the monitor's line `y`, as a row of text; what lies above
    /// the first row counts to it.
    pub fn row_at(&self, y: u32) -> usize {
        (y as usize / self.scale.y).saturating_sub(self.top) / self.height
    }

    /// A row of text, blanks at its end left out.
    pub fn read(&self, frame: &Frame, row: usize, glyphs: &Glyphs) -> (String, Score) {
        let mut all = Vec::new();
        let top = self.top + row * self.height;
        (top..top + self.height).for_each(|y| strips(frame, self.scale, self.left, y, &mut all));
        let columns = all.len() / self.height;
        let mut score = Score::default();
        let mut paper = all.first().map_or(0, Strip::first);
        let cells = (0..columns).map(|column| {
            let cell = Cell::read(all.iter().skip(column).step_by(columns).copied(), &mut paper, glyphs);
            score.count(cell);
            match cell {
                Cell::Character(character) => character,
                Cell::Unknown => char::REPLACEMENT_CHARACTER,
                Cell::Blank | Cell::Picture => ' ',
            }
        });
        let text: String = cells.collect();
        (text.trim_end().to_owned(), score)
    }
}

/// Lines above the first row, and heights: those without any first.
fn places(heights: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let at_the_top = heights.iter().map(|height| (0, *height));
    at_the_top.chain(heights.iter().flat_map(|height| (1..*height).map(move |top| (top, *height))))
}
