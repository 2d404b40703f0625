//! A text screen as cells of a terminal.

use glassbox_machine::{TextScreen, cp437_to_char};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};

/// What the guest shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// No mode is set.
    #[default]
    Nothing,
    /// A picture.
    Graphics { width: u32, height: u32 },
    /// Text.
    Text(TextScreen),
}

/// Draws what is shown with a line of help below it, where there is room.
pub fn draw(frame: &mut Frame<'_>, shown: &Shown, help: &str) {
    let area = frame.area();
    let said = match shown {
        Shown::Text(screen) => {
            draw_screen(frame, area, screen);
            if area.height <= screen.rows as u16 {
                return;
            }
            help.to_owned()
        }
        Shown::Nothing => format!("the guest shows nothing yet. {help}"),
        Shown::Graphics { width, height } => format!(
            "the guest shows a picture of {width}x{height}, which a terminal cannot: see it with the \
             monitor's screenshot, --display window or vnc=. {help}"
        ),
    };
    let row = if matches!(shown, Shown::Text(_)) { area.height.saturating_sub(1) } else { 0 };
    let style = Style::new().add_modifier(Modifier::DIM);
    let mut at = Position::new(0, row);
    for word in said.split(' ') {
        if at.x != 0 && usize::from(at.x) + word.len() > usize::from(area.width) {
            at = Position::new(0, at.y + 1);
        }
        if at.y >= area.height {
            return;
        }
        frame.buffer_mut().set_stringn(at.x, at.y, word, usize::from(area.width - at.x), style);
        at.x = at.x.saturating_add(word.chars().count() as u16 + 1).min(area.width);
    }
}

fn draw_screen(frame: &mut Frame<'_>, area: Rect, screen: &TextScreen) {
    // In a terminal that is too small the cursor is in sight.
    let hidden = |screen: u32, area: u16, cursor: Option<u32>| {
        let spare = screen.saturating_sub(area.into());
        cursor.map_or(0, |at| (at + 1).saturating_sub(area.into())).min(spare)
    };
    let top = hidden(screen.rows, area.height, screen.cursor.map(|cursor| cursor.row));
    let left = hidden(screen.columns, area.width, screen.cursor.map(|cursor| cursor.column));
    for y in 0..area.height {
        let row = screen.row(top + u32::from(y));
        let cells = row.get(left as usize..).unwrap_or_default();
        for (x, cell) in (0..area.width).zip(cells) {
            if let Some(to) = frame.buffer_mut().cell_mut((x, y)) {
                to.set_char(printable(cell.code)).set_style(style(cell.attribute, screen.blinks));
            }
        }
    }
    if let Some(cursor) = screen.cursor {
        let (x, y) = (cursor.column.wrapping_sub(left), cursor.row.wrapping_sub(top));
        if x < area.width.into() && y < area.height.into() {
            frame.set_cursor_position((x as u16, y as u16));
        }
    }
}

fn printable(code: u8) -> char {
    match cp437_to_char(code) {
        '\u{a0}' => ' ',
        c => c,
    }
}

/// The colours of an attribute.
fn style(attribute: u8, blinks: bool) -> Style {
    // The order of a terminal's colours has red and blue exchanged.
    let color = |cga: u8| Color::Indexed(cga & 0b1010 | (cga & 1) << 2 | (cga >> 2) & 1);
    let background = if blinks { attribute >> 4 & 7 } else { attribute >> 4 };
    let style = Style::new().fg(color(attribute & 15)).bg(color(background));
    if blinks && attribute & 0x80 != 0 { style.add_modifier(Modifier::SLOW_BLINK) } else { style }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_machine::{Cursor, TextCell};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn screen(columns: u32, rows: u32) -> TextScreen {
        let cells = (0..rows * columns).map(|n| TextCell { code: b'a' + (n % 26) as u8, attribute: 0x1f });
        TextScreen { columns, rows, blinks: true, cells: cells.collect(), cursor: None }
    }

    fn drawn(shown: &Shown, width: u16, height: u16) -> (Terminal<TestBackend>, Vec<String>) {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, shown, "help")).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        let rows = (0..height).map(|y| row(y).trim_end().to_owned()).collect();
        (terminal, rows)
    }

    #[test]
    fn text_has_its_colours_and_help_is_below_it() {
        let (terminal, rows) = drawn(&Shown::Text(screen(4, 2)), 10, 4);
        assert_eq!(rows, ["abcd", "efgh", "", "help"]);
        let cell = &terminal.backend().buffer()[(0, 0)];
        assert_eq!((cell.fg, cell.bg), (Color::Indexed(15), Color::Indexed(4)), "white on blue");
        assert_eq!(style(0x84, true).fg, Some(Color::Indexed(1)), "red is 4 here and 1 there");
        assert!(style(0x84, true).add_modifier.contains(Modifier::SLOW_BLINK));
        assert_eq!(style(0x84, false).bg, Some(Color::Indexed(8)));
    }

    #[test]
    fn in_a_small_terminal_the_cursor_is_in_sight() {
        let mut shown = screen(4, 4);
        shown.cursor = Some(Cursor { column: 3, row: 3, lines: (0, 1) });
        let (mut terminal, rows) = drawn(&Shown::Text(shown), 2, 2);
        assert_eq!(rows, ["kl", "op"]);
        terminal.backend_mut().assert_cursor_position((1, 1));
    }

    #[test]
    fn a_picture_is_named_and_not_shown() {
        let (_, rows) = drawn(&Shown::Graphics { width: 640, height: 480 }, 30, 6);
        assert_eq!(rows[0], "the guest shows a picture of");
        assert!(rows[1].starts_with("640x480"));
    }
}
