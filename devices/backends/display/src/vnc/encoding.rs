//! Rectangles: raw pixels and ZRLE (RFC 6143, 7.7.1 and 7.7.6).

use std::ops::Range;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::pixel::PixelFormat;
use crate::Picture;

/// Raw encoding.
pub const RAW: i32 = 0;
/// Zlib run-length encoding.
pub const ZRLE: i32 = 16;
/// Pseudo-encoding: the size of the screen changed.
pub const DESKTOP_SIZE: i32 = -223;
/// Pseudo-encoding: keys by their place.
pub const EXTENDED_KEY: i32 = -258;

/// Side of ZRLE's tiles.
const TILE: usize = 64;
/// Most colours that are sent as a palette of packed pixels.
const LARGEST_PALETTE: usize = 16;

/// A part of the screen, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Rect {
    /// A whole picture.
    pub fn all(picture: &Picture) -> Self {
        Self { x: 0, y: 0, width: picture.width, height: picture.height }
    }

    /// Copies this part of a picture to another of the same size.
    pub fn copy(&self, from: &Picture, to: &mut Picture) {
        let (x, width) = (self.x, self.width);
        let rows = to.pixels.chunks_exact_mut(to.width.max(1)).skip(self.y);
        for (from, to) in self.rows(from).zip(rows) {
            to[x..x + width].copy_from_slice(from);
        }
    }

    /// The rectangle's header with its encoding.
    pub fn put_header(&self, encoding: i32, out: &mut Vec<u8>) {
        for value in [self.x, self.y, self.width, self.height] {
            out.extend((value as u16).to_be_bytes());
        }
        out.extend(encoding.to_be_bytes());
    }

    fn rows<'a>(&self, picture: &'a Picture) -> impl Iterator<Item = &'a [u32]> {
        let (x, width) = (self.x, self.width);
        picture
            .pixels
            .chunks_exact(picture.width.max(1))
            .skip(self.y)
            .take(self.height)
            .map(move |row| &row[x..x + width])
    }
}

/// Appends a rectangle as raw pixels, without its header.
pub fn raw(picture: &Picture, rect: Rect, format: &PixelFormat, out: &mut Vec<u8>) {
    rect.rows(picture).for_each(|row| format.put(row, out));
}

/// The state of ZRLE: one zlib stream a connection.
pub struct Zrle {
    stream: Compress,
}

impl Zrle {
    /// `stored`: bytes are wrapped, not compressed.
    pub fn new(stored: bool) -> Self {
        let level = if stored { Compression::none() } else { Compression::fast() };
        Self { stream: Compress::new(level, true) }
    }

    /// Appends a rectangle, without its header.
    pub fn put(&mut self, picture: &Picture, rect: Rect, format: &PixelFormat, out: &mut Vec<u8>) {
        let mut plain = Vec::new();
        for y in (0..rect.height).step_by(TILE) {
            for x in (0..rect.width).step_by(TILE) {
                let (width, height) = ((rect.width - x).min(TILE), (rect.height - y).min(TILE));
                let tile = Rect { x: rect.x + x, y: rect.y + y, width, height };
                put_tile(picture, tile, format, &mut plain);
            }
        }
        let length_at = out.len();
        out.extend([0; 4]);
        self.compress(&plain, out);
        let length = (out.len() - length_at - 4) as u32;
        out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Compresses all of `plain` up to a byte boundary, so that the client can go on.
    fn compress(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        loop {
            out.reserve(plain.len() / 2 + 1024);
            let (before, room) = (self.stream.total_in(), out.capacity() - out.len());
            let before_out = self.stream.total_out();
            let status = self.stream.compress_vec(plain, out, FlushCompress::Sync);
            plain = &plain[(self.stream.total_in() - before) as usize..];
            let filled = (self.stream.total_out() - before_out) as usize == room;
            // An output with room left holds everything.
            if plain.is_empty() && !filled || !matches!(status, Ok(Status::Ok | Status::BufError)) {
                return;
            }
        }
    }
}

fn put_tile(picture: &Picture, tile: Rect, format: &PixelFormat, out: &mut Vec<u8>) {
    let mut palette: Vec<u32> = Vec::with_capacity(LARGEST_PALETTE + 1);
    'pixels: for row in tile.rows(picture) {
        for pixel in row {
            if !palette.contains(pixel) {
                palette.push(*pixel);
                if palette.len() > LARGEST_PALETTE {
                    break 'pixels;
                }
            }
        }
    }
    match palette.len() {
        1 => {
            out.push(1);
            format.put_compressed(&palette, out);
        }
        colours @ 2..=LARGEST_PALETTE => {
            out.push(colours as u8);
            format.put_compressed(&palette, out);
            put_packed(picture, tile, &palette, out);
        }
        _ => {
            out.push(0);
            tile.rows(picture).for_each(|row| format.put_compressed(row, out));
        }
    }
}

