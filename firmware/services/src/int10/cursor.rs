//! AH=01h, 02h, 03h, 05h: cursor and pages.

use crate::call::{Call, Flow, GuestFault, ServiceResult};

use super::data::{Kind, Screen, bda, set_register};

/// Bit 0 of the control byte: cursor lines are meant as they are.
const NO_EMULATION: u8 = 1;

/// AH=01h: first line in CH, last in CL.
pub(super) fn set_shape(call: &mut Call<'_>) -> ServiceResult {
    set_lines(call, call.regs.cx.high() & 0x3f, call.regs.cx.low() & 0x1f)?;
    Ok(Flow::Done)
}

/// Sets the lines of the cursor; programs that think of characters of eight lines
/// get the same cursor in higher ones.
pub(super) fn set_lines(call: &mut Call<'_>, start: u8, end: u8) -> Result<(), GuestFault> {
    let screen = Screen::load(call)?;
    let emulates = call.bda_u8(bda::CONTROL)? & NO_EMULATION == 0;
    call.set_bda_u16(bda::CURSOR_SHAPE, u16::from(start) << 8 | u16::from(end))?;
    let (start, end) = if emulates && screen.height > 8 && end < 8 && start < 0x20 {
        scaled(start, end, screen.height)
    } else {
        (start, end)
    };
    set_register(call, screen.crtc, 0x0a, start);
    set_register(call, screen.crtc, 0x0b, end);
    Ok(())
}

fn scaled(start: u8, end: u8, height: u16) -> (u8, u8) {
    let line = |line: u8| ((u16::from(line) + 1) * height / 8).saturating_sub(1);
    let (first, last) = if (start, end) == (6, 7) {
        // The usual cursor: two lines, the last line of the character stays free.
        (height - 3, height - 2)
    } else if start <= end {
        ((u16::from(start) * height).div_ceil(8), line(end))
    } else {
        (line(start), line(end))
    };
    (first.min(0x1f) as u8, last.min(0x1f) as u8)
}

/// AH=02h: row in DH, column in DL, page in BH.
pub(super) fn set_position(call: &mut Call<'_>) -> ServiceResult {
    let screen = Screen::load(call)?;
    let (row, column) = (call.regs.dx.high(), call.regs.dx.low());
    screen.set_cursor(call, call.regs.bx.high(), row.into(), column.into())?;
    Ok(Flow::Done)
}

/// AH=03h: position in DX, shape in CX.
pub(super) fn position(call: &mut Call<'_>) -> ServiceResult {
    let page = u16::from(call.regs.bx.high() & 7);
    let position = call.bda_u16(bda::CURSORS + 2 * page)?;
    let shape = call.bda_u16(bda::CURSOR_SHAPE)?;
    call.regs.dx.set_word(position);
    call.regs.cx.set_word(shape);
    Ok(Flow::Done)
}

/// AH=05h: shows page AL.
pub(super) fn set_page(call: &mut Call<'_>) -> ServiceResult {
    let screen = Screen::load(call)?;
    let page = call.regs.ax.low();
    let start = screen.page_start(page);
    let text = matches!(screen.kind(), Kind::Text { .. });
    // There is one page only in CGA's modes and those of one byte a pixel.
    let paged = text || matches!(screen.kind(), Kind::Planar);
    let window = if text { 0x8000 } else { 0x1_0000 };
    if page > 7
        || !paged
        || start + u32::from(screen.page_size) > window
        || screen.vbe.is_some_and(|m| m.bits > 0)
    {
        return Ok(Flow::Done);
    }
    let position = call.bda_u16(bda::CURSORS + 2 * u16::from(page))?;
    let address = if text { start / 2 } else { start };
    call.set_bda_u16(bda::PAGE_START, start as u16)?;
    call.set_bda_u8(bda::ACTIVE_PAGE, page)?;
    set_register(call, screen.crtc, 0x0c, (address >> 8) as u8);
    set_register(call, screen.crtc, 0x0d, address as u8);
    let shown = Screen { active_page: page, ..screen };
    shown.set_cursor(call, page, position >> 8, position & 0xff)?;
    Ok(Flow::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_of_eight_lines_fit_into_sixteen() {
        assert_eq!(scaled(6, 7, 16), (13, 14));
        assert_eq!(scaled(0, 7, 16), (0, 15));
        assert_eq!(scaled(4, 7, 16), (8, 15));
        assert_eq!(scaled(6, 7, 14), (11, 12));
        assert_eq!(scaled(7, 0, 16), (15, 1));
    }
}
