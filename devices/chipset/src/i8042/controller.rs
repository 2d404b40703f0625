//! The controller's registers and buffers.

use std::collections::VecDeque;

use glassbox_device_api::{RestoreError, VmTime};
use serde::{Deserialize, Serialize};

/// Answers of the controller itself that wait for the output buffer.
const REPLIES: usize = 16;

const STATUS_OUTPUT_FULL: u8 = 1 << 0;
const STATUS_SYSTEM: u8 = 1 << 2;
const STATUS_COMMAND: u8 = 1 << 3;
const STATUS_NOT_LOCKED: u8 = 1 << 4;
const STATUS_AUX: u8 = 1 << 5;

pub(super) const COMMAND_KEYBOARD_IRQ: u8 = 1 << 0;
pub(super) const COMMAND_AUX_IRQ: u8 = 1 << 1;
pub(super) const COMMAND_SYSTEM: u8 = 1 << 2;
pub(super) const COMMAND_KEYBOARD_OFF: u8 = 1 << 4;
pub(super) const COMMAND_AUX_OFF: u8 = 1 << 5;
pub(super) const COMMAND_TRANSLATE: u8 = 1 << 6;

pub(super) const OUTPUT_NO_RESET: u8 = 1 << 0;
pub(super) const OUTPUT_A20: u8 = 1 << 1;
pub(super) const OUTPUT_KEYBOARD_FULL: u8 = 1 << 4;
pub(super) const OUTPUT_AUX_FULL: u8 = 1 << 5;

/// A byte in the output buffer, and whether it is the auxiliary device's.
pub(super) type Output = (u8, bool);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Controller {
    /// The controller's memory; byte 0 is the command byte.
    pub(super) ram: [u8; 32],
    /// The output port, as written.
    pub(super) port: u8,
    /// The last write was to the command port.
    pub(super) command_last: bool,
    /// The command whose data byte comes next.
    pub(super) pending: Option<u8>,
    pub(super) output: Option<Output>,
    /// What the data port read last.
    pub(super) last: Output,
    pub(super) replies: VecDeque<Output>,
    /// A break prefix is being translated.
    pub(super) released: bool,
    /// When the next byte of a device can be complete.
    pub(super) ready_at: VmTime,
}

impl Controller {
    pub(super) fn new() -> Self {
        let mut ram = [0; 32];
        ram[0] = COMMAND_KEYBOARD_IRQ | COMMAND_AUX_IRQ;
        Self {
            ram,
            port: !(OUTPUT_KEYBOARD_FULL | OUTPUT_AUX_FULL),
            command_last: false,
            pending: None,
            output: None,
            last: (0, false),
            replies: VecDeque::new(),
            released: false,
            ready_at: VmTime(0),
        }
    }

    pub(super) fn has(&self, bit: u8) -> bool {
        self.ram[0] & bit != 0
    }

    pub(super) fn reply(&mut self, byte: u8, aux: bool) {
        if self.replies.len() < REPLIES {
            self.replies.push_back((byte, aux));
        }
    }

    pub(super) fn status(&self) -> u8 {
        let mut status = STATUS_NOT_LOCKED;
        if self.output.is_some() {
            status |= STATUS_OUTPUT_FULL;
        }
        if self.last_output().1 {
            status |= STATUS_AUX;
        }
        if self.has(COMMAND_SYSTEM) {
            status |= STATUS_SYSTEM;
        }
        if self.command_last {
            status |= STATUS_COMMAND;
        }
        status
    }

    /// What is, or was last, in the output buffer.
    pub(super) fn last_output(&self) -> Output {
        self.output.unwrap_or(self.last)
    }

    pub(super) fn output_port(&self) -> u8 {
        let full = match self.output {
            Some((_, false)) => OUTPUT_KEYBOARD_FULL,
            Some((_, true)) => OUTPUT_AUX_FULL,
            None => 0,
        };
        self.port & !(OUTPUT_KEYBOARD_FULL | OUTPUT_AUX_FULL) | full
    }

    pub(super) fn check(&self) -> Result<(), RestoreError> {
        let field = if self.replies.len() > REPLIES {
            "replies"
        } else if self.port & OUTPUT_NO_RESET == 0 {
            "port"
        } else {
            return Ok(());
        };
        Err(RestoreError::Invalid { device: "i8042", field })
    }
}
