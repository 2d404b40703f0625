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
