//! VMware's backdoor: calls through `IN EAX, DX` from port 5658h with 564D5868h in
//! EAX, a command in CX and arguments in other registers. Here it is what the
//! absolute pointer (`vmmouse`) of guests needs; other commands fail.
//!
//! The pointer's packets wait here. That there are any, the driver learns from the
//! PS/2 mouse, whose packet it takes as a call to look.
//!
//! Sources: open-vm-tools, `backdoor_def.h` and `vmmouse` protocol headers
//! (`vmmouse_defs.h` of the X.Org driver).

use std::collections::VecDeque;

use glassbox_device_api::{Device, ResetKind, RestoreError, SaveRestore};
use glassbox_x86_spec::backdoor::MAGIC;
use serde::{Deserialize, Serialize};

use crate::lapic::APIC_TIMER_HZ;

const GET_VERSION: u16 = 10;
const GET_HZ: u16 = 45;
const MOUSE_DATA: u16 = 39;
const MOUSE_STATUS: u16 = 40;
const MOUSE_COMMAND: u16 = 41;
/// The version of the interface, and of a product that guests take for a workstation.
const INTERFACE_VERSION: u32 = 6;
const PRODUCT: u32 = 2;

const ENABLE: u32 = 0x4541_4552;
const DISABLE: u32 = 0xf5;
const REQUEST_RELATIVE: u32 = 0x4c45_5252;
const REQUEST_ABSOLUTE: u32 = 0x5342_4152;
/// What an enabled pointer answers first.
const MOUSE_VERSION: u32 = 0x3442_554a;
/// In the upper half of the status: the driver has to begin anew.
const ERROR: u32 = 0xffff_0000;

const WORDS_OF_A_PACKET: usize = 4;
const MOST_WORDS: usize = 256 * WORDS_OF_A_PACKET;
/// Data words that one call can return.
const MOST_DATA: u32 = 6;
/// Buttons as packets have them.
const LEFT: u32 = 0x20;
const RIGHT: u32 = 0x10;
const MIDDLE: u32 = 0x08;

/// Places of registers in a call.
const EAX: usize = 0;
const EBX: usize = 1;
const ECX: usize = 2;

/// The backdoor with its pointer.
#[derive(Clone, Debug)]
pub struct Backdoor {
    tsc_hz: u64,
    state: BackdoorSavedV1,
}

/// Saved state of [`Backdoor`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackdoorSavedV1 {
    enabled: bool,
    absolute: bool,
    failed: bool,
    words: VecDeque<u32>,
}

impl Backdoor {
    /// A backdoor after reset, the pointer off; guests ask it for the frequency of
    /// their time-stamp counter in Hz.
    pub fn new(tsc_hz: u64) -> Self {
        Self { tsc_hz, state: BackdoorSavedV1::default() }
    }

    /// Carries a call out: EAX, EBX, ECX, EDX, ESI and EDI become those of the answer.
    pub fn call(&mut self, registers: &mut [u32; 6]) {
        let command = registers[ECX] as u16;
        match command {
            GET_VERSION => {
                registers[EAX] = INTERFACE_VERSION;
                registers[EBX] = MAGIC;
                registers[ECX] = PRODUCT;
            }
            GET_HZ => {
                registers[EAX] = self.tsc_hz as u32;
                registers[EBX] = (self.tsc_hz >> 32) as u32;
                registers[ECX] = APIC_TIMER_HZ as u32;
            }
            MOUSE_STATUS => {
                let failed = if self.state.failed { ERROR } else { 0 };
                registers[EAX] = failed | self.state.words.len() as u32;
            }
            MOUSE_DATA => self.read(registers),
            MOUSE_COMMAND => self.command(registers[EBX]),
            _ => {
                log::debug!("backdoor: command {command} is not implemented");
                registers[EAX] = u32::MAX;
            }
        }
    }

    fn command(&mut self, command: u32) {
        match command {
            ENABLE => {
                self.state = BackdoorSavedV1 { enabled: true, ..BackdoorSavedV1::default() };
                self.state.words.push_back(MOUSE_VERSION);
            }
            DISABLE => self.state = BackdoorSavedV1 { failed: true, ..BackdoorSavedV1::default() },
            REQUEST_ABSOLUTE => self.state.absolute = self.state.enabled,
            REQUEST_RELATIVE => self.state.absolute = false,
            _ => log::debug!("backdoor: pointer command {command:#x} is not implemented"),
        }
    }

