//! AH=12h, 1Ah, 1Bh, 1Ch: what the adapter is and how it behaves; its whole state.

use crate::call::{Call, Flow, GuestFault, ServiceResult};
use crate::rom::ROM_SEGMENT;

use super::data::{Kind, Screen, bda, port, register, set_register};
use super::tables;
use super::{mode_set, state};

/// AH=12h: alternate select, by BL.
pub(super) fn alternate(call: &mut Call<'_>) -> ServiceResult {
    let al = call.regs.ax.low();
    let options = call.bda_u8(bda::OPTIONS)?;
    match call.regs.bx.low() {
        0x10 => {
            let mono = call.bda_u16(bda::CRTC_PORT)? == port::CRTC_MONO;
            let switches = call.bda_u8(bda::SWITCHES)?;
            call.regs.bx.set_high(mono.into());
            // 256 KiB.
            call.regs.bx.set_low(3);
            call.regs.cx.set_high(switches >> 4);
            call.regs.cx.set_low(switches & 0xf);
            return Ok(Flow::Done);
        }
        // Print screen prints any number of rows already.
        0x20 => return Ok(Flow::Done),
        0x30 if al <= 2 => {
            let lines = [0x80, 0x00, 0x10][usize::from(al)];
            call.set_bda_u8(bda::OPTIONS, options & !0x90 | lines)?;
            let switches = call.bda_u8(bda::SWITCHES)?;
            call.set_bda_u8(bda::SWITCHES, switches & 0xf0 | if al == 0 { 8 } else { 9 })?;
        }
        0x31 if al <= 1 => call.set_bda_u8(bda::OPTIONS, options & !8 | al << 3)?,
        0x32 if al <= 1 => {
            let misc = call.in8(port::MISC_READ);
            call.out8(port::MISC, misc & !2 | (al ^ 1) << 1);
        }
        0x33 if al <= 1 => call.set_bda_u8(bda::OPTIONS, options & !2 | (al ^ 1) << 1)?,
        0x34 if al <= 1 => {
            let control = call.bda_u8(bda::CONTROL)?;
            call.set_bda_u8(bda::CONTROL, control & !1 | al)?;
        }
        0x36 if al <= 1 => {
            let clocking = register(call, port::SEQUENCER, 1);
            set_register(call, port::SEQUENCER, 1, clocking & !0x20 | al << 5);
        }
        // 35h switches between two adapters; there is one.
        _ => return Ok(Flow::Done),
    }
    call.regs.ax.set_low(0x12);
    Ok(Flow::Done)
}

/// AH=1Ah: display combination code.
pub(super) fn combination(call: &mut Call<'_>) -> ServiceResult {
    match call.regs.ax.low() {
        0 => {
            let index = call.bda_u8(bda::COMBINATION)?;
            let code = if index == tables::COLOR_VGA { tables::COLOR_VGA_CODE } else { index };
            call.regs.bx.set_low(code);
            call.regs.bx.set_high(0);
        }
        1 => {
            let code = call.regs.bx.low();
            let index = if code == tables::COLOR_VGA_CODE { tables::COLOR_VGA } else { code };
            call.set_bda_u8(bda::COMBINATION, index)?;
        }
        _ => return Ok(Flow::Done),
    }
    call.regs.ax.set_low(0x1a);
    Ok(Flow::Done)
}

/// Colours and pages of a mode.
fn colors_and_pages(screen: &Screen) -> (u16, u8) {
    match (screen.kind(), screen.mode) {
        (_, 7) => (0, 8),
        (Kind::Text { .. }, _) => (16, 8),
        (Kind::Cga { bits }, _) => (1 << bits, 1),
        (Kind::Planar, 0x0d) => (16, 8),
        (Kind::Planar, 0x0e) => (16, 4),
        (Kind::Planar, 0x0f) => (0, 2),
        (Kind::Planar, 0x10) => (16, 2),
        (Kind::Planar, 0x11) => (2, 1),
        (Kind::Planar, _) => (16, 1),
        (Kind::Packed { .. }, _) => (256, 1),
    }
}

/// AH=1Bh: the state of the screen, 64 bytes at ES:DI.
pub(super) fn functionality(call: &mut Call<'_>) -> ServiceResult {
    if call.regs.bx.word() != 0 {
        return Ok(Flow::Done);
    }
    let screen = Screen::load(call)?;
    let mut table = [0; 64];
    table[..2].copy_from_slice(&tables::FUNCTIONALITY.to_le_bytes());
    table[2..4].copy_from_slice(&ROM_SEGMENT.to_le_bytes());
    // Mode to CGA palette, then rows less one and height, as the data area has them.
    call.read(crate::call::BDA + u32::from(bda::MODE), &mut table[4..0x22])?;
    call.read(crate::call::BDA + u32::from(bda::LAST_ROW), &mut table[0x22..0x25])?;
    // Rows are counted from one here.
    table[0x22] = table[0x22].wrapping_add(1);
    let (colors, pages) = colors_and_pages(&screen);
    let options = call.bda_u8(bda::OPTIONS)?;
    let control = call.bda_u8(bda::CONTROL)?;
    table[0x25] = tables::COLOR_VGA_CODE;
    table[0x27..0x29].copy_from_slice(&colors.to_le_bytes());
    table[0x29] = pages;
    table[0x2a] = match mode_set::text_lines(call)? {
        200 => 0,
        350 => 1,
        _ => 2,
    };
    if screen.mode >= 0x11 && screen.mode != 0x13 {
        table[0x2a] = 3;
    }
    let select = register(call, port::SEQUENCER, 3);
    table[0x2b] = select & 3 | select >> 2 & 4;
    table[0x2c] = select >> 2 & 3 | select >> 3 & 4;
    let blinks = call.bda_u8(bda::CGA_MODE)? & 0x20;
    let emulates = control & 1 ^ 1;
    table[0x2d] = 1 | options & 2 | (options & 8) | emulates << 4 | blinks;
    // 256 KiB.
    table[0x31] = 3;
    let to = call.linear(call.regs.es, call.regs.di.word());
    call.write(to, &table)?;
    call.regs.ax.set_low(0x1b);
    Ok(Flow::Done)
}

/// AH=1Ch: size (AL=0), saving (1) and restoring (2) of the parts in CX, at ES:BX.
pub(super) fn save_restore(call: &mut Call<'_>) -> ServiceResult {
    let parts = call.regs.cx.word();
    let at = call.linear(call.regs.es, call.regs.bx.word());
    match call.regs.ax.low() {
        0 => call.regs.bx.set_word(state::size(parts).div_ceil(64) as u16),
        1 => save_to(call, parts, at)?,
        2 => state::restore(call, parts, at)?,
        _ => return Ok(Flow::Done),
    }
    call.regs.ax.set_low(0x1c);
    Ok(Flow::Done)
}

fn save_to(call: &mut Call<'_>, parts: u16, at: u32) -> Result<(), GuestFault> {
    let bytes = state::save(call, parts)?;
    call.write(at, &bytes)
}
