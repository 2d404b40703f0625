//! The drive's side of the cable: what every drive has, whatever commands it knows.

use glassbox_device_api::RestoreError;
use serde::{Deserialize, Serialize};

use super::registers::{Registers, error, status};

/// What a drive and its host are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// No command is under way.
    #[default]
    Idle,
    /// The drive works; BSY.
    Busy,
    /// The drive offers a block of data through the data register; DRQ.
    PioIn,
    /// The drive takes a block of data through the data register; DRQ.
    PioOut,
    /// The drive offers data by DMA (DMARQ).
    DmaIn,
    /// The drive takes data by DMA (DMARQ).
    DmaOut,
}

impl Phase {
    /// Whether the host is to move data.
    pub const fn moves_data(self) -> bool {
        !matches!(self, Self::Idle | Self::Busy)
    }

    /// Whether the controller is to move data by DMA.
    pub const fn is_dma(self) -> bool {
        matches!(self, Self::DmaIn | Self::DmaOut)
    }
}

/// Registers, the block of data on offer, and INTRQ.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// The command block registers.
    pub registers: Registers,
    /// INTRQ, before the host's nIEN.
    pub interrupt: bool,
    phase: Phase,
    data: Vec<u8>,
    at: usize,
    end: usize,
}

/// Saved state of an [`Interface`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSavedV1 {
    registers: Registers,
    interrupt: bool,
    phase: Phase,
    data: Vec<u8>,
    at: u64,
    end: u64,
}

impl Interface {
    /// What the drive and its host are doing.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The bytes of the present block that were not moved yet.
    pub fn block(&self) -> &[u8] {
        self.data.get(self.at..self.end).unwrap_or_default()
    }

    /// The same, to be filled by a controller that writes.
    pub fn block_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.at..self.end).unwrap_or_default()
    }

    /// The controller moved `bytes` of the block. True when none are left.
    pub fn advance(&mut self, bytes: usize) -> bool {
        self.at = self.end.min(self.at.saturating_add(bytes));
        self.at == self.end
    }

    /// Reads a word of the block; true when it was the last one.
    #[inline]
    pub fn read_word(&mut self) -> (u16, bool) {
        let word = match self.data.get(self.at..self.end) {
            Some([low, high, ..]) => u16::from_le_bytes([*low, *high]),
            // A block of an odd length: the high byte is padding.
            Some([low]) => u16::from(*low),
            _ => 0,
        };
        (word, self.advance(2))
    }

    /// Writes a word of the block; true when it was the last one.
    #[inline]
    pub fn write_word(&mut self, word: u16) -> bool {
        match self.data.get_mut(self.at..self.end) {
            Some([low, high, ..]) => [*low, *high] = word.to_le_bytes(),
            Some([low]) => *low = word as u8,
            _ => {}
        }
        self.advance(2)
    }

    /// Bytes of the data that the present block is part of.
    pub fn data_len(&self) -> usize {
        self.data.len()
    }

    /// The part of the data behind the present block.
    pub fn rest(&self) -> usize {
        self.data.len() - self.end
    }

    /// Goes busy.
    pub fn set_busy(&mut self) {
        self.phase = Phase::Busy;
        self.registers.status =
            self.registers.status & !(status::DRQ | status::ERR | status::DF) | status::BSY;
    }

    /// Offers or asks for `data`, its first `block` bytes to begin with.
    pub fn start_data(&mut self, phase: Phase, data: Vec<u8>, block: usize) {
        self.data = data;
        self.at = 0;
        self.end = 0;
        self.next_block(phase, block);
    }

    /// Goes on to the next `block` bytes of the same data.
    pub fn next_block(&mut self, phase: Phase, block: usize) {
        self.phase = phase;
        self.at = self.end;
        self.end = self.data.len().min(self.end.saturating_add(block));
        let ready = status::DRDY | self.registers.status & status::DSC;
        self.registers.status = ready | if phase.is_dma() { status::BSY } else { status::DRQ };
    }

    /// Takes the data away.
    pub fn take_data(&mut self) -> Vec<u8> {
        self.at = 0;
        self.end = 0;
        std::mem::take(&mut self.data)
    }

    /// Ends the command well, without INTRQ.
    pub fn finish(&mut self) {
        self.end_command(status::DRDY | status::DSC, 0);
    }

    /// Ends the command with a status and an error register, without INTRQ.
    pub fn end_command(&mut self, status: u8, error: u8) {
        self.phase = Phase::Idle;
        self.take_data();
        self.registers.status = status;
        self.registers.error = error;
    }

    /// Ends the command in an error, with INTRQ.
    pub fn fail(&mut self, error: u8) {
        self.end_command(status::DRDY | status::DSC | status::ERR, error);
        self.interrupt = true;
    }

    /// Ends the command as unknown or impossible.
    pub fn abort(&mut self) {
        self.fail(error::ABRT);
    }

    /// The state now.
    pub fn save(&self) -> InterfaceSavedV1 {
        let Self { registers, interrupt, phase, data, at, end } = self;
        InterfaceSavedV1 {
            registers: *registers,
            interrupt: *interrupt,
            phase: *phase,
            data: data.clone(),
            at: *at as u64,
            end: *end as u64,
        }
    }

    /// A saved state, once it was found possible.
    ///
    /// # Errors
    /// [`RestoreError`] where the block does not lie in data of at most `most` bytes.
    pub fn restored(saved: InterfaceSavedV1, most: usize) -> Result<Self, RestoreError> {
        let InterfaceSavedV1 { registers, interrupt, phase, data, at, end } = saved;
        let len = data.len() as u64;
        if at > end || end > len || len > most as u64 || (at == end && phase.moves_data()) {
            return Err(RestoreError::Invalid { device: "ata", field: "data" });
        }
        Ok(Self { registers, interrupt, phase, data, at: at as usize, end: end as usize })
    }
}
