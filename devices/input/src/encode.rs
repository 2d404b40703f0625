//! What a keyboard sends when a key goes down or up.

use crate::Key;

/// The scan code sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanSet {
    /// The XT's, which a controller with translation on shows.
    One,
    /// The AT's, which keyboards send after reset.
    Two,
    /// The PS/2's: one byte a key.
    Three,
}

/// Other keys that change what Print Screen and Pause send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// A Control key is down.
    pub control: bool,
    /// An Alt key is down.
    pub alt: bool,
}

const BREAK: u8 = 0xf0;
const BREAK_BIT: u8 = 0x80;
const E0: u8 = 0xe0;

/// The bytes of a key that goes down (or repeats), or up; at most eight.
pub fn encode(set: ScanSet, key: Key, down: bool, held: Held) -> Vec<u8> {
    match (set, key) {
        (ScanSet::Three, _) if down => vec![key.set3()],
        (ScanSet::Three, _) => vec![BREAK, key.set3()],
        // Pause has no break code of its own: all is sent when it goes down.
        (_, Key::Pause) if !down => Vec::new(),
        (ScanSet::One, Key::Pause) if held.control => vec![E0, 0x46, E0, 0xc6],
        (ScanSet::One, Key::Pause) => vec![0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5],
        (ScanSet::Two, Key::Pause) if held.control => vec![E0, 0x7e, E0, BREAK, 0x7e],
        (ScanSet::Two, Key::Pause) => vec![0xe1, 0x14, 0x77, 0xe1, BREAK, 0x14, BREAK, 0x77],
        // With Alt it is SysRq; alone it pretends that Shift is held.
        (ScanSet::One, Key::PrintScreen) => match (held.alt, held.control, down) {
            (true, _, true) => vec![0x54],
            (true, _, false) => vec![0xd4],
            (_, true, true) => vec![E0, 0x37],
            (_, true, false) => vec![E0, 0xb7],
            (_, _, true) => vec![E0, 0x2a, E0, 0x37],
            (_, _, false) => vec![E0, 0xb7, E0, 0xaa],
        },
        (ScanSet::Two, Key::PrintScreen) => match (held.alt, held.control, down) {
            (true, _, true) => vec![0x84],
            (true, _, false) => vec![BREAK, 0x84],
            (_, true, true) => vec![E0, 0x7c],
            (_, true, false) => vec![E0, BREAK, 0x7c],
            (_, _, true) => vec![E0, 0x12, E0, 0x7c],
            (_, _, false) => vec![E0, BREAK, 0x7c, E0, BREAK, 0x12],
        },
        (ScanSet::One, _) => {
            let up = if down { 0 } else { BREAK_BIT };
            bytes(key.set1(), |code| vec![code | up])
        }
        (ScanSet::Two, _) => bytes(key.set2(), |code| if down { vec![code] } else { vec![BREAK, code] }),
    }
}

fn bytes(code: u16, rest: impl FnOnce(u8) -> Vec<u8>) -> Vec<u8> {
    let [prefix, code] = code.to_be_bytes();
    let mut all = if prefix == 0 { Vec::new() } else { vec![prefix] };
    all.extend(rest(code));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Held = Held { control: false, alt: false };

    #[test]
    fn break_codes_differ_between_the_sets() {
        assert_eq!(encode(ScanSet::One, Key::A, true, NONE), [0x1e]);
        assert_eq!(encode(ScanSet::One, Key::A, false, NONE), [0x9e]);
        assert_eq!(encode(ScanSet::Two, Key::A, false, NONE), [0xf0, 0x1c]);
        assert_eq!(encode(ScanSet::Three, Key::A, false, NONE), [0xf0, 0x1c]);
        assert_eq!(encode(ScanSet::Two, Key::ArrowUp, false, NONE), [0xe0, 0xf0, 0x75]);
        assert_eq!(encode(ScanSet::One, Key::ArrowUp, false, NONE), [0xe0, 0xc8]);
        assert_eq!(encode(ScanSet::Three, Key::ArrowUp, true, NONE), [0x63]);
    }

    #[test]
    fn pause_and_print_screen_depend_on_other_keys() {
        let (control, alt) = (Held { control: true, alt: false }, Held { control: false, alt: true });
        assert_eq!(encode(ScanSet::Two, Key::Pause, true, NONE).len(), 8);
        assert_eq!(encode(ScanSet::Two, Key::Pause, false, NONE), []);
        assert_eq!(encode(ScanSet::One, Key::Pause, true, control), [0xe0, 0x46, 0xe0, 0xc6]);
        assert_eq!(encode(ScanSet::Two, Key::PrintScreen, true, alt), [0x84]);
        assert_eq!(encode(ScanSet::One, Key::PrintScreen, false, NONE), [0xe0, 0xb7, 0xe0, 0xaa]);
    }
}
