//! AH=00h: sets a mode.

use crate::call::{Call, GuestFault};
use crate::fonts::Height;
use crate::rom::ROM_SEGMENT;

use super::characters;
use super::data::{Kind, Screen, bda, port, set_register};
use super::palette;
use super::palettes::Palette;
use super::parameters::{self, Parameters};
use super::tables;
use super::vbe::dispi;

/// Attribute that text is cleared with.
const BLANK: u16 = 0x0720;
/// Mode and palette registers that a CGA would have in modes 0 to 7.
const CGA_MODES: [u8; 8] = [0x2c, 0x28, 0x2d, 0x29, 0x2a, 0x2e, 0x1e, 0x29];

/// Lines of the screen that text modes get by option.
pub(super) fn text_lines(call: &mut Call<'_>) -> Result<u16, GuestFault> {
    let options = call.bda_u8(bda::OPTIONS)?;
    Ok(match (options >> 7, options >> 4 & 1) {
        (1, _) => 200,
        (_, 1) => 400,
        _ => 350,
    })
}

/// Sets mode `number`, whose bit 7 keeps the memory as it is. False where the
/// adapter has no such mode; nothing changed then.
pub(super) fn set_mode(call: &mut Call<'_>, number: u8) -> Result<bool, GuestFault> {
    let (mode, keep) = (number & 0x7f, number & 0x80 != 0);
    let lines = text_lines(call)?;
    let Some(parameters) = parameters::of_mode(mode, lines) else { return Ok(false) };
    let control = call.bda_u8(bda::CONTROL)?;
    let equipment = call.bda_u16(bda::EQUIPMENT)?;
    call.set_bda_u16(bda::VBE_MODE, 0)?;

    dispi::disable(call);
    let mono = parameters.misc & 1 == 0;
    let crtc = if mono { port::CRTC_MONO } else { port::CRTC_COLOR };
    program(call, parameters, crtc);
    load_palette(call, mode, parameters)?;

    let display = if mono { 0x30 } else { 0x20 };
    call.set_bda_u16(bda::EQUIPMENT, equipment & !0x30 | display)?;
    call.set_bda_u8(bda::MODE, mode)?;
    call.set_bda_u16(bda::COLUMNS, parameters.columns.into())?;
    call.set_bda_u16(bda::PAGE_SIZE, parameters.page)?;
    call.set_bda_u16(bda::CRTC_PORT, crtc)?;
    call.set_bda_u8(bda::LAST_ROW, parameters.last_row)?;
    call.set_bda_u16(bda::CHARACTER_HEIGHT, parameters.height.into())?;
    let keeps = if keep { 0x80 } else { 0 };
    call.set_bda_u8(bda::CONTROL, control & 0x09 | 0x60 | keeps)?;
    let [start, end] = [parameters.crtc[0x0a], parameters.crtc[0x0b]];
    call.set_bda_u16(bda::CURSOR_SHAPE, u16::from(start) << 8 | u16::from(end))?;
    if let Some(cga) = CGA_MODES.get(usize::from(mode)) {
        call.set_bda_u8(bda::CGA_MODE, *cga)?;
        call.set_bda_u8(bda::CGA_PALETTE, if mode == 6 { 0x3f } else { 0x30 })?;
    }
    finish(call, parameters.height, !keep)?;
    Ok(true)
}

/// What is the same for every mode once the registers are set: font, memory,
/// cursors, page 0, vectors of the graphics fonts, and the screen is switched on.
pub(super) fn finish(call: &mut Call<'_>, height: u8, clear: bool) -> Result<(), GuestFault> {
    call.set_bda_u8(bda::ACTIVE_PAGE, 0)?;
    call.set_bda_u16(bda::PAGE_START, 0)?;
    for page in 0..8 {
        call.set_bda_u16(bda::CURSORS + 2 * page, 0)?;
    }
    let screen = Screen::load(call)?;
    let (size, font) = match height {
        8 => (Height::Eight, tables::FONT_8),
        14 => (Height::Fourteen, tables::FONT_14),
        _ => (Height::Sixteen, tables::FONT_16),
    };
    if let Kind::Text { .. } = screen.kind() {
        characters::load(call, &crate::fonts::font(size), 0, 256, size.rows(), 0)?;
    }
    set_vector(call, 0x43, font)?;
    set_vector(call, 0x1f, tables::FONT_8_HIGH)?;
    if clear {
        clear_memory(call, &screen)?;
    }
    call.in8(screen.crtc.wrapping_add(6));
    call.out8(port::ATTRIBUTE, 0x20);
    Ok(())
}

/// Points an interrupt vector into the ROM.
pub(super) fn set_vector(call: &mut Call<'_>, vector: u32, offset: u16) -> Result<(), GuestFault> {
    call.write_u32(4 * vector, u32::from(ROM_SEGMENT) << 16 | u32::from(offset))
}

/// Sets all registers of the VGA; the screen stays off.
pub(super) fn program(call: &mut Call<'_>, parameters: &Parameters, crtc: u16) {
    // Reading either status makes the attribute controller expect an index.
    call.in8(port::CRTC_MONO + 6);
    call.in8(port::CRTC_COLOR + 6);
    call.out8(port::ATTRIBUTE, 0);
    set_register(call, port::SEQUENCER, 0, 1);
    for (index, value) in (1..).zip(parameters.sequencer) {
        set_register(call, port::SEQUENCER, index, value);
    }
    call.out8(port::MISC, parameters.misc);
    set_register(call, port::SEQUENCER, 0, 3);
    // Registers 0 to 7 are protected by the retrace end register.
    set_register(call, crtc, 0x11, 0);
    for (index, value) in (0..).zip(parameters.crtc) {
        set_register(call, crtc, index, value);
    }
    call.out8(crtc + 6, 0);
    for (index, value) in (0..).zip(parameters.graphics) {
        set_register(call, port::GRAPHICS, index, value);
    }
    call.in8(crtc + 6);
    for (index, value) in (0..).zip(parameters.attribute) {
        call.out8(port::ATTRIBUTE, index);
        call.out8(port::ATTRIBUTE, value);
    }
    call.out8(port::ATTRIBUTE, 0x14);
    call.out8(port::ATTRIBUTE, 0);
    call.out8(port::DAC_MASK, 0xff);
}

fn load_palette(call: &mut Call<'_>, mode: u8, parameters: &Parameters) -> Result<(), GuestFault> {
    let options = call.bda_u8(bda::OPTIONS)?;
    if options & 8 != 0 {
        return Ok(());
    }
    let palette = match mode {
        7 | 0x0f => Palette::Mono,
        0x13 => Palette::Full,
        4..=6 | 0x0d | 0x0e => Palette::Cga,
        _ if parameters.height == 8 => Palette::Cga,
        _ => Palette::Ega,
    };
    palette::load(call, 0, &palette.colors(), options & 2 != 0);
    Ok(())
}

/// Clears what the mode shows: blanks, or colour 0.
pub(super) fn clear_memory(call: &mut Call<'_>, screen: &Screen) -> Result<(), GuestFault> {
    match screen.kind() {
        Kind::Text { base } => call.write(base, &BLANK.to_le_bytes().repeat(0x4000)),
        Kind::Cga { .. } => call.write(0xb_8000, &[0; 0x8000]),
        // DISPI clears when it is enabled.
        _ if screen.vbe.is_some() => Ok(()),
        _ => call.write(0xa_0000, &[0; 0x1_0000]),
    }
}
