//! The graphics controller: how the processor reads and writes the planes.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "Graphics controller registers".

use crate::indexed::{IndexedRegisters, RegisterFile};

/// Register numbers.
pub(crate) mod index {
    pub const SET_RESET: u8 = 0;
    pub const ENABLE_SET_RESET: u8 = 1;
    pub const COLOR_COMPARE: u8 = 2;
    pub const DATA_ROTATE: u8 = 3;
    pub const READ_MAP: u8 = 4;
    pub const MODE: u8 = 5;
    pub const MISCELLANEOUS: u8 = 6;
    pub const COLOR_DONT_CARE: u8 = 7;
    pub const BIT_MASK: u8 = 8;
}

/// How the shift registers turn four bytes into pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    /// A pixel is a bit of each plane.
    Planar,
    /// A pixel is two neighbouring bits of a plane and of the plane two on (CGA).
    Interleaved,
    /// Eight bits of one plane after the other.
    Packed,
}

/// Marks the graphics controller's register file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File;

impl RegisterFile<9> for File {
    const BITS: [u8; 9] = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];
}

/// The registers at 3CEh and 3CFh.
pub(crate) type Graphics = IndexedRegisters<File, 9>;

impl Graphics {
    pub fn write_mode(&self) -> u8 {
        self.register(index::MODE) & 3
    }

    /// Read mode 1: compare instead of select.
    pub fn read_compares(&self) -> bool {
        self.register(index::MODE) & 8 != 0
    }

    /// Reads take the plane's low bit from the address.
    pub fn odd_even_reads(&self) -> bool {
        self.register(index::MODE) & 0x10 != 0
    }

    pub fn shift(&self) -> Shift {
        match self.register(index::MODE) >> 5 & 3 {
            0 => Shift::Planar,
            1 => Shift::Interleaved,
            _ => Shift::Packed,
        }
    }

    /// Graphics instead of characters.
    pub fn is_graphics(&self) -> bool {
        self.register(index::MISCELLANEOUS) & 1 != 0
    }

    /// Address bit 0 is replaced by a higher one.
    pub fn chains_odd_even(&self) -> bool {
        self.register(index::MISCELLANEOUS) & 2 != 0
    }

    /// Where in the 128 KiB at A0000h the memory responds: first offset and length in bytes.
    pub fn window(&self) -> (u32, u32) {
        match self.register(index::MISCELLANEOUS) >> 2 & 3 {
            0 => (0, 0x2_0000),
            1 => (0, 0x1_0000),
            2 => (0x1_0000, 0x8000),
            _ => (0x1_8000, 0x8000),
        }
    }
}
