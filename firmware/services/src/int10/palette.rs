//! AH=0Bh and AH=10h: colours.

use crate::call::{Call, Flow, GuestFault, ServiceResult};

use super::data::{Screen, bda, port};
use super::palettes::{Color, grey};

/// Attribute controller registers.
const MODE: u8 = 0x10;
const OVERSCAN: u8 = 0x11;
const COLOR_SELECT: u8 = 0x14;

fn set_attribute(call: &mut Call<'_>, crtc: u16, index: u8, value: u8) {
    call.in8(crtc.wrapping_add(6));
    call.out8(port::ATTRIBUTE, index & 0x1f);
    call.out8(port::ATTRIBUTE, value);
    call.out8(port::ATTRIBUTE, 0x20);
}

fn attribute(call: &mut Call<'_>, crtc: u16, index: u8) -> u8 {
    call.in8(crtc.wrapping_add(6));
    call.out8(port::ATTRIBUTE, index & 0x1f);
    let value = call.in8(port::ATTRIBUTE_READ);
    call.in8(crtc.wrapping_add(6));
    call.out8(port::ATTRIBUTE, 0x20);
    value
}

/// Loads DAC entries from `first` on, as greys where that was chosen.
pub(super) fn load(call: &mut Call<'_>, first: u8, colors: &[Color], greys: bool) {
    call.out8(port::DAC_WRITE, first);
    for color in colors {
        let color = if greys { grey(*color) } else { *color };
        color.into_iter().for_each(|level| call.out8(port::DAC_DATA, level));
    }
}

/// DAC entries from `first` on.
pub(super) fn colors(call: &mut Call<'_>, first: u8, count: usize) -> Vec<Color> {
    call.out8(port::DAC_READ, first);
    (0..count).map(|_| [(); 3].map(|()| call.in8(port::DAC_DATA))).collect()
}

/// AH=0Bh: border and background (BH=0), or one of two palettes of mode 4 (BH=1).
pub(super) fn cga(call: &mut Call<'_>) -> ServiceResult {
    let screen = Screen::load(call)?;
    let (what, value) = (call.regs.bx.high(), call.regs.bx.low());
    let shadow = call.bda_u8(bda::CGA_PALETTE)?;
    match what {
        0 => {
            call.set_bda_u8(bda::CGA_PALETTE, shadow & !0x1f | value & 0x1f)?;
            // Bit 3 of a CGA's colour is bit 4 of a palette register.
            let color = value & 7 | (value & 8) << 1;
            if !matches!(screen.mode, 0..=3 | 7) {
                set_attribute(call, screen.crtc, 0, color);
            }
            set_attribute(call, screen.crtc, OVERSCAN, color);
            for index in 1..4 {
                let old = attribute(call, screen.crtc, index);
                set_attribute(call, screen.crtc, index, old & !0x10 | value & 0x10);
            }
        }
        1 => {
            call.set_bda_u8(bda::CGA_PALETTE, shadow & !0x20 | (value & 1) << 5)?;
            for index in 1..4 {
                let old = attribute(call, screen.crtc, index);
                set_attribute(call, screen.crtc, index, old & !1 | value & 1);
            }
        }
        _ => {}
    }
    Ok(Flow::Done)
}

/// AH=10h.
pub(super) fn service(call: &mut Call<'_>) -> ServiceResult {
    let crtc = call.bda_u16(bda::CRTC_PORT)?;
    let (bl, bh) = (call.regs.bx.low(), call.regs.bx.high());
    let list = call.linear(call.regs.es, call.regs.dx.word());
    match call.regs.ax.low() {
        0x00 if bl <= COLOR_SELECT => set_attribute(call, crtc, bl, bh),
        0x01 => set_attribute(call, crtc, OVERSCAN, bh),
        0x02 => {
            let mut values = [0; 17];
            call.read(list, &mut values)?;
            for (index, value) in (0..16).zip(values) {
                set_attribute(call, crtc, index, value);
            }
            set_attribute(call, crtc, OVERSCAN, values[16]);
        }
        0x03 => {
            let mode = attribute(call, crtc, MODE);
            set_attribute(call, crtc, MODE, mode & !8 | (bl & 1) << 3);
            let shadow = call.bda_u8(bda::CGA_MODE)?;
            call.set_bda_u8(bda::CGA_MODE, shadow & !0x20 | (bl & 1) << 5)?;
        }
        0x07 if bl <= COLOR_SELECT => {
            let value = attribute(call, crtc, bl);
            call.regs.bx.set_high(value);
        }
        0x08 => {
            let value = attribute(call, crtc, OVERSCAN);
            call.regs.bx.set_high(value);
        }
        0x09 => {
            let mut values = [0; 17];
            for (index, value) in (0..).zip(&mut values[..16]) {
                *value = attribute(call, crtc, index);
            }
            values[16] = attribute(call, crtc, OVERSCAN);
            call.write(list, &values)?;
        }
        0x10 => {
            let color = [call.regs.dx.high(), call.regs.cx.high(), call.regs.cx.low()];
            let greys = wants_greys(call)?;
            load(call, bl, &[color], greys);
        }
        0x12 => load_block(call, list)?,
        0x13 => select_page(call, crtc),
        0x15 => {
            let color = colors(call, bl, 1)[0];
            call.regs.dx.set_high(color[0]);
            call.regs.cx.set_high(color[1]);
            call.regs.cx.set_low(color[2]);
        }
        0x17 => {
            let count = usize::from(call.regs.cx.word().min(256));
            let bytes = colors(call, bl, count).concat();
            call.write(list, &bytes)?;
        }
        0x18 => call.out8(port::DAC_MASK, bl),
        0x19 => {
            let mask = call.in8(port::DAC_MASK);
            call.regs.bx.set_low(mask);
        }
        0x1a => {
            let sixteens = attribute(call, crtc, MODE) >> 7;
            let select = attribute(call, crtc, COLOR_SELECT);
            call.regs.bx.set_low(sixteens);
            call.regs.bx.set_high(if sixteens != 0 { select } else { select >> 2 });
        }
        0x1b => {
            let count = usize::from(call.regs.cx.word().min(256));
            let colors = colors(call, bl, count);
            load(call, bl, &colors, true);
        }
        _ => {}
    }
    Ok(Flow::Done)
}

fn wants_greys(call: &mut Call<'_>) -> Result<bool, GuestFault> {
    Ok(call.bda_u8(bda::OPTIONS)? & 2 != 0)
}

fn load_block(call: &mut Call<'_>, list: u32) -> Result<(), GuestFault> {
    let mut bytes = vec![0; 3 * usize::from(call.regs.cx.word().min(256))];
    call.read(list, &mut bytes)?;
    let greys = wants_greys(call)?;
    load(call, call.regs.bx.low(), bytes.as_chunks().0, greys);
    Ok(())
}

/// AL=13h: pages of 64 or 16 colours (BL=0), or which of them (BL=1).
fn select_page(call: &mut Call<'_>, crtc: u16) {
    let value = call.regs.bx.high();
    let mode = attribute(call, crtc, MODE);
    match call.regs.bx.low() {
        0 => set_attribute(call, crtc, MODE, mode & 0x7f | value << 7),
        1 => {
            let select = if mode & 0x80 != 0 { value } else { value << 2 };
            set_attribute(call, crtc, COLOR_SELECT, select & 0xf);
        }
        _ => {}
    }
}
