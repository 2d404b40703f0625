//! VBE's modes: VESA's numbers up to 11Bh, those of Bochs' BIOS for larger ones and 32 bits.

use super::super::parameters::{self, Parameters};

/// A mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::int10) struct VbeMode {
    pub number: u16,
    /// Pixels, or columns of text.
    pub width: u16,
    /// Lines, or rows of text.
    pub height: u16,
    /// Bits of a pixel; 0 for text.
    pub bits: u8,
}

const fn mode(number: u16, width: u16, height: u16, bits: u8) -> VbeMode {
    VbeMode { number, width, height, bits }
}

/// All of them, in order of their numbers.
pub(in crate::int10) const MODES: [VbeMode; 77] = [
    mode(0x100, 640, 400, 8),
    mode(0x101, 640, 480, 8),
    mode(0x102, 800, 600, 4),
    mode(0x103, 800, 600, 8),
    mode(0x104, 1024, 768, 4),
    mode(0x105, 1024, 768, 8),
    mode(0x106, 1280, 1024, 4),
    mode(0x107, 1280, 1024, 8),
    mode(0x108, 80, 60, 0),
    mode(0x109, 132, 25, 0),
    mode(0x10a, 132, 43, 0),
    mode(0x10b, 132, 50, 0),
    mode(0x10c, 132, 60, 0),
    mode(0x10d, 320, 200, 15),
    mode(0x10e, 320, 200, 16),
    mode(0x10f, 320, 200, 24),
    mode(0x110, 640, 480, 15),
    mode(0x111, 640, 480, 16),
    mode(0x112, 640, 480, 24),
    mode(0x113, 800, 600, 15),
    mode(0x114, 800, 600, 16),
    mode(0x115, 800, 600, 24),
    mode(0x116, 1024, 768, 15),
    mode(0x117, 1024, 768, 16),
    mode(0x118, 1024, 768, 24),
    mode(0x119, 1280, 1024, 15),
    mode(0x11a, 1280, 1024, 16),
    mode(0x11b, 1280, 1024, 24),
    mode(0x11c, 1600, 1200, 8),
    mode(0x11d, 1600, 1200, 15),
    mode(0x11e, 1600, 1200, 16),
    mode(0x11f, 1600, 1200, 24),
    mode(0x140, 320, 200, 32),
    mode(0x141, 640, 400, 32),
    mode(0x142, 640, 480, 32),
    mode(0x143, 800, 600, 32),
    mode(0x144, 1024, 768, 32),
    mode(0x145, 1280, 1024, 32),
    mode(0x146, 320, 200, 8),
    mode(0x147, 1600, 1200, 32),
    mode(0x148, 1152, 864, 8),
    mode(0x149, 1152, 864, 15),
    mode(0x14a, 1152, 864, 16),
    mode(0x14b, 1152, 864, 24),
    mode(0x14c, 1152, 864, 32),
    mode(0x175, 1280, 768, 16),
    mode(0x176, 1280, 768, 24),
    mode(0x177, 1280, 768, 32),
    mode(0x178, 1280, 800, 16),
    mode(0x179, 1280, 800, 24),
    mode(0x17a, 1280, 800, 32),
    mode(0x17b, 1280, 960, 16),
    mode(0x17c, 1280, 960, 24),
    mode(0x17d, 1280, 960, 32),
    mode(0x17e, 1440, 900, 16),
    mode(0x17f, 1440, 900, 24),
    mode(0x180, 1440, 900, 32),
    mode(0x181, 1400, 1050, 16),
    mode(0x182, 1400, 1050, 24),
    mode(0x183, 1400, 1050, 32),
    mode(0x184, 1680, 1050, 16),
    mode(0x185, 1680, 1050, 24),
    mode(0x186, 1680, 1050, 32),
    mode(0x187, 1920, 1200, 16),
    mode(0x188, 1920, 1200, 24),
    mode(0x189, 1920, 1200, 32),
    mode(0x18a, 2560, 1600, 16),
    mode(0x18b, 2560, 1600, 24),
    mode(0x18c, 2560, 1600, 32),
    mode(0x18d, 1280, 720, 16),
    mode(0x18e, 1280, 720, 24),
    mode(0x18f, 1280, 720, 32),
    mode(0x190, 1920, 1080, 16),
    mode(0x191, 1920, 1080, 24),
    mode(0x192, 1920, 1080, 32),
    mode(0x194, 1600, 900, 24),
    mode(0x195, 1600, 900, 32),
];

impl VbeMode {
    /// The mode of a number.
    pub fn find(number: u16) -> Option<&'static Self> {
        MODES.iter().find(|mode| mode.number == number)
    }

    /// Bytes of memory that a picture takes, all planes counted.
    pub fn bytes(&self) -> u32 {
        let pixels = u32::from(self.width) * u32::from(self.height);
        match self.bits {
            0 => 0,
            4 => pixels / 2,
            bits => pixels * u32::from(bits.div_ceil(8)),
        }
    }

    /// Columns, rows and height of characters.
    pub fn text(&self) -> (u16, u16, u8) {
        match (self.bits, self.height) {
            (0, 25) => (self.width, 25, 16),
            (0, rows) => (self.width, rows, 8),
            (_, height) => {
                let cell = if height < 400 { 8 } else { 16 };
                (self.width / 8, height / u16::from(cell), cell)
            }
        }
    }

    /// Position and size of red, green, blue and the rest, in the order of VBE's structure:
    /// size, then position.
    pub fn masks(&self) -> [u8; 8] {
        match self.bits {
            15 => [5, 10, 5, 5, 5, 0, 1, 15],
            16 => [5, 11, 6, 5, 5, 0, 0, 0],
            24 => [8, 16, 8, 8, 8, 0, 0, 0],
            32 => [8, 16, 8, 8, 8, 0, 8, 24],
            _ => [0; 8],
        }
    }

    /// The VGA's registers: of a text mode complete, of others what lies below DISPI.
    pub fn parameters(&self) -> Option<Parameters> {
        match self.bits {
            0 => parameters::wide_text(self.width, self.height),
            4 => parameters::of_mode(0x12, 400).copied(),
            _ => parameters::of_mode(0x13, 400).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_in_order_and_fit_into_the_information_block() {
        assert!(MODES.windows(2).all(|pair| pair[0].number < pair[1].number));
        // The list lies in the 222 reserved bytes, with its end.
        assert!(MODES.len() < 111);
    }

    #[test]
    fn the_largest_mode_fits_into_sixteen_mebibytes() {
        assert!(MODES.iter().all(|mode| mode.bytes() <= 16 << 20));
    }

    #[test]
    fn widths_are_what_the_adapter_can_show() {
        for mode in MODES.iter().filter(|mode| mode.bits > 0) {
            assert_eq!(mode.width % 8, 0, "{mode:?}");
        }
    }
}
