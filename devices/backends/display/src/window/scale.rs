//! Where the picture lies in the window, and its pixels there.

use std::ops::Range;

use super::Scaling;
use crate::Picture;

/// Where in a window the picture is, in the window's pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl Placement {
    /// The place of a picture of `size` in the middle of a window.
    pub fn new(scaling: Scaling, window: (usize, usize), size: (usize, usize)) -> Self {
        if window.0 * window.1 == 0 || size.0 * size.1 == 0 {
            return Self::default();
        }
        let factor = (window.0 / size.0).min(window.1 / size.1);
        let (width, height) = if scaling == Scaling::Whole && factor != 0 {
            (size.0 * factor, size.1 * factor)
        } else if window.0 * size.1 <= window.1 * size.0 {
            (window.0, (size.1 * window.0 / size.0).max(1))
        } else {
            ((size.0 * window.1 / size.1).max(1), window.1)
        };
        Self { left: (window.0 - width) / 2, top: (window.1 - height) / 2, width, height }
    }

    /// The pixel of a picture of `size` under a point of the window. Beside it: none,
    /// or while a button is `held` the nearest.
    pub fn point(&self, (x, y): (i32, i32), size: (usize, usize), held: bool) -> Option<(u32, u32)> {
        let along = |at: i32, start: usize, length: usize, size: usize| {
            let at = i64::from(at) - start as i64;
            let last = length as i64 - 1;
            let inside = (0..=last).contains(&at) || held && last >= 0;
            inside.then(|| (at.clamp(0, last) as usize * size / length) as u32)
        };
        Some((along(x, self.left, self.width, size.0)?, along(y, self.top, self.height, size.1)?))
    }
}

/// Where a pixel of the window gets its colour from: between two neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Between {
    first: usize,
    second: usize,
    /// Parts of 256 that the second has.
    weight: u32,
}

/// One axis of a stretch.
fn axis(from: usize, to: usize) -> Vec<Between> {
    let whole = to.checked_rem(from) == Some(0);
    let place = |n: usize| {
        if whole {
            let at = n * from / to;
            return Between { first: at, second: at, weight: 0 };
        }
        // The middles of pixels are mapped, in parts of 256.
        let middle = ((2 * n + 1) * from * 128 / to).saturating_sub(128);
        let first = (middle >> 8).min(from - 1);
        Between { first, second: (first + 1).min(from - 1), weight: (middle & 0xff) as u32 }
    };
    (0..to).map(place).collect()
}

/// Stretches pictures of one size to one other.
#[derive(Debug, Default)]
pub struct Scaler {
    from: (usize, usize),
    to: (usize, usize),
    columns: Vec<Between>,
    rows: Vec<Between>,
    /// Rows of the picture in the window's width, with their numbers.
    stretched: [(Option<usize>, Vec<u32>); 2],
}

impl Scaler {
    /// Prepares for pictures of size `from`.
    pub fn set(&mut self, from: (usize, usize), to: (usize, usize)) {
        if (self.from, self.to) != (from, to) && from.0 * from.1 != 0 {
            *self = Self {
                from,
                to,
                columns: axis(from.0, to.0),
                rows: axis(from.1, to.1),
                stretched: Default::default(),
            };
        }
    }

    /// The rows of the result that depend on these rows of the picture.
    pub fn affected(&self, rows: &Range<usize>) -> Range<usize> {
        let start = self.rows.partition_point(|row| row.second < rows.start);
        start..self.rows.partition_point(|row| row.first < rows.end).max(start)
    }

    /// Appends some rows of the result.
    pub fn rows(&mut self, picture: &Picture, rows: Range<usize>, out: &mut Vec<u32>) {
        // The picture may be another one than last time.
        self.stretched.iter_mut().for_each(|(number, _)| *number = None);
        for row in rows {
            let Between { first, second, weight } = self.rows[row];
            if self.from.0 == self.to.0 && weight == 0 {
                out.extend_from_slice(picture.row(first));
                continue;
            }
            self.stretch(picture, first);
            if weight == 0 {
                out.extend_from_slice(&self.stretched[first % 2].1);
                continue;
            }
            self.stretch(picture, second);
            let pairs = self.stretched[first % 2].1.iter().zip(&self.stretched[second % 2].1);
            out.extend(pairs.map(|(a, b)| mix(*a, *b, weight)));
        }
    }

