//! Which keys type a character, on the keyboards that people have.

use crate::Key;

/// One key, with what is held while it is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// The key.
    pub key: Key,
    /// With Shift.
    pub shift: bool,
    /// With AltGr.
    pub alt_gr: bool,
}

impl Stroke {
    /// The keys in the order in which they go down.
    pub fn keys(self) -> Vec<Key> {
        let mut keys = Vec::new();
        if self.shift {
            keys.push(Key::ShiftLeft);
        }
        if self.alt_gr {
            keys.push(Key::AltRight);
        }
        keys.push(self.key);
        keys
    }
}

/// A keyboard layout that the guest is set to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// United States.
    #[default]
    Us,
    /// United Kingdom.
    Uk,
    /// German.
    De,
    /// French.
    Fr,
}

/// The keys of letters, digits and signs by their place: four rows from the top, each from
/// left to right.
pub const PLACES: [&[Key]; 4] = [
    &[
        Key::Backquote,
        Key::Digit1,
        Key::Digit2,
        Key::Digit3,
        Key::Digit4,
        Key::Digit5,
        Key::Digit6,
        Key::Digit7,
        Key::Digit8,
        Key::Digit9,
        Key::Digit0,
        Key::Minus,
        Key::Equal,
    ],
    &[
        Key::Q,
        Key::W,
        Key::E,
        Key::R,
        Key::T,
        Key::Y,
        Key::U,
        Key::I,
        Key::O,
        Key::P,
        Key::BracketLeft,
        Key::BracketRight,
    ],
    &[
        Key::A,
        Key::S,
        Key::D,
        Key::F,
        Key::G,
        Key::H,
        Key::J,
        Key::K,
        Key::L,
        Key::Semicolon,
        Key::Quote,
        Key::Backslash,
    ],
    &[
        Key::IntlBackslash,
        Key::Z,
        Key::X,
        Key::C,
        Key::V,
        Key::B,
        Key::N,
        Key::M,
        Key::Comma,
        Key::Period,
        Key::Slash,
    ],
];

/// Rows of a keyboard: alone, with Shift, and what AltGr gives. A space is a
/// place that types nothing, or only begins a character.
struct Rows {
    plain: [&'static str; 4],
    shift: [&'static str; 4],
    alt_gr: &'static [(char, Key)],
}

const US: Rows = Rows {
    plain: ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'\\", " zxcvbnm,./"],
    shift: ["~!@#$%^&*()_+", "QWERTYUIOP{}", "ASDFGHJKL:\"|", " ZXCVBNM<>?"],
    alt_gr: &[],
};

const UK: Rows = Rows {
    plain: ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'#", "\\zxcvbnm,./"],
    shift: ["¬!\"£$%^&*()_+", "QWERTYUIOP{}", "ASDFGHJKL:@~", "|ZXCVBNM<>?"],
    alt_gr: &[('€', Key::Digit4), ('¦', Key::Backquote)],
};

const DE: Rows = Rows {
    plain: [" 1234567890ß ", "qwertzuiopü+", "asdfghjklöä#", "<yxcvbnm,.-"],
    shift: ["°!\"§$%&/()=? ", "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_"],
    alt_gr: &[
        ('²', Key::Digit2),
        ('³', Key::Digit3),
        ('{', Key::Digit7),
        ('[', Key::Digit8),
        (']', Key::Digit9),
        ('}', Key::Digit0),
        ('\\', Key::Minus),
        ('@', Key::Q),
        ('€', Key::E),
        ('~', Key::BracketRight),
        ('|', Key::IntlBackslash),
        ('µ', Key::M),
    ],
};

const FR: Rows = Rows {
    plain: ["²&é\"'(-è_çà)=", "azertyuiop $", "qsdfghjklmù*", "<wxcvbn,;:!"],
    shift: [" 1234567890°+", "AZERTYUIOP £", "QSDFGHJKLM%µ", ">WXCVBN?./§"],
    alt_gr: &[
        ('~', Key::Digit2),
        ('#', Key::Digit3),
        ('{', Key::Digit4),
        ('[', Key::Digit5),
        ('|', Key::Digit6),
        ('`', Key::Digit7),
        ('\\', Key::Digit8),
        ('^', Key::Digit9),
        ('@', Key::Digit0),
        (']', Key::Minus),
        ('}', Key::Equal),
        ('€', Key::E),
    ],
};

impl Layout {
    /// All layouts with their names.
    pub const ALL: [(&'static str, Self); 4] =
        [("us", Self::Us), ("uk", Self::Uk), ("de", Self::De), ("fr", Self::Fr)];

    /// The layout of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, layout)| *layout)
    }

    fn rows(self) -> &'static Rows {
        match self {
            Self::Us => &US,
            Self::Uk => &UK,
            Self::De => &DE,
            Self::Fr => &FR,
        }
    }

    /// The keys that type `character`; `None` where the layout has none for it.
    pub fn stroke(self, character: char) -> Option<Stroke> {
        let alone = |key| Some(Stroke { key, shift: false, alt_gr: false });
        match character {
            '\n' | '\r' => return alone(Key::Enter),
            '\t' => return alone(Key::Tab),
            ' ' => return alone(Key::Space),
            '\x08' => return alone(Key::Backspace),
            '\x1b' => return alone(Key::Escape),
            _ => {}
        }
        let rows = self.rows();
        for (shift, table) in [(false, &rows.plain), (true, &rows.shift)] {
            for (row, places) in table.iter().zip(PLACES) {
                if let Some((_, key)) = row.chars().zip(places).find(|(c, _)| *c == character) {
                    return Some(Stroke { key: *key, shift, alt_gr: false });
                }
            }
        }
        let (_, key) = rows.alt_gr.iter().find(|(c, _)| *c == character)?;
        Some(Stroke { key: *key, shift: false, alt_gr: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_character_for_every_place() {
        for (name, layout) in Layout::ALL {
            for table in [&layout.rows().plain, &layout.rows().shift] {
                for (row, places) in table.iter().zip(PLACES) {
                    assert_eq!(row.chars().count(), places.len(), "{name}: {row}");
                }
            }
        }
    }

    #[test]
    fn every_layout_types_all_of_ascii_that_it_can() {
        for character in ' '..='~' {
            for (name, layout) in Layout::ALL {
                // What these keyboards have only as the beginning of an accented letter.
                let dead = matches!((name, character), ("de", '^' | '`'));
                assert_eq!(layout.stroke(character).is_none(), dead, "{name}: {character}");
            }
        }
        assert_eq!(Layout::Us.stroke('é'), None);
    }

    #[test]
    fn a_character_is_typed_where_the_layout_has_it() {
        let shifted = |key| Some(Stroke { key, shift: true, alt_gr: false });
        assert_eq!(Layout::Us.stroke('A'), shifted(Key::A));
        assert_eq!(Layout::De.stroke('Z'), shifted(Key::Y));
        assert_eq!(Layout::Fr.stroke('1'), shifted(Key::Digit1));
        assert_eq!(Layout::De.stroke('@').map(Stroke::keys), Some(vec![Key::AltRight, Key::Q]));
    }
}
