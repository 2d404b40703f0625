//! The mouse at the auxiliary port: PS/2, with the wheel and five-button
//! extensions that a driver unlocks by a sequence of sample rates.
//!
//! Sources: IBM PS/2 Hardware Interface Technical Reference, mouse; Microsoft
//! IntelliMouse extensions.

use std::collections::VecDeque;

use glassbox_device_api::RestoreError;
use serde::{Deserialize, Serialize};

use super::keyboard::{ACK, RESEND, SELF_TEST_PASSED};

const ANSWERS: usize = 16;
/// Movement is kept up to this far between two packets.
const FARTHEST: i32 = 0x7fff;

const SET_RESOLUTION: u8 = 0xe8;
const SET_SAMPLE_RATE: u8 = 0xf3;
const RESET_WRAP: u8 = 0xec;
const RESET: u8 = 0xff;

const ID_WHEEL: u8 = 3;
const ID_FIVE_BUTTONS: u8 = 4;

/// A movement since the last packet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Movement {
    x: i32,
    y: i32,
    wheel: i32,
    buttons_changed: bool,
}

/// A mouse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Mouse {
    answers: VecDeque<u8>,
    /// The last packet or answer, for the resend command.
    last: Vec<u8>,
    pending: Option<u8>,
    wrap: bool,
    remote: bool,
    reporting: bool,
    double_scale: bool,
    resolution: u8,
    sample_rate: u8,
    /// The last sample rates set, oldest first.
    rates: [u8; 3],
    id: u8,
    /// Left (bit 0), right (1), middle (2), fourth (3) and fifth (4) button.
    buttons: u8,
    moved: Movement,
}

impl Mouse {
    /// A mouse after power-on: silent until it is enabled.
    pub(super) fn new() -> Self {
        Self {
            answers: VecDeque::new(),
            last: Vec::new(),
            pending: None,
            wrap: false,
            remote: false,
            reporting: false,
            double_scale: false,
            resolution: 2,
            sample_rate: 100,
            rates: [0; 3],
            id: 0,
            buttons: 0,
            moved: Movement::default(),
        }
    }

    /// The mouse was moved (`x` to the right, `y` up, in counts), its wheel turned
    /// (towards the user) or its buttons are now `buttons`.
    pub(super) fn motion(&mut self, x: i32, y: i32, wheel: i32, buttons: u8) {
        let add = |to: &mut i32, by: i32| *to = to.saturating_add(by).clamp(-FARTHEST, FARTHEST);
        add(&mut self.moved.x, x);
        add(&mut self.moved.y, y);
        add(&mut self.moved.wheel, wheel);
        let buttons = buttons & 0x1f;
        self.moved.buttons_changed |= buttons != self.buttons;
        self.buttons = buttons;
    }

    /// A packet is due even without movement.
    pub(super) fn nudge(&mut self) {
        self.moved.buttons_changed = true;
    }

    fn streams(&self) -> bool {
        self.reporting && !self.remote && !self.wrap && self.pending.is_none()
    }

    fn has_moved(&self) -> bool {
        let Movement { x, y, wheel, buttons_changed } = self.moved;
        x != 0 || y != 0 || buttons_changed || wheel != 0 && self.id >= ID_WHEEL
    }

    pub(super) fn has_data(&self) -> bool {
        !self.answers.is_empty() || self.streams() && self.has_moved()
    }

    /// The next byte on the wire to the controller.
    pub(super) fn send(&mut self) -> Option<u8> {
        if self.answers.is_empty() && self.streams() && self.has_moved() {
            let packet = self.packet(self.double_scale);
            self.answer(&packet);
        }
        self.answers.pop_front()
    }

    /// Takes as much movement as a packet can hold.
    fn packet(&mut self, double_scale: bool) -> Vec<u8> {
        let axis = |moved: &mut i32| {
            let part = (*moved).clamp(-255, 255);
            *moved -= part;
            if double_scale { scale(part).clamp(-255, 255) } else { part }
        };
        let (x, y) = (axis(&mut self.moved.x), axis(&mut self.moved.y));
        let signs = u8::from(x < 0) << 4 | u8::from(y < 0) << 5;
        let mut packet = vec![0x08 | signs | self.buttons & 7, x as u8, y as u8];
        let mut wheel = |limit: i32| {
            let part = self.moved.wheel.clamp(-limit - 1, limit);
            self.moved.wheel -= part;
            part as u8
        };
        match self.id {
            ID_FIVE_BUTTONS => packet.push(wheel(7) & 0x0f | (self.buttons & 0x18) << 1),
            ID_WHEEL => packet.push(wheel(127)),
            _ => self.moved.wheel = 0,
        }
        self.moved.buttons_changed = false;
        packet
    }

