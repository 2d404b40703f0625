//! The keyboard: its commands, answers and scan code buffer.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, keyboard (101- and 102-key).

use std::collections::VecDeque;

use glassbox_device_api::RestoreError;
use serde::{Deserialize, Serialize};

use super::translate::translate;

/// Bytes of scan codes that the keyboard buffers.
pub(super) const KEY_BUFFER: usize = 16;
const ANSWERS: usize = 16;

pub(super) const ACK: u8 = 0xfa;
pub(super) const RESEND: u8 = 0xfe;
pub(super) const SELF_TEST_PASSED: u8 = 0xaa;
const ECHO: u8 = 0xee;
/// Typematic rate and delay after reset: 10.9 per second after 500 ms.
const DEFAULT_TYPEMATIC: u8 = 0x2b;

const SET_LEDS: u8 = 0xed;
const SET_SCAN_CODES: u8 = 0xf0;
const IDENTIFY: u8 = 0xf2;
const SET_TYPEMATIC: u8 = 0xf3;
const ENABLE: u8 = 0xf4;
const DISABLE: u8 = 0xf5;
const SET_DEFAULTS: u8 = 0xf6;
const RESET: u8 = 0xff;

/// A 101-key keyboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Keyboard {
    /// Answers to commands, ahead of keys.
    answers: VecDeque<u8>,
    keys: VecDeque<u8>,
    /// The command whose argument comes next.
    pending: Option<u8>,
    scanning: bool,
    scan_set: u8,
    leds: u8,
    typematic: u8,
    last_sent: u8,
}

impl Keyboard {
    /// A keyboard after power-on and its self test: scanning in set 2.
    pub(super) fn new() -> Self {
        Self {
            answers: VecDeque::new(),
            keys: VecDeque::new(),
            pending: None,
            scanning: true,
            scan_set: 2,
            leds: 0,
            typematic: DEFAULT_TYPEMATIC,
            last_sent: 0,
        }
    }

    /// Scroll lock (bit 0), num lock (1) and caps lock (2) lamps.
    pub(super) fn leds(&self) -> u8 {
        self.leds
    }

    /// Keys were pressed or released: scan codes of set 2. All are taken or, when
    /// the buffer has no room for them, none.
    pub(super) fn type_codes(&mut self, codes: &[u8]) -> bool {
        if !self.scanning {
            return true; // Nobody looks at the keys.
        }
        if self.keys.len() + codes.len() > KEY_BUFFER {
            return false;
        }
        if self.scan_set == 1 {
            let mut released = false;
            self.keys.extend(codes.iter().filter_map(|code| translate(*code, &mut released)));
        } else {
            self.keys.extend(codes);
        }
        true
    }

    pub(super) fn has_data(&self) -> bool {
        !self.answers.is_empty() || (!self.keys.is_empty() && self.pending.is_none())
    }

    /// The next byte on the wire to the controller.
    pub(super) fn send(&mut self) -> Option<u8> {
        let byte = match self.answers.pop_front() {
            // Between a command and its argument no scan codes are sent.
            None if self.pending.is_none() => self.keys.pop_front()?,
            answer => answer?,
        };
        if byte != RESEND {
            self.last_sent = byte;
        }
        Some(byte)
    }

    fn answer(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.answers.len() < ANSWERS {
                self.answers.push_back(*byte);
            }
        }
    }

    fn set_defaults(&mut self) {
        self.typematic = DEFAULT_TYPEMATIC;
        self.scan_set = 2;
        self.keys.clear();
    }

    /// A byte from the controller.
    pub(super) fn receive(&mut self, byte: u8) {
        if let Some(command) = self.pending.take() {
            // A command in place of the argument ends the first one.
            if byte < SET_LEDS {
                return self.argument(command, byte);
            }
        }
        match byte {
            SET_LEDS | SET_SCAN_CODES | SET_TYPEMATIC => {
                self.pending = Some(byte);
                self.answer(&[ACK]);
            }
            ECHO => self.answer(&[ECHO]),
            IDENTIFY => self.answer(&[ACK, 0xab, 0x83]),
            ENABLE => {
                self.keys.clear();
                self.scanning = true;
                self.answer(&[ACK]);
            }
            DISABLE => {
                self.set_defaults();
                self.scanning = false;
                self.answer(&[ACK]);
            }
            SET_DEFAULTS => {
                self.set_defaults();
                self.answer(&[ACK]);
            }
            // Key types, which only scan code set 3 knows: accepted without effect.
            0xf7..=0xfa => self.answer(&[ACK]),
            RESEND => {
                let last = self.last_sent;
                self.answers.push_front(last);
                self.answers.truncate(ANSWERS);
            }
            RESET => {
                *self = Self::new();
                self.answer(&[ACK, SELF_TEST_PASSED]);
            }
            _ => self.answer(&[RESEND]),
        }
    }

    fn argument(&mut self, command: u8, value: u8) {
        match (command, value) {
            (SET_LEDS, 0..=7) => self.leds = value,
            (SET_TYPEMATIC, 0..=0x7f) => self.typematic = value,
            (SET_SCAN_CODES, 0) => return self.answer(&[ACK, self.scan_set]),
            (SET_SCAN_CODES, 1 | 2) => {
                self.scan_set = value;
                self.keys.clear();
            }
            // Set 3 is one that many keyboards lack.
            _ => return self.answer(&[RESEND]),
        }
        self.answer(&[ACK]);
    }

    /// Whether this could be the state of a keyboard.
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        let field = if self.answers.len() > ANSWERS || self.keys.len() > KEY_BUFFER {
            "keyboard buffer"
        } else if self.pending.is_some_and(|p| ![SET_LEDS, SET_SCAN_CODES, SET_TYPEMATIC].contains(&p)) {
            "keyboard command"
        } else if !(1..=2).contains(&self.scan_set) {
            "scan code set"
        } else {
            return Ok(());
        };
        Err(RestoreError::Invalid { device: "i8042", field })
    }
}
