//! The attribute controller: palette, colours of the border, panning.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "Attribute controller registers".

use serde::{Deserialize, Serialize};

/// Register numbers.
pub(crate) mod index {
    pub const MODE: u8 = 0x10;
    pub const PLANE_ENABLE: u8 = 0x12;
    pub const PANNING: u8 = 0x13;
    pub const COLOR_SELECT: u8 = 0x14;
}

const COUNT: usize = 0x15;
/// Bit 5 of the index: the display has the palette; the screen is blank otherwise.
const PALETTE_SOURCE: u8 = 0x20;

fn writable(index: usize) -> u8 {
    match index {
        0..=0x0f => 0x3f,
        0x10 => 0xef,
        0x11 => 0xff,
        0x12 => 0x3f,
        _ => 0x0f,
    }
}

/// The registers at 3C0h and 3C1h.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    /// The index, bit 5 included.
    pub index: u8,
    /// The next write to 3C0h is data.
    pub data_next: bool,
    registers: [u8; COUNT],
}

impl Attribute {
    /// What a saved state must satisfy.
    pub fn is_valid(&self) -> bool {
        let registers = self.registers.iter().enumerate();
        self.index & !0x3f == 0 && registers.into_iter().all(|(i, value)| value & !writable(i) == 0)
    }

    /// 3C0h: index and data in turn. The palette takes a value even while the
    /// display has it, as cards do; true when a register was written.
    pub fn write(&mut self, value: u8) -> bool {
        let data = self.data_next;
        self.data_next = !data;
        if data {
            self.set(self.index & 0x1f, value);
        } else {
            self.index = value & 0x3f;
        }
        data
    }

    /// 3C1h.
    pub fn read(&self) -> u8 {
        self.register(self.index & 0x1f)
    }

    pub fn register(&self, index: u8) -> u8 {
        self.registers.get(usize::from(index)).copied().unwrap_or(0)
    }

    pub fn set(&mut self, index: u8, value: u8) {
        let at = usize::from(index);
        if let Some(register) = self.registers.get_mut(at) {
            *register = value & writable(at);
        }
    }

    fn mode(&self, bit: u8) -> bool {
        self.register(index::MODE) & 1 << bit != 0
    }

    /// The display reads the palette: without that only the border's colour is shown.
    pub fn display_on(&self) -> bool {
        self.index & PALETTE_SOURCE != 0
    }

    /// The ninth dot of characters C0h to DFh repeats the eighth.
    pub fn line_graphics(&self) -> bool {
        self.mode(2)
    }

    /// Attribute bit 7 blinks instead of brightening the background.
    pub fn blinks(&self) -> bool {
        self.mode(3)
    }

    /// Panning ends where the split screen begins.
    pub fn pans_top_only(&self) -> bool {
        self.mode(5)
    }

    /// Two fours of bits make a pixel of eight, at half the rate.
    pub fn eight_bits(&self) -> bool {
        self.mode(6)
    }

    pub fn plane_enable(&self) -> u8 {
        self.register(index::PLANE_ENABLE) & 0xf
    }

    /// Dots by which the screen is shifted to the left, for characters of 8 or 9 dots.
    pub fn panning(&self, dots: u32) -> u32 {
        let pan = u32::from(self.register(index::PANNING));
        match (dots, pan) {
            (9, 0..=7) => pan + 1,
            (9, _) => 0,
            (_, 0..=7) => pan,
            _ => 0,
        }
    }

    /// The DAC entry for one of the 16 colours.
    pub fn dac_index(&self, color: u8) -> u8 {
        let value = self.register(color & self.plane_enable());
        let select = self.register(index::COLOR_SELECT);
        let low = if self.mode(7) { value & 0x0f | select << 4 & 0x30 } else { value };
        low | select << 4 & 0xc0
    }
}
