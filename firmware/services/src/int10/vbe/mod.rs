//! AH=4Fh: VESA BIOS extensions.
//!
//! Source: VESA BIOS Extension core functions standard, version 3.0; VESA VBE/DDC 1.1;
//! VBE/PM 1.0.

pub(super) mod dispi;
mod info;
pub(super) mod modes;
pub(super) mod protected;

use crate::call::{Call, Flow, GuestFault, ServiceResult};

use super::data::{bda, port, register, set_register};
use super::palettes::{Color, Palette};
use super::{Video, mode_set, palette, state, tables};
use crate::registers::SegmentRegister;
use crate::rom::ROM_SEGMENT;
use dispi::index;
use modes::VbeMode;

/// Results in AX: AL=4Fh says that the function is there.
const DONE: u16 = 0x004f;
const FAILED: u16 = 0x014f;
const WRONG_MODE: u16 = 0x034f;
const NO_FUNCTION: u16 = 0x0100;

/// Bits of the mode number in BX.
const NUMBER: u16 = 0x3fff;
const CRTC_INFO: u16 = 0x0800;
const LINEAR: u16 = 0x4000;
const KEEP: u16 = 0x8000;

/// AH=4Fh.
pub(super) fn service(video: &mut Video, call: &mut Call<'_>) -> ServiceResult {
    let ok = |done: bool| if done { DONE } else { FAILED };
    let result = if !dispi::is_present(call) {
        NO_FUNCTION
    } else {
        match call.regs.ax.low() {
            0x00 => info::controller(call).map(|()| DONE)?,
            0x01 => ok(info::mode(video, call)?),
            0x02 => ok(set_mode(call)?),
            0x03 => current_mode(call)?,
            0x04 => save_restore(call)?,
            0x05 => window(call)?,
            0x06 => line_length(call)?,
            0x07 => display_start(call)?,
            0x08 => dac_width(call)?,
            0x09 => palette_data(call)?,
            0x0a => protected_mode(call),
            0x10 => power(call),
            0x15 => ddc(video, call)?,
            _ => NO_FUNCTION,
        }
    };
    call.regs.ax.set_word(result);
    Ok(Flow::Done)
}

