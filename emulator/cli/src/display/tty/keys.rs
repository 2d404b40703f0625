//! A terminal's keys as those of the guest's keyboard.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use glassbox_input::{Key, Layout};

/// The keys to press in this order; `None` for what no keyboard types.
pub fn strokes(event: KeyEvent, layout: Layout) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    for (modifier, key) in [
        (KeyModifiers::CONTROL, Key::ControlLeft),
        (KeyModifiers::ALT, Key::AltLeft),
        (KeyModifiers::SUPER, Key::MetaLeft),
    ] {
        if event.modifiers.contains(modifier) {
            keys.push(key);
        }
    }
    if let KeyCode::Char(character) = event.code {
        keys.extend(layout.stroke(character)?.keys());
        return Some(keys);
    }
    if event.modifiers.contains(KeyModifiers::SHIFT) || event.code == KeyCode::BackTab {
        keys.push(Key::ShiftLeft);
    }
    keys.push(named(event.code)?);
    Some(keys)
}

fn named(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab | KeyCode::BackTab => Key::Tab,
        KeyCode::Left => Key::ArrowLeft,
        KeyCode::Right => Key::ArrowRight,
        KeyCode::Up => Key::ArrowUp,
        KeyCode::Down => Key::ArrowDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Insert => Key::Insert,
        KeyCode::Delete => Key::Delete,
        KeyCode::CapsLock => Key::CapsLock,
        KeyCode::ScrollLock => Key::ScrollLock,
        KeyCode::NumLock => Key::NumLock,
        KeyCode::PrintScreen => Key::PrintScreen,
        KeyCode::Pause => Key::Pause,
        KeyCode::Menu => Key::ContextMenu,
        KeyCode::F(number) => return Key::from_name(&format!("f{number}")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Option<Vec<Key>> {
        strokes(KeyEvent::new(code, modifiers), Layout::Us)
    }

    #[test]
    fn what_is_typed_becomes_places_on_the_keyboard() {
        assert_eq!(pressed(KeyCode::Char('a'), KeyModifiers::NONE), Some(vec![Key::A]));
        let shifted = Some(vec![Key::ShiftLeft, Key::A]);
        assert_eq!(pressed(KeyCode::Char('A'), KeyModifiers::SHIFT), shifted);
        let control = Some(vec![Key::ControlLeft, Key::C]);
        assert_eq!(pressed(KeyCode::Char('c'), KeyModifiers::CONTROL), control);
        let function = Some(vec![Key::ControlLeft, Key::AltLeft, Key::F2]);
        assert_eq!(pressed(KeyCode::F(2), KeyModifiers::CONTROL | KeyModifiers::ALT), function);
        assert_eq!(pressed(KeyCode::BackTab, KeyModifiers::SHIFT), Some(vec![Key::ShiftLeft, Key::Tab]));
        assert_eq!(pressed(KeyCode::F(20), KeyModifiers::NONE), None);
        assert_eq!(pressed(KeyCode::Char('あ'), KeyModifiers::NONE), None);
    }
}
