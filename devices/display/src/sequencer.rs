//! The sequencer: character clock, map mask, character maps, memory mode.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "Sequencer registers".

use crate::indexed::{IndexedRegisters, RegisterFile};

/// Register numbers.
pub(crate) mod index {
    pub const CLOCKING_MODE: u8 = 1;
    pub const MAP_MASK: u8 = 2;
    pub const CHARACTER_MAP: u8 = 3;
    pub const MEMORY_MODE: u8 = 4;
}

/// Marks the sequencer's register file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File;

impl RegisterFile<5> for File {
    const BITS: [u8; 5] = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];
}

/// The registers at 3C4h and 3C5h.
pub(crate) type Sequencer = IndexedRegisters<File, 5>;

impl Sequencer {
    /// Dots of a character: 8 or 9.
    pub fn dots(&self) -> u32 {
        if self.register(index::CLOCKING_MODE) & 1 != 0 { 8 } else { 9 }
    }

    /// The dot clock is halved: each dot is two of the monitor's.
    pub fn half_clock(&self) -> bool {
        self.register(index::CLOCKING_MODE) & 8 != 0
    }

    /// The screen is off so that the processor has all of the memory's time.
    pub fn screen_off(&self) -> bool {
        self.register(index::CLOCKING_MODE) & 0x20 != 0
    }

    /// The planes that processor writes reach.
    pub fn map_mask(&self) -> u8 {
        self.register(index::MAP_MASK)
    }

    /// Offsets in plane 2 of character maps B and A: for characters whose
    /// attribute has bit 3 clear, and set.
    pub fn fonts(&self) -> [u16; 2] {
        let select = self.register(index::CHARACTER_MAP);
        // Without extended memory there is only map 0.
        let all = self.register(index::MEMORY_MODE) & 2 != 0;
        let offset = |low: u8, high: u8| {
            if all { u16::from(low & 3) << 14 | u16::from(high & 1) << 13 } else { 0 }
        };
        [offset(select, select >> 4), offset(select >> 2, select >> 5)]
    }

    /// Even addresses reach planes 0 and 2, odd ones 1 and 3.
    pub fn odd_even(&self) -> bool {
        self.register(index::MEMORY_MODE) & 4 == 0
    }

    /// The low two address bits choose the plane.
    pub fn chain_4(&self) -> bool {
        self.register(index::MEMORY_MODE) & 8 != 0
    }
}