/// The VBE mode that is set, if it is one.
fn mode_now(call: &mut Call<'_>) -> Result<Option<&'static VbeMode>, GuestFault> {
    Ok(VbeMode::find(call.bda_u16(bda::VBE_MODE)?))
}

/// The graphics mode that is set, for functions that only these have.
fn graphics_now(call: &mut Call<'_>) -> Result<Option<&'static VbeMode>, GuestFault> {
    Ok(mode_now(call)?.filter(|mode| mode.bits > 0))
}

/// 4F02h: sets mode BX.
fn set_mode(call: &mut Call<'_>) -> Result<bool, GuestFault> {
    let request = call.regs.bx.word();
    let number = request & NUMBER & !CRTC_INFO;
    if number < 0x100 {
        let keep = if request & KEEP != 0 { 0x80 } else { 0 };
        return if number < 0x80 { mode_set::set_mode(call, number as u8 | keep) } else { Ok(false) };
    }
    let Some(mode) = VbeMode::find(number) else { return Ok(false) };
    let available = info::is_available(call, mode) && (request & LINEAR == 0 || mode.bits > 4);
    let Some(parameters) = mode.parameters().filter(|_| available) else { return Ok(false) };
    let keep = request & KEEP != 0;
    let (control, options) = (call.bda_u8(bda::CONTROL)?, call.bda_u8(bda::OPTIONS)?);
    let equipment = call.bda_u16(bda::EQUIPMENT)?;

    dispi::disable(call);
    mode_set::program(call, &parameters, port::CRTC_COLOR);
    if options & 8 == 0 {
        let colors = if mode.bits > 4 { Palette::Full } else { Palette::Ega };
        palette::load(call, 0, &colors.colors(), options & 2 != 0);
    }
    if mode.bits > 0 {
        dispi::write(call, index::WIDTH, mode.width);
        dispi::write(call, index::HEIGHT, mode.height);
        dispi::write(call, index::BITS, mode.bits.into());
        let linear = if request & LINEAR != 0 { dispi::LINEAR } else { 0 };
        let kept = if keep { dispi::KEEP_MEMORY } else { 0 };
        dispi::write(call, index::ENABLE, dispi::ENABLED | linear | kept);
    }

    let (columns, rows, height) = mode.text();
    let page = if mode.bits == 0 { (2 * columns * rows + 0x100) & 0xff00 } else { 0 };
    call.set_bda_u16(bda::EQUIPMENT, equipment & !0x30 | 0x20)?;
    call.set_bda_u8(bda::MODE, number as u8 & 0x7f)?;
    call.set_bda_u16(bda::VBE_MODE, number)?;
    call.set_bda_u16(bda::COLUMNS, columns)?;
    call.set_bda_u16(bda::PAGE_SIZE, page)?;
    call.set_bda_u16(bda::CRTC_PORT, port::CRTC_COLOR)?;
    call.set_bda_u8(bda::LAST_ROW, (rows - 1) as u8)?;
    call.set_bda_u16(bda::CHARACTER_HEIGHT, height.into())?;
    let [start, end] = [parameters.crtc[0x0a], parameters.crtc[0x0b]];
    call.set_bda_u16(bda::CURSOR_SHAPE, u16::from(start) << 8 | u16::from(end))?;
    call.set_bda_u8(bda::CONTROL, control & 0x09 | 0x60 | if keep { 0x80 } else { 0 })?;
    mode_set::finish(call, height, !keep)?;
    Ok(true)
}

/// 4F03h: the mode in BX.
fn current_mode(call: &mut Call<'_>) -> Result<u16, GuestFault> {
    let kept = call.bda_u8(bda::CONTROL)? & 0x80 != 0;
    let mode = match mode_now(call)? {
        None => u16::from(call.bda_u8(bda::MODE)?),
        Some(mode) => {
            let enable = dispi::read(call, index::ENABLE);
            let linear = if mode.bits > 0 && enable & dispi::LINEAR != 0 { LINEAR } else { 0 };
            mode.number | linear
        }
    };
    call.regs.bx.set_word(mode | if kept { KEEP } else { 0 });
    Ok(DONE)
}

/// 4F04h: size (DL=0), saving (1) and restoring (2) of the parts in CX, at ES:BX.
fn save_restore(call: &mut Call<'_>) -> Result<u16, GuestFault> {
    let parts = call.regs.cx.word();
    let at = call.linear(call.regs.es, call.regs.bx.word());
    match call.regs.dx.low() {
        0 => call.regs.bx.set_word(state::size(parts).div_ceil(64) as u16),
        1 => {
            let bytes = state::save(call, parts)?;
            call.write(at, &bytes)?;
        }
        2 => state::restore(call, parts, at)?,
        _ => return Ok(FAILED),
    }
    Ok(DONE)
}

/// 4F05h: sets (BH=0) or reads (1) the bank of window A in DX.
fn window(call: &mut Call<'_>) -> Result<u16, GuestFault> {
    if graphics_now(call)?.is_none() {
        return Ok(WRONG_MODE);
    }
    let (what, window, bank) = (call.regs.bx.high(), call.regs.bx.low(), call.regs.dx.word());
    if window != 0 || what > 1 {
        return Ok(FAILED);
    }
    if what == 1 {
        let bank = dispi::read(call, index::BANK);
        call.regs.dx.set_word(bank);
        return Ok(DONE);
    }
    if bank >= dispi::read(call, index::MEMORY_64K) {
        return Ok(FAILED);
    }
    dispi::set_bank(call, bank);
    Ok(DONE)
}

/// 4F06h: length of a line of memory, in pixels (BL=0) or bytes (2); reads it (1), or
/// the longest (3).
fn line_length(call: &mut Call<'_>) -> Result<u16, GuestFault> {
    let Some(mode) = graphics_now(call)? else { return Ok(WRONG_MODE) };
    let bits = u16::from(mode.bits);
    let pixels = |bytes: u32| if bits == 4 { bytes * 8 } else { bytes / dispi::bytes(1, bits).max(1) };
    let what = call.regs.bx.low();
    let memory = u32::from(dispi::read(call, index::MEMORY_64K)) << 16;
    let memory = if bits == 4 { memory / 4 } else { memory };
    let asked = u32::from(call.regs.cx.word());
    match what {
        0 | 2 => {
            let width = if what == 0 { asked } else { pixels(asked) }.next_multiple_of(8);
            let fits = dispi::bytes(width, bits).saturating_mul(mode.height.into()) <= memory;
            if width < mode.width.into() || width > 16_000 || !fits {
                return Ok(0x024f);
            }
            dispi::write(call, index::VIRTUAL_WIDTH, width as u16);
        }
        1 => {}
        3 => {
            let width = (pixels(memory / u32::from(mode.height)) & !7).min(16_000);
            let bytes = dispi::bytes(width, bits);
            call.regs.bx.set_word(bytes.min(0xffff) as u16);
            call.regs.cx.set_word(width as u16);
            call.regs.dx.set_word((memory / bytes.max(1)).min(0xffff) as u16);
            return Ok(DONE);
        }
        _ => return Ok(FAILED),
    }
    let stride = dispi::stride(call);
    let (width, lines) = (dispi::read(call, index::VIRTUAL_WIDTH), dispi::read(call, index::VIRTUAL_HEIGHT));
    call.regs.bx.set_word(stride.min(0xffff) as u16);
    call.regs.cx.set_word(width);
    call.regs.dx.set_word(lines);
    Ok(DONE)
}

/// 4F07h: the pixel (CX) and line (DX) of memory that the picture begins with, set at
/// once (BL=0) or with the next retrace (80h), or read (1).
fn display_start(call: &mut Call<'_>) -> Result<u16, GuestFault> {
    let Some(mode) = graphics_now(call)? else { return Ok(WRONG_MODE) };
    match call.regs.bx.low() {
        0x00 | 0x80 => {
            let (x, y) = (call.regs.cx.word(), call.regs.dx.word());
            let width = dispi::read(call, index::VIRTUAL_WIDTH);
            let height = dispi::read(call, index::VIRTUAL_HEIGHT);
            let fits = |at: u16, shown: u16, all: u16| u32::from(at) + u32::from(shown) <= u32::from(all);
            if !fits(x, mode.width, width) || !fits(y, mode.height, height) {
                return Ok(FAILED);
            }
            dispi::write(call, index::X_OFFSET, x);
            dispi::write(call, index::Y_OFFSET, y);
        }
        1 => {
            let (x, y) = (dispi::read(call, index::X_OFFSET), dispi::read(call, index::Y_OFFSET));
            call.regs.bx.set_high(0);
            call.regs.cx.set_word(x);
            call.regs.dx.set_word(y);
        }
        _ => return Ok(FAILED),
    }
    Ok(DONE)
}

/// 4F08h: bits of a colour in the DAC, set (BL=0) or read (1) in BH.
fn dac_width(call: &mut Call<'_>) -> Result<u16, GuestFault> {
    if graphics_now(call)?.is_none_or(|mode| mode.bits > 8) {
        return Ok(WRONG_MODE);
    }
    let enable = dispi::read(call, index::ENABLE);
    let enable = match call.regs.bx.low() {
        0 => {
            let eight = call.regs.bx.high() >= 8;
            let enable = enable & !dispi::DAC_8_BITS | if eight { dispi::DAC_8_BITS } else { 0 };
            dispi::write(call, index::ENABLE, enable);
            enable
        }
        1 => enable,
        _ => return Ok(FAILED),
    };
    call.regs.bx.set_high(if enable & dispi::DAC_8_BITS != 0 { 8 } else { 6 });
    Ok(DONE)
}

/// 4F09h: sets (BL=0, 80h) or reads (1) CX colours from DX on, four bytes each at ES:DI.
fn palette_data(call: &mut Call<'_>) -> Result<u16, GuestFault> {
    let (first, count) = (call.regs.dx.word(), call.regs.cx.word());
    if u32::from(first) + u32::from(count) > 256 {
        return Ok(FAILED);
    }
    let list = call.linear(call.regs.es, call.regs.di.word());
    let mut bytes = vec![0; 4 * usize::from(count)];
    match call.regs.bx.low() {
        0x00 | 0x80 => {
            call.read(list, &mut bytes)?;
            let entries = bytes.as_chunks::<4>().0.iter();
            let colors: Vec<Color> = entries.map(|[blue, green, red, _]| [*red, *green, *blue]).collect();
            palette::load(call, first as u8, &colors, false);
        }
        1 => {
            let colors = palette::colors(call, first as u8, count.into());
            let entries = colors.iter().map(|[red, green, blue]| [*blue, *green, *red, 0]);
            let bytes: Vec<u8> = entries.flatten().collect();
            call.write(list, &bytes)?;
        }
        2 | 3 => return Ok(0x024f),
        _ => return Ok(FAILED),
    }
    Ok(DONE)
}

/// 4F0Ah: where the protected-mode interface is (ES:DI), and its length in CX.
fn protected_mode(call: &mut Call<'_>) -> u16 {
    if call.regs.bx.low() != 0 {
        return FAILED;
    }
    call.regs.es = SegmentRegister::real(ROM_SEGMENT);
    call.regs.di.set_word(tables::PROTECTED_MODE);
    call.regs.cx.set_word(protected::INTERFACE.len() as u16);
    DONE
}

/// 4F10h: display power. Standby, suspend and off all blank the screen.
fn power(call: &mut Call<'_>) -> u16 {
    let clocking = register(call, port::SEQUENCER, 1);
    match call.regs.bx.low() {
        0 => {
            call.regs.bx.set_low(0x10);
            call.regs.bx.set_high(0x07);
        }
        1 if matches!(call.regs.bx.high(), 0 | 1 | 2 | 4) => {
            let off = if call.regs.bx.high() == 0 { 0 } else { 0x20 };
            set_register(call, port::SEQUENCER, 1, clocking & !0x20 | off);
        }
        2 => call.regs.bx.set_high(if clocking & 0x20 != 0 { 4 } else { 0 }),
        _ => return FAILED,
    }
    DONE
}

/// 4F15h: what the monitor can do (BL=0), and its EDID at ES:DI (BL=1, block DX).
fn ddc(video: &Video, call: &mut Call<'_>) -> Result<u16, GuestFault> {
    let Some(edid) = video.edid else { return Ok(FAILED) };
    match call.regs.bx.low() {
        0 => {
            // A second for a block; DDC2.
            call.regs.bx.set_word(0x0102);
            Ok(DONE)
        }
        1 if call.regs.dx.word() == 0 => {
            let to = call.linear(call.regs.es, call.regs.di.word());
            call.write(to, &edid)?;
            Ok(DONE)
        }
        _ => Ok(FAILED),
    }
}
