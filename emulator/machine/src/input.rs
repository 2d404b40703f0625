//! What people do, on its way to the keyboard and the mouse.

use crate::Machine;
use crate::bus::processor::lock;
use glassbox_chipset::I8042;
use glassbox_input::{Buttons, InputEvent};

/// Where the pointer of a screen was, since a PS/2 mouse knows movement only.
#[derive(Debug, Default)]
pub(crate) struct Pointer {
    last: Option<(u32, u32)>,
}

impl Pointer {
    /// Hands an event over; false while there is no room for it.
    fn pass(&mut self, event: InputEvent, i8042: &mut I8042) -> bool {
        let (dx, dy, wheel, Buttons(buttons)) = match event {
            InputEvent::Key { key, down } => return i8042.key(key, down),
            InputEvent::PointerBy { dx, dy, wheel, buttons } => (dx, dy, wheel, buttons),
            InputEvent::PointerAt { x, y, wheel, buttons, .. } => {
                let (from_x, from_y) = self.last.replace((x, y)).unwrap_or((x, y));
                let by = |to: u32, from: u32| (i64::from(to) - i64::from(from)) as i32;
                (by(x, from_x), by(y, from_y), wheel, buttons)
            }
        };
        // A mouse counts upwards.
        i8042.mouse_motion(dx, dy.saturating_neg(), wheel, buttons);
        true
    }
}

impl Machine {
    /// Hands over what came in, as far as there is room; the rest stays in the queue.
    pub(crate) fn pass_input(&mut self) {
        let mut board = lock(&self.board);
        while let Some(event) = self.control.next_event() {
            if !self.pointer.pass(event, &mut board.devices.i8042) {
                self.control.put_back(event);
                break;
            }
        }
        board.settle();
    }
}
