//! 8042 keyboard controller with a keyboard and a mouse.
//!
//! | offset | conventional port | register |
//! | --- | --- | --- |
//! | 0 | 60h | data |
//! | 1 | 64h | read: status; write: command |
//!
//! Outputs are wires: IRQ 1 and IRQ 12, a pulse on `reset` when the guest asks
//! for a processor reset, and `a20`, high while address bit 20 is enabled (from
//! reset on, as the controller's port pins float high; see
//! [`SystemControlA`](crate::SystemControlA) for the other source).
//!
//! A device needs [`BYTE_TIME`] to send a byte, so a program may read port 60h
//! several times in its interrupt handler and finds the same byte, as on hardware.
//!
//! Sources: IBM PS/2 Hardware Interface Technical Reference, keyboard and
//! auxiliary device controller; Intel UPI-41/42 data sheet.

mod controller;
mod key_types;
mod keyboard;
mod mouse;
mod translate;

use controller::{
    COMMAND_AUX_IRQ, COMMAND_AUX_OFF, COMMAND_KEYBOARD_IRQ, COMMAND_KEYBOARD_OFF, COMMAND_SYSTEM,
    COMMAND_TRANSLATE, Controller, OUTPUT_A20, OUTPUT_NO_RESET, Output,
};
use glassbox_device_api::{
    AccessSize, Device, IrqLine, PortIo, PortWindow, ResetKind, RestoreError, SaveRestore, VmClock, VmTime,
};
use glassbox_input::Key;
use keyboard::Keyboard;
use mouse::Mouse;
use serde::{Deserialize, Serialize};

use crate::bytes::{read_bytes, write_bytes};
use translate::translate;

/// Time that a device takes to send one byte.
pub const BYTE_TIME: VmTime = VmTime(500_000);

/// The wires out of the controller.
#[derive(Debug, Default)]
pub struct I8042Lines {
    /// IRQ 1: a byte of the keyboard or the controller is in the output buffer.
    pub keyboard_irq: IrqLine,
    /// IRQ 12: a byte of the mouse is in the output buffer.
    pub mouse_irq: IrqLine,
    /// Pulsed to reset the processor.
    pub reset: IrqLine,
    /// High while address bit 20 is enabled.
    pub a20: IrqLine,
}

/// The controller, its keyboard and its mouse.
#[derive(Debug)]
pub struct I8042 {
    clock: VmClock,
    lines: I8042Lines,
    controller: Controller,
    keyboard: Keyboard,
    mouse: Mouse,
    /// An unimplemented command was logged already.
    warned: bool,
}

/// Saved state of [`I8042`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct I8042SavedV1 {
    controller: Controller,
    keyboard: Keyboard,
    mouse: Mouse,
}

