//! DISPI's pictures: lines of packed pixels one after the other.

use crate::memory::VideoMemory;
use crate::pages::Changed;
use crate::registers::Registers;

use super::frame::{Frame, Kind, Style};
use super::palette;
use super::pixels::{self, Line, color};

pub(super) fn render(registers: &Registers, memory: &VideoMemory, changed: Changed<'_>, frame: &mut Frame) {
    let dispi = &registers.dispi;
    let (bits, start, stride) = (dispi.bits_per_pixel(), dispi.start(), dispi.stride());
    let colors = match bits {
        4 => palette::sixteen(registers, false),
        8 => palette::all(registers),
        _ => Vec::new(),
    };
    let restyled = frame.set_style(Style { kind: Kind::Linear { bits, start, stride }, colors });
    let changed = if restyled { changed.all() } else { changed };
    // Four planes of a bit are as long as pixels of four bits.
    let bytes = if bits == 4 { dispi.width() / 2 } else { dispi.width() * bits.div_ceil(8) };
    let mut source = Vec::new();
    for y in 0..frame.height() {
        let at = start.wrapping_add(y * stride);
        if changed.any(at, bytes) {
            source.resize(bytes as usize, 0);
            memory.read(at, &mut source);
            frame.line(y, &mut source, |source, colors, row| convert(bits, source, colors, row));
        }
    }
}

fn convert(bits: u32, source: &[u8], colors: &[u32], row: &mut [u32]) {
    match bits {
        4 => {
            let mut line = Line::new(row, 0, false);
            source.as_chunks().0.iter().for_each(|group| line.push_eight(pixels::planar(*group), colors));
        }
        8 => {
            for (pixel, value) in row.iter_mut().zip(source) {
                *pixel = color(colors, usize::from(*value));
            }
        }
        15 => {
            for (pixel, value) in row.iter_mut().zip(source.as_chunks().0) {
                *pixel = fifteen(u16::from_le_bytes(*value).into());
            }
        }
        16 => {
            for (pixel, value) in row.iter_mut().zip(source.as_chunks().0) {
                *pixel = sixteen(u16::from_le_bytes(*value).into());
            }
        }
        24 => {
            for (pixel, [blue, green, red]) in row.iter_mut().zip(source.as_chunks().0) {
                *pixel = u32::from_le_bytes([*blue, *green, *red, 0]);
            }
        }
        _ => {
            for (pixel, value) in row.iter_mut().zip(source.as_chunks().0) {
                *pixel = u32::from_le_bytes(*value) & 0x00ff_ffff;
            }
        }
    }
}

/// Five bits as eight, full scale kept.
fn five(value: u32) -> u32 {
    let value = value & 0x1f;
    value << 3 | value >> 2
}

fn fifteen(value: u32) -> u32 {
    five(value >> 10) << 16 | five(value >> 5) << 8 | five(value)
}

fn sixteen(value: u32) -> u32 {
    let green = value >> 5 & 0x3f;
    five(value >> 11) << 16 | (green << 2 | green >> 4) << 8 | five(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_color_keeps_black_and_white_and_its_fields() {
        assert_eq!((fifteen(0x7fff), fifteen(0x7c00), fifteen(0x8000)), (0xff_ffff, 0xff_0000, 0));
        assert_eq!((sixteen(0xffff), sixteen(0x07e0), sixteen(0x0010)), (0xff_ffff, 0x00_ff00, 0x84));
    }
}
