//! Which glyph is which character.
//!
//! Fonts of systems that draw their text themselves are known by fingerprints only:
//! enough to tell each of their glyphs from all others.

use std::collections::HashMap;

/// Fingerprints of known fonts: a character and 16 hexadecimal digits, again and again.
const KNOWN: &str = include_str!("glyphs.txt");
/// Rows of the glyphs that these fonts have, the commonest first.
const HEIGHTS: [usize; 4] = [16, 19, 8, 14];

/// Glyphs of eight dots a row.
#[derive(Clone, Debug)]
pub(super) struct Glyphs {
    characters: HashMap<u64, char>,
}

/// FNV-1a of 64 bits.
fn fingerprint(rows: &[u8]) -> u64 {
    rows.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, row| {
        (hash ^ u64::from(*row)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Glyphs {
    /// The fonts of Linux' and EDK II's consoles, of VGA BIOSes, GRUB and console-setup.
    pub fn known() -> Self {
        let mut characters = HashMap::new();
        let lines = KNOWN.lines().filter(|line| !line.starts_with("# ") && !line.starts_with("= "));
        for line in lines {
            let mut rest = line.chars();
            while let Some(character) = rest.next() {
                let digits: String = rest.by_ref().take(16).collect();
                if let Ok(print) = u64::from_str_radix(&digits, 16) {
                    characters.entry(print).or_insert(character);
                }
                // A blank.
                rest.next();
            }
        }
        Self { characters }
    }

    /// Adds a font: the rows of each glyph in the order of `characters`.
    pub fn add(&mut self, characters: &str, font: &[u8]) {
        let height = font.len() / characters.chars().count().max(1);
        for (character, rows) in characters.chars().zip(font.chunks_exact(height.max(1))) {
            if rows.iter().any(|row| *row != 0) {
                self.characters.entry(fingerprint(rows)).or_insert(character);
            }
        }
    }

    /// How many rows glyphs may have.
    pub fn heights(&self) -> &'static [usize] {
        &HEIGHTS
    }

    /// The character of a glyph, leftmost dot of a row in bit 7.
    pub fn get(&self, rows: &[u8]) -> Option<char> {
        self.characters.get(&fingerprint(rows)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_whole_fonts() {
        let glyphs = Glyphs::known();
        assert_eq!(glyphs.characters.len(), 3042);
        // The VGA's diamond of 16 rows, which Linux' font has as well.
        let diamond = [0, 0, 0, 0, 0x10, 0x38, 0x7c, 0xfe, 0x7c, 0x38, 0x10, 0, 0, 0, 0, 0];
        assert_eq!(glyphs.get(&diamond), Some('♦'));
        // EDK II's letter l.
        let mut letter = [0; 19];
        letter[3..15].copy_from_slice(&[0x38, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 0x3c]);
        assert_eq!(glyphs.get(&letter), Some('l'));
        assert_eq!(glyphs.get(&[0x5a; 16]), None);
        let ascii = (' '..='~').skip(1);
        let known: Vec<char> = glyphs.characters.values().copied().collect();
        assert!(ascii.into_iter().all(|letter| known.iter().filter(|known| **known == letter).count() >= 5));
    }

    #[test]
    fn another_font_is_added_but_its_blanks() {
        let mut glyphs = Glyphs::known();
        glyphs.add(" ab", &[[0; 8], [1; 8], [2; 8]].concat());
        assert_eq!((glyphs.get(&[2; 8]), glyphs.get(&[0; 8])), (Some('b'), None));
    }
}
