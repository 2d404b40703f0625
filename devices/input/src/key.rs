//! The keys of a 104/105-key keyboard and their scan codes.

use serde::{Deserialize, Serialize};

/// The prefix of a scan code of two bytes, as the table below has it.
const E0: u16 = 0xe000;

macro_rules! keys {
    ($($key:ident $name:literal $set1:expr, $set2:expr, $set3:literal;)*) => {
        /// A key by its place on the keyboard, named as the W3C's `KeyboardEvent.code` names it:
        /// [`Key::Y`] is what a German keyboard has a Z on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum Key { $($key,)* }

        impl Key {
            /// All keys.
            pub const ALL: &[Self] = &[$(Self::$key,)*];

            /// The name that scripts and monitor commands use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$key => $name,)* }
            }

            /// Make codes in sets 1, 2 and 3; a high byte of E0h is a prefix.
            /// 0 where the code depends on other keys ([`Key::PrintScreen`], [`Key::Pause`]).
            const fn codes(self) -> (u16, u16, u8) {
                match self { $(Self::$key => ($set1, $set2, $set3),)* }
            }
        }
    };
}

// Source: IBM PS/2 Hardware Interface Technical Reference, keyboard; Microsoft
// "Keyboard Scan Code Specification" 1.3a.
keys! {
    A "a" 0x1e, 0x1c, 0x1c;
    B "b" 0x30, 0x32, 0x32;
    C "c" 0x2e, 0x21, 0x21;
    D "d" 0x20, 0x23, 0x23;
    E "e" 0x12, 0x24, 0x24;
    F "f" 0x21, 0x2b, 0x2b;
    G "g" 0x22, 0x34, 0x34;
    H "h" 0x23, 0x33, 0x33;
    I "i" 0x17, 0x43, 0x43;
    J "j" 0x24, 0x3b, 0x3b;
    K "k" 0x25, 0x42, 0x42;
    L "l" 0x26, 0x4b, 0x4b;
    M "m" 0x32, 0x3a, 0x3a;
    N "n" 0x31, 0x31, 0x31;
    O "o" 0x18, 0x44, 0x44;
    P "p" 0x19, 0x4d, 0x4d;
    Q "q" 0x10, 0x15, 0x15;
    R "r" 0x13, 0x2d, 0x2d;
    S "s" 0x1f, 0x1b, 0x1b;
    T "t" 0x14, 0x2c, 0x2c;
    U "u" 0x16, 0x3c, 0x3c;
    V "v" 0x2f, 0x2a, 0x2a;
    W "w" 0x11, 0x1d, 0x1d;
    X "x" 0x2d, 0x22, 0x22;
    Y "y" 0x15, 0x35, 0x35;
    Z "z" 0x2c, 0x1a, 0x1a;
    Digit1 "1" 0x02, 0x16, 0x16;
    Digit2 "2" 0x03, 0x1e, 0x1e;
    Digit3 "3" 0x04, 0x26, 0x26;
    Digit4 "4" 0x05, 0x25, 0x25;
    Digit5 "5" 0x06, 0x2e, 0x2e;
    Digit6 "6" 0x07, 0x36, 0x36;
    Digit7 "7" 0x08, 0x3d, 0x3d;
    Digit8 "8" 0x09, 0x3e, 0x3e;
    Digit9 "9" 0x0a, 0x46, 0x46;
    Digit0 "0" 0x0b, 0x45, 0x45;
    Enter "enter" 0x1c, 0x5a, 0x5a;
    Escape "esc" 0x01, 0x76, 0x08;
    Backspace "backspace" 0x0e, 0x66, 0x66;
    Tab "tab" 0x0f, 0x0d, 0x0d;
    Space "space" 0x39, 0x29, 0x29;
    Minus "minus" 0x0c, 0x4e, 0x4e;
    Equal "equal" 0x0d, 0x55, 0x55;
    BracketLeft "bracketleft" 0x1a, 0x54, 0x54;
    BracketRight "bracketright" 0x1b, 0x5b, 0x5b;
    Backslash "backslash" 0x2b, 0x5d, 0x5c;
    Semicolon "semicolon" 0x27, 0x4c, 0x4c;
    Quote "quote" 0x28, 0x52, 0x52;
    Backquote "backquote" 0x29, 0x0e, 0x0e;
    Comma "comma" 0x33, 0x41, 0x41;
    Period "period" 0x34, 0x49, 0x49;
    Slash "slash" 0x35, 0x4a, 0x4a;
    CapsLock "capslock" 0x3a, 0x58, 0x14;
    F1 "f1" 0x3b, 0x05, 0x07;
    F2 "f2" 0x3c, 0x06, 0x0f;
    F3 "f3" 0x3d, 0x04, 0x17;
    F4 "f4" 0x3e, 0x0c, 0x1f;
    F5 "f5" 0x3f, 0x03, 0x27;
    F6 "f6" 0x40, 0x0b, 0x2f;
    F7 "f7" 0x41, 0x83, 0x37;
    F8 "f8" 0x42, 0x0a, 0x3f;
    F9 "f9" 0x43, 0x01, 0x47;
    F10 "f10" 0x44, 0x09, 0x4f;
    F11 "f11" 0x57, 0x78, 0x56;
    F12 "f12" 0x58, 0x07, 0x5e;
    PrintScreen "print" 0, 0, 0x57;
    ScrollLock "scrolllock" 0x46, 0x7e, 0x5f;
    Pause "pause" 0, 0, 0x62;
    Insert "insert" E0 | 0x52, E0 | 0x70, 0x67;
    Home "home" E0 | 0x47, E0 | 0x6c, 0x6e;
    PageUp "pageup" E0 | 0x49, E0 | 0x7d, 0x6f;
    Delete "delete" E0 | 0x53, E0 | 0x71, 0x64;
    End "end" E0 | 0x4f, E0 | 0x69, 0x65;
    PageDown "pagedown" E0 | 0x51, E0 | 0x7a, 0x6d;
    ArrowRight "right" E0 | 0x4d, E0 | 0x74, 0x6a;
    ArrowLeft "left" E0 | 0x4b, E0 | 0x6b, 0x61;
    ArrowDown "down" E0 | 0x50, E0 | 0x72, 0x60;
    ArrowUp "up" E0 | 0x48, E0 | 0x75, 0x63;
    NumLock "numlock" 0x45, 0x77, 0x76;
    NumpadDivide "kp_divide" E0 | 0x35, E0 | 0x4a, 0x77;
    NumpadMultiply "kp_multiply" 0x37, 0x7c, 0x7e;
    NumpadSubtract "kp_subtract" 0x4a, 0x7b, 0x84;
    NumpadAdd "kp_add" 0x4e, 0x79, 0x7c;
    NumpadEnter "kp_enter" E0 | 0x1c, E0 | 0x5a, 0x79;
    Numpad1 "kp_1" 0x4f, 0x69, 0x69;
    Numpad2 "kp_2" 0x50, 0x72, 0x72;
    Numpad3 "kp_3" 0x51, 0x7a, 0x7a;
    Numpad4 "kp_4" 0x4b, 0x6b, 0x6b;
    Numpad5 "kp_5" 0x4c, 0x73, 0x73;
    Numpad6 "kp_6" 0x4d, 0x74, 0x74;
    Numpad7 "kp_7" 0x47, 0x6c, 0x6c;
    Numpad8 "kp_8" 0x48, 0x75, 0x75;
    Numpad9 "kp_9" 0x49, 0x7d, 0x7d;
    Numpad0 "kp_0" 0x52, 0x70, 0x70;
    NumpadDecimal "kp_decimal" 0x53, 0x71, 0x71;
    IntlBackslash "less" 0x56, 0x61, 0x13;
    IntlRo "ro" 0x73, 0x51, 0x51;
    IntlYen "yen" 0x7d, 0x6a, 0x5d;
    ContextMenu "menu" E0 | 0x5d, E0 | 0x2f, 0x8d;
    ControlLeft "ctrl" 0x1d, 0x14, 0x11;
    ShiftLeft "shift" 0x2a, 0x12, 0x12;
    AltLeft "alt" 0x38, 0x11, 0x19;
    MetaLeft "meta" E0 | 0x5b, E0 | 0x1f, 0x8b;
    ControlRight "ctrl_r" E0 | 0x1d, E0 | 0x14, 0x58;
    ShiftRight "shift_r" 0x36, 0x59, 0x59;
    AltRight "altgr" E0 | 0x38, E0 | 0x11, 0x39;
    MetaRight "meta_r" E0 | 0x5c, E0 | 0x27, 0x8c;
}

