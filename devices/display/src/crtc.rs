//! The CRT controller: timing, addresses, cursor.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "CRT controller registers".

use crate::indexed::{IndexedRegisters, RegisterFile};

/// Register numbers.
pub(crate) mod index {
    pub const HORIZONTAL_TOTAL: u8 = 0x00;
    pub const HORIZONTAL_DISPLAY_END: u8 = 0x01;
    pub const VERTICAL_TOTAL: u8 = 0x06;
    pub const OVERFLOW: u8 = 0x07;
    pub const PRESET_ROW_SCAN: u8 = 0x08;
    pub const MAXIMUM_SCAN_LINE: u8 = 0x09;
    pub const CURSOR_START: u8 = 0x0a;
    pub const CURSOR_END: u8 = 0x0b;
    pub const START_HIGH: u8 = 0x0c;
    pub const START_LOW: u8 = 0x0d;
    pub const CURSOR_HIGH: u8 = 0x0e;
    pub const CURSOR_LOW: u8 = 0x0f;
    pub const VERTICAL_RETRACE_START: u8 = 0x10;
    pub const VERTICAL_RETRACE_END: u8 = 0x11;
    pub const VERTICAL_DISPLAY_END: u8 = 0x12;
    pub const OFFSET: u8 = 0x13;
    pub const UNDERLINE: u8 = 0x14;
    pub const MODE_CONTROL: u8 = 0x17;
    pub const LINE_COMPARE: u8 = 0x18;
    /// Not documented by IBM: the graphics controller's latch of the read plane.
    pub const LATCH: u8 = 0x22;
    /// Not documented by IBM: the attribute controller's flip-flop in bit 7.
    pub const FLIP_FLOP: u8 = 0x24;
}

const COUNT: usize = 0x19;

/// How the memory address counter becomes an address in a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addressing {
    Byte,
    /// Twice the counter; bit 0 is counter bit 13 (false) or 15 (true).
    Word {
        bit_15: bool,
    },
    /// Four times the counter; bits 0 and 1 are counter bits 14 and 15.
    Dword,
}

/// Marks the CRT controller's register file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File;

impl RegisterFile<COUNT> for File {
    const BITS: [u8; COUNT] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0x3f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xef, 0xff,
    ];

    /// Register 11h bit 7 protects the first eight; of those only the line compare bit
    /// of the overflow register stays writable.
    fn writable(registers: &[u8; COUNT], index: u8) -> u8 {
        let protected = registers[usize::from(index::VERTICAL_RETRACE_END)] & 0x80 != 0;
        match index {
            index::OVERFLOW if protected => 0x10,
            ..index::OVERFLOW if protected => 0,
            _ => Self::BITS.get(usize::from(index)).copied().unwrap_or(0),
        }
    }
}

/// The registers at 3B4h/3B5h or 3D4h/3D5h.
pub(crate) type Crtc = IndexedRegisters<File, COUNT>;

impl Crtc {
    fn wide(&self, index: u8) -> u32 {
        self.register(index).into()
    }

    fn overflow(&self, bit: u32, to: u32) -> u32 {
        (self.wide(index::OVERFLOW) >> bit & 1) << to
    }

    /// Counts lines double (register 17h bit 2).
    fn line_factor(&self) -> u32 {
        1 + (self.wide(index::MODE_CONTROL) >> 2 & 1)
    }

    /// Character clocks of a line.
    pub fn horizontal_total(&self) -> u32 {
        self.wide(index::HORIZONTAL_TOTAL) + 5
    }

    /// Character clocks of a line that are displayed.
    pub fn horizontal_displayed(&self) -> u32 {
        self.wide(index::HORIZONTAL_DISPLAY_END) + 1
    }

    /// Lines of a frame.
    pub fn vertical_total(&self) -> u32 {
        let total = self.wide(index::VERTICAL_TOTAL) | self.overflow(0, 8) | self.overflow(5, 9);
        (total + 2) * self.line_factor()
    }

    /// Lines of a frame that are displayed.
    pub fn vertical_displayed(&self) -> u32 {
        let end = self.wide(index::VERTICAL_DISPLAY_END) | self.overflow(1, 8) | self.overflow(6, 9);
        (end + 1) * self.line_factor()
    }

    /// The line at which the vertical retrace begins.
    pub fn retrace_start(&self) -> u32 {
        let start = self.wide(index::VERTICAL_RETRACE_START) | self.overflow(2, 8) | self.overflow(7, 9);
        start * self.line_factor()
    }

