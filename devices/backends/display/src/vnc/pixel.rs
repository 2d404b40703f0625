//! Pixel formats (RFC 6143, 7.4).

/// How a client wants its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelFormat {
    /// 8, 16 or 32.
    pub bits: u8,
    /// Useful bits.
    pub depth: u8,
    pub big_endian: bool,
    /// Largest value and place of red, green and blue.
    pub max: [u16; 3],
    pub shift: [u8; 3],
}

/// Bytes of a pixel format on the wire.
pub const FORMAT_SIZE: usize = 16;

impl PixelFormat {
    /// What the server has: 32 bits, `0x00RRGGBB`, little-endian.
    pub const SERVER: Self =
        Self { bits: 32, depth: 24, big_endian: false, max: [255; 3], shift: [16, 8, 0] };
    /// Eight bits of true colour, which stand for a colour map too.
    pub const BGR233: Self = Self { bits: 8, depth: 8, big_endian: false, max: [7, 7, 3], shift: [0, 3, 6] };

    /// Reads a format; the second value says that the client wants a colour map.
    /// `None` for what no client can mean.
    pub fn parse(bytes: &[u8; FORMAT_SIZE]) -> Option<(Self, bool)> {
        let [bits, depth, big, true_colour, r1, r0, g1, g0, b1, b0, red, green, blue, ..] = *bytes;
        if true_colour == 0 {
            return (bits == 8).then_some((Self::BGR233, true));
        }
        let max = [[r1, r0], [g1, g0], [b1, b0]].map(u16::from_be_bytes);
        let shift = [red, green, blue];
        let fits = |(max, shift): (&u16, &u8)| *shift < 32 && (u64::from(*max) << shift) < 1 << bits;
        let valid = matches!(bits, 8 | 16 | 32) && max.iter().zip(&shift).all(fits);
        valid.then_some((Self { bits, depth, big_endian: big != 0, max, shift }, false))
    }

    /// The format on the wire.
    pub fn bytes(&self) -> [u8; FORMAT_SIZE] {
        let [r, g, b] = self.max.map(u16::to_be_bytes);
        let [red, green, blue] = self.shift;
        let big = u8::from(self.big_endian);
        [self.bits, self.depth, big, 1, r[0], r[1], g[0], g[1], b[0], b[1], red, green, blue, 0, 0, 0]
    }

    fn value(&self, rgb: u32) -> u32 {
        let [_, r, g, b] = rgb.to_be_bytes();
        let mut value = 0;
        for ((component, max), shift) in [r, g, b].into_iter().zip(self.max).zip(self.shift) {
            value |= ((u32::from(component) * u32::from(max) + 127) / 255) << shift;
        }
        value
    }

    /// Appends pixels as they are sent.
    pub fn put(&self, pixels: &[u32], out: &mut Vec<u8>) {
        let bytes = usize::from(self.bits / 8);
        if *self == Self::SERVER {
            crate::screen::put_bytes(pixels, u32::to_le_bytes, out);
        } else if self.big_endian {
            pixels.iter().for_each(|rgb| out.extend_from_slice(&self.value(*rgb).to_be_bytes()[4 - bytes..]));
        } else {
            pixels.iter().for_each(|rgb| out.extend_from_slice(&self.value(*rgb).to_le_bytes()[..bytes]));
        }
    }

    /// Where the three bytes of a compressed pixel lie in the four of an ordinary
    /// one; `None` where it is not compressed (RFC 6143, 7.7.5).
    fn compressed(&self) -> Option<std::ops::Range<usize>> {
        let used = self.max.iter().zip(&self.shift).fold(0u32, |all, (max, shift)| {
            all | u32::try_from(u64::from(*max) << shift).unwrap_or(u32::MAX)
        });
        if self.bits != 32 || self.depth > 24 {
            return None;
        }
        match (used & 0xff00_0000 == 0, used & 0xff == 0) {
            (true, _) => Some(if self.big_endian { 1..4 } else { 0..3 }),
            (false, true) => Some(if self.big_endian { 0..3 } else { 1..4 }),
            _ => None,
        }
    }

    /// Appends compressed pixels.
    pub fn put_compressed(&self, pixels: &[u32], out: &mut Vec<u8>) {
        let Some(kept) = self.compressed() else { return self.put(pixels, out) };
        let start = out.len();
        out.resize(start + pixels.len() * 3, 0);
        for (rgb, to) in pixels.iter().zip(out[start..].as_chunks_mut::<3>().0) {
            let value = if *self == Self::SERVER { *rgb } else { self.value(*rgb) };
            let bytes = if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
            to.copy_from_slice(&bytes[kept.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(format: &PixelFormat, rgb: u32) -> Vec<u8> {
        let mut out = Vec::new();
        format.put(&[rgb], &mut out);
        out
    }

    #[test]
    fn pixels_are_scaled_shifted_and_ordered() {
        assert_eq!(pixel(&PixelFormat::SERVER, 0x12_3456), [0x56, 0x34, 0x12, 0]);
        let rgb565 =
            PixelFormat { bits: 16, depth: 16, big_endian: true, max: [31, 63, 31], shift: [11, 5, 0] };
        assert_eq!(pixel(&rgb565, 0xff_ffff), [0xff, 0xff]);
        assert_eq!(pixel(&rgb565, 0xff_0000), [0xf8, 0]);
        assert_eq!(pixel(&PixelFormat::BGR233, 0x00_00ff), [0xc0]);
        assert_eq!(PixelFormat::parse(&rgb565.bytes()), Some((rgb565, false)));
    }

    #[test]
    fn compressed_pixels_leave_the_unused_byte_out() {
        let mut out = Vec::new();
        PixelFormat::SERVER.put_compressed(&[0x12_3456], &mut out);
        let high = PixelFormat { shift: [24, 16, 8], ..PixelFormat::SERVER };
        high.put_compressed(&[0x12_3456], &mut out);
        let big = PixelFormat { big_endian: true, ..PixelFormat::SERVER };
        big.put_compressed(&[0x12_3456], &mut out);
        assert_eq!(out, [0x56, 0x34, 0x12, 0x56, 0x34, 0x12, 0x12, 0x34, 0x56]);
    }

    #[test]
    fn formats_that_make_no_sense_are_refused() {
        let mut bytes = PixelFormat::SERVER.bytes();
        bytes[0] = 24;
        assert_eq!(PixelFormat::parse(&bytes), None);
        let mut bytes = PixelFormat::SERVER.bytes();
        bytes[10] = 200;
        assert_eq!(PixelFormat::parse(&bytes), None);
        let mut bytes = PixelFormat::SERVER.bytes();
        (bytes[0], bytes[3]) = (8, 0);
        assert_eq!(PixelFormat::parse(&bytes), Some((PixelFormat::BGR233, true)));
    }
}