    /// Queues an answer or packet.
    fn answer(&mut self, bytes: &[u8]) {
        self.last = bytes.iter().copied().filter(|byte| *byte != ACK).collect();
        for byte in bytes {
            if self.answers.len() < ANSWERS {
                self.answers.push_back(*byte);
            }
        }
    }

    fn set_defaults(&mut self) {
        *self = Self {
            id: self.id,
            rates: self.rates,
            buttons: self.buttons,
            answers: std::mem::take(&mut self.answers),
            ..Self::new()
        };
    }

    /// A byte from the controller.
    pub(super) fn receive(&mut self, byte: u8) {
        if self.wrap && !matches!(byte, RESET_WRAP | RESET) {
            return self.answer(&[byte]);
        }
        // A command stops the packet that was being sent.
        self.answers.clear();
        if let Some(command) = self.pending.take()
            && byte < 0xe6
        {
            return self.argument(command, byte);
        }
        match byte {
            0xe6 | 0xe7 => {
                self.double_scale = byte == 0xe7;
                self.answer(&[ACK]);
            }
            SET_RESOLUTION | SET_SAMPLE_RATE => {
                self.pending = Some(byte);
                self.answer(&[ACK]);
            }
            0xe9 => {
                let swapped = (self.buttons & 1) << 2 | (self.buttons & 4) >> 1 | (self.buttons & 2) >> 1;
                let status = u8::from(self.remote) << 6
                    | u8::from(self.reporting) << 5
                    | u8::from(self.double_scale) << 4
                    | swapped;
                self.answer(&[ACK, status, self.resolution, self.sample_rate]);
            }
            0xea | 0xf0 => {
                self.remote = byte == 0xf0;
                self.moved = Movement::default();
                self.answer(&[ACK]);
            }
            0xeb => {
                // Scaling is for stream mode only.
                let packet = self.packet(false);
                self.answer(&[&[ACK][..], &packet].concat());
            }
            RESET_WRAP | 0xee => {
                self.wrap = byte == 0xee;
                self.answer(&[ACK]);
            }
            0xf2 => self.answer(&[ACK, self.id]),
            0xf4 | 0xf5 => {
                self.reporting = byte == 0xf4;
                self.moved = Movement::default();
                self.answer(&[ACK]);
            }
            0xf6 => {
                self.set_defaults();
                self.answer(&[ACK]);
            }
            RESEND => {
                let last = self.last.clone();
                self.answer(&last);
            }
            RESET => {
                let buttons = self.buttons;
                *self = Self { buttons, ..Self::new() };
                self.answer(&[ACK, SELF_TEST_PASSED, 0]);
            }
            _ => self.answer(&[RESEND]),
        }
    }

    fn argument(&mut self, command: u8, value: u8) {
        match (command, value) {
            (SET_RESOLUTION, 0..=3) => self.resolution = value,
            (SET_SAMPLE_RATE, 10 | 20 | 40 | 60 | 80 | 100 | 200) => {
                self.sample_rate = value;
                self.rates = [self.rates[1], self.rates[2], value];
                match (self.rates, self.id) {
                    ([200, 100, 80], 0) => self.id = ID_WHEEL,
                    ([200, 200, 80], ID_WHEEL) => self.id = ID_FIVE_BUTTONS,
                    _ => {}
                }
            }
            _ => return self.answer(&[RESEND]),
        }
        self.answer(&[ACK]);
    }

    /// Whether this could be the state of a mouse.
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        let Movement { x, y, wheel, buttons_changed: _ } = self.moved;
        let field = if self.answers.len() > ANSWERS || self.last.len() > ANSWERS {
            "mouse buffer"
        } else if self.pending.is_some_and(|p| ![SET_RESOLUTION, SET_SAMPLE_RATE].contains(&p)) {
            "mouse command"
        } else if ![0, ID_WHEEL, ID_FIVE_BUTTONS].contains(&self.id) {
            "mouse id"
        } else if [x, y, wheel].into_iter().any(|moved| !(-FARTHEST..=FARTHEST).contains(&moved)) {
            "mouse movement"
        } else {
            return Ok(());
        };
        Err(RestoreError::Invalid { device: "i8042", field })
    }
}

/// Scaling 2:1 of the movement in one packet.
fn scale(counts: i32) -> i32 {
    let scaled = match counts.abs() {
        0 => 0,
        1 | 2 => 1,
        3 => 3,
        4 => 6,
        5 => 9,
        more => 2 * more,
    };
    scaled * counts.signum()
}