    /// Lines of the vertical retrace: its end is given by four bits.
    pub fn retrace_lines(&self) -> u32 {
        let start = self.wide(index::VERTICAL_RETRACE_START) & 0xf;
        let end = self.wide(index::VERTICAL_RETRACE_END) & 0xf;
        let lines = end.wrapping_sub(start) & 0xf;
        (if lines == 0 { 16 } else { lines }) * self.line_factor()
    }

    /// The line after which the address counter starts at zero again.
    pub fn line_compare(&self) -> u32 {
        let ninth = (self.wide(index::MAXIMUM_SCAN_LINE) >> 6 & 1) << 9;
        (self.wide(index::LINE_COMPARE) | self.overflow(4, 8) | ninth) * self.line_factor()
    }

    /// Lines of a row of characters, 1 to 32.
    pub fn row_lines(&self) -> u32 {
        (self.wide(index::MAXIMUM_SCAN_LINE) & 0x1f) + 1
    }

    /// Each line is shown twice (register 9 bit 7).
    pub fn double_scan(&self) -> bool {
        self.register(index::MAXIMUM_SCAN_LINE) & 0x80 != 0
    }

    /// The address counter at the top of the screen, byte panning included.
    pub fn start_address(&self) -> u32 {
        let start = self.wide(index::START_HIGH) << 8 | self.wide(index::START_LOW);
        start + (self.wide(index::PRESET_ROW_SCAN) >> 5 & 3)
    }

    /// The line of the first row at which the screen begins.
    pub fn preset_row_scan(&self) -> u32 {
        self.wide(index::PRESET_ROW_SCAN) & 0x1f
    }

    /// What the address counter gains by a row.
    pub fn row_offset(&self) -> u32 {
        self.wide(index::OFFSET) * 2
    }

    /// The cursor's address counter value.
    pub fn cursor_address(&self) -> u32 {
        let address = self.wide(index::CURSOR_HIGH) << 8 | self.wide(index::CURSOR_LOW);
        address + (self.wide(index::CURSOR_END) >> 5 & 3)
    }

    /// First and last line of the cursor; `None` when it is off or upside down.
    pub fn cursor_lines(&self) -> Option<(u32, u32)> {
        let start = self.wide(index::CURSOR_START);
        let (first, last) = (start & 0x1f, self.wide(index::CURSOR_END) & 0x1f);
        (start & 0x20 == 0 && first <= last).then_some((first, last))
    }

    /// The line of a row that is underlined.
    pub fn underline_line(&self) -> u32 {
        self.wide(index::UNDERLINE) & 0x1f
    }

    pub fn addressing(&self) -> Addressing {
        let mode = self.register(index::MODE_CONTROL);
        if self.register(index::UNDERLINE) & 0x40 != 0 {
            Addressing::Dword
        } else if mode & 0x40 != 0 {
            Addressing::Byte
        } else {
            Addressing::Word { bit_15: mode & 0x20 != 0 }
        }
    }

    /// Character clocks for which the address counter stays: 1, 2 or 4.
    pub fn clocks_per_address(&self) -> u32 {
        if self.register(index::UNDERLINE) & 0x20 != 0 {
            4
        } else if self.register(index::MODE_CONTROL) & 8 != 0 {
            2
        } else {
            1
        }
    }

    /// The plane address for counter value `counter` at line `scan` of a row.
    pub fn address(&self, counter: u32, scan: u32) -> u32 {
        let mode = self.register(index::MODE_CONTROL);
        let mut address = match self.addressing() {
            Addressing::Byte => counter,
            Addressing::Word { bit_15 } => counter << 1 | counter >> (if bit_15 { 15 } else { 13 }) & 1,
            Addressing::Dword => counter << 2 | counter >> 14 & 3,
        };
        // CGA and Hercules compatibility: the line within the row is part of the address.
        if mode & 1 == 0 {
            address = address & !(1 << 13) | (scan & 1) << 13;
        }
        if mode & 2 == 0 {
            address = address & !(1 << 14) | (scan >> 1 & 1) << 14;
        }
        address & 0xffff
    }

    /// Vertical interrupts: latched (bit 4 set) and not disabled (bit 5 clear).
    pub fn vertical_interrupt(&self) -> bool {
        self.register(index::VERTICAL_RETRACE_END) & 0x30 == 0x10
    }
}
