//! X11 key symbols to keys, for clients that do not say where a key is.

use glassbox_input::{Key, Layout};

const KEYS: &[(u32, Key)] = &[
    (0xff08, Key::Backspace),
    (0xff09, Key::Tab),
    (0xfe20, Key::Tab),
    (0xff0d, Key::Enter),
    (0xff13, Key::Pause),
    (0xff14, Key::ScrollLock),
    (0xff15, Key::PrintScreen),
    (0xff1b, Key::Escape),
    (0xff50, Key::Home),
    (0xff51, Key::ArrowLeft),
    (0xff52, Key::ArrowUp),
    (0xff53, Key::ArrowRight),
    (0xff54, Key::ArrowDown),
    (0xff55, Key::PageUp),
    (0xff56, Key::PageDown),
    (0xff57, Key::End),
    (0xff61, Key::PrintScreen),
    (0xff63, Key::Insert),
    (0xff67, Key::ContextMenu),
    (0xff6b, Key::Pause),
    (0xff7f, Key::NumLock),
    (0xff8d, Key::NumpadEnter),
    (0xff95, Key::Numpad7),
    (0xff96, Key::Numpad4),
    (0xff97, Key::Numpad8),
    (0xff98, Key::Numpad6),
    (0xff99, Key::Numpad2),
    (0xff9a, Key::Numpad9),
    (0xff9b, Key::Numpad3),
    (0xff9c, Key::Numpad1),
    (0xff9d, Key::Numpad5),
    (0xff9e, Key::Numpad0),
    (0xff9f, Key::NumpadDecimal),
    (0xffaa, Key::NumpadMultiply),
    (0xffab, Key::NumpadAdd),
    (0xffad, Key::NumpadSubtract),
    (0xffae, Key::NumpadDecimal),
    (0xffaf, Key::NumpadDivide),
    (0xffb0, Key::Numpad0),
    (0xffb1, Key::Numpad1),
    (0xffb2, Key::Numpad2),
    (0xffb3, Key::Numpad3),
    (0xffb4, Key::Numpad4),
    (0xffb5, Key::Numpad5),
    (0xffb6, Key::Numpad6),
    (0xffb7, Key::Numpad7),
    (0xffb8, Key::Numpad8),
    (0xffb9, Key::Numpad9),
    (0xffbe, Key::F1),
    (0xffbf, Key::F2),
    (0xffc0, Key::F3),
    (0xffc1, Key::F4),
    (0xffc2, Key::F5),
    (0xffc3, Key::F6),
    (0xffc4, Key::F7),
    (0xffc5, Key::F8),
    (0xffc6, Key::F9),
    (0xffc7, Key::F10),
    (0xffc8, Key::F11),
    (0xffc9, Key::F12),
    (0xffe1, Key::ShiftLeft),
    (0xffe2, Key::ShiftRight),
    (0xffe3, Key::ControlLeft),
    (0xffe4, Key::ControlRight),
    (0xffe5, Key::CapsLock),
    (0xffe7, Key::MetaLeft),
    (0xffe8, Key::MetaRight),
    (0xffe9, Key::AltLeft),
    (0xffea, Key::AltRight),
    (0xffeb, Key::MetaLeft),
    (0xffec, Key::MetaRight),
    (0xfe03, Key::AltRight),
    (0xffff, Key::Delete),
];

/// The key of a symbol, on a keyboard of this layout.
pub fn key(keysym: u32, layout: Layout) -> Option<Key> {
    if let Some((_, key)) = KEYS.iter().find(|(known, _)| *known == keysym) {
        return Some(*key);
    }
    // Latin 1 as it is; other characters by their code point.
    let code = match keysym {
        0x20..=0xff => keysym,
        0x0100_0000..=0x0110_ffff => keysym - 0x0100_0000,
        _ => return None,
    };
    layout.stroke(char::from_u32(code)?).map(|stroke| stroke.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_lead_to_keys() {
        assert_eq!(key(0x41, Layout::Us), Some(Key::A));
        assert_eq!(key(0x7a, Layout::De), Some(Key::Y));
        assert_eq!(key(0xff52, Layout::Us), Some(Key::ArrowUp));
        assert_eq!(key(0x0100_20ac, Layout::De), Some(Key::E));
        assert_eq!(key(0x1234, Layout::Us), None);
    }
}
