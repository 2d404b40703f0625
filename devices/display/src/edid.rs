//! What the monitor says of itself (VESA E-EDID release A, EDID structure 1.4).

/// Bytes of the base block.
pub const EDID_SIZE: usize = 128;

/// A base block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edid([u8; EDID_SIZE]);

impl Default for Edid {
    fn default() -> Self {
        Self::new(1024, 768)
    }
}

/// Standard timings, as the block codes them: width / 8 - 31, and aspect (0 is
/// 16:10, 1 is 4:3, 2 is 5:4, 3 is 16:9) over 60 Hz.
const STANDARD: [(u16, u8); 8] =
    [(1920, 3), (1280, 2), (1280, 1), (1280, 0), (1440, 0), (1600, 1), (1680, 0), (1920, 0)];

impl Edid {
    /// A monitor whose preferred mode is `width` by `height` at 60 Hz, both
    /// bounded to what a detailed timing can say (4088 by 4000).
    pub fn new(width: u16, height: u16) -> Self {
        let (width, height) = (width.clamp(64, 4088), height.clamp(64, 4000));
        let mut b = [0; EDID_SIZE];
        b[..8].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
        b[8..10].copy_from_slice(&manufacturer(*b"GBX").to_be_bytes());
        b[10..12].copy_from_slice(&0x0001u16.to_le_bytes());
        b[12..16].copy_from_slice(&1u32.to_le_bytes());
        // Week 1 of 2026; EDID 1.4.
        b[16..20].copy_from_slice(&[1, 36, 1, 4]);
        // Digital input of 8 bits a colour; size in cm at about 96 dots to an inch.
        let centimetres = |pixels: u16| (u32::from(pixels) * 254 / 9600).clamp(1, 255) as u8;
        b[20..24].copy_from_slice(&[0xa0, centimetres(width), centimetres(height), 120]);
        // RGB 4:4:4, sRGB is the default colour space, preferred timing is native.
        b[24] = 0x06;
        // sRGB primaries and white point.
        b[25..35].copy_from_slice(&[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
        // 720x400@70, 640x480@60, 800x600@60, 1024x768@60.
        b[35..38].copy_from_slice(&[0xa1, 0x08, 0x00]);
        for (i, (width, aspect)) in STANDARD.iter().enumerate() {
            b[38 + 2 * i] = (width / 8 - 31) as u8;
            b[39 + 2 * i] = aspect << 6;
        }
        b[54..72].copy_from_slice(&detailed_timing(width, height));
        // Range limits: 50 to 125 Hz, 15 to 160 kHz, up to 300 MHz, no formula.
        b[72..90].copy_from_slice(&[
            0, 0, 0, 0xfd, 0, 50, 125, 15, 160, 30, 1, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
        ]);
        b[90..108].copy_from_slice(&text(0xfc, "Glassbox"));
        b[108..126].copy_from_slice(&text(0xff, "1"));
        let sum = b.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        b[127] = sum.wrapping_neg();
        Self(b)
    }

    /// The block.
    pub fn bytes(&self) -> &[u8; EDID_SIZE] {
        &self.0
    }
}

/// Three letters of five bits.
fn manufacturer(letters: [u8; 3]) -> u16 {
    letters.iter().fold(0, |id, letter| id << 5 | u16::from(letter - b'@'))
}

/// A descriptor of text, ended by a line feed and padded by blanks.
fn text(tag: u8, text: &str) -> [u8; 18] {
    let mut descriptor = [0x20; 18];
    descriptor[..5].copy_from_slice(&[0, 0, 0, tag, 0]);
    let end = 5 + text.len().min(13);
    descriptor[5..end].copy_from_slice(&text.as_bytes()[..end - 5]);
    if let Some(feed) = descriptor.get_mut(end) {
        *feed = 0x0a;
    }
    descriptor
}

/// A detailed timing at 60 Hz with blanking as short as CVT-RB has it.
fn detailed_timing(width: u16, height: u16) -> [u8; 18] {
    let (w, h) = (u32::from(width), u32::from(height));
    // 160 dots of horizontal blanking; 460 microseconds of vertical.
    let (h_blank, v_blank) = (160, (h * 60 * 460 / (1_000_000 - 60 * 460) + 1).max(13));
    let clock = ((u64::from(w + h_blank) * u64::from(h + v_blank) * 60).div_ceil(10_000)).min(0xffff) as u16;
    let (h_front, h_sync, v_front, v_sync) = (48u8, 32u8, 3u8, 6u8);
    let (mm_w, mm_h) = (w * 254 / 960, h * 254 / 960);
    let [clock_low, clock_high] = clock.to_le_bytes();
    [
        clock_low,
        clock_high,
        w as u8,
        h_blank as u8,
        (w >> 8 << 4 | h_blank >> 8) as u8,
        h as u8,
        v_blank as u8,
        (h >> 8 << 4 | v_blank >> 8) as u8,
        h_front,
        h_sync,
        v_front << 4 | v_sync,
        0,
        mm_w as u8,
        mm_h as u8,
        (mm_w >> 8 << 4 | mm_h >> 8) as u8,
        0,
        0,
        // Digital separate sync, horizontal positive, vertical negative.
        0x1a,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_header_checksum_and_its_preferred_mode() {
        for (width, height) in [(1024, 768), (1920, 1080), (2560, 1600), (u16::MAX, 0)] {
            let edid = Edid::new(width, height);
            let b = edid.bytes();
            assert_eq!(b[..8], [0, 255, 255, 255, 255, 255, 255, 0]);
            assert_eq!(b.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
            let (w, h) = (width.clamp(64, 4088), height.clamp(64, 4000));
            assert_eq!(u16::from(b[56]) | u16::from(b[58] & 0xf0) << 4, w);
            assert_eq!(u16::from(b[59]) | u16::from(b[61] & 0xf0) << 4, h);
        }
    }

    #[test]
    fn the_preferred_mode_runs_at_sixty_hertz() {
        let b = *Edid::new(1024, 768).bytes();
        let clock = u64::from(u16::from_le_bytes([b[54], b[55]])) * 10_000;
        let total = (1024 + 160) * (768 + u64::from(b[60]));
        assert!((59..=61).contains(&(clock / total)));
    }
}