    /// Has a row of the picture in the window's width in its buffer. Neighbours
    /// have buffers of their own.
    fn stretch(&mut self, picture: &Picture, row: usize) {
        let (number, pixels) = &mut self.stretched[row % 2];
        if *number == Some(row) {
            return;
        }
        *number = Some(row);
        let source = picture.row(row);
        pixels.clear();
        let stretched = self.columns.iter().map(|at| {
            if at.weight == 0 {
                source[at.first]
            } else {
                mix(source[at.first], source[at.second], at.weight)
            }
        });
        pixels.extend(stretched);
    }
}

/// A colour between two: `weight` parts of 256 of the second.
fn mix(a: u32, b: u32, weight: u32) -> u32 {
    // Two colours of a pixel at once: each has 16 bits of its own.
    let half =
        |a: u32, b: u32| ((a & 0xff_00ff) * (256 - weight) + (b & 0xff_00ff) * weight) >> 8 & 0xff_00ff;
    half(a, b) | half(a >> 8, b >> 8) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_keeps_its_shape_in_the_middle_of_the_window() {
        let at = |scaling, window, size| {
            let Placement { left, top, width, height } = Placement::new(scaling, window, size);
            (left, top, width, height)
        };
        assert_eq!(at(Scaling::Fitted, (800, 480), (640, 480)), (80, 0, 640, 480));
        assert_eq!(at(Scaling::Fitted, (1000, 700), (720, 400)), (0, 72, 1000, 555));
        assert_eq!(at(Scaling::Whole, (1500, 1000), (720, 400)), (30, 100, 1440, 800));
        assert_eq!(
            at(Scaling::Whole, (360, 400), (720, 400)),
            (0, 100, 360, 200),
            "smaller than the picture"
        );
        assert_eq!(at(Scaling::Fitted, (0, 9), (640, 480)), (0, 0, 0, 0));
    }

    #[test]
    fn points_are_found_in_the_picture_and_beside_it_at_its_edge() {
        let size = (640, 480);
        let point = |window, at| Placement::new(Scaling::Fitted, window, size).point(at, size, false);
        assert_eq!(point((640, 480), (10, 20)), Some((10, 20)));
        assert_eq!(point((1280, 960), (101, 20)), Some((50, 10)));
        assert_eq!(point((800, 480), (80, 0)), Some((0, 0)));
        assert_eq!(point((800, 480), (79, 0)), None);
        assert_eq!(point((800, 480), (720, 0)), None);
        assert_eq!(point((0, 0), (0, 0)), None);
        let near = |at| Placement::new(Scaling::Fitted, (800, 480), size).point(at, size, true);
        assert_eq!((near((-5, 999)), near((799, 3))), (Some((0, 479)), Some((639, 3))));
    }

    fn scaled(picture: &Picture, to: (usize, usize)) -> Vec<u32> {
        let mut scaler = Scaler::default();
        scaler.set(picture.size(), to);
        let mut out = Vec::new();
        scaler.rows(picture, 0..to.1, &mut out);
        out
    }

    #[test]
    fn whole_factors_make_squares_and_others_mix_neighbours() {
        let picture =
            Picture { width: 2, height: 2, pixels: vec![0xff_0000, 0x00_ff00, 0x00_00ff, 0xff_ffff] };
        assert_eq!(scaled(&picture, (2, 2)), picture.pixels);
        let twice = scaled(&picture, (4, 4));
        assert_eq!(twice[..4], [0xff_0000, 0xff_0000, 0x00_ff00, 0x00_ff00]);
        assert_eq!(
            (twice[4..8].to_vec(), &twice[8..12]),
            (twice[..4].to_vec(), &[0xff, 0xff, 0xff_ffff, 0xff_ffff][..])
        );
        // The middle column is half of both, within rounding.
        assert_eq!(scaled(&picture, (3, 2))[1], 0x7f_7f00);
    }

    #[test]
    fn a_changed_row_is_redrawn_wherever_it_shines_through() {
        let mut picture = Picture::black(40, 30);
        let before = scaled(&picture, (57, 49));
        let mut scaler = Scaler::default();
        scaler.set((40, 30), (57, 49));
        for row in 0..30 {
            picture.pixels.fill(0);
            picture.pixels[row * 40..][..40].fill(0xff_ffff);
            let affected = scaler.affected(&(row..row + 1));
            let mut now = before.clone();
            let mut drawn = Vec::new();
            scaler.rows(&picture, affected.clone(), &mut drawn);
            now[affected.start * 57..affected.end * 57].copy_from_slice(&drawn);
            assert_eq!(now, scaled(&picture, (57, 49)), "row {row}");
            assert!(affected.len() < 6);
        }
    }
}
