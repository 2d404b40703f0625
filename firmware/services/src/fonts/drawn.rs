//! Reads the drawings of `8x8.txt` and `8x16.txt`.

use std::collections::HashMap;

/// Glyphs by name: a character, or the name of an accent.
#[derive(Debug)]
pub(super) struct Drawing {
    glyphs: HashMap<String, Vec<u8>>,
}

impl Drawing {
    /// Reads a drawing whose glyphs have `rows` rows. What is malformed is left
    /// out; the tests look for every character.
    pub fn parse(text: &str, rows: usize) -> Self {
        let mut glyphs: HashMap<String, Vec<u8>> = HashMap::new();
        let mut current: Option<(String, usize)> = None;
        for line in text.lines() {
            if let Some(header) = line.strip_prefix("glyph ") {
                let words: Vec<&str> = header.split(' ').collect();
                current = match words[..] {
                    [name, row] => {
                        glyphs.insert(name.to_owned(), vec![0; rows]);
                        row.parse().ok().map(|row| (name.to_owned(), row))
                    }
                    [name, how, from] => {
                        let derived = glyphs.get(from).and_then(|glyph| derive(glyph, how));
                        glyphs.extend(derived.map(|glyph| (name.to_owned(), glyph)));
                        None
                    }
                    _ => None,
                };
            } else if let (Some((name, row)), Some(dots)) = (&mut current, dots(line)) {
                if let Some(byte) = glyphs.get_mut(name).and_then(|glyph| glyph.get_mut(*row)) {
                    *byte = dots;
                }
                *row += 1;
            }
        }
        Self { glyphs }
    }

    pub fn glyph(&self, name: &str) -> Option<&[u8]> {
        self.glyphs.get(name).map(Vec::as_slice)
    }
}

/// A row of eight dots.
fn dots(line: &str) -> Option<u8> {
    let valid = line.len() == 8 && line.bytes().all(|byte| matches!(byte, b'.' | b'#'));
    valid.then(|| line.bytes().fold(0, |row, byte| row << 1 | u8::from(byte == b'#')))
}

fn derive(glyph: &[u8], how: &str) -> Option<Vec<u8>> {
    let mut glyph = glyph.to_vec();
    let end = glyph.iter().rposition(|row| *row != 0).map_or(0, |last| last + 1);
    let start = glyph.iter().position(|row| *row != 0).unwrap_or(0);
    match how {
        "invert" => glyph.iter_mut().for_each(|row| *row = !*row),
        "mirror" => mirror(&mut glyph),
        "turn" => {
            glyph[start.min(end)..end].reverse();
            mirror(&mut glyph);
        }
        _ => return None,
    }
    Some(glyph)
}

/// Left and right change places, within the columns that are drawn on.
fn mirror(glyph: &mut [u8]) {
    let used = glyph.iter().fold(0, |used, row| used | row);
    let shift = used.trailing_zeros().wrapping_sub(used.leading_zeros()) as i32;
    for row in glyph {
        let mirrored = row.reverse_bits();
        *row = if shift >= 0 { mirrored.wrapping_shl(shift as u32) } else { mirrored >> -shift };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_are_read_and_derived() {
        let text =
            "comment\nglyph x 1\n##......\n.#......\nglyph y turn x\nglyph z invert x\nglyph w 9\n########";
        let drawing = Drawing::parse(text, 4);
        assert_eq!(drawing.glyph("x").unwrap(), [0, 0xc0, 0x40, 0]);
        assert_eq!(drawing.glyph("y").unwrap(), [0, 0x80, 0xc0, 0]);
        assert_eq!(drawing.glyph("z").unwrap(), [0xff, 0x3f, 0xbf, 0xff]);
        assert_eq!(drawing.glyph("w").unwrap(), [0; 4], "what is below the last row is lost");
        assert_eq!(drawing.glyph("v"), None);
    }
}
