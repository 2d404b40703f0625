//! What people do, on its way to keyboards and pointing devices.

use crate::Machine;
use crate::board::Devices;
use crate::bus::processor::lock;
use glassbox_device_api::Device;
use glassbox_input::{Buttons, InputEvent, Key, place};

/// Places that VMware's pointer knows in both directions.
const BACKDOOR_PLACES: u32 = 0xFFFF;

/// Where the pointer of a screen was, since a PS/2 mouse knows movement only.
#[derive(Debug, Default)]
pub(crate) struct Pointer {
    last: Option<(u32, u32)>,
}

/// A place on a screen, and what is done there.
#[derive(Clone, Copy)]
struct Pointed {
    at: (u32, u32),
    size: (u32, u32),
    wheel: i32,
    buttons: Buttons,
}

impl Pointer {
    /// Hands an event over to what the guest has a driver for; false while there is
    /// no room for it.
    fn pass(&mut self, event: InputEvent, devices: &mut Devices) -> bool {
        match event {
            InputEvent::Key { key, down } => press(devices, key, down),
            InputEvent::PointerBy { dx, dy, wheel, buttons } => {
                // A mouse counts upwards.
                devices.i8042.mouse_motion(dx, dy.saturating_neg(), wheel, buttons.0);
                true
            }
            InputEvent::PointerAt { x, y, width, height, wheel, buttons } => {
                let pointed = Pointed { at: (x, y), size: (width, height), wheel, buttons };
                self.point(pointed, devices)
            }
        }
    }

    fn point(&mut self, pointed: Pointed, devices: &mut Devices) -> bool {
        let Pointed { at, size, wheel, buttons } = pointed;
        let from = self.last.replace(at).unwrap_or(at);
        if let Some(tablet) = &devices.tablet {
            let mut tablet = tablet.lock();
            if tablet.is_running() {
                let taken = tablet.device_mut().pointer_at(at, size, wheel, buttons);
                tablet.poll_host();
                return taken;
            }
        }
        if let Some(backdoor) = devices.backdoor.as_mut().filter(|backdoor| backdoor.is_absolute()) {
            let part = |at, size| place(at, size, BACKDOOR_PLACES) as u16;
            let taken = backdoor.pointer_at(part(at.0, size.0), part(at.1, size.1), wheel, buttons.0);
            devices.i8042.nudge_mouse();
            return taken;
        }
        let by = |to: u32, from: u32| (i64::from(to) - i64::from(from)) as i32;
        let (dx, dy) = (by(at.0, from.0), by(at.1, from.1));
        devices.i8042.mouse_motion(dx, dy.saturating_neg(), wheel, buttons.0);
        true
    }
}

fn press(devices: &mut Devices, key: Key, down: bool) -> bool {
    if let Some(keyboard) = &devices.keyboard {
        let mut keyboard = keyboard.lock();
        if keyboard.is_running() {
            let taken = keyboard.device_mut().key(key, down);
            keyboard.poll_host();
            return taken;
        }
    }
    devices.i8042.key(key, down)
}

impl Machine {
    /// Hands over what came in, as far as there is room; the rest stays in the queue.
    pub(crate) fn pass_input(&mut self) {
        let mut board = lock(&self.board);
        while let Some(event) = self.control.next_event() {
            if !self.pointer.pass(event, &mut board.devices) {
                self.control.put_back(event);
                break;
            }
        }
        board.settle();
    }
}
