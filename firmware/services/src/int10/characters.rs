//! AH=11h: fonts.

use crate::call::{Call, Flow, GuestFault, ServiceResult};
use crate::fonts::{Height, font};
use crate::registers::SegmentRegister;
use crate::rom::ROM_SEGMENT;

use super::data::{Kind, Screen, bda, port, register, set_register};
use super::{cursor, tables};

/// Bytes that a character has in plane 2.
const CELL: usize = 32;

/// Loads `count` characters of `height` rows, from character `first` on, into one of
/// eight blocks of plane 2.
pub(super) fn load(
    call: &mut Call<'_>,
    bitmaps: &[u8],
    first: usize,
    count: usize,
    height: usize,
    block: u8,
) -> Result<(), GuestFault> {
    let count = count.min(256 - first.min(256));
    let mut cells = vec![0; count * CELL];
    for (cell, bitmap) in cells.chunks_mut(CELL).zip(bitmaps.chunks(height.clamp(1, CELL))) {
        cell[..bitmap.len()].copy_from_slice(bitmap);
    }
    let block = u32::from(block);
    let start = 0xa_0000 + ((block & 3) << 14 | (block & 4) << 11) + (first * CELL) as u32;
    let mono = call.in8(port::MISC_READ) & 1 == 0;
    for (port, index, value) in [
        (port::SEQUENCER, 0, 1),
        (port::SEQUENCER, 2, 4),
        (port::SEQUENCER, 4, 7),
        (port::SEQUENCER, 0, 3),
        (port::GRAPHICS, 4, 2),
        (port::GRAPHICS, 5, 0),
        (port::GRAPHICS, 6, 4),
    ] {
        set_register(call, port, index, value);
    }
    let written = call.write(start, &cells);
    for (port, index, value) in [
        (port::SEQUENCER, 0, 1),
        (port::SEQUENCER, 2, 3),
        (port::SEQUENCER, 4, 3),
        (port::SEQUENCER, 0, 3),
        (port::GRAPHICS, 4, 0),
        (port::GRAPHICS, 5, 0x10),
        (port::GRAPHICS, 6, if mono { 0x0a } else { 0x0e }),
    ] {
        set_register(call, port, index, value);
    }
    written
}

/// Characters have another height now: rows, page size and cursor follow.
fn fit_height(call: &mut Call<'_>, height: u8) -> Result<(), GuestFault> {
    let screen = Screen::load(call)?;
    let scan = register(call, screen.crtc, 9);
    set_register(call, screen.crtc, 9, scan & 0xe0 | (height - 1) & 0x1f);
    let doubled = scan & 0x80 != 0;
    let end = u16::from(register(call, screen.crtc, 0x12));
    let overflow = u16::from(register(call, screen.crtc, 7));
    let shown = (end | (overflow & 2) << 7 | (overflow & 0x40) << 3) + 1;
    let lines = shown >> u16::from(doubled);
    let rows = (lines / u16::from(height)).max(1);
    // The screen ends with the last whole row.
    let last = ((rows * u16::from(height)) << u16::from(doubled)) - 1;
    set_register(call, screen.crtc, 0x12, last as u8);
    let (start, stop) = if height >= 14 { (height - 3, height - 2) } else { (height.max(2) - 2, height - 1) };
    call.set_bda_u8(bda::LAST_ROW, (rows - 1).min(255) as u8)?;
    call.set_bda_u16(bda::CHARACTER_HEIGHT, height.into())?;
    let page = u32::from(rows) * u32::from(screen.columns) * 2;
    call.set_bda_u16(bda::PAGE_SIZE, (page + 0x100).min(0x8000) as u16 & 0xff00)?;
    cursor::set_lines(call, start, stop)
}

