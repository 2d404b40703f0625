//! What a person does: keys and pointer, from whatever shows the screen.

use serde::{Deserialize, Serialize};

use crate::Key;

/// Buttons of a pointing device, as bits: left (0), right (1), middle (2), fourth (3), fifth (4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buttons(pub u8);

impl Buttons {
    /// The left button.
    pub const LEFT: Self = Self(1 << 0);
    /// The right button.
    pub const RIGHT: Self = Self(1 << 1);
    /// The middle button.
    pub const MIDDLE: Self = Self(1 << 2);
    /// The fourth button, with which browsers go back.
    pub const BACK: Self = Self(1 << 3);
    /// The fifth button.
    pub const FORWARD: Self = Self(1 << 4);

    /// The button that a script calls `left`, `right`, `middle`, `back` or `forward`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "left" => Some(Self::LEFT),
            "right" => Some(Self::RIGHT),
            "middle" => Some(Self::MIDDLE),
            "back" => Some(Self::BACK),
            "forward" => Some(Self::FORWARD),
            _ => None,
        }
    }

    /// These buttons and the others pressed.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These buttons without the others.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// One thing that a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputEvent {
    /// A key went down or up.
    Key {
        /// Which.
        key: Key,
        /// Down.
        down: bool,
    },
    /// The pointer is at a place of the screen.
    PointerAt {
        /// Pixels from the left edge, and from the top.
        x: u32,
        /// As `x`.
        y: u32,
        /// Size of the screen in pixels.
        width: u32,
        /// As `width`.
        height: u32,
        /// Steps of the wheel, towards the user.
        wheel: i32,
        /// What is pressed now.
        buttons: Buttons,
    },
    /// The pointer moved, where there is no place: the mouse is grabbed.
    PointerBy {
        /// To the right, in counts.
        dx: i32,
        /// Down, in counts.
        dy: i32,
        /// Steps of the wheel, towards the user.
        wheel: i32,
        /// What is pressed now.
        buttons: Buttons,
    },
}

/// A pixel of a screen of `size` pixels as one of `largest` + 1 places: the edges meet.
pub fn place(at: u32, size: u32, largest: u32) -> u32 {
    let last = u64::from(size.saturating_sub(1)).max(1);
    (u64::from(at).min(last) * u64::from(largest) / last) as u32
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn the_edges_of_screen_and_tablet_meet() {
        assert_eq!((place(0, 640, 0x7fff), place(639, 640, 0x7fff)), (0, 0x7fff));
        assert_eq!(place(9999, 640, 0x7fff), 0x7fff);
        assert_eq!(place(0, 0, 0x7fff), 0);
    }
}
