//! The serialisers: from a group of plane bytes or a character's line to pixels.

/// Puts bit 7 - n of a byte at bit 4 n: the pixels of a plane, leftmost lowest.
const PLANE_BITS: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut pixel = 0;
        while pixel < 8 {
            if byte >> (7 - pixel) & 1 != 0 {
                table[byte] |= 1 << (4 * pixel);
            }
            pixel += 1;
        }
        byte += 1;
    }
    table
};

/// Eight pixels of four bits, leftmost lowest: a bit of each plane.
pub(super) fn planar(group: [u8; 4]) -> u32 {
    let [p0, p1, p2, p3] = group.map(|byte| PLANE_BITS[usize::from(byte)]);
    p0 | p1 << 1 | p2 << 2 | p3 << 3
}

/// Eight pixels: four of planes 0 and 2, then four of 1 and 3, two bits of each.
pub(super) fn interleaved(group: [u8; 4]) -> u32 {
    let pair = |low: u8, high: u8, pixel: u32| {
        let shift = 6 - 2 * pixel;
        u32::from(low) >> shift & 3 | (u32::from(high) >> shift & 3) << 2
    };
    let mut pixels = 0;
    for pixel in 0..4 {
        pixels |= pair(group[0], group[2], pixel) << (4 * pixel);
        pixels |= pair(group[1], group[3], pixel) << (4 * (pixel + 4));
    }
    pixels
}

/// Eight pixels: high and low half of each plane's byte.
pub(super) fn nibbles(group: [u8; 4]) -> u32 {
    u32::from_le_bytes(group.map(|byte| byte.rotate_left(4)))
}

/// A row of pixels that is filled from the left, after some dots that are cut off.
pub(super) struct Line<'a> {
    row: &'a mut [u32],
    at: usize,
    skip: u32,
    doubled: bool,
}

impl<'a> Line<'a> {
    /// Dots are the monitor's pixels, or two of them when `doubled`.
    pub fn new(row: &'a mut [u32], skip: u32, doubled: bool) -> Self {
        Self { row, at: 0, skip, doubled }
    }

    /// Adds a dot; what is beyond the end of the row is not shown.
    #[inline]
    pub fn push(&mut self, color: u32) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let width = 1 + usize::from(self.doubled);
        if let Some(dots) = self.row.get_mut(self.at..self.at + width) {
            dots.fill(color);
            self.at += width;
        }
    }

    /// Adds eight pixels of four bits, leftmost lowest.
    #[inline]
    pub fn push_eight(&mut self, pixels: u32, colors: &[u32]) {
        for pixel in 0..8 {
            self.push(color(colors, (pixels >> (4 * pixel)) as usize & 0xf));
        }
    }
}

/// A colour; black for a value that has none.
#[inline]
pub(super) fn color(colors: &[u32], value: usize) -> u32 {
    colors.get(value).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialisers_begin_with_the_high_bits() {
        assert_eq!(planar([0x80, 0, 0, 0x81]), 0x8000_0009);
        assert_eq!(interleaved([0xc0, 0x03, 0x40, 0]), 0x3000_0007);
        assert_eq!(nibbles([0x12, 0x34, 0x56, 0x78]), 0x8765_4321);
    }

    #[test]
    fn a_line_is_cut_at_both_ends() {
        let mut row = [0; 4];
        let mut line = Line::new(&mut row, 1, true);
        for color in 1..9 {
            line.push(color);
        }
        assert_eq!(row, [2, 2, 3, 3]);
    }
}
