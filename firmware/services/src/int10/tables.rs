//! What the video BIOS has in the ROM: fonts, and tables that vectors and pointers lead to.

use crate::asm::{Assembler, Word};
use crate::fonts::{Height, font};
use crate::rom::{ROM_SEGMENT, VIDEO_DATA, entry};

use super::parameters::{self, ENTRY};
use super::vbe::protected::INTERFACE;

/// The font of 16 rows.
pub(super) const FONT_16: u16 = VIDEO_DATA.start;
/// The font of 14 rows.
pub(super) const FONT_14: u16 = FONT_16 + 256 * 16;
/// Characters 80h to FFh of the font of 8 rows; the others are where a PC has them.
pub(super) const FONT_8_HIGH: u16 = FONT_14 + 256 * 14;
/// Characters 0 to 7Fh of the font of 8 rows.
pub(super) const FONT_8: u16 = entry::FONT_8X8;
/// No character of the fonts for 9 dots differs: an empty list.
pub(super) const NO_REPLACEMENTS: u16 = FONT_8_HIGH + 128 * 8;
/// What the adapter can do (AH=1Bh).
pub(super) const FUNCTIONALITY: u16 = NO_REPLACEMENTS + 16;
const PARAMETERS: u16 = FUNCTIONALITY + 16;
/// The table of pointers behind 40:A8h.
pub(super) const SAVE_POINTERS: u16 = PARAMETERS + (parameters::TABLE.len() * ENTRY) as u16;
const SECONDARY_POINTERS: u16 = SAVE_POINTERS + 28;
const COMBINATIONS: u16 = SECONDARY_POINTERS + 26;
/// VBE's function to move the window, by a far call.
pub(super) const WINDOW_FUNCTION: u16 = COMBINATIONS + 38;
/// VBE's strings.
pub(super) const OEM_STRING: u16 = WINDOW_FUNCTION + 16;
/// Vendor, product and revision.
pub(super) const OEM_VENDOR: u16 = OEM_STRING + 32;
pub(super) const OEM_PRODUCT: u16 = OEM_VENDOR + 16;
pub(super) const OEM_REVISION: u16 = OEM_PRODUCT + 32;

/// VBE's protected-mode interface.
pub(super) const PROTECTED_MODE: u16 = OEM_REVISION + 16;

/// Display combinations: primary and secondary display for each code.
const DISPLAYS: [[u8; 2]; 16] = [
    [0, 0],
    [0, 1],
    [0, 2],
    [2, 1],
    [0, 4],
    [4, 1],
    [0, 5],
    [2, 5],
    [0, 6],
    [1, 6],
    [5, 6],
    [0, 8],
    [1, 8],
    [0, 7],
    [2, 7],
    [6, 7],
];
/// VGA with a colour display.
pub(super) const COLOR_VGA: u8 = 11;
/// Its code in the table.
pub(super) const COLOR_VGA_CODE: u8 = 8;

/// What AH=1Bh tells: modes, lines, blocks of characters, functions.
const FUNCTIONS: [u8; 16] = [
    0xff, 0xe0, 0x0f, 0, 0, 0, 0,    // modes 0 to 7 and Dh to 13h
    0x07, // 200, 350 and 400 lines of text
    8, 2,    // blocks of characters, and how many at once
    0xe7, // all modes: greys, fonts, palettes, emulated cursor; EGA palette, DAC
    0x0c, // save and restore, blinking
    0, 0,    // reserved
    0x3c, // fonts and palettes through save pointers, combinations
    0,
];

/// What a 6845 would be set to, for INT 1Dh.
const CRTC_6845: [[u8; 16]; 4] = [
    [0x38, 0x28, 0x2d, 0x0a, 0x1f, 6, 0x19, 0x1c, 2, 7, 6, 7, 0, 0, 0, 0],
    [0x71, 0x50, 0x5a, 0x0a, 0x1f, 6, 0x19, 0x1c, 2, 7, 6, 7, 0, 0, 0, 0],
    [0x38, 0x28, 0x2d, 0x0a, 0x7f, 6, 0x64, 0x70, 2, 1, 6, 7, 0, 0, 0, 0],
    [0x61, 0x50, 0x52, 0x0f, 0x19, 6, 0x19, 0x19, 2, 0x0d, 0x0b, 0x0c, 0, 0, 0, 0],
];
const PAGE_SIZES: [u16; 4] = [0x800, 0x1000, 0x4000, 0x4000];
const COLUMNS: [u8; 8] = [40, 40, 80, 80, 40, 40, 80, 80];
const MODE_BYTES: [u8; 8] = [0x2c, 0x28, 0x2d, 0x29, 0x2a, 0x2e, 0x1e, 0x29];

fn at(rom: &mut Assembler, offset: u16, bytes: &[u8]) {
    rom.org(offset);
    rom.bytes(bytes);
}

fn far(offset: u16) -> [u8; 4] {
    (u32::from(ROM_SEGMENT) << 16 | u32::from(offset)).to_le_bytes()
}

/// Places everything.
pub(super) fn place(rom: &mut Assembler) {
    at(rom, FONT_16, &font(Height::Sixteen));
    at(rom, FONT_14, &font(Height::Fourteen));
    let eight = font(Height::Eight);
    at(rom, FONT_8, &eight[..1024]);
    at(rom, FONT_8_HIGH, &eight[1024..]);
    at(rom, NO_REPLACEMENTS, &[0]);
    at(rom, FUNCTIONALITY, &FUNCTIONS);
    for (index, entry) in (0..).zip(&parameters::TABLE) {
        at(rom, PARAMETERS + index * ENTRY as u16, &entry.bytes());
    }
    // Parameters, save area, fonts of text and graphics, secondary table, two reserved.
    let none = [0; 4];
    let pointers = [far(PARAMETERS), none, none, none, far(SECONDARY_POINTERS), none, none];
    at(rom, SAVE_POINTERS, pointers.as_flattened());
    // Length, combinations, second font, palette profile, three reserved.
    at(rom, SECONDARY_POINTERS, &26u16.to_le_bytes());
    rom.bytes([far(COMBINATIONS), none, none, none, none, none].as_flattened());
    at(rom, COMBINATIONS, &[DISPLAYS.len() as u8, 1, 8, 0]);
    rom.bytes(DISPLAYS.as_flattened());
    // A far call comes with what AX=4F05h takes in BX and DX.
    rom.org(WINDOW_FUNCTION);
    rom.mov(Word::Ax, 0x4f05);
    rom.int(0x10);
    rom.retf();
    at(rom, OEM_STRING, b"Glassbox VGA with DISPI\0");
    at(rom, OEM_VENDOR, b"Glassbox\0");
    at(rom, OEM_PRODUCT, b"VGA with DISPI\0");
    at(rom, OEM_REVISION, concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes());
    at(rom, PROTECTED_MODE, &INTERFACE);
    rom.org(entry::VIDEO_TABLE);
    rom.bytes(CRTC_6845.as_flattened());
    PAGE_SIZES.iter().for_each(|size| rom.word(*size));
    rom.bytes(&COLUMNS);
    rom.bytes(&MODE_BYTES);
}
