//! Input devices (Virtio 1.2, 5.8): a keyboard, and a tablet, which points to a
//! place of the screen. Events are those of Linux' input layer.

mod identity;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use glassbox_device_api::{RestoreError, SaveRestore};
use glassbox_input::{Buttons, Key, place};
use glassbox_memory::Gpa;
use serde::{Deserialize, Serialize};

use self::identity::{CONFIG_LEN, EV_ABS, EV_KEY, EV_LED, EV_REL, EV_SYN};
use crate::{DeviceKind, Rings, VirtioDevice};

pub use self::identity::InputKind;

/// Entries of the event queue and of the status queue.
const QUEUE_SIZE: u16 = 64;
const EVENTS: u16 = 0;
const STATUS: u16 = 1;
const EVENT_LEN: usize = 8;
/// Events that wait for buffers of the driver.
const MOST_EVENTS: usize = 512;

const ABS_X: u16 = 0;
const ABS_Y: u16 = 1;
const REL_WHEEL: u16 = 8;
/// Buttons in the order of [`Buttons`]: left, right, middle, side, extra.
const BUTTONS: [u16; 5] = [0x110, 0x111, 0x112, 0x113, 0x114];
/// The largest place of a tablet in both directions.
pub(crate) const LARGEST_PLACE: u32 = 0x7fff;

/// One event of Linux' input layer (Virtio 1.2, 5.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Event {
    kind: u16,
    code: u16,
    value: u32,
}

/// Saved state of [`VirtioInput`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VirtioInputSavedV1 {
    select: u8,
    subselect: u8,
    events: VecDeque<(u16, u16, u32)>,
    leds: u32,
    buttons: u8,
}

/// A keyboard or a tablet.
#[derive(Clone, Debug)]
pub struct VirtioInput {
    kind: InputKind,
    select: u8,
    subselect: u8,
    /// What the driver has no buffer for yet: whole reports.
    events: VecDeque<Event>,
    leds: u32,
    buttons: Buttons,
}

impl VirtioInput {
    /// A device with nothing pressed.
    pub fn new(kind: InputKind) -> Self {
        Self { kind, select: 0, subselect: 0, events: VecDeque::new(), leds: 0, buttons: Buttons(0) }
    }

    /// A key goes down or up. False, with nothing changed, while there is no room.
    pub fn key(&mut self, key: Key, down: bool) -> bool {
        self.report(&[Event { kind: EV_KEY, code: key.evdev(), value: down.into() }])
    }

    /// The pointer is at pixel (`x`, `y`) of a screen of `size`, the wheel was turned
    /// towards the user, and these buttons are pressed. False, with nothing changed,
    /// while there is no room.
    pub fn pointer_at(&mut self, (x, y): (u32, u32), size: (u32, u32), wheel: i32, buttons: Buttons) -> bool {
        let place = |at, size| place(at, size, LARGEST_PLACE);
        let mut report = vec![
            Event { kind: EV_ABS, code: ABS_X, value: place(x, size.0) },
            Event { kind: EV_ABS, code: ABS_Y, value: place(y, size.1) },
        ];
        let changed = self.buttons.0 ^ buttons.0;
        for (bit, code) in BUTTONS.into_iter().enumerate().filter(|(bit, _)| changed & 1 << bit != 0) {
            report.push(Event { kind: EV_KEY, code, value: (buttons.0 >> bit & 1).into() });
        }
        if wheel != 0 {
            // The input layer counts away from the user.
            report.push(Event { kind: EV_REL, code: REL_WHEEL, value: wheel.wrapping_neg() as u32 });
        }
        let taken = self.report(&report);
        if taken {
            self.buttons = buttons;
        }
        taken
    }

    /// The lamps as the guest has set them: num lock (bit 0), caps lock (1), scroll lock (2).
    pub fn leds(&self) -> u32 {
        self.leds
    }

    fn report(&mut self, events: &[Event]) -> bool {
        if self.events.len() + events.len() >= MOST_EVENTS {
            return false;
        }
        self.events.extend(events);
        self.events.push_back(Event { kind: EV_SYN, code: 0, value: 0 });
        true
    }

