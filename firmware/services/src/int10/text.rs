//! AH=06h to 0Ah, 0Eh, 13h: characters on the screen, in text and graphics modes.

use crate::call::{Call, Flow, GuestFault, ServiceResult};

use super::data::{Kind, Screen};
use super::graphics::Surface;
use super::{Video, beep, characters};

const BELL: u8 = 7;
const BACKSPACE: u8 = 8;
const LINE_FEED: u8 = 10;
const RETURN: u8 = 13;

/// A rectangle of character cells, both corners included.
#[derive(Clone, Copy, Debug)]
struct Window {
    top: u16,
    left: u16,
    bottom: u16,
    right: u16,
}

fn cell_address(screen: &Screen, base: u32, page: u8, row: u16, column: u16) -> u32 {
    let cells = u32::from(row) * u32::from(screen.columns) + u32::from(column);
    base + ((screen.page_start(page) + 2 * cells) & 0x7fff)
}

/// Moves the window's rows up (or down) by `lines` and fills what becomes free.
/// 0 lines, or as many as there are, clear it.
fn scroll(
    call: &mut Call<'_>,
    screen: &Screen,
    page: u8,
    window: Window,
    lines: u16,
    down: bool,
    attribute: u8,
) -> Result<(), GuestFault> {
    let right = window.right.min(screen.columns - 1);
    let bottom = window.bottom.min(screen.rows - 1);
    if window.left > right || window.top > bottom {
        return Ok(());
    }
    let (width, height) = (right - window.left + 1, bottom - window.top + 1);
    let lines = if lines == 0 { height } else { lines.min(height) };
    let kept = height - lines;
    let (from, to) = if down { (window.top, window.top + lines) } else { (window.top + lines, window.top) };
    let blank = if down { window.top } else { window.top + kept };
    let Kind::Text { base } = screen.kind() else {
        let Some(mut surface) = Surface::new(call, screen, page)? else { return Ok(()) };
        surface.copy_rows(call, window.left, width, from, to, kept)?;
        return surface.fill_rows(call, window.left, width, blank, lines, attribute);
    };
    let bytes = 2 * usize::from(width);
    let at = |row| cell_address(screen, base, page, row, window.left);
    // All is read before anything is written.
    let mut moved = vec![0; bytes * usize::from(kept)];
    if width == screen.columns {
        call.read(at(from), &mut moved)?;
        call.write(at(to), &moved)?;
        return call.write(at(blank), &[b' ', attribute].repeat(usize::from(width) * usize::from(lines)));
    }
    for (row, bytes) in (from..).zip(moved.chunks_mut(bytes)) {
        call.read(at(row), bytes)?;
    }
    for (row, bytes) in (to..).zip(moved.chunks(bytes)) {
        call.write(at(row), bytes)?;
    }
    let line = [b' ', attribute].repeat(width.into());
    (blank..blank + lines).try_for_each(|row| call.write(at(row), &line))
}

/// AH=06h, 07h: scrolls a window of the active page.
pub(super) fn scroll_window(call: &mut Call<'_>, down: bool) -> ServiceResult {
    let screen = Screen::load(call)?;
    let regs = call.regs;
    let window = Window {
        top: regs.cx.high().into(),
        left: regs.cx.low().into(),
        bottom: regs.dx.high().into(),
        right: regs.dx.low().into(),
    };
    let lines = u16::from(regs.ax.low());
    scroll(call, &screen, screen.active_page, window, lines, down, regs.bx.high())?;
    Ok(Flow::Done)
}

/// AH=08h: character and attribute at the cursor of page BH.
pub(super) fn read(call: &mut Call<'_>) -> ServiceResult {
    let screen = Screen::load(call)?;
    let page = call.regs.bx.high() & 7;
    let (row, column) = screen.cursor(call, page)?;
    if let Kind::Text { base } = screen.kind() {
        let cell = call.read_u16(cell_address(&screen, base, page, row, column))?;
        call.regs.ax.set_word(cell);
        return Ok(Flow::Done);
    }
    let Some(mut surface) = Surface::new(call, &screen, page)? else { return Ok(Flow::Done) };
    let drawn = surface.read_cell(call, row, column)?;
    let mut found = 0;
    for code in 0..=255 {
        if characters::graphics_glyph(call, &screen, code)? == drawn {
            found = code;
            break;
        }
    }
    call.regs.ax.set_word(found.into());
    Ok(Flow::Done)
}

