//! What an input device says it is (Virtio 1.2, 5.8.4, 5.8.5).

use glassbox_input::Key;

use super::{ABS_X, ABS_Y, BUTTONS, LARGEST_PLACE, REL_WHEEL};

/// Bytes of the configuration structure: select, subselect, size, reserved, data.
pub(super) const CONFIG_LEN: usize = 8 + DATA_LEN;
const DATA_LEN: usize = 128;

const ID_NAME: u8 = 1;
const ID_SERIAL: u8 = 2;
const ID_DEVIDS: u8 = 3;
const PROP_BITS: u8 = 0x10;
const EV_BITS: u8 = 0x11;
const ABS_INFO: u8 = 0x12;

pub(super) const EV_SYN: u16 = 0;
pub(super) const EV_KEY: u16 = 1;
pub(super) const EV_REL: u16 = 2;
pub(super) const EV_ABS: u16 = 3;
pub(super) const EV_LED: u16 = 0x11;
const EV_REP: u16 = 0x14;
/// Lamps: num, caps and scroll lock.
const LEDS: [u16; 3] = [0, 1, 2];
/// Linux' `BUS_VIRTUAL`, and the vendor of virtio devices.
const BUS_VIRTUAL: u16 = 6;
const VENDOR: u16 = 0x1af4;

/// Which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// All keys, three lamps; the guest repeats keys that are held.
    Keyboard,
    /// A pointer with a place, five buttons and a wheel.
    Tablet,
}

impl InputKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Keyboard => "virtio-keyboard",
            Self::Tablet => "virtio-tablet",
        }
    }

    /// PCI class code: keyboard or mouse.
    pub(super) fn class(self) -> u32 {
        match self {
            Self::Keyboard => 0x09_0000,
            Self::Tablet => 0x09_0200,
        }
    }

    /// The configuration structure while the driver has selected this.
    pub(super) fn config(self, select: u8, subselect: u8) -> [u8; CONFIG_LEN] {
        let data = self.data(select, subselect);
        let len = data.len().min(DATA_LEN);
        let mut config = [0; CONFIG_LEN];
        config[0] = select;
        config[1] = subselect;
        config[2] = len as u8;
        config[8..8 + len].copy_from_slice(&data[..len]);
        config
    }

    fn data(self, select: u8, subselect: u8) -> Vec<u8> {
        match (select, subselect) {
            (ID_NAME, 0) => match self {
                Self::Keyboard => b"Glassbox Virtio Keyboard".to_vec(),
                Self::Tablet => b"Glassbox Virtio Tablet".to_vec(),
            },
            (ID_SERIAL, 0) => Vec::new(),
            (ID_DEVIDS, 0) => {
                let product = match self {
                    Self::Keyboard => 1,
                    Self::Tablet => 3,
                };
                [BUS_VIRTUAL, VENDOR, product, 1].iter().flat_map(|id| id.to_le_bytes()).collect()
            }
            (PROP_BITS, 0) => Vec::new(),
            (EV_BITS, kind) => bitmap(self.codes(kind.into())),
            (ABS_INFO, axis) if self == Self::Tablet && u16::from(axis) <= ABS_Y => {
                // Minimum, maximum, fuzz, flat, resolution.
                [0, LARGEST_PLACE, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The codes of an event type that the device may send, or take.
    fn codes(self, kind: u16) -> Vec<u16> {
        match (self, kind) {
            (Self::Keyboard, EV_KEY) => Key::ALL.iter().map(|key| key.evdev()).collect(),
            (Self::Keyboard, EV_LED) => LEDS.into(),
            // Delay and period.
            (Self::Keyboard, EV_REP) => vec![0, 1],
            (Self::Tablet, EV_KEY) => BUTTONS.into(),
            (Self::Tablet, EV_REL) => vec![REL_WHEEL],
            (Self::Tablet, EV_ABS) => vec![ABS_X, ABS_Y],
            _ => Vec::new(),
        }
    }
}

/// As many bytes as the highest code needs, a bit for each.
fn bitmap(codes: Vec<u16>) -> Vec<u8> {
    let Some(highest) = codes.iter().max() else { return Vec::new() };
    let mut bits = vec![0; usize::from(highest / 8) + 1];
    for code in codes {
        bits[usize::from(code / 8)] |= 1 << (code % 8);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyboard_has_keys_lamps_and_repetition_and_a_tablet_places() {
        let keys = InputKind::Keyboard.config(EV_BITS, 1);
        assert_eq!(keys[2], 16, "up to KEY_COMPOSE");
        assert_ne!(keys[8 + 30 / 8] & 1 << (30 % 8), 0, "A is 30");
        assert_eq!(InputKind::Keyboard.config(EV_BITS, 0x11)[2..9], [1, 0, 0, 0, 0, 0, 7]);
        assert_eq!(InputKind::Keyboard.config(EV_BITS, 3)[2], 0);
        let x = InputKind::Tablet.config(ABS_INFO, 0);
        assert_eq!((x[2], &x[12..16]), (20, &LARGEST_PLACE.to_le_bytes()[..]));
        assert_eq!(InputKind::Tablet.config(ABS_INFO, 2)[2], 0);
        let buttons = InputKind::Tablet.config(EV_BITS, 1);
        assert_eq!((buttons[2], buttons[8 + 0x110 / 8]), (35, 0x1f));
        let name = InputKind::Tablet.config(ID_NAME, 0);
        assert_eq!(name[8..8 + usize::from(name[2])], *b"Glassbox Virtio Tablet");
        assert_eq!(InputKind::Tablet.config(0xff, 0xff)[2], 0);
    }
}