/// AH=11h.
pub(super) fn service(call: &mut Call<'_>) -> ServiceResult {
    let al = call.regs.ax.low();
    let block = call.regs.bx.low();
    match al {
        0x00 | 0x10 => {
            let height = call.regs.bx.high();
            if (1..=32).contains(&height) {
                let (first, count) = (call.regs.dx.word().min(256), call.regs.cx.word().min(256));
                let count = count.min(256 - first);
                let mut bitmaps = vec![0; usize::from(count) * usize::from(height)];
                let list = call.linear(call.regs.es, call.regs.bp.word());
                call.read(list, &mut bitmaps)?;
                load(call, &bitmaps, first.into(), count.into(), height.into(), block)?;
                if al >= 0x10 {
                    fit_height(call, height)?;
                }
            }
        }
        0x01 | 0x11 | 0x02 | 0x12 | 0x04 | 0x14 => {
            let height = match al & 0xf {
                1 => Height::Fourteen,
                2 => Height::Eight,
                _ => Height::Sixteen,
            };
            load(call, &font(height), 0, 256, height.rows(), block)?;
            if al >= 0x10 {
                fit_height(call, height.rows() as u8)?;
            }
        }
        0x03 => set_register(call, port::SEQUENCER, 3, block),
        0x20 => {
            let pointer = pointer_from_caller(call);
            call.write_u32(4 * 0x1f, pointer)?;
        }
        0x21 => {
            let (pointer, height) = (pointer_from_caller(call), call.regs.cx.word());
            graphics_font(call, pointer, height)?;
        }
        0x22 => graphics_font(call, rom_pointer(tables::FONT_14), 14)?,
        0x23 => graphics_font(call, rom_pointer(tables::FONT_8), 8)?,
        0x24 => graphics_font(call, rom_pointer(tables::FONT_16), 16)?,
        0x30 => information(call)?,
        _ => {}
    }
    Ok(Flow::Done)
}

fn pointer_from_caller(call: &Call<'_>) -> u32 {
    u32::from(call.regs.es.selector) << 16 | u32::from(call.regs.bp.word())
}

fn rom_pointer(offset: u16) -> u32 {
    u32::from(ROM_SEGMENT) << 16 | u32::from(offset)
}

/// AL=21h to 24h: the font of graphics modes. BL says how many rows there are:
/// 1 to 3 for 14, 25 and 43, or 0 for what DL says.
fn graphics_font(call: &mut Call<'_>, pointer: u32, height: u16) -> Result<(), GuestFault> {
    let rows = match call.regs.bx.low() {
        0 => call.regs.dx.low(),
        1 => 14,
        3 => 43,
        _ => 25,
    };
    call.write_u32(4 * 0x43, pointer)?;
    call.set_bda_u16(bda::CHARACTER_HEIGHT, height)?;
    call.set_bda_u8(bda::LAST_ROW, rows.wrapping_sub(1))
}

/// AL=30h: where a font is, and what is in use.
fn information(call: &mut Call<'_>) -> Result<(), GuestFault> {
    let pointer = match call.regs.bx.high() {
        0 => call.read_u32(4 * 0x1f)?,
        1 => call.read_u32(4 * 0x43)?,
        2 => rom_pointer(tables::FONT_14),
        3 => rom_pointer(tables::FONT_8),
        4 => rom_pointer(tables::FONT_8_HIGH),
        5 | 7 => rom_pointer(tables::NO_REPLACEMENTS),
        6 => rom_pointer(tables::FONT_16),
        _ => return Ok(()),
    };
    let height = call.bda_u16(bda::CHARACTER_HEIGHT)?;
    let last_row = call.bda_u8(bda::LAST_ROW)?;
    call.regs.es = SegmentRegister::real((pointer >> 16) as u16);
    call.regs.bp.set_word(pointer as u16);
    call.regs.cx.set_word(height);
    call.regs.dx.set_low(last_row);
    Ok(())
}

/// The rows of a character in the font of graphics modes.
pub(super) fn graphics_glyph(call: &mut Call<'_>, screen: &Screen, code: u8) -> Result<Vec<u8>, GuestFault> {
    // Modes with the font of a CGA have its second half behind another vector.
    let split = matches!(screen.kind(), Kind::Cga { .. }) && code >= 0x80;
    let (vector, code) = if split { (0x1f, code - 0x80) } else { (0x43, code) };
    let pointer = call.read_u32(4 * vector)?;
    // Our own 8 by 8 font is in two parts as well.
    let own = pointer == rom_pointer(tables::FONT_8) && code >= 0x80;
    let (pointer, code) = if own { (rom_pointer(tables::FONT_8_HIGH), code - 0x80) } else { (pointer, code) };
    let base = (pointer >> 16 << 4) + (pointer & 0xffff);
    let mut rows = vec![0; usize::from(screen.height)];
    call.read(base + u32::from(code) * u32::from(screen.height), &mut rows)?;
    Ok(rows)
}