/// Other words for keys.
const ALIASES: &[(&str, Key)] = &[
    ("ret", Key::Enter),
    ("return", Key::Enter),
    ("escape", Key::Escape),
    ("spc", Key::Space),
    ("del", Key::Delete),
    ("ins", Key::Insert),
    ("pgup", Key::PageUp),
    ("pgdn", Key::PageDown),
    ("control", Key::ControlLeft),
    ("alt_r", Key::AltRight),
    ("super", Key::MetaLeft),
    ("win", Key::MetaLeft),
    ("sysrq", Key::PrintScreen),
    ("dot", Key::Period),
];

impl Key {
    /// The key of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let by_name = Self::ALL.iter().copied().find(|key| key.name() == name);
        by_name.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, key)| *key))
    }

    /// Held down it does not repeat, and it changes what others mean.
    pub const fn is_modifier(self) -> bool {
        matches!(
            self,
            Self::ControlLeft
                | Self::ControlRight
                | Self::ShiftLeft
                | Self::ShiftRight
                | Self::AltLeft
                | Self::AltRight
                | Self::MetaLeft
                | Self::MetaRight
        )
    }

    /// The key with this make code in set 1; with its prefix in the high byte, as
    /// in `0xe048`, or in bit 7, as the RFB protocol has it.
    pub fn from_set1(code: u16) -> Option<Self> {
        let code = if code & 0xff80 == 0x80 { E0 | code & 0x7f } else { code };
        match code {
            0x54 | 0xe037 => Some(Self::PrintScreen),
            0xe046 => Some(Self::Pause),
            _ => Self::ALL.iter().copied().find(|key| key.set1() == code && code != 0),
        }
    }

    /// The code of Linux' input layer, `KEY_…`: that of set 1 for the keys that it has
    /// without a prefix (Linux, `input-event-codes.h`).
    pub fn evdev(self) -> u16 {
        match self {
            Self::IntlRo => 89,
            Self::NumpadEnter => 96,
            Self::ControlRight => 97,
            Self::NumpadDivide => 98,
            Self::PrintScreen => 99,
            Self::AltRight => 100,
            Self::Home => 102,
            Self::ArrowUp => 103,
            Self::PageUp => 104,
            Self::ArrowLeft => 105,
            Self::ArrowRight => 106,
            Self::End => 107,
            Self::ArrowDown => 108,
            Self::PageDown => 109,
            Self::Insert => 110,
            Self::Delete => 111,
            Self::Pause => 119,
            Self::IntlYen => 124,
            Self::MetaLeft => 125,
            Self::MetaRight => 126,
            Self::ContextMenu => 127,
            key => key.set1(),
        }
    }

    pub(crate) const fn set1(self) -> u16 {
        self.codes().0
    }

    pub(crate) const fn set2(self) -> u16 {
        self.codes().1
    }

    pub(crate) const fn set3(self) -> u8 {
        self.codes().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_keys_share_a_name_or_a_code() {
        let names: BTreeSet<_> = Key::ALL.iter().map(|key| key.name()).collect();
        assert_eq!(names.len(), Key::ALL.len());
        let coded: Vec<_> = Key::ALL.iter().filter(|key| key.set1() != 0).collect();
        for code in [|key: &&Key| key.set1(), |key: &&Key| key.set2(), |key: &&Key| key.set3().into()] {
            let codes: BTreeSet<u16> = coded.iter().map(code).collect();
            assert_eq!(codes.len(), coded.len());
        }
        for (alias, key) in ALIASES {
            assert!(!names.contains(alias));
            assert_eq!(Key::from_name(alias), Some(*key));
        }
    }

    #[test]
    fn every_key_has_a_code_of_the_input_layer() {
        let codes: BTreeSet<u16> = Key::ALL.iter().map(|key| key.evdev()).collect();
        assert_eq!(codes.len(), Key::ALL.len());
        assert!(codes.iter().all(|code| (1..=127).contains(code)));
        assert_eq!((Key::Escape.evdev(), Key::F12.evdev(), Key::IntlBackslash.evdev()), (1, 88, 86));
    }

    #[test]
    fn keys_are_found_by_set_1_codes() {
        assert_eq!(Key::from_set1(0x1e), Some(Key::A));
        assert_eq!(Key::from_set1(0xe048), Some(Key::ArrowUp));
        assert_eq!(Key::from_set1(0xc8), Some(Key::ArrowUp));
        assert_eq!(Key::from_set1(0xb7), Some(Key::PrintScreen));
        assert_eq!(Key::from_set1(0), None);
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(Key::from_name("F12"), Some(Key::F12));
        assert_eq!(Key::from_name("PgUp"), Some(Key::PageUp));
        assert_eq!(Key::from_name("hyper"), None);
    }
}