/// Indices of 1, 2 or 4 bits, each row from a byte on.
fn put_packed(picture: &Picture, tile: Rect, palette: &[u32], out: &mut Vec<u8>) {
    let bits = match palette.len() {
        ..=2 => 1,
        3..=4 => 2,
        _ => 4,
    };
    for row in tile.rows(picture) {
        for pixels in row.chunks(8 / bits) {
            let index = |pixel| palette.iter().position(|p| p == pixel).unwrap_or(0) as u8;
            let byte = pixels.iter().fold(0, |byte, pixel| byte << bits | index(pixel));
            out.push(byte << (8 - bits * pixels.len()));
        }
    }
}

/// The tiles in which two pictures of one size differ, joined along rows. Only these
/// rows are looked at.
pub fn differences(old: &Picture, new: &Picture, rows: &[Range<usize>]) -> Vec<Rect> {
    let mut found = Vec::new();
    for y in (0..new.height).step_by(TILE) {
        let height = (new.height - y).min(TILE);
        if !rows.iter().any(|rows| rows.start < y + height && rows.end > y) {
            continue;
        }
        let mut run: Option<Rect> = None;
        for x in (0..new.width).step_by(TILE) {
            let tile = Rect { x, y, width: (new.width - x).min(TILE), height };
            if tile.rows(old).ne(tile.rows(new)) {
                match &mut run {
                    Some(run) => run.width += tile.width,
                    None => run = Some(tile),
                }
            } else {
                found.extend(run.take());
            }
        }
        found.extend(run);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::whole;
    use flate2::{Decompress, FlushDecompress};

    fn picture(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u32) -> Picture {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| pixel(x, y));
        Picture { width, height, pixels: pixels.collect() }
    }

    #[test]
    fn only_tiles_that_differ_are_found_and_neighbours_are_joined() {
        let old = Picture::black(200, 100);
        let mut new = old.clone();
        let differences = |old: &Picture, new: &Picture| super::differences(old, new, &whole(new));
        assert_eq!(differences(&old, &new), []);
        new.pixels[70] = 1;
        new.pixels[199] = 1;
        new.pixels[65 * 200] = 1;
        let expected = [
            Rect { x: 64, y: 0, width: 64, height: 64 },
            Rect { x: 192, y: 0, width: 8, height: 64 },
            Rect { x: 0, y: 64, width: 64, height: 36 },
        ];
        assert_eq!(differences(&old, &new), expected);
        assert_eq!(super::differences(&old, &new, &[3..4, 10..64]), expected[..2]);
    }

    #[test]
    fn tiles_are_sent_as_one_colour_a_palette_or_pixels() {
        let mut zrle = Zrle::new(false);
        let mut inflate = Decompress::new(true);
        let all = Rect { x: 0, y: 0, width: 3, height: 2 };
        let cases = [
            (picture(3, 2, |_, _| 0x01_0203), vec![1, 3, 2, 1]),
            (picture(3, 2, |x, _| x as u32 & 1), vec![2, 0, 0, 0, 1, 0, 0, 0b0100_0000, 0b0100_0000]),
            (picture(3, 2, |x, _| x as u32), vec![3, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0b0001_1000, 0b0001_1000]),
        ];
        for (picture, expected) in cases {
            let mut out = Vec::new();
            zrle.put(&picture, all, &PixelFormat::SERVER, &mut out);
            let length = u32::from_be_bytes(out[..4].try_into().unwrap()) as usize;
            assert_eq!(length, out.len() - 4);
            let mut plain = Vec::with_capacity(1 << 16);
            inflate.decompress_vec(&out[4..], &mut plain, FlushDecompress::Sync).unwrap();
            assert_eq!(plain, expected);
        }
    }

    #[test]
    fn a_noisy_picture_survives_the_way_through_one_stream() {
        let noisy = picture(192, 128, |x, y| (x * 7919 + y * 104_729) as u32 & 0xff_ffff);
        let rect = Rect { x: 0, y: 0, width: 192, height: 128 };
        let (mut zrle, mut inflate) = (Zrle::new(false), Decompress::new(true));
        for _ in 0..3 {
            let mut out = Vec::new();
            zrle.put(&noisy, rect, &PixelFormat::SERVER, &mut out);
            let mut plain = Vec::with_capacity(1 << 20);
            inflate.decompress_vec(&out[4..], &mut plain, FlushDecompress::Sync).unwrap();
            assert_eq!(plain.len(), 6 + 3 * 192 * 128);
        }
    }
}