    fn deliver(&mut self, rings: &mut Rings<'_>) {
        while let Some(event) = self.events.front() {
            let Some(chain) = rings.pop(EVENTS) else { return };
            let mut bytes = [0; EVENT_LEN];
            bytes[..2].copy_from_slice(&event.kind.to_le_bytes());
            bytes[2..4].copy_from_slice(&event.code.to_le_bytes());
            bytes[4..].copy_from_slice(&event.value.to_le_bytes());
            let mut written = 0;
            for segment in &chain.writable {
                let part = EVENT_LEN.min(written + segment.len as usize);
                if rings.memory().write_bytes(Gpa(segment.at), &bytes[written..part]).is_err() {
                    break;
                }
                written = part;
            }
            rings.push(EVENTS, chain.head, written as u32);
            self.events.pop_front();
        }
    }

    /// The driver sets lamps; other events have no meaning here.
    fn take_status(&mut self, rings: &mut Rings<'_>) {
        while let Some(chain) = rings.pop(STATUS) {
            let mut bytes = [0; EVENT_LEN];
            let mut read = 0;
            for segment in &chain.readable {
                let part = EVENT_LEN.min(read + segment.len as usize);
                if rings.memory().read_bytes(Gpa(segment.at), &mut bytes[read..part]).is_err() {
                    break;
                }
                read = part;
            }
            let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
            if read == EVENT_LEN && word(0) == EV_LED && word(2) < 32 {
                let bit = 1 << word(2);
                self.leds = if word(4) != 0 { self.leds | bit } else { self.leds & !bit };
            }
            rings.push(STATUS, chain.head, 0);
        }
    }
}

impl VirtioDevice for VirtioInput {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn kind(&self) -> DeviceKind {
        DeviceKind { id: 18, class: self.kind.class(), transitional: None }
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE, QUEUE_SIZE]
    }

    fn config_read(&self, _features: u64, offset: u64, to: &mut [u8]) {
        let config = self.kind.config(self.select, self.subselect);
        for (at, byte) in (offset..).zip(to) {
            *byte = usize::try_from(at).ok().and_then(|at| config.get(at)).copied().unwrap_or(0);
        }
    }

    fn config_write(&mut self, _features: u64, offset: u64, from: &[u8]) {
        for (at, byte) in (offset..CONFIG_LEN as u64).zip(from) {
            match at {
                0 => self.select = *byte,
                1 => self.subselect = *byte,
                _ => {}
            }
        }
    }

    fn reset(&mut self) {
        *self = Self::new(self.kind);
    }

    fn notify(&mut self, queue: u16, rings: &mut Rings<'_>) {
        match queue {
            EVENTS => self.deliver(rings),
            STATUS => self.take_status(rings),
            _ => {}
        }
    }

    fn poll_host(&mut self, rings: &mut Rings<'_>) {
        self.deliver(rings);
    }
}

impl SaveRestore for VirtioInput {
    type Saved = VirtioInputSavedV1;

    fn save(&self) -> VirtioInputSavedV1 {
        let Self { kind: _, select, subselect, events, leds, buttons } = self;
        VirtioInputSavedV1 {
            select: *select,
            subselect: *subselect,
            events: events.iter().map(|event| (event.kind, event.code, event.value)).collect(),
            leds: *leds,
            buttons: buttons.0,
        }
    }

    fn restore(&mut self, saved: VirtioInputSavedV1) -> Result<(), RestoreError> {
        let VirtioInputSavedV1 { select, subselect, events, leds, buttons } = saved;
        if events.len() > MOST_EVENTS {
            return Err(RestoreError::Invalid { device: "virtio-input", field: "events" });
        }
        let events = events.into_iter().map(|(kind, code, value)| Event { kind, code, value }).collect();
        *self = Self { kind: self.kind, select, subselect, events, leds, buttons: Buttons(buttons) };
        Ok(())
    }
}
