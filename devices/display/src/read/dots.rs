//! Pixels as dots of two colours.

use super::glyphs::Glyphs;
use crate::Frame;

/// Dots of a glyph's row.
pub(super) const DOTS: usize = 8;
/// Rows at the bottom of a glyph that a cursor may fill.
const CURSOR_ROWS: usize = 5;
/// The largest glyph.
const MOST_ROWS: usize = 32;

/// Eight pixels that lie beside each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Strip {
    /// The colour of the leftmost.
    first: u32,
    /// The other one; the same where there is none.
    second: u32,
    /// The dots that have it, leftmost in bit 7.
    mask: u8,
    /// There are more than these two.
    colorful: bool,
}

impl Strip {
    fn of(pixels: impl Iterator<Item = u32>) -> Self {
        let mut strip = Self::default();
        for (n, pixel) in pixels.enumerate() {
            if n == 0 {
                (strip.first, strip.second) = (pixel, pixel);
            } else if pixel != strip.first {
                strip.colorful |= strip.mask != 0 && pixel != strip.second;
                strip.second = pixel;
                strip.mask |= 0x80 >> n;
            }
        }
        strip
    }

    /// The colour of the leftmost dot.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// Whether there is more than one colour.
    pub fn is_drawn(&self) -> bool {
        self.mask != 0
    }
}

/// How many of the monitor's pixels a dot has, across and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub x: usize,
    pub y: usize,
}

impl Scale {
    /// Whether all of a picture's pixels come in pairs, as in modes of 320 columns or
    /// of 200 lines.
    pub fn of(frame: &Frame) -> Self {
        let rows = || (0..frame.height()).map(|y| frame.row(y));
        let across = rows().all(|row| row.as_chunks::<2>().0.iter().all(|[left, right]| left == right));
        let down = (0..frame.height() / 2).all(|y| frame.row(2 * y) == frame.row(2 * y + 1));
        Self { x: 1 + usize::from(across), y: 1 + usize::from(down) }
    }
}

/// The strips of line `y` of dots, from dot `left` on.
pub(super) fn strips(frame: &Frame, scale: Scale, left: usize, y: usize, to: &mut Vec<Strip>) {
    let row = frame.row((y * scale.y) as u32);
    let row = row.get(left * scale.x..).unwrap_or_default();
    to.extend(
        row.chunks_exact(DOTS * scale.x).map(|pixels| Strip::of(pixels.iter().copied().step_by(scale.x))),
    );
}

/// What a cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// One colour.
    Blank,
    Character(char),
    /// Two colours, and no glyph that is known.
    Unknown,
    /// More than two colours.
    Picture,
}

impl Cell {
    /// Looks at the strips of a cell, from top to bottom. Of two colours the paper is
    /// `paper`, that of the cell to the left, which is changed for the next one, or else
    /// the first one: some glyphs are others' negatives.
    pub fn read(strips: impl Iterator<Item = Strip> + Clone, paper: &mut u32, glyphs: &Glyphs) -> Self {
        let Some((first, second)) = colors(strips.clone()) else { return Self::Picture };
        let (paper_now, ink) = if second == *paper { (second, first) } else { (first, second) };
        *paper = paper_now;
        let mut rows = [0; MOST_ROWS];
        let mut height = 0;
        for (row, strip) in rows.iter_mut().zip(strips) {
            // The strip's mask has what differs from its first colour.
            *row = if strip.first == ink && ink != paper_now { !strip.mask } else { strip.mask };
            height += 1;
        }
        Self::glyph(&mut rows[..height], glyphs)
    }

    /// The glyph, or what is left of it without the cursor.
    fn glyph(rows: &mut [u8], glyphs: &Glyphs) -> Self {
        let is_blank = |rows: &[u8]| rows.iter().all(|row| *row == 0);
        if is_blank(rows) {
            return Self::Blank;
        }
        if let Some(character) = find(rows, glyphs) {
            return Self::Character(character);
        }
        let start = rows.len().saturating_sub(CURSOR_ROWS);
        let mut without_cursor = [0; MOST_ROWS];
        let without_cursor = &mut without_cursor[..rows.len()];
        without_cursor.copy_from_slice(rows);
        without_cursor[start..].iter_mut().filter(|row| **row == 0xff).for_each(|row| *row = 0);
        if is_blank(without_cursor) {
            return Self::Blank;
        }
        find(without_cursor, glyphs).map_or(Self::Unknown, Self::Character)
    }
}

