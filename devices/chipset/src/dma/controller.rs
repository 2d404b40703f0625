//! One 8237A: the register core. It counts units (bytes or words) and addresses
//! within its 16 bits; pages, memory and the width of a unit are the shell's.
//!
//! Source: Intel 8237A data sheet (231466), "Register description" and "Programming".

use glassbox_device_api::RestoreError;
use serde::{Deserialize, Serialize};

/// Command register.
const COMMAND_MEMORY_TO_MEMORY: u8 = 1 << 0;
const COMMAND_HOLD_CHANNEL_0: u8 = 1 << 1;
const COMMAND_DISABLE: u8 = 1 << 2;
const COMMAND_DREQ_ACTIVE_LOW: u8 = 1 << 6;
const COMMAND_DACK_ACTIVE_HIGH: u8 = 1 << 7;

/// Mode register.
const MODE_AUTOINIT: u8 = 1 << 4;
const MODE_DECREMENT: u8 = 1 << 5;

/// How a channel answers requests: mode register bits 7 and 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Demand,
    Single,
    Block,
    /// Passes another controller's or a bus master's requests on.
    Cascade,
}

/// What a transfer does: mode register bits 3 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// Counts, and moves nothing. The reserved value does the same.
    Verify,
    /// Device to memory.
    Write,
    /// Memory to device.
    Read,
}

/// Address, count and mode of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Channel {
    base_address: u16,
    base_count: u16,
    address: u16,
    /// One less than the units that are left.
    count: u16,
    mode: u8,
}

impl Channel {
    fn service(&self) -> Service {
        match self.mode >> 6 {
            0 => Service::Demand,
            1 => Service::Single,
            2 => Service::Block,
            _ => Service::Cascade,
        }
    }

    fn transfer(&self) -> Transfer {
        match self.mode >> 2 & 3 {
            1 => Transfer::Write,
            2 => Transfer::Read,
            _ => Transfer::Verify,
        }
    }

    fn decrements(&self) -> bool {
        self.mode & MODE_DECREMENT != 0
    }

    fn step(&mut self, units: u16) {
        let address = self.address;
        self.address =
            if self.decrements() { address.wrapping_sub(units) } else { address.wrapping_add(units) };
    }
}

/// A run of units that a channel was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Address of the first, in units. It wraps within 16 bits.
    pub start: u16,
    pub units: usize,
    pub decrements: bool,
    pub transfer: Transfer,
    pub terminal_count: bool,
}

/// Four channels and what they share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Controller {
    channels: [Channel; 4],
    command: u8,
    /// Channels that reached their terminal count since the status was read.
    reached: u8,
    /// Levels of DREQ.
    dreq: u8,
    /// Software requests.
    request: u8,
    mask: u8,
    temporary: u8,
    /// The next byte of an address or count is the high one.
    high_byte: bool,
}

impl Controller {
    /// After RESET: all channels masked. Addresses, counts and modes are
    /// undefined then; they are zero here.
    pub fn new() -> Self {
        Self {
            channels: [Channel::default(); 4],
            command: 0,
            reached: 0,
            dreq: 0,
            request: 0,
            mask: 0xf,
            temporary: 0,
            high_byte: false,
        }
    }

    /// Refuses what registers cannot hold.
    pub fn check(&self) -> Result<(), RestoreError> {
        let bits = |field, value: u8| match value >> 4 {
            0 => Ok(()),
            _ => Err(RestoreError::Invalid { device: "dma", field }),
        };
        bits("reached", self.reached)?;
        bits("dreq", self.dreq)?;
        bits("request", self.request)?;
        bits("mask", self.mask)
    }

    pub fn set_dreq(&mut self, channel: usize, active: bool) {
        self.dreq = self.dreq & !(1 << channel) | u8::from(active) << channel;
    }

    /// Whether requests of the cascaded controller on `channel` get through.
    pub fn passes(&self, channel: usize) -> bool {
        self.is_open(channel) && self.channels[channel].service() == Service::Cascade
    }

    /// Whether the device on `channel` would be acknowledged.
    pub fn serves(&self, channel: usize) -> bool {
        self.is_open(channel) && self.channels[channel].service() != Service::Cascade
    }

    fn is_open(&self, channel: usize) -> bool {
        self.command & COMMAND_DISABLE == 0 && self.mask & 1 << channel == 0
    }

    /// Grants up to `units` transfers, up to the terminal count.
    pub fn run(&mut self, channel: usize, units: usize) -> Option<Run> {
        let at = &mut self.channels[channel];
        let left = usize::from(at.count) + 1;
        let units = units.min(left);
        // The count is 16 bits wide: a whole turn of 65,536 units steps by nothing.
        let steps = units as u16;
        if units == 0 {
            return None;
        }
        let run = Run {
            start: at.address,
            units,
            decrements: at.decrements(),
            transfer: at.transfer(),
            terminal_count: units == left,
        };
        at.step(steps);
        at.count = at.count.wrapping_sub(steps);
        if run.terminal_count {
            self.terminal_count(channel);
        }
        Some(run)
    }

