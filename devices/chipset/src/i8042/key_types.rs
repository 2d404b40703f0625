//! What a key sends in scan code set 3: whether it repeats, and whether it tells
//! that it goes up.

use std::collections::BTreeMap;

use glassbox_input::{Held, Key, ScanSet, encode};
use serde::{Deserialize, Serialize};

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeyType {
    /// Repeats, without break code.
    Typematic,
    /// Make and break codes, without repetition.
    MakeBreak,
    /// One make code.
    Make,
    /// Repeats, and has a break code.
    TypematicMakeBreak,
}

impl KeyType {
    /// By the commands F7h to FAh, which set all keys.
    pub(super) fn from_command(command: u8) -> Self {
        match command {
            0xf7 => Self::Typematic,
            0xf8 => Self::MakeBreak,
            0xf9 => Self::Make,
            _ => Self::TypematicMakeBreak,
        }
    }

    pub(super) fn repeats(self) -> bool {
        matches!(self, Self::Typematic | Self::TypematicMakeBreak)
    }

    pub(super) fn has_break(self) -> bool {
        matches!(self, Self::MakeBreak | Self::TypematicMakeBreak)
    }

    /// What a key is after reset.
    fn default_of(key: Key) -> Self {
        match key {
            Key::ControlLeft | Key::ShiftLeft | Key::ShiftRight | Key::AltLeft | Key::CapsLock => {
                Self::MakeBreak
            }
            Key::Escape
            | Key::F1
            | Key::F2
            | Key::F3
            | Key::F4
            | Key::F5
            | Key::F6
            | Key::F7
            | Key::F8
            | Key::F9
            | Key::F10
            | Key::F11
            | Key::F12
            | Key::PrintScreen
            | Key::ScrollLock
            | Key::Pause
            | Key::NumLock
            | Key::ControlRight
            | Key::AltRight
            | Key::Insert
            | Key::Home
            | Key::End
            | Key::PageUp
            | Key::PageDown
            | Key::NumpadEnter
            | Key::NumpadDivide
            | Key::NumpadMultiply
            | Key::NumpadSubtract => Self::Make,
            _ => Self::Typematic,
        }
    }
}

/// The types of all keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyTypes {
    all: Option<KeyType>,
    /// By scan code.
    single: BTreeMap<u8, KeyType>,
}

impl KeyTypes {
    pub(super) fn set_all(&mut self, to: KeyType) {
        *self = Self { all: Some(to), single: BTreeMap::new() };
    }

    pub(super) fn set(&mut self, code: u8, to: KeyType) {
        self.single.insert(code, to);
    }

    pub(super) fn of(&self, key: Key) -> KeyType {
        let code = encode(ScanSet::Three, key, true, Held::default())[0];
        let single = self.single.get(&code).copied();
        single.or(self.all).unwrap_or_else(|| KeyType::default_of(key))
    }
}