impl I8042 {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 2] =
        [PortWindow { port: 0x60, len: 1, offset: 0 }, PortWindow { port: 0x64, len: 1, offset: 1 }];

    /// A controller after power-on: interrupts enabled, no translation.
    pub fn new(clock: VmClock, lines: I8042Lines) -> Self {
        let mut i8042 = Self {
            clock,
            lines,
            controller: Controller::new(),
            keyboard: Keyboard::new(),
            mouse: Mouse::new(),
            warned: false,
        };
        i8042.settle();
        i8042
    }

    /// A key goes down or up. One that is held repeats by itself.
    ///
    /// `false`, with nothing changed, while the keyboard's buffer has no room: try
    /// again when the guest has read some.
    pub fn key(&mut self, key: Key, down: bool) -> bool {
        let taken = self.keyboard.key(self.clock.now(), key, down);
        self.settle();
        taken
    }

    /// Moves the mouse (`x` to the right, `y` up, in counts), turns its wheel
    /// (towards the user) and sets its buttons: left (bit 0), right (1), middle
    /// (2), fourth (3), fifth (4).
    pub fn mouse_motion(&mut self, x: i32, y: i32, wheel: i32, buttons: u8) {
        self.mouse.motion(x, y, wheel, buttons);
        self.settle();
    }

    /// The mouse sends a packet, though it has not moved: who knows more about the
    /// pointer ([`Backdoor`](crate::Backdoor)) calls its driver.
    pub fn nudge_mouse(&mut self) {
        self.mouse.nudge();
        self.settle();
    }

    /// The keyboard's lamps: scroll lock (bit 0), num lock (1), caps lock (2).
    pub fn leds(&self) -> u8 {
        self.keyboard.leds()
    }

    /// Whether the controller enables address bit 20.
    pub fn a20(&self) -> bool {
        self.controller.port & OUTPUT_A20 != 0
    }

    /// Fills the output buffer if it can be, and drives the lines.
    fn settle(&mut self) {
        if self.controller.output.is_none() {
            self.controller.output = self.next_output();
        }
        let Controller { output, .. } = &self.controller;
        let keyboard = matches!(output, Some((_, false))) && self.controller.has(COMMAND_KEYBOARD_IRQ);
        let mouse = matches!(output, Some((_, true))) && self.controller.has(COMMAND_AUX_IRQ);
        self.lines.keyboard_irq.set(keyboard);
        self.lines.mouse_irq.set(mouse);
        self.lines.a20.set(self.a20());
    }

    fn next_output(&mut self) -> Option<Output> {
        let controller = &mut self.controller;
        if let Some(reply) = controller.replies.pop_front() {
            return Some(reply);
        }
        if self.clock.now() < controller.ready_at {
            return None;
        }
        while !controller.has(COMMAND_KEYBOARD_OFF) {
            let Some(byte) = self.keyboard.send() else { break };
            if !controller.has(COMMAND_TRANSLATE) {
                return Some((byte, false));
            }
            if let Some(code) = translate(byte, &mut controller.released) {
                return Some((code, false));
            }
        }
        if controller.has(COMMAND_AUX_OFF) {
            return None;
        }
        Some((self.mouse.send()?, true))
    }

    /// A device begins to send its next byte.
    fn delay_devices(&mut self) {
        self.controller.ready_at = self.clock.now() + BYTE_TIME;
    }

    fn read(&mut self, offset: u16) -> u8 {
        self.settle();
        match offset {
            0 => {
                if let Some(output) = self.controller.output.take() {
                    self.controller.last = output;
                    self.delay_devices();
                    // The request falls before the next byte may raise it again.
                    self.lines.keyboard_irq.lower();
                    self.lines.mouse_irq.lower();
                    self.settle();
                }
                self.controller.last.0
            }
            1 => self.controller.status(),
            _ => 0xff,
        }
    }

    fn write(&mut self, offset: u16, value: u8) {
        self.settle();
        match offset {
            0 => {
                self.controller.command_last = false;
                self.write_data(value);
            }
            1 => {
                self.controller.command_last = true;
                self.controller.pending = None;
                self.command(value);
            }
            _ => {}
        }
        self.settle();
    }

    fn write_data(&mut self, value: u8) {
        match self.controller.pending.take() {
            Some(command @ 0x60..=0x7f) => self.controller.ram[usize::from(command & 0x1f)] = value,
            Some(0xd1) => self.write_output_port(value),
            Some(0xd2) => self.controller.reply(value, false),
            Some(0xd3) => self.controller.reply(value, true),
            Some(0xd4) => {
                self.controller.ram[0] &= !COMMAND_AUX_OFF;
                self.mouse.receive(value);
                self.delay_devices();
            }
            _ => {
                // Sending to the keyboard enables its interface.
                self.controller.ram[0] &= !COMMAND_KEYBOARD_OFF;
                self.keyboard.receive(value);
                self.delay_devices();
            }
        }
    }

    fn write_output_port(&mut self, value: u8) {
        self.controller.port = value | OUTPUT_NO_RESET;
        if value & OUTPUT_NO_RESET == 0 {
            self.lines.reset.pulse();
        }
    }

    fn command(&mut self, command: u8) {
        let controller = &mut self.controller;
        match command {
            0x20..=0x3f => controller.reply(controller.ram[usize::from(command & 0x1f)], false),
            0x60..=0x7f | 0xd1..=0xd4 => controller.pending = Some(command),
            0xa4 => controller.reply(0xf1, false), // No password is installed.
            0xa7 => controller.ram[0] |= COMMAND_AUX_OFF,
            0xa8 => controller.ram[0] &= !COMMAND_AUX_OFF,
            0xa9 | 0xab => controller.reply(0x00, false), // The interface's lines are good.
            0xaa => {
                controller.ram[0] |= COMMAND_SYSTEM;
                controller.reply(0x55, false);
            }
            0xad => controller.ram[0] |= COMMAND_KEYBOARD_OFF,
            0xae => controller.ram[0] &= !COMMAND_KEYBOARD_OFF,
            0xc0 => controller.reply(0x80, false), // Not locked by the key.
            0xd0 => controller.reply(controller.output_port(), false),
            0xdd => controller.port &= !OUTPUT_A20,
            0xdf => controller.port |= OUTPUT_A20,
            0xe0 => {
                // The test inputs are the clock lines, held low while disabled.
                let clocks = u8::from(!controller.has(COMMAND_KEYBOARD_OFF))
                    | u8::from(!controller.has(COMMAND_AUX_OFF)) << 1;
                controller.reply(clocks, false);
            }
            // Pulses the output port's low bits that are 0 here; bit 0 is the reset.
            0xf0..=0xff if command & OUTPUT_NO_RESET == 0 => self.lines.reset.pulse(),
            0xf0..=0xff => {}
            _ => {
                if !std::mem::replace(&mut self.warned, true) {
                    log::warn!("i8042: controller command {command:#04x} is not implemented");
                }
            }
        }
    }
}

impl Device for I8042 {
    fn name(&self) -> &'static str {
        "i8042"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.controller = Controller::new();
        self.keyboard.reset();
        self.mouse = Mouse::new();
        self.lines.reset.lower();
        self.settle();
    }

    fn next_deadline(&self) -> Option<VmTime> {
        let controller = &self.controller;
        let waits = !controller.has(COMMAND_KEYBOARD_OFF) && self.keyboard.has_data()
            || !controller.has(COMMAND_AUX_OFF) && self.mouse.has_data();
        let byte = (controller.output.is_none() && waits).then_some(controller.ready_at);
        [byte, self.keyboard.deadline()].into_iter().flatten().min()
    }

    fn advance(&mut self, now: VmTime) {
        self.keyboard.advance(now);
        self.settle();
    }
}

impl PortIo for I8042 {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        read_bytes(offset, size, |offset| self.read(offset))
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        write_bytes(offset, size, value, |offset, byte| self.write(offset, byte));
    }
}

impl SaveRestore for I8042 {
    type Saved = I8042SavedV1;

    fn save(&self) -> I8042SavedV1 {
        let Self { clock: _, lines: _, controller, keyboard, mouse, warned: _ } = self;
        I8042SavedV1 { controller: controller.clone(), keyboard: keyboard.clone(), mouse: mouse.clone() }
    }

    fn restore(&mut self, saved: I8042SavedV1) -> Result<(), RestoreError> {
        let I8042SavedV1 { controller, keyboard, mouse } = saved;
        controller.check()?;
        keyboard.check()?;
        mouse.check()?;
        if controller.ready_at > self.clock.now() + BYTE_TIME {
            return Err(RestoreError::Invalid { device: "i8042", field: "ready_at" });
        }
        self.controller = controller;
        self.keyboard = keyboard;
        self.mouse = mouse;
        self.settle();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
