//! The colour look-up table and digital-to-analogue converter.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "Video digital-to-analog converter".

use serde::{Deserialize, Serialize};

/// The registers at 3C6h to 3C9h.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dac {
    /// 3C6h: ANDed to every pixel.
    pub mask: u8,
    read_index: u8,
    write_index: u8,
    /// The colour, 0 to 2, that the next access is about.
    component: u8,
    /// The last index written was the one for reading.
    reading: bool,
    /// Red and green of an entry that waits for its blue.
    pending: [u8; 2],
    /// 256 entries of red, green and blue, as written.
    entries: Vec<u8>,
}

impl Default for Dac {
    fn default() -> Self {
        Self {
            mask: 0xff,
            read_index: 0,
            write_index: 0,
            component: 0,
            reading: false,
            pending: [0; 2],
            entries: vec![0; 256 * 3],
        }
    }
}

impl Dac {
    /// What a saved state must satisfy.
    pub fn is_valid(&self) -> bool {
        self.component < 3 && self.entries.len() == 256 * 3
    }

    /// 3C7h, written: the entry to read.
    pub fn set_read_index(&mut self, index: u8) {
        self.read_index = index;
        self.component = 0;
        self.reading = true;
    }

    /// 3C8h, written: the entry to write.
    pub fn set_write_index(&mut self, index: u8) {
        self.write_index = index;
        self.component = 0;
        self.reading = false;
    }

    /// 3C7h, read: 3 after an index for reading, 0 after one for writing.
    pub fn state(&self) -> u8 {
        if self.reading { 3 } else { 0 }
    }

    /// 3C8h, read.
    pub fn write_index(&self) -> u8 {
        self.write_index
    }

    /// 3C9h, read: red, green and blue in turn, then those of the next entry.
    pub fn read(&mut self, eight_bits: bool) -> u8 {
        let value = self.entries[usize::from(self.read_index) * 3 + usize::from(self.component)];
        self.component += 1;
        if self.component == 3 {
            self.component = 0;
            self.read_index = self.read_index.wrapping_add(1);
        }
        if eight_bits { value } else { value & 0x3f }
    }

    /// 3C9h, written: an entry changes when its blue comes. True when it did.
    pub fn write(&mut self, value: u8, eight_bits: bool) -> bool {
        let value = if eight_bits { value } else { value & 0x3f };
        if let Some(pending) = self.pending.get_mut(usize::from(self.component)) {
            *pending = value;
            self.component += 1;
            return false;
        }
        let at = usize::from(self.write_index) * 3;
        self.entries[at..at + 3].copy_from_slice(&[self.pending[0], self.pending[1], value]);
        self.component = 0;
        self.write_index = self.write_index.wrapping_add(1);
        true
    }

    /// The colour of a pixel value as 00RRGGBBh.
    pub fn color(&self, pixel: u8, eight_bits: bool) -> u32 {
        let at = usize::from(pixel & self.mask) * 3;
        let level = |value: u8| {
            let value = u32::from(value);
            // Six bits become eight by repeating the high ones, so that 3Fh is FFh.
            if eight_bits { value } else { (value & 0x3f) << 2 | value >> 4 & 3 }
        };
        let [red, green, blue] = [0, 1, 2].map(|i| level(self.entries[at + i]));
        red << 16 | green << 8 | blue
    }
}
