//! The fonts of the video BIOS, in code page 437: 8 by 8, 8 by 14 and 8 by 16 dots.
//!
//! They are our own. Letters and signs are drawn in `8x8.txt` and `8x16.txt`;
//! letters with accents are put together from these, line graphics and blocks are
//! computed. The font of 14 rows is that of 16 without the empty ones at top and bottom.

mod blocks;
mod drawn;

use drawn::Drawing;

/// Rows of a character of a font.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Height {
    /// 8 by 8: 200-line modes, and 50 rows of text.
    Eight,
    /// 8 by 14: 350-line modes.
    Fourteen,
    /// 8 by 16: 400 and 480-line modes.
    Sixteen,
}

impl Height {
    /// Rows.
    pub const fn rows(self) -> usize {
        match self {
            Self::Eight => 8,
            Self::Fourteen => 14,
            Self::Sixteen => 16,
        }
    }
}

/// A glyph: a byte for each row, the leftmost dot in bit 7.
type Glyph = Vec<u8>;

/// Code page 437 by code; control characters are the signs that the screen shows.
pub const CODE_PAGE_437: &str = concat!(
    " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼",
    " !\"#$%&'()*+,-./0123456789:;<=>?",
    "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_",
    "`abcdefghijklmnopqrstuvwxyz{|}~⌂",
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ",
    "áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
);

/// Letters with accents: the letter, what it is made from, and the accent.
const ACCENTED: [(char, char, &str); 31] = [
    ('Ç', 'C', "cedilla"),
    ('ü', 'u', "diaeresis"),
    ('é', 'e', "acute"),
    ('â', 'a', "circumflex"),
    ('ä', 'a', "diaeresis"),
    ('à', 'a', "grave"),
    ('å', 'a', "ring"),
    ('ç', 'c', "cedilla"),
    ('ê', 'e', "circumflex"),
    ('ë', 'e', "diaeresis"),
    ('è', 'e', "grave"),
    ('ï', 'ı', "diaeresis"),
    ('î', 'ı', "circumflex"),
    ('ì', 'ı', "grave"),
    ('Ä', 'A', "diaeresis"),
    ('Å', 'A', "ring"),
    ('É', 'E', "acute"),
    ('ô', 'o', "circumflex"),
    ('ö', 'o', "diaeresis"),
    ('ò', 'o', "grave"),
    ('û', 'u', "circumflex"),
    ('ù', 'u', "grave"),
    ('ÿ', 'y', "diaeresis"),
    ('Ö', 'O', "diaeresis"),
    ('Ü', 'U', "diaeresis"),
    ('á', 'a', "acute"),
    ('í', 'ı', "acute"),
    ('ó', 'o', "acute"),
    ('ú', 'u', "acute"),
    ('ñ', 'n', "tilde"),
    ('Ñ', 'N', "tilde"),
];

/// A complete font: 256 characters of [`Height::rows`] bytes.
pub fn font(height: Height) -> Vec<u8> {
    let drawing = match height {
        Height::Eight => Drawing::parse(include_str!("8x8.txt"), 8),
        _ => Drawing::parse(include_str!("8x16.txt"), 16),
    };
    let glyphs = CODE_PAGE_437.chars().map(|letter| glyph(&drawing, letter, height.rows()));
    glyphs.flat_map(|glyph| glyph.unwrap_or_else(|| vec![0; height.rows()])).collect()
}

/// A character, or `None` where nobody has drawn it.
fn glyph(drawing: &Drawing, letter: char, rows: usize) -> Option<Glyph> {
    if matches!(letter, ' ' | '\u{a0}') {
        return Some(vec![0; rows]);
    }
    if let Some(glyph) = blocks::glyph(letter, rows) {
        return Some(glyph);
    }
    let full = match ACCENTED.iter().find(|(accented, ..)| *accented == letter) {
        Some((_, base, accent)) => accented(drawing, *base, accent, rows)?,
        None => drawing.glyph(&letter.to_string())?.to_vec(),
    };
    Some(if rows == 14 { fourteen(&full) } else { full })
}

/// The rows of 16 that a font of 14 keeps.
fn fourteen(full: &[u8]) -> Glyph {
    // Signs at the very top move down with the letters.
    let high = full[0] != 0 && full[5..].iter().all(|row| *row == 0);
    let first = if high { 0 } else { 1 };
    full[first..first + 14].to_vec()
}

fn accented(drawing: &Drawing, base: char, accent: &str, rows: usize) -> Option<Glyph> {
    let accent_rows = drawing.glyph(accent)?;
    let mut glyph = drawing.glyph(&base.to_string())?.to_vec();
    if base.is_uppercase() && accent != "cedilla" {
        // Capitals are made lower, from below their crossbars, and the accent sits at the top.
        let (first, last) = if rows == 8 { (0, 6) } else { (2, 11) };
        let cut: &[usize] = if rows == 8 { &[1, 5] } else { &[3, 9] };
        let kept: Vec<u8> = (first..=last).filter(|row| !cut.contains(row)).map(|row| glyph[row]).collect();
        let start = last + 1 - kept.len();
        glyph[first..start].fill(0);
        glyph[start..=last].copy_from_slice(&kept);
        let marks: Vec<u8> = accent_rows.iter().copied().filter(|row| *row != 0).collect();
        let marks = &marks[marks.len().saturating_sub(2)..];
        // The font of 14 rows drops row 0.
        let top = if rows == 8 { 0 } else { 1 };
        for (row, mark) in glyph[top..].iter_mut().zip(marks) {
            *row = *mark;
        }
        return Some(glyph);
    }
    for (row, mark) in glyph.iter_mut().zip(accent_rows) {
        *row |= mark;
    }
    Some(glyph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_drawn_in_every_font() {
        for (height, text) in [
            (Height::Eight, include_str!("8x8.txt")),
            (Height::Fourteen, include_str!("8x16.txt")),
            (Height::Sixteen, include_str!("8x16.txt")),
        ] {
            let drawing = Drawing::parse(text, if height == Height::Eight { 8 } else { 16 });
            assert_eq!(font(height).len(), 256 * height.rows());
            for letter in CODE_PAGE_437.chars() {
                let glyph = glyph(&drawing, letter, height.rows()).unwrap_or_default();
                assert_eq!(glyph.len(), height.rows(), "{letter} in {height:?}");
                let blank = glyph.iter().all(|row| *row == 0);
                assert_eq!(blank, matches!(letter, ' ' | '\u{a0}'), "{letter} in {height:?}");
            }
        }
    }

    #[test]
    fn characters_are_told_apart() {
        for height in [Height::Eight, Height::Fourteen, Height::Sixteen] {
            let font = font(height);
            let glyphs: Vec<_> = font.chunks(height.rows()).collect();
            for (code, glyph) in glyphs.iter().enumerate().skip(1) {
                let same = glyphs[..code].iter().position(|other| other == glyph);
                let blanks = matches!((same, code), (Some(0), 32 | 255));
                assert!(same.is_none() || blanks, "{code} is {same:?} in {height:?}");
            }
        }
    }

    #[test]
    fn the_code_page_has_256_characters() {
        assert_eq!(CODE_PAGE_437.chars().count(), 256);
        assert_eq!(CODE_PAGE_437.chars().nth(0xdb), Some('█'));
        assert_eq!(CODE_PAGE_437.chars().nth(0x7e), Some('~'));
    }
}