/// The first colour and the other one, which is the same where there is none; `None`
/// for more than two.
fn colors(strips: impl Iterator<Item = Strip>) -> Option<(u32, u32)> {
    let mut found: Option<(u32, u32)> = None;
    for Strip { first, second, colorful, .. } in strips {
        let (one, mut other) = found.unwrap_or((first, second));
        for color in [first, second] {
            if color != one && other == one {
                other = color;
            }
            if colorful || color != one && color != other {
                return None;
            }
        }
        found = Some((one, other));
    }
    found
}

/// A glyph in either of two ways: the leftmost dot at the top may be ink.
fn find(rows: &mut [u8], glyphs: &Glyphs) -> Option<char> {
    let found = glyphs.get(rows);
    if found.is_some() {
        return found;
    }
    rows.iter_mut().for_each(|row| *row = !*row);
    let found = glyphs.get(rows);
    rows.iter_mut().for_each(|row| *row = !*row);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cell of 16 rows in two colours.
    fn cell(rows: [u8; 16], paper: u32, ink: u32) -> Cell {
        let pixel = |row: u8, n: u32| if row >> (7 - n) & 1 != 0 { ink } else { paper };
        let strips = rows.map(|row| Strip::of((0..8).map(|n| pixel(row, n))));
        Cell::read(strips.into_iter(), &mut paper.clone(), &Glyphs::known())
    }

    const DIAMOND: [u8; 16] = [0, 0, 0, 0, 0x10, 0x38, 0x7c, 0xfe, 0x7c, 0x38, 0x10, 0, 0, 0, 0, 0];
    const FULL_BLOCK: [u8; 16] = [0xff; 16];

    #[test]
    fn a_glyph_is_read_in_any_two_colors_and_under_a_cursor() {
        assert_eq!(cell(DIAMOND, 0, 0xaa_aaaa), Cell::Character('♦'));
        assert_eq!(cell(DIAMOND, 0xff_ffff, 0), Cell::Character('♦'));
        assert_eq!(cell(DIAMOND.map(|row| !row), 0, 0xaa_aaaa), Cell::Character('♦'), "inverse");
        let mut with_cursor = DIAMOND;
        with_cursor[14..].fill(0xff);
        assert_eq!(cell(with_cursor, 0, 1), Cell::Character('♦'));
        assert_eq!(cell([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 0, 1), Cell::Blank);
        assert_eq!((cell(FULL_BLOCK, 0, 7), cell([0; 16], 0, 7)), (Cell::Blank, Cell::Blank));
        assert_eq!(cell([0x5a; 16], 0, 7), Cell::Unknown);
    }

    #[test]
    fn negatives_of_each_other_are_told_apart_by_what_is_left_of_them() {
        // Linux' shades: the dark one is the negative of another font's light one.
        let shade = |even, odd| std::array::from_fn(|n| if n % 2 == 0 { even } else { odd });
        let (light, dark) = (shade(0x11, 0x44), shade(0xdd, 0x77));
        let (glyphs, mut paper) = (Glyphs::known(), 0);
        let mut read = |rows: [u8; 16]| {
            let strips = rows.map(|row| Strip::of((0..8).map(|n| u32::from(row >> (7 - n) & 1))));
            Cell::read(strips.into_iter(), &mut paper, &glyphs)
        };
        let expected = [Cell::Character('░'), Cell::Character('▓'), Cell::Blank];
        assert_eq!([light, dark, [0; 16]].map(&mut read), expected);
    }

    #[test]
    fn a_third_color_makes_it_a_picture() {
        let row = |colors: [u32; 8]| Strip::of(colors.into_iter());
        let plain = row([0; 8]);
        let glyphs = Glyphs::known();
        let mut strips = [plain; 16];
        strips[3] = row([0, 1, 2, 0, 0, 0, 0, 0]);
        assert_eq!(Cell::read(strips.into_iter(), &mut 0, &glyphs), Cell::Picture);
        strips[3] = row([0, 1, 1, 0, 0, 0, 0, 0]);
        strips[4] = row([0, 2, 2, 0, 0, 0, 0, 0]);
        assert_eq!(Cell::read(strips.into_iter(), &mut 0, &glyphs), Cell::Picture);
        strips[4] = row([1, 2, 2, 1, 1, 1, 1, 1]);
        assert_eq!(Cell::read(strips.into_iter(), &mut 0, &glyphs), Cell::Picture);
    }
}
