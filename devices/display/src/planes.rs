//! The processor's way into the planes: chaining, latches, read and write modes.
//!
//! Registers change rarely and memory often, so what they say is kept as a
//! [`Path`]: masks of one byte for each plane, ready for a [group](crate::memory).
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "Graphics controller".

use crate::dispi::Dispi;
use crate::general::General;
use crate::graphics::{Graphics, index};
use crate::memory::VideoMemory;
use crate::sequencer::Sequencer;

/// A byte of ones for each set bit.
const fn spread_planes(bits: u8) -> u32 {
    let mut mask = 0;
    let mut plane = 0;
    while plane < 4 {
        if bits >> plane & 1 != 0 {
            mask |= 0xff << (8 * plane);
        }
        plane += 1;
    }
    mask
}

const SPREAD: [u32; 16] = {
    let mut table = [0; 16];
    let mut bits = 0;
    while bits < 16 {
        table[bits] = spread_planes(bits as u8);
        bits += 1;
    }
    table
};

fn spread(bits: u8) -> u32 {
    SPREAD[usize::from(bits & 0xf)]
}

/// The same byte for each plane.
fn repeat(byte: u8) -> u32 {
    u32::from(byte) * 0x0101_0101
}

/// What a byte of the window at A0000h leads to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// First offset and length of the window; empty when memory is off.
    window: (u32, u32),
    /// DISPI: plane addresses are not those of a VGA but go on into further banks.
    bank: Option<u32>,
    chain_4: bool,
    odd_even_writes: bool,
    odd_even_reads: bool,
    /// Address bit 0 of chained odd/even accesses: from bit 16 or a constant.
    replaces_bit_0: Option<u32>,
    map_mask: u32,
    bit_mask: u8,
    set_reset: u32,
    enable_set_reset: u32,
    rotate: u32,
    operation: u8,
    write_mode: u8,
    read_map: u32,
    compares: bool,
    color_compare: u32,
    color_care: u32,
}

impl Path {
    pub fn new(general: &General, sequencer: &Sequencer, graphics: &Graphics, dispi: &Dispi) -> Self {
        let (first, len) = graphics.window();
        let rotate = graphics.register(index::DATA_ROTATE);
        let page = if len == 0x2_0000 { None } else { Some(general.page_bit()) };
        Self {
            window: if general.ram_enabled() { (first, len) } else { (0, 0) },
            bank: dispi.is_enabled().then(|| dispi.bank_offset()),
            chain_4: sequencer.chain_4(),
            odd_even_writes: sequencer.odd_even(),
            odd_even_reads: graphics.odd_even_reads(),
            replaces_bit_0: graphics.chains_odd_even().then(|| page.unwrap_or(u32::MAX)),
            map_mask: spread(sequencer.map_mask()),
            bit_mask: graphics.register(index::BIT_MASK),
            set_reset: spread(graphics.register(index::SET_RESET)),
            enable_set_reset: spread(graphics.register(index::ENABLE_SET_RESET)),
            rotate: u32::from(rotate & 7),
            operation: rotate >> 3 & 3,
            write_mode: graphics.write_mode(),
            read_map: graphics.register(index::READ_MAP).into(),
            compares: graphics.read_compares(),
            color_compare: spread(graphics.register(index::COLOR_COMPARE)),
            color_care: spread(graphics.register(index::COLOR_DONT_CARE)),
        }
    }

    /// The group of a plane address.
    fn group(&self, address: u32) -> u32 {
        match self.bank {
            Some(bank) => bank.wrapping_add(address),
            None => VideoMemory::group_of(address),
        }
    }

    /// The group that a byte in the window lies in.
    fn locate(&self, offset: u32) -> u32 {
        if self.chain_4 {
            return self.bank.unwrap_or(0).wrapping_add(offset) >> 2;
        }
        let address = match self.replaces_bit_0 {
            Some(bit) => offset & !1 | (if bit == u32::MAX { offset >> 16 & 1 } else { bit }),
            // Bit 0 stays part of the address, even where it selects planes as well.
            None => offset,
        };
        self.group(address)
    }

    /// The offset in the window, if `offset` (from A0000h) lies in it.
    fn offset_in_window(&self, offset: u32) -> Option<u32> {
        let offset = offset.wrapping_sub(self.window.0);
        (offset < self.window.1).then_some(offset)
    }

    /// Whether reads and writes of the whole window are those of plain memory,
    /// and then: first offset, length, and the byte of video memory it begins with.
    pub fn direct(&self) -> Option<(u32, u32, u32)> {
        let plain_write = self.write_mode == 0
            && self.map_mask == u32::MAX
            && self.bit_mask == 0xff
            && self.enable_set_reset == 0
            && self.rotate == 0
            && self.operation == 0;
        let plain = self.chain_4 && plain_write && !self.compares && self.window == (0, 0x1_0000);
        plain.then(|| (0, 0x1_0000, self.bank.unwrap_or(0)))
    }

    /// A processor's read; fills the latches.
    #[inline]
    pub fn read(&self, memory: &VideoMemory, latch: &mut u32, offset: u32) -> u8 {
        let Some(offset) = self.offset_in_window(offset) else { return 0xff };
        let group = memory.group(self.locate(offset));
        *latch = group;
        if self.compares {
            let differs = (group ^ self.color_compare) & self.color_care;
            let any = differs | differs >> 16;
            return !(any | any >> 8) as u8;
        }
        let plane = if self.chain_4 {
            offset & 3
        } else if self.odd_even_reads {
            self.read_map & 2 | offset & 1
        } else {
            self.read_map
        };
        (group >> (8 * plane)) as u8
    }

    /// A processor's write.
    #[inline]
    pub fn write(&self, memory: &VideoMemory, latch: u32, offset: u32, value: u8) {
        let Some(offset) = self.offset_in_window(offset) else { return };
        let planes = if self.chain_4 {
            self.map_mask & 0xff << (8 * (offset & 3))
        } else if self.odd_even_writes {
            self.map_mask & 0x00ff_00ff << (8 * (offset & 1))
        } else {
            self.map_mask
        };
        if planes == 0 {
            return;
        }
        let data = self.data(latch, value);
        let at = self.locate(offset);
        let data = if planes == u32::MAX { data } else { memory.group(at) & !planes | data & planes };
        memory.set_group(at, data);
    }

    /// What the four planes are given (write modes 0 to 3).
    fn data(&self, latch: u32, value: u8) -> u32 {
        let (source, bits) = match self.write_mode {
            0 => {
                let rotated = repeat(value.rotate_right(self.rotate));
                let source = rotated & !self.enable_set_reset | self.set_reset & self.enable_set_reset;
                (source, self.bit_mask)
            }
            1 => return latch,
            2 => (spread(value), self.bit_mask),
            _ => (self.set_reset, self.bit_mask & value.rotate_right(self.rotate)),
        };
        let result = match self.operation {
            0 => source,
            1 => source & latch,
            2 => source | latch,
            _ => source ^ latch,
        };
        let bits = repeat(bits);
        result & bits | latch & !bits
    }
}
