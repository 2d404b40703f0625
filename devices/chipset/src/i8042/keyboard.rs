//! The keyboard: its commands, answers and scan code buffer.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, keyboard (101- and 102-key).

use std::collections::VecDeque;

use glassbox_device_api::{RestoreError, VmTime};
use glassbox_input::{Held, Key, ScanSet, encode};
use serde::{Deserialize, Serialize};

use super::key_types::{KeyType, KeyTypes};

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

/// A 104/105-key keyboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Keyboard {
    /// Answers to commands, ahead of keys.
    answers: VecDeque<u8>,
    keys: VecDeque<u8>,
    /// The command whose argument comes next.
    pending: Option<u8>,
    scanning: bool,
    scan_set: u8,
    /// What keys send in set 3.
    types: KeyTypes,
    leds: u8,
    typematic: u8,
    last_sent: u8,
    /// Keys that are down, in the order in which they were pressed.
    down: Vec<Key>,
    /// The key that repeats, and when it does so next.
    repeat: Option<(Key, VmTime)>,
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
            types: KeyTypes::default(),
            leds: 0,
            typematic: DEFAULT_TYPEMATIC,
            last_sent: 0,
            down: Vec::new(),
            repeat: None,
        }
    }

    /// After the reset command or the reset line. Fingers stay where they are.
    pub(super) fn reset(&mut self) {
        let down = std::mem::take(&mut self.down);
        *self = Self { down, ..Self::new() };
    }

    /// Scroll lock (bit 0), num lock (1) and caps lock (2) lamps.
    pub(super) fn leds(&self) -> u8 {
        self.leds
    }

    /// A key goes down or up. False, with nothing changed, while the buffer has
    /// no room for its codes.
    pub(super) fn key(&mut self, now: VmTime, key: Key, down: bool) -> bool {
        let known = self.down.contains(&key);
        if known == down {
            return true;
        }
        let codes = self.codes(key, down);
        if self.scanning && self.keys.len() + codes.len() > KEY_BUFFER {
            return false;
        }
        if down {
            self.down.push(key);
        } else {
            self.down.retain(|other| *other != key);
        }
        let repeats = self.scan_set != 3 || self.types.of(key).repeats();
        if down && repeats && key != Key::Pause {
            self.repeat = Some((key, now + self.delay()));
        } else if self.repeat.is_some_and(|(other, _)| down || other == key) {
            self.repeat = None;
        }
        if self.scanning {
            self.keys.extend(codes);
        }
        true
    }

    fn codes(&self, key: Key, down: bool) -> Vec<u8> {
        let held = |keys: [Key; 2]| keys.iter().any(|key| self.down.contains(key));
        let held = Held {
            control: held([Key::ControlLeft, Key::ControlRight]),
            alt: held([Key::AltLeft, Key::AltRight]),
        };
        let set = match self.scan_set {
            1 => ScanSet::One,
            2 => ScanSet::Two,
            _ if !down && !self.types.of(key).has_break() => return Vec::new(),
            _ => ScanSet::Three,
        };
        encode(set, key, down, held)
    }

    /// When the key that is held repeats.
    pub(super) fn deadline(&self) -> Option<VmTime> {
        self.repeat.filter(|_| self.scanning).map(|(_, at)| at)
    }

    /// Sends the key that is held again, if it is time. A guest that does not
    /// read gets no more repetitions than the buffer holds.
    pub(super) fn advance(&mut self, now: VmTime) {
        let Some((key, at)) = self.repeat.filter(|(_, at)| *at <= now) else { return };
        let codes = self.codes(key, true);
        if self.scanning && self.keys.len() + codes.len() <= KEY_BUFFER / 2 {
            self.keys.extend(codes);
        }
        // From now on, not from when it should have been: no bursts after a pause.
        self.repeat = Some((key, now.max(at) + self.period()));
    }

    /// Time until a key begins to repeat: 250 ms to 1 s.
    fn delay(&self) -> VmTime {
        VmTime(250_000_000 * (1 + u64::from(self.typematic >> 5 & 3)))
    }

    /// Time between repetitions: (8 + A) * 2^B * 4.17 ms.
    fn period(&self) -> VmTime {
        let rate = u64::from(self.typematic);
        VmTime((8 + (rate & 7)) * (1 << (rate >> 3 & 3)) * 4_170_000)
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
        self.types = KeyTypes::default();
        self.keys.clear();
        self.repeat = None;
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
            SET_LEDS | SET_SCAN_CODES | SET_TYPEMATIC | 0xfb..=0xfd => {
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
            0xf7..=0xfa => {
                self.types.set_all(KeyType::from_command(byte));
                self.keys.clear();
                self.answer(&[ACK]);
            }
            RESEND => {
                let last = self.last_sent;
                self.answers.push_front(last);
                self.answers.truncate(ANSWERS);
            }
            RESET => {
                self.reset();
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
            (SET_SCAN_CODES, 1..=3) => {
                self.scan_set = value;
                self.keys.clear();
                self.repeat = None;
            }
            (0xfb..=0xfd, code) => {
                self.types.set(code, KeyType::from_command(command - 4));
                // More keys may follow; the next command ends the list.
                self.pending = Some(command);
            }
            _ => return self.answer(&[RESEND]),
        }
        self.answer(&[ACK]);
    }

    /// Whether this could be the state of a keyboard.
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        let argument = |p| matches!(p, SET_LEDS | SET_SCAN_CODES | SET_TYPEMATIC | 0xfb..=0xfd);
        let field = if self.answers.len() > ANSWERS || self.keys.len() > KEY_BUFFER {
            "keyboard buffer"
        } else if self.pending.is_some_and(|p| !argument(p)) {
            "keyboard command"
        } else if !(1..=3).contains(&self.scan_set) {
            "scan code set"
        } else if self.down.len() > Key::ALL.len() {
            "keys that are down"
        } else {
            return Ok(());
        };
        Err(RestoreError::Invalid { device: "i8042", field })
    }
}