    /// The count rolled over from zero.
    fn terminal_count(&mut self, channel: usize) {
        let bit = 1 << channel;
        self.reached |= bit;
        self.request &= !bit;
        let at = &mut self.channels[channel];
        if at.mode & MODE_AUTOINIT != 0 {
            at.address = at.base_address;
            at.count = at.base_count;
        } else {
            self.mask |= bit;
        }
    }

    /// The next channel whose software request is to be served now: only block mode
    /// serves them, and masks do not apply.
    pub fn take_request(&mut self) -> Option<usize> {
        if self.command & COMMAND_DISABLE != 0 {
            return None;
        }
        let block = |i: &usize| {
            self.request & 1 << i != 0
                && (self.channels[*i].service() == Service::Block || self.is_memory_to_memory(*i))
        };
        let channel = (0..4).find(block)?;
        self.request &= !(1 << channel);
        Some(channel)
    }

    /// Units that are left to the channel's terminal count.
    pub fn left(&self, channel: usize) -> usize {
        usize::from(self.channels[channel].count) + 1
    }

    /// Whether a request of the channel starts a transfer from channel 0's address to channel 1's.
    pub fn is_memory_to_memory(&self, channel: usize) -> bool {
        channel == 0 && self.command & COMMAND_MEMORY_TO_MEMORY != 0
    }

    /// One unit from memory to memory: addresses of source and destination (in
    /// units), and whether it was the last.
    pub fn memory_to_memory(&mut self) -> (u16, u16, bool) {
        let (from, to) = (self.channels[0].address, self.channels[1].address);
        if self.command & COMMAND_HOLD_CHANNEL_0 == 0 {
            self.channels[0].step(1);
        }
        let last = self.run(1, 1).is_none_or(|run| run.terminal_count);
        (from, to, last)
    }

    pub fn set_temporary(&mut self, byte: u8) {
        self.temporary = byte;
    }

    /// Reads the register at `offset`, 0 to 15.
    pub fn read(&mut self, offset: u16) -> u8 {
        match offset {
            0..=7 => {
                let channel = &self.channels[usize::from(offset >> 1 & 3)];
                let value = if offset & 1 == 0 { channel.address } else { channel.count };
                value.to_le_bytes()[usize::from(self.next_byte())]
            }
            8 => {
                let status = self.reached | (self.dreq | self.request) << 4;
                self.reached = 0;
                status
            }
            0xd => self.temporary,
            // Not in the 8237A, but chipsets have it.
            0xf => self.mask | 0xf0,
            _ => 0xff,
        }
    }

    /// Writes the register at `offset`, 0 to 15.
    pub fn write(&mut self, offset: u16, value: u8) {
        let channel = usize::from(value & 3);
        let bit = 1 << channel;
        let set = value & 4 != 0;
        match offset {
            0..=7 => {
                let high = self.next_byte();
                let channel = &mut self.channels[usize::from(offset >> 1 & 3)];
                let (base, current) = if offset & 1 == 0 {
                    (&mut channel.base_address, &mut channel.address)
                } else {
                    (&mut channel.base_count, &mut channel.count)
                };
                let mut bytes = base.to_le_bytes();
                bytes[usize::from(high)] = value;
                *base = u16::from_le_bytes(bytes);
                // The byte goes to both registers; the other byte of the current one stays.
                let mut bytes = current.to_le_bytes();
                bytes[usize::from(high)] = value;
                *current = u16::from_le_bytes(bytes);
            }
            8 => {
                if value & !self.command & (COMMAND_DREQ_ACTIVE_LOW | COMMAND_DACK_ACTIVE_HIGH) != 0 {
                    log::warn!(
                        "dma: command {value:#04x} turns the sense of DREQ or DACK; devices keep theirs"
                    );
                }
                self.command = value;
            }
            9 if set => self.request |= bit,
            9 => self.request &= !bit,
            0xa if set => self.mask |= bit,
            0xa => self.mask &= !bit,
            0xb => self.channels[channel].mode = value & !3,
            0xc => self.high_byte = false,
            0xd => self.master_clear(),
            0xe => self.mask = 0,
            _ => self.mask = value & 0xf,
        }
    }

    fn next_byte(&mut self) -> bool {
        let high = self.high_byte;
        self.high_byte = !high;
        high
    }

    /// The same as RESET: addresses, counts and modes stay.
    pub fn master_clear(&mut self) {
        self.command = 0;
        self.reached = 0;
        self.request = 0;
        self.temporary = 0;
        self.high_byte = false;
        self.mask = 0xf;
    }
}
