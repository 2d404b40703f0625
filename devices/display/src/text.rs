//! What the text screen says.

use crate::memory::VideoMemory;
use crate::registers::Registers;
use crate::render::is_programmed;

/// One character cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextCell {
    /// The character's code: an index of the font, in code page 437 unless the guest changed the font.
    pub code: u8,
    /// Foreground in bits 0 to 3; background in bits 4 to 6; bit 7 blinks or brightens the background.
    pub attribute: u8,
}

/// Where the cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Column from 0.
    pub column: u32,
    /// Row from 0.
    pub row: u32,
    /// The first and last line of the cell that it fills.
    pub lines: (u32, u32),
}

/// The text screen at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextScreen {
    /// Characters of a row.
    pub columns: u32,
    /// Rows, split screen included.
    pub rows: u32,
    /// Attribute bit 7 blinks.
    pub blinks: bool,
    /// The cursor, where it is on the screen and switched on.
    pub cursor: Option<Cursor>,
    /// Cells, row after row.
    pub cells: Vec<TextCell>,
}

impl TextScreen {
    /// The cells of a row; empty below the screen.
    pub fn row(&self, row: u32) -> &[TextCell] {
        let columns = self.columns as usize;
        let start = row as usize * columns;
        self.cells.get(start..start + columns).unwrap_or_default()
    }

    /// Each row as Unicode, blanks at the end included.
    pub fn lines(&self) -> Vec<String> {
        (0..self.rows)
            .map(|row| self.row(row).iter().map(|cell| cp437_to_char(cell.code)).collect())
            .collect()
    }

    pub(crate) fn of(registers: &Registers, memory: &VideoMemory) -> Option<Self> {
        let crtc = &registers.crtc;
        let graphics = registers.dispi.is_enabled() || registers.graphics.is_graphics();
        if graphics || !is_programmed(registers) {
            return None;
        }
        let columns = crtc.horizontal_displayed();
        let lines_per_row = crtc.row_lines() << u32::from(crtc.double_scan());
        let height = crtc.vertical_displayed();
        let top_height = height.min(crtc.line_compare().saturating_add(1));
        let top_rows = top_height.div_ceil(lines_per_row);
        let rows = if top_height < height {
            top_rows + (height - top_height) / lines_per_row
        } else {
            height / lines_per_row
        };
        let mut screen = Self { columns, rows, blinks: registers.attribute.blinks(), ..Self::default() };
        let cursor = crtc.cursor_lines();
        for row in 0..rows {
            let start = if row < top_rows || top_height >= height {
                crtc.start_address() + row * crtc.row_offset()
            } else {
                (row - top_rows) * crtc.row_offset()
            };
            for column in 0..columns {
                let counter = start.wrapping_add(column) & 0xffff;
                let address = crtc.address(counter, 0);
                let group = memory.group(VideoMemory::group_of(address));
                screen.cells.push(TextCell { code: group as u8, attribute: (group >> 8) as u8 });
                if counter == crtc.cursor_address() & 0xffff
                    && let Some(lines) = cursor
                {
                    screen.cursor = Some(Cursor { column, row, lines });
                }
            }
        }
        Some(screen)
    }
}

/// Code page 437, control characters as the graphic ones that the screen shows.
#[rustfmt::skip]
const CP437: [char; 256] = [
    ' ', '☺', '☻', '♥', '♦', '♣', '♠', '•', '◘', '○', '◙', '♂', '♀', '♪', '♫', '☼',
    '►', '◄', '↕', '‼', '¶', '§', '▬', '↨', '↑', '↓', '→', '←', '∟', '↔', '▲', '▼',
    ' ', '!', '"', '#', '$', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '@', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', '[', '\\', ']', '^', '_',
    '`', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '{', '|', '}', '~', '⌂',
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å',
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ',
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»',
    '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐',
    '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧',
    '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀',
    'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩',
    '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

/// The character that code page 437 has for `code`.
pub fn cp437_to_char(code: u8) -> char {
    CP437[usize::from(code)]
}
