//! The keys of an X server by their place: XKB names them so on every keyboard, under
//! every layout, whatever numbers the server's driver gives them (XKB protocol
//! specification, 13; the names are those of `xkeyboard-config`'s `keycodes/evdev`).

use glassbox_input::{Key, PLACES};
use x11rb::errors::ReplyError;
use x11rb::protocol::xkb::{ConnectionExt, ID, NameDetail, PerClientFlag};
use x11rb::rust_connection::RustConnection;

/// The key of a name: four characters, padded with zeroes.
fn named(name: [u8; 4]) -> Option<Key> {
    const FUNCTION: [Key; 12] = [
        Key::F1,
        Key::F2,
        Key::F3,
        Key::F4,
        Key::F5,
        Key::F6,
        Key::F7,
        Key::F8,
        Key::F9,
        Key::F10,
        Key::F11,
        Key::F12,
    ];
    let [row @ .., tens, ones] = name;
    if tens.is_ascii_digit() && ones.is_ascii_digit() {
        let number = usize::from(tens - b'0') * 10 + usize::from(ones - b'0');
        let keys: &[Key] = match &row {
            b"AE" if number == 13 => return Some(Key::IntlYen),
            b"AB" if number == 11 => return Some(Key::IntlRo),
            // The rows of letters and digits are numbered from left to right, and two of
            // them have a key with a name of its own before the first.
            b"AE" => &PLACES[0][1..],
            b"AD" => PLACES[1],
            b"AC" => PLACES[2],
            b"AB" => &PLACES[3][1..],
            b"FK" => &FUNCTION,
            _ => return None,
        };
        return keys.get(number.checked_sub(1)?).copied();
    }
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Some(match &name[..end] {
        b"ESC" => Key::Escape,
        b"TLDE" => Key::Backquote,
        b"BKSP" => Key::Backspace,
        b"TAB" => Key::Tab,
        b"RTRN" => Key::Enter,
        b"CAPS" => Key::CapsLock,
        b"BKSL" => Key::Backslash,
        b"LSGT" => Key::IntlBackslash,
        b"LFSH" => Key::ShiftLeft,
        b"RTSH" => Key::ShiftRight,
        b"LCTL" => Key::ControlLeft,
        b"RCTL" => Key::ControlRight,
        b"LALT" => Key::AltLeft,
        b"RALT" => Key::AltRight,
        b"LWIN" | b"LMTA" => Key::MetaLeft,
        b"RWIN" | b"RMTA" => Key::MetaRight,
        b"MENU" | b"COMP" => Key::ContextMenu,
        b"SPCE" => Key::Space,
        b"PRSC" | b"SYRQ" => Key::PrintScreen,
        b"SCLK" => Key::ScrollLock,
        b"PAUS" | b"BRK" => Key::Pause,
        b"INS" => Key::Insert,
        b"HOME" => Key::Home,
        b"PGUP" => Key::PageUp,
        b"DELE" => Key::Delete,
        b"END" => Key::End,
        b"PGDN" => Key::PageDown,
        b"UP" => Key::ArrowUp,
        b"LEFT" => Key::ArrowLeft,
        b"DOWN" => Key::ArrowDown,
        b"RGHT" => Key::ArrowRight,
        b"NMLK" => Key::NumLock,
        b"KPDV" => Key::NumpadDivide,
        b"KPMU" => Key::NumpadMultiply,
        b"KPSU" => Key::NumpadSubtract,
        b"KPAD" => Key::NumpadAdd,
        b"KPEN" => Key::NumpadEnter,
        b"KPDL" => Key::NumpadDecimal,
        b"KP0" => Key::Numpad0,
        b"KP1" => Key::Numpad1,
        b"KP2" => Key::Numpad2,
        b"KP3" => Key::Numpad3,
        b"KP4" => Key::Numpad4,
        b"KP5" => Key::Numpad5,
        b"KP6" => Key::Numpad6,
        b"KP7" => Key::Numpad7,
        b"KP8" => Key::Numpad8,
        b"KP9" => Key::Numpad9,
        _ => return None,
    })
}

/// The key of each key code.
pub struct Places {
    first: u8,
    keys: Vec<Option<Key>>,
}

impl Places {
    /// Asks the server, and has it repeat held keys as presses without releases.
    ///
    /// # Errors
    /// Where the server is gone, or does not know XKB.
    pub fn ask(connection: &RustConnection) -> Result<Self, ReplyError> {
        // The keyboard that people use.
        let core = ID::USE_CORE_KBD.into();
        connection.xkb_use_extension(1, 0)?.reply()?;
        let repeat = PerClientFlag::DETECTABLE_AUTO_REPEAT;
        let none = Default::default();
        connection.xkb_per_client_flags(core, repeat, repeat, none, none, none)?.reply()?;
        let names = connection.xkb_get_names(core, NameDetail::KEY_NAMES)?.reply()?;
        let keys = names.value_list.key_names.unwrap_or_default();
        let keys = keys.into_iter().map(|key| named(key.name)).collect();
        Ok(Self { first: names.first_key, keys })
    }

    /// The key of this code.
    pub fn key(&self, code: u8) -> Option<Key> {
        *self.keys.get(usize::from(code.checked_sub(self.first)?))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_lead_to_keys_and_every_key_has_one() {
        assert_eq!(named(*b"AD06"), Some(Key::Y));
        assert_eq!(named(*b"AC12"), Some(Key::Backslash), "as BKSL");
        assert_eq!(named(*b"UP\0\0"), Some(Key::ArrowUp));
        for none in [*b"AD00", *b"AD13", *b"FK13", *b"\0\0\0\0", *b"I120"] {
            assert_eq!(named(none), None, "{none:?}");
        }
        let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\0";
        let of = |a, b, c| letters.iter().flat_map(move |d| named([a, b, c, *d]));
        let mut all = BTreeSet::new();
        for a in letters {
            for b in letters {
                letters.iter().for_each(|c| all.extend(of(*a, *b, *c)));
            }
        }
        assert_eq!(all.len(), Key::ALL.len(), "of a keyboard with 109 keys");
    }
}
