//! One channel's bus master (82371SB 2.7; Programming Interface for Bus Master IDE, revision 1.0).

use glassbox_memory::{Gpa, GuestMemory};
use serde::{Deserialize, Serialize};

use crate::ata::{Drive, Phase};

/// Command register: start; direction (kept, the drive's command decides).
const START: u8 = 1 << 0;
const COMMAND_BITS: u8 = START | 1 << 3;
/// Status register.
const ACTIVE: u8 = 1 << 0;
const ERROR: u8 = 1 << 1;
const INTERRUPT: u8 = 1 << 2;
/// "Drive is capable of DMA": kept for software.
const CAPABLE: u8 = 0x60;

/// A physical region descriptor being filled or emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Region {
    at: u32,
    left: u32,
    last: bool,
}

/// The registers of a channel's bus master and where it is in its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusMaster {
    command: u8,
    status: u8,
    table: u32,
    next: u32,
    region: Option<Region>,
}

impl BusMaster {
    /// Reads a register, by its offset in the channel's 8 bytes.
    pub fn read(&self, offset: u8) -> u8 {
        match offset {
            0 => self.command,
            2 => self.status,
            4..=7 => self.table.to_le_bytes()[usize::from(offset & 3)],
            _ => 0,
        }
    }

    /// Writes a register, by its offset in the channel's 8 bytes.
    pub fn write(&mut self, offset: u8, value: u8) {
        match offset {
            0 => self.write_command(value & COMMAND_BITS),
            2 => {
                let cleared = value & (ERROR | INTERRUPT);
                self.status = self.status & !cleared & !CAPABLE | value & CAPABLE;
            }
            4..=7 => {
                let mut bytes = self.table.to_le_bytes();
                bytes[usize::from(offset & 3)] = value;
                self.table = u32::from_le_bytes(bytes) & !3;
            }
            _ => {}
        }
    }

    fn write_command(&mut self, value: u8) {
        let started = value & START != 0 && self.command & START == 0;
        if started {
            self.next = self.table;
            self.region = None;
            self.status |= ACTIVE;
        } else if value & START == 0 {
            self.region = None;
            self.status &= !ACTIVE;
        }
        self.command = value;
    }

    /// INTRQ of the channel rose.
    pub fn interrupted(&mut self) {
        self.status |= INTERRUPT;
    }

    /// Moves what the drive has or wants, as far as the table goes.
    pub fn run(&mut self, drive: &mut Drive, memory: &GuestMemory) {
        while self.status & ACTIVE != 0 {
            let phase = drive.interface().phase();
            if !phase.is_dma() {
                return;
            }
            let Some(region) = self.region.or_else(|| self.fetch(memory)) else {
                // A master abort: the drive is left waiting, as it is on hardware.
                self.status = self.status & !ACTIVE | ERROR;
                return;
            };
            let interface = drive.interface_mut();
            let len = interface.block().len().min(region.left as usize);
            let at = Gpa(region.at.into());
            let moved = match phase {
                Phase::DmaIn => memory.write_bytes(at, &interface.block()[..len]),
                _ => memory.read_bytes(at, &mut interface.block_mut()[..len]),
            };
            if moved.is_err() {
                log::debug!("IDE: no memory for DMA at {:#x}", region.at);
                self.status = self.status & !ACTIVE | ERROR;
                return;
            }
            self.consumed(region, len as u32);
            if interface.advance(len) {
                drive.block_done();
            }
        }
    }

    fn fetch(&mut self, memory: &GuestMemory) -> Option<Region> {
        let [a0, a1, a2, a3, c0, c1, _, flags] = memory.read_at(Gpa(self.next.into())).ok()?;
        self.next = self.next.wrapping_add(8);
        // Regions begin at words; a count of 0 is 64 KiB.
        let at = u32::from_le_bytes([a0, a1, a2, a3]) & !1;
        let left = match u16::from_le_bytes([c0, c1]) & !1 {
            0 => 0x1_0000,
            count => count.into(),
        };
        Some(Region { at, left, last: flags & 0x80 != 0 })
    }

    fn consumed(&mut self, mut region: Region, len: u32) {
        region.at = region.at.wrapping_add(len);
        region.left -= len;
        self.region = Some(region).filter(|region| region.left > 0);
        if region.left == 0 && region.last {
            self.status &= !ACTIVE;
        }
    }

    /// Whether a channel can be in this state.
    pub fn is_possible(&self) -> bool {
        let Self { command, status, table, next, region } = self;
        let region_is_possible = region.is_none_or(|r| (1..=0x1_0000).contains(&r.left));
        let active_is_started = *status & ACTIVE == 0 || *command & START != 0;
        *command & !COMMAND_BITS == 0
            && *status & !(ACTIVE | ERROR | INTERRUPT | CAPABLE) == 0
            && (table | next) & 3 == 0
            && region_is_possible
            && active_is_started
    }
}