    fn read(&mut self, registers: &mut [u32; 6]) {
        let count = registers[EBX];
        if !(1..=MOST_DATA).contains(&count) || count as usize > self.state.words.len() {
            // The driver and its packets are out of step.
            self.command(DISABLE);
            return;
        }
        for register in registers.iter_mut().take(count as usize) {
            *register = self.state.words.pop_front().unwrap_or_default();
        }
    }

    /// Whether a driver wants places rather than ways.
    pub fn is_absolute(&self) -> bool {
        self.state.absolute
    }

    /// The pointer is at (`x`, `y`), each of 65536 parts of the screen; the wheel was
    /// turned towards the user, and left (bit 0), right (1) and middle (2) button are
    /// pressed. False, with nothing done, where no driver wants to know or takes
    /// its packets.
    pub fn pointer_at(&mut self, x: u16, y: u16, wheel: i32, buttons: u8) -> bool {
        let words = &mut self.state.words;
        if !self.state.absolute || words.len() + WORDS_OF_A_PACKET > MOST_WORDS {
            return false;
        }
        let bits = [(1, LEFT), (2, RIGHT), (4, MIDDLE)];
        let pressed = bits.iter().filter(|(bit, _)| buttons & bit != 0).fold(0, |all, (_, bit)| all | bit);
        words.extend([pressed, x.into(), y.into(), wheel as u32]);
        true
    }
}

impl Device for Backdoor {
    fn name(&self) -> &'static str {
        "backdoor"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.state = BackdoorSavedV1::default();
    }
}

impl SaveRestore for Backdoor {
    type Saved = BackdoorSavedV1;

    fn save(&self) -> BackdoorSavedV1 {
        self.state.clone()
    }

    fn restore(&mut self, saved: BackdoorSavedV1) -> Result<(), RestoreError> {
        if saved.words.len() > MOST_WORDS {
            return Err(RestoreError::Invalid { device: "backdoor", field: "words" });
        }
        self.state = saved;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(backdoor: &mut Backdoor, command: u16, ebx: u32) -> [u32; 6] {
        let mut registers = [MAGIC, ebx, command.into(), 0, 0, 0];
        backdoor.call(&mut registers);
        registers
    }

    #[test]
    fn a_driver_finds_the_pointer_and_gets_places() {
        let mut backdoor = Backdoor::new(2_500_000_000);
        assert_eq!(call(&mut backdoor, GET_VERSION, 0)[EBX], MAGIC);
        assert_eq!(call(&mut backdoor, GET_HZ, 0)[..2], [2_500_000_000, 0]);
        assert!(!backdoor.pointer_at(1, 2, 0, 0));
        call(&mut backdoor, MOUSE_COMMAND, ENABLE);
        assert_eq!(call(&mut backdoor, MOUSE_STATUS, 0)[EAX], 1);
        assert_eq!(call(&mut backdoor, MOUSE_DATA, 1)[EAX], MOUSE_VERSION);
        call(&mut backdoor, MOUSE_COMMAND, REQUEST_ABSOLUTE);
        assert!(backdoor.is_absolute() && backdoor.pointer_at(0x1234, 0xffff, -1, 0b101));
        assert_eq!(call(&mut backdoor, MOUSE_STATUS, 0)[EAX], 4);
        let packet = call(&mut backdoor, MOUSE_DATA, 4);
        assert_eq!(packet[..4], [LEFT | MIDDLE, 0x1234, 0xffff, u32::MAX]);
    }

    #[test]
    fn a_driver_that_is_out_of_step_has_to_begin_anew() {
        let mut backdoor = Backdoor::new(2_500_000_000);
        call(&mut backdoor, MOUSE_COMMAND, ENABLE);
        call(&mut backdoor, MOUSE_COMMAND, REQUEST_ABSOLUTE);
        call(&mut backdoor, MOUSE_DATA, 4);
        assert_eq!(call(&mut backdoor, MOUSE_STATUS, 0)[EAX], ERROR);
        assert!(!backdoor.is_absolute());
        assert_eq!(call(&mut backdoor, 0x7777, 0)[EAX], u32::MAX);
    }

    #[test]
    fn packets_that_nobody_takes_do_not_pile_up() {
        let mut backdoor = Backdoor::new(2_500_000_000);
        call(&mut backdoor, MOUSE_COMMAND, ENABLE);
        call(&mut backdoor, MOUSE_COMMAND, REQUEST_ABSOLUTE);
        let taken = (0..1000).filter(|_| backdoor.pointer_at(0, 0, 0, 0)).count();
        assert_eq!(taken, 255, "beside the version");
        let saved = backdoor.save();
        let mut other = Backdoor::new(2_500_000_000);
        other.restore(saved.clone()).unwrap();
        assert_eq!(other.save(), saved);
    }
}