/// AH=09h, 0Ah: CX times a character at the cursor of page BH, which stays.
pub(super) fn write(call: &mut Call<'_>, with_attribute: bool) -> ServiceResult {
    let screen = Screen::load(call)?;
    let (code, color) = (call.regs.ax.low(), call.regs.bx.low());
    let page = call.regs.bx.high() & 7;
    let count = call.regs.cx.word();
    let (row, column) = screen.cursor(call, page)?;
    let Kind::Text { base } = screen.kind() else {
        let Some(mut surface) = Surface::new(call, &screen, page)? else { return Ok(Flow::Done) };
        let glyph = characters::graphics_glyph(call, &screen, code)?;
        // Characters stay in their row.
        for column in column..column.saturating_add(count).min(screen.columns) {
            surface.draw_cell(call, row, column, &glyph, color)?;
        }
        return Ok(Flow::Done);
    };
    let left = (screen.rows - row) * screen.columns - column;
    let start = cell_address(&screen, base, page, row, column);
    let count = usize::from(count.min(left));
    if with_attribute {
        call.write(start, &[code, color].repeat(count))?;
    } else {
        let mut cells = vec![0; 2 * count];
        call.read(start, &mut cells)?;
        cells.iter_mut().step_by(2).for_each(|cell| *cell = code);
        call.write(start, &cells)?;
    }
    Ok(Flow::Done)
}

/// Writes one character as a terminal does. `attribute` is kept in text modes when
/// `None`, and is a colour in graphics modes.
fn put(
    call: &mut Call<'_>,
    screen: &Screen,
    page: u8,
    (row, column): (u16, u16),
    code: u8,
    attribute: Option<u8>,
) -> Result<(u16, u16), GuestFault> {
    let (mut row, mut column) = (row, column);
    match code {
        BELL => return Ok((row, column)),
        BACKSPACE => return Ok((row, column.saturating_sub(1))),
        RETURN => return Ok((row, 0)),
        LINE_FEED => row += 1,
        _ => {
            if let Kind::Text { base } = screen.kind() {
                let at = cell_address(screen, base, page, row, column);
                match attribute {
                    Some(attribute) => call.write(at, &[code, attribute])?,
                    None => call.write_u8(at, code)?,
                }
            } else if let Some(mut surface) = Surface::new(call, screen, page)? {
                let glyph = characters::graphics_glyph(call, screen, code)?;
                surface.draw_cell(call, row, column, &glyph, attribute.unwrap_or(7))?;
            }
            column += 1;
            if column >= screen.columns {
                (row, column) = (row + 1, 0);
            }
        }
    }
    if row >= screen.rows {
        row = screen.rows - 1;
        let attribute = match screen.kind() {
            Kind::Text { base } => {
                let at = cell_address(screen, base, page, row, column);
                call.read_u8(at + 1)?
            }
            _ => 0,
        };
        let all = Window { top: 0, left: 0, bottom: row, right: screen.columns - 1 };
        scroll(call, screen, page, all, 1, false, attribute)?;
    }
    Ok((row, column))
}

/// AH=0Eh: writes a character on the page that is shown and moves the cursor. BH does
/// not matter, as on IBM's BIOS since the AT.
pub(super) fn teletype(video: &mut Video, call: &mut Call<'_>) -> ServiceResult {
    let (code, color) = (call.regs.ax.low(), call.regs.bx.low());
    if code == BELL {
        return Ok(beep::beep(video, call));
    }
    let screen = Screen::load(call)?;
    let attribute = (!matches!(screen.kind(), Kind::Text { .. })).then_some(color);
    let page = screen.active_page;
    let at = screen.cursor(call, page)?;
    let (row, column) = put(call, &screen, page, at, code, attribute)?;
    screen.set_cursor(call, page, row, column)?;
    Ok(Flow::Done)
}

/// AH=13h: writes a string at ES:BP from row DH, column DL of page BH on. AL bit 0
/// moves the cursor, bit 1 has attributes between the characters.
pub(super) fn write_string(call: &mut Call<'_>) -> ServiceResult {
    let screen = Screen::load(call)?;
    let (options, page) = (call.regs.ax.low(), call.regs.bx.high() & 7);
    let paired = options & 2 != 0;
    let size = if paired { 2 } else { 1 };
    let mut string = vec![0; usize::from(call.regs.cx.word()) * size];
    let list = call.linear(call.regs.es, call.regs.bp.word());
    call.read(list, &mut string)?;
    let (row, column) = match call.regs.dx.high() {
        0xff => screen.cursor(call, page)?,
        row => (u16::from(row).min(screen.rows - 1), u16::from(call.regs.dx.low()).min(screen.columns - 1)),
    };
    let mut at = (row, column);
    for item in string.chunks(size) {
        let attribute = if paired { item[1] } else { call.regs.bx.low() };
        at = put(call, &screen, page, at, item[0], Some(attribute))?;
    }
    if options & 1 != 0 {
        screen.set_cursor(call, page, at.0, at.1)?;
    }
    Ok(Flow::Done)
}
