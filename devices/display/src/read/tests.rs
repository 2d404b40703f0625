//! Text drawn with a font of the tests, at any place and in any colours.

use std::ops::Range;

use glassbox_device_api::VmTime;

use super::TextReader;
use crate::{Changes, Frame};

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz:>$";

/// Glyphs that differ from each other, whichever way they are moved.
fn font(height: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut byte = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 & 0x7e
    };
    LETTERS.chars().flat_map(|_| (0..height).map(|_| byte()).collect::<Vec<_>>()).collect()
}

/// A screen that is drawn on.
struct Page {
    frame: Frame,
    height: usize,
    scale: usize,
}

impl Page {
    fn new(width: u32, height: u32, cell: usize, scale: usize) -> Self {
        let mut frame = Frame::new();
        frame.begin(width, height);
        Self { frame, height: cell, scale }
    }

    fn dot(&mut self, x: usize, y: usize, color: u32) {
        let width = self.frame.width() as usize;
        for (dx, dy) in (0..self.scale).flat_map(|dx| (0..self.scale).map(move |dy| (dx, dy))) {
            self.frame.pixels_mut()[(y * self.scale + dy) * width + x * self.scale + dx] = color;
        }
    }

    /// Draws text with its top left corner at a dot; says what changed.
    fn write(&mut self, text: &str, (left, top): (usize, usize), [paper, ink]: [u32; 2]) -> Changes {
        let font = font(self.height);
        for (n, letter) in text.chars().enumerate() {
            let glyph = LETTERS.find(letter).map(|at| &font[at * self.height..][..self.height]);
            for (y, x) in (0..self.height).flat_map(|y| (0..8).map(move |x| (y, x))) {
                let set = glyph.is_some_and(|rows| rows[y] >> (7 - x) & 1 != 0);
                self.dot(left + 8 * n + x, top + y, if set { ink } else { paper });
            }
        }
        let rows = (top * self.scale) as u32..((top + self.height) * self.scale) as u32;
        changes(rows)
    }
}

fn changes(rows: Range<u32>) -> Changes {
    Changes { resized: false, rows: vec![rows] }
}

fn reader(height: usize) -> TextReader {
    let mut reader = TextReader::new();
    reader.add_font(LETTERS, &font(height));
    reader
}

fn lines(reader: &mut TextReader, page: &Page, seconds: u64) -> Vec<String> {
    let lines = reader.read(&page.frame, VmTime(seconds * VmTime::SECOND.0));
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn text_is_found_at_any_place_in_any_size_and_color() {
    for (height, scale, place) in
        [(16, 1, (0, 0)), (19, 1, (112, 93)), (8, 2, (5, 3)), (14, 1, (3, 13)), (16, 1, (7, 1))]
    {
        let mut page = Page::new(640, 480, height, scale);
        let (left, top) = place;
        page.write("login:", place, [0, 0xaa_aaaa]);
        page.write("inverse", (left + 16, top + 2 * height), [0xff_ffff, 0x12]);
        let found = lines(&mut reader(height), &page, 0);
        let found: Vec<&str> = found.iter().map(|line| line.trim()).collect();
        assert_eq!(found, ["login:", "inverse"], "{height} lines at {place:?}");
    }
}

#[test]
fn what_changes_is_read_again_and_only_that() {
    let mut page = Page::new(640, 480, 16, 1);
    let mut reader = reader(16);
    page.write("one", (0, 0), [0, 7]);
    assert_eq!(lines(&mut reader, &page, 0), ["one"]);
    let changed = page.write("two", (0, 32), [0, 7]);
    page.write("six", (0, 64), [0, 7]);
    reader.note(&changed);
    assert_eq!(lines(&mut reader, &page, 0), ["one", "two"], "nobody told of the third");
    reader.note(&changes(64..480));
    assert_eq!(lines(&mut reader, &page, 0), ["one", "two", "six"]);
}

#[test]
fn another_place_is_looked_for_when_the_text_is_gone_and_not_too_often() {
    let mut page = Page::new(640, 480, 16, 1);
    let mut reader = reader(16);
    assert!(lines(&mut reader, &page, 0).is_empty());
    let changed = page.write("first", (0, 0), [0, 7]);
    reader.note(&changed);
    assert!(lines(&mut reader, &page, 0).is_empty(), "it was looked for a moment ago");
    assert_eq!(lines(&mut reader, &page, 1), ["first"]);
    page.write("     ", (0, 0), [0, 7]);
    page.write("second", (4, 100), [0, 7]);
    reader.note(&changes(0..480));
    assert_eq!(lines(&mut reader, &page, 2), ["second"]);
    reader.note(&Changes { resized: true, rows: Vec::new() });
    assert_eq!(lines(&mut reader, &page, 2), ["second"], "a new size is looked at at once");
}

#[test]
fn a_picture_is_no_text() {
    let mut page = Page::new(640, 480, 16, 1);
    let mut state = 7u32;
    for pixel in page.frame.pixels_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *pixel = if state >> 30 == 0 { 0xff_ffff } else { 0 };
    }
    assert!(lines(&mut reader(16), &page, 0).is_empty());
    page.frame.pixels_mut().fill(0);
    page.write("ab", (0, 0), [0, 7]);
    assert!(lines(&mut reader(16), &page, 9).is_empty(), "two characters may be chance");
}
