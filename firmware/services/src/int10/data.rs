//! The video part of the BIOS data area, and what services learn from it.

use crate::call::{Call, GuestFault};

use super::vbe::modes::VbeMode;

/// Offsets in segment 40h.
pub(super) mod bda {
    /// Equipment word: initial video mode in bits 4 and 5.
    pub const EQUIPMENT: u16 = 0x10;
    pub const MODE: u16 = 0x49;
    pub const COLUMNS: u16 = 0x4a;
    pub const PAGE_SIZE: u16 = 0x4c;
    pub const PAGE_START: u16 = 0x4e;
    /// Row and column of the cursor for each of eight pages.
    pub const CURSORS: u16 = 0x50;
    pub const CURSOR_SHAPE: u16 = 0x60;
    pub const ACTIVE_PAGE: u16 = 0x62;
    pub const CRTC_PORT: u16 = 0x63;
    /// What the mode register of a CGA would hold, and its palette register.
    pub const CGA_MODE: u16 = 0x65;
    pub const CGA_PALETTE: u16 = 0x66;
    pub const LAST_ROW: u16 = 0x84;
    pub const CHARACTER_HEIGHT: u16 = 0x85;
    /// Bit 0: no cursor emulation. Bits 5 and 6: 256 KiB. Bit 7: memory was not cleared.
    pub const CONTROL: u16 = 0x87;
    pub const SWITCHES: u16 = 0x88;
    /// Bit 0: VGA. Bit 1: grey scales. Bit 3: palettes stay. Bits 4 and 7: lines of text.
    pub const OPTIONS: u16 = 0x89;
    /// Index into the table of display combinations.
    pub const COMBINATION: u16 = 0x8a;
    pub const SAVE_POINTER: u16 = 0xa8;
    /// The VBE mode, 0 in modes of INT 10h AH=00h. Not defined by IBM.
    pub const VBE_MODE: u16 = 0xba;
}

/// How the current mode keeps its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Characters and attributes from this linear address on.
    Text { base: u32 },
    /// One or two bits a pixel at B8000h, odd lines behind the even ones.
    Cga { bits: u32 },
    /// A bit of each plane at A0000h.
    Planar,
    /// So many bytes a pixel at A0000h, in banks where it is a VBE mode.
    Packed { bytes: u32 },
}

/// The state of the screen, as the data area has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub mode: u8,
    pub columns: u16,
    pub rows: u16,
    /// Bytes of a page.
    pub page_size: u16,
    pub active_page: u8,
    /// Lines of a character.
    pub height: u16,
    pub crtc: u16,
    pub vbe: Option<&'static VbeMode>,
}

impl Screen {
    /// What the data area says now. What the guest wrote there is bounded where
    /// work depends on it.
    pub fn load(call: &mut Call<'_>) -> Result<Self, GuestFault> {
        let height = call.bda_u16(bda::CHARACTER_HEIGHT)?;
        let vbe = call.bda_u16(bda::VBE_MODE)?;
        Ok(Self {
            mode: call.bda_u8(bda::MODE)? & 0x7f,
            columns: call.bda_u16(bda::COLUMNS)?.clamp(1, 320),
            rows: u16::from(call.bda_u8(bda::LAST_ROW)?) + 1,
            page_size: call.bda_u16(bda::PAGE_SIZE)?,
            active_page: call.bda_u8(bda::ACTIVE_PAGE)? & 7,
            height: if (1..=32).contains(&height) { height } else { 16 },
            crtc: call.bda_u16(bda::CRTC_PORT)?,
            vbe: VbeMode::find(vbe),
        })
    }

    /// How pictures are kept.
    pub fn kind(&self) -> Kind {
        if let Some(vbe) = self.vbe {
            return match vbe.bits {
                0 => Kind::Text { base: 0xb_8000 },
                4 => Kind::Planar,
                bits => Kind::Packed { bytes: u32::from(bits.div_ceil(8)) },
            };
        }
        match self.mode {
            4 | 5 => Kind::Cga { bits: 2 },
            6 => Kind::Cga { bits: 1 },
            7 => Kind::Text { base: 0xb_0000 },
            0x0d..=0x12 => Kind::Planar,
            0x13 => Kind::Packed { bytes: 1 },
            _ => Kind::Text { base: 0xb_8000 },
        }
    }

    /// Offset of a page in the window.
    pub fn page_start(&self, page: u8) -> u32 {
        u32::from(self.page_size) * u32::from(page & 7)
    }

    /// Row and column of a page's cursor, within the screen.
    pub fn cursor(&self, call: &mut Call<'_>, page: u8) -> Result<(u16, u16), GuestFault> {
        let position = call.bda_u16(bda::CURSORS + 2 * u16::from(page & 7))?;
        let (row, column) = (position >> 8, position & 0xff);
        Ok((row.min(self.rows - 1), column.min(self.columns - 1)))
    }

    /// Moves a page's cursor; on the screen too if the page is shown.
    pub fn set_cursor(&self, call: &mut Call<'_>, page: u8, row: u16, column: u16) -> Result<(), GuestFault> {
        let position = row << 8 | column & 0xff;
        call.set_bda_u16(bda::CURSORS + 2 * u16::from(page & 7), position)?;
        if page & 7 == self.active_page && matches!(self.kind(), Kind::Text { .. }) {
            let cells = u32::from(row) * u32::from(self.columns) + u32::from(column);
            let address = self.page_start(page) / 2 + cells;
            set_register(call, self.crtc, 0x0e, (address >> 8) as u8);
            set_register(call, self.crtc, 0x0f, address as u8);
        }
        Ok(())
    }
}

/// Writes a register behind an index.
pub(super) fn set_register(call: &mut Call<'_>, port: u16, index: u8, value: u8) {
    call.out16(port, u16::from(index) | u16::from(value) << 8);
}

/// Reads a register behind an index.
pub(super) fn register(call: &mut Call<'_>, port: u16, index: u8) -> u8 {
    call.out8(port, index);
    call.in8(port.wrapping_add(1))
}

/// Ports of the register files.
pub(super) mod port {
    pub const ATTRIBUTE: u16 = 0x3c0;
    pub const ATTRIBUTE_READ: u16 = 0x3c1;
    pub const MISC: u16 = 0x3c2;
    pub const SEQUENCER: u16 = 0x3c4;
    pub const DAC_MASK: u16 = 0x3c6;
    pub const DAC_READ: u16 = 0x3c7;
    pub const DAC_WRITE: u16 = 0x3c8;
    pub const DAC_DATA: u16 = 0x3c9;
    pub const FEATURE_READ: u16 = 0x3ca;
    pub const MISC_READ: u16 = 0x3cc;
    pub const GRAPHICS: u16 = 0x3ce;
    pub const CRTC_MONO: u16 = 0x3b4;
    pub const CRTC_COLOR: u16 = 0x3d4;
}
