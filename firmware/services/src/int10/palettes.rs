//! What the DAC is loaded with when a mode is set: 6 bits for each colour.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "Video subsystem", DAC defaults.

/// Red, green and blue.
pub(super) type Color = [u8; 3];

/// Which palette a mode begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Palette {
    /// 64 colours of an EGA: two bits for each of red, green and blue.
    Ega,
    /// The 16 colours of a CGA, bright ones from 10h on.
    Cga,
    /// Shades of a monochrome display.
    Mono,
    /// 256 colours.
    Full,
}

impl Palette {
    /// The entries, from 0 on.
    pub fn colors(self) -> Vec<Color> {
        match self {
            Self::Ega => (0..64).map(ega).collect(),
            Self::Cga => (0..64).map(|entry| cga(entry & 7 | entry >> 1 & 8)).collect(),
            Self::Mono => (0..64).map(|entry| [[0, 0x2a, 0x2a, 0x3f][entry as usize >> 3 & 3]; 3]).collect(),
            Self::Full => full(),
        }
    }
}

/// Bits 0 to 2 are blue, green and red at two thirds, bits 3 to 5 at one third.
fn ega(entry: u8) -> Color {
    [2, 1, 0].map(|bit| (entry >> bit & 1) * 0x2a + (entry >> (bit + 3) & 1) * 0x15)
}

/// Bits 0 to 2 are blue, green and red, bit 3 brightens; dark yellow is brown.
fn cga(color: u8) -> Color {
    if color == 6 {
        return [0x2a, 0x15, 0];
    }
    [2, 1, 0].map(|bit| (color >> bit & 1) * 0x2a + (color >> 3 & 1) * 0x15)
}

const GREYS: [u8; 16] =
    [0, 5, 8, 0x0b, 0x0e, 0x11, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2d, 0x32, 0x38, 0x3f];

/// Five levels from low to high, for each brightness and saturation.
const LEVELS: [[u8; 5]; 9] = [
    [0x00, 0x10, 0x1f, 0x2f, 0x3f],
    [0x1f, 0x27, 0x2f, 0x37, 0x3f],
    [0x2d, 0x31, 0x36, 0x3a, 0x3f],
    [0x00, 0x07, 0x0e, 0x15, 0x1c],
    [0x0e, 0x11, 0x15, 0x18, 0x1c],
    [0x14, 0x16, 0x18, 0x1a, 0x1c],
    [0x00, 0x04, 0x08, 0x0c, 0x10],
    [0x08, 0x0a, 0x0c, 0x0e, 0x10],
    [0x0b, 0x0c, 0x0d, 0x0f, 0x10],
];

/// 16 colours of CGA, 16 greys, nine circles of 24 hues, 8 times black.
fn full() -> Vec<Color> {
    let mut colors: Vec<Color> = (0..16).map(cga).collect();
    colors.extend(GREYS.map(|grey| [grey; 3]));
    for levels in LEVELS {
        colors.extend((0..24).map(|hue| hue_of(hue, levels)));
    }
    colors.resize(256, [0; 3]);
    colors
}

/// A hue, from blue by red, yellow, green and cyan, in steps of a quarter.
fn hue_of(hue: usize, levels: [u8; 5]) -> Color {
    let (rise, low, high) = (hue % 4, levels[0], levels[4]);
    let (up, down) = (levels[rise], levels[4 - rise]);
    match hue / 4 {
        0 => [up, low, high],
        1 => [high, low, down],
        2 => [high, up, low],
        3 => [down, high, low],
        4 => [low, high, up],
        _ => [low, down, high],
    }
}

/// The grey as bright as a colour: 30 % red, 59 % green, 11 % blue.
pub(super) fn grey([red, green, blue]: Color) -> Color {
    let sum = 77 * u32::from(red) + 151 * u32::from(green) + 28 * u32::from(blue);
    [((sum + 0x80) >> 8).min(0x3f) as u8; 3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_entries() {
        assert_eq!(Palette::Ega.colors()[0x14], [0x2a, 0x15, 0], "brown");
        assert_eq!(Palette::Ega.colors()[0x3f], [0x3f; 3]);
        assert_eq!(Palette::Cga.colors()[0x16], [0x3f, 0x3f, 0x15]);
        assert_eq!(Palette::Cga.colors()[6], [0x2a, 0x15, 0]);
        assert_eq!(Palette::Mono.colors()[8], [0x2a; 3]);
        let full = Palette::Full.colors();
        assert_eq!(full.len(), 256);
        assert_eq!((full[32], full[36], full[40]), ([0, 0, 0x3f], [0x3f, 0, 0x3f], [0x3f, 0, 0]));
        assert_eq!((full[33], full[55]), ([0x10, 0, 0x3f], [0, 0x10, 0x3f]));
        assert_eq!((full[44], full[247], full[255]), ([0x3f, 0x3f, 0], [0x0b, 0x0c, 0x10], [0; 3]));
    }

    #[test]
    fn grey_keeps_black_and_white() {
        assert_eq!((grey([0; 3]), grey([0x3f; 3])), ([0; 3], [0x3f; 3]));
    }
}
