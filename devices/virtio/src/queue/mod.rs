//! Split virtqueues (Virtio 1.2, 2.7).

mod chain;
#[cfg(test)]
mod tests;

use std::sync::atomic::{Ordering, fence};

use glassbox_memory::{Gpa, GuestMemory};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use chain::{Chain, Segment};

use crate::feature;

/// No MSI-X vector (Virtio 1.2, 4.1.4.3).
pub(crate) const NO_VECTOR: u16 = 0xffff;
/// Available ring flag: the driver wants no interrupt.
const AVAIL_NO_INTERRUPT: u16 = 1;
/// The largest split queue.
const MAX_SIZE: u16 = 32768;

/// How a driver broke a queue.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum QueueError {
    /// A ring or a descriptor table is not in memory.
    #[error("a ring is not in memory")]
    RingAddress,
    /// More buffers are available than the queue has descriptors.
    #[error("the available index is {0} ahead")]
    RunawayIndex(u16),
    /// A descriptor number beyond the table.
    #[error("no descriptor {0}")]
    NoSuchDescriptor(u16),
    /// More descriptors than there are.
    #[error("a descriptor chain has a loop")]
    Loop,
    /// An indirect table that is not negotiated, nested, or of an odd length.
    #[error("a wrong indirect descriptor")]
    BadIndirect,
    /// A descriptor that the device reads after one that it writes.
    #[error("descriptors in the wrong order")]
    Order,
    /// A buffer is too short, or not in memory.
    #[error("a buffer is too short or not in memory")]
    Buffer,
}

/// One virtqueue: where its rings are and how far the device is.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    /// The most entries that the device offers, a power of two; 0 where there is no such queue.
    pub max_size: u16,
    /// Entries now, a power of two.
    pub size: u16,
    /// In use.
    pub enabled: bool,
    /// Address of the descriptor table.
    pub descriptors: u64,
    /// Address of the available ring ("driver area").
    pub available: u64,
    /// Address of the used ring ("device area").
    pub used: u64,
    /// MSI-X vector or [`NO_VECTOR`].
    pub vector: u16,
    /// Entries of the available ring that were taken, modulo 2^16.
    next_available: u16,
    /// Entries of the used ring that were written, modulo 2^16.
    next_used: u16,
    /// `next_used` when the driver was last told, or last not to be told.
    told: u16,
}

impl Queue {
    pub fn new(max_size: u16) -> Self {
        let max_size = if max_size == 0 { 0 } else { max_size.min(MAX_SIZE).next_power_of_two() };
        Self {
            max_size,
            size: max_size,
            enabled: false,
            descriptors: 0,
            available: 0,
            used: 0,
            vector: NO_VECTOR,
            next_available: 0,
            next_used: 0,
            told: 0,
        }
    }

    /// Back to the state after a reset of the device.
    pub fn reset(&mut self) {
        *self = Self::new(self.max_size);
    }

    /// The driver chooses a size: a power of two up to what is offered; others are not taken.
    pub fn set_size(&mut self, size: u16) {
        if size.is_power_of_two() && size <= self.max_size {
            self.size = size;
        } else {
            log::debug!("virtio: queue size {size} of at most {} is not possible", self.max_size);
        }
    }

    fn read_u16(memory: &GuestMemory, base: u64, offset: u64) -> Result<u16, QueueError> {
        let at = base.checked_add(offset).ok_or(QueueError::RingAddress)?;
        Ok(u16::from_le_bytes(memory.read_at(Gpa(at)).map_err(|_| QueueError::RingAddress)?))
    }

    fn write(memory: &GuestMemory, base: u64, offset: u64, bytes: &[u8]) -> Result<(), QueueError> {
        let at = base.checked_add(offset).ok_or(QueueError::RingAddress)?;
        memory.write_bytes(Gpa(at), bytes).map_err(|_| QueueError::RingAddress)
    }

    /// How many buffers the driver has made available that were not taken.
    fn waiting(&self, memory: &GuestMemory) -> Result<u16, QueueError> {
        let index = Self::read_u16(memory, self.available, 2)?;
        let waiting = index.wrapping_sub(self.next_available);
        if waiting > self.size {
            return Err(QueueError::RunawayIndex(waiting));
        }
        // The entries and descriptors that the index tells of are read after it.
        fence(Ordering::Acquire);
        Ok(waiting)
    }

    /// Takes the next available buffer. Where there is none, asks the driver to
    /// notify the device of the next one.
    pub fn pop(&mut self, memory: &GuestMemory, features: u64) -> Result<Option<Chain>, QueueError> {
        if self.waiting(memory)? == 0 {
            if features & feature::EVENT_IDX == 0 {
                return Ok(None);
            }
            let event = 4 + u64::from(self.size) * 8;
            Self::write(memory, self.used, event, &self.next_available.to_le_bytes())?;
            // The driver may have added one before it could see that.
            fence(Ordering::SeqCst);
            if self.waiting(memory)? == 0 {
                return Ok(None);
            }
        }
        let slot = u64::from(self.next_available & (self.size - 1));
        let head = Self::read_u16(memory, self.available, 4 + slot * 2)?;
        let indirect = features & feature::INDIRECT_DESC != 0;
        let chain = Chain::walk(memory, self.descriptors, self.size, head, indirect)?;
        self.next_available = self.next_available.wrapping_add(1);
        Ok(Some(chain))
    }

    /// Reads a buffer again that was taken before, by its head.
    pub fn again(&self, memory: &GuestMemory, features: u64, head: u16) -> Result<Chain, QueueError> {
        let indirect = features & feature::INDIRECT_DESC != 0;
        Chain::walk(memory, self.descriptors, self.size, head, indirect)
    }

    /// Gives a buffer back, into which the device has written `written` bytes.
    pub fn push(&mut self, memory: &GuestMemory, head: u16, written: u32) -> Result<(), QueueError> {
        let slot = u64::from(self.next_used & (self.size - 1));
        let entry = u64::from(written) << 32 | u64::from(head);
        Self::write(memory, self.used, 4 + slot * 8, &entry.to_le_bytes())?;
        self.next_used = self.next_used.wrapping_add(1);
        // The driver must not see the index before the entry and the data.
        fence(Ordering::Release);
        Self::write(memory, self.used, 2, &self.next_used.to_le_bytes())
    }

    /// Whether the driver is to be interrupted for what was given back since the last call.
    pub fn take_interrupt(&mut self, memory: &GuestMemory, features: u64) -> Result<bool, QueueError> {
        let (old, new) = (self.told, self.next_used);
        if old == new {
            return Ok(false);
        }
        self.told = new;
        fence(Ordering::SeqCst);
        if features & feature::EVENT_IDX != 0 {
            let event = Self::read_u16(memory, self.available, 4 + u64::from(self.size) * 2)?;
            return Ok(new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old));
        }
        let flags = Self::read_u16(memory, self.available, 0)?;
        Ok(flags & AVAIL_NO_INTERRUPT == 0)
    }

    /// Saved state.
    pub fn save(&self) -> QueueSavedV1 {
        let Self {
            max_size: _,
            size,
            enabled,
            descriptors,
            available,
            used,
            vector,
            next_available,
            next_used,
            told,
        } = *self;
        QueueSavedV1 { size, enabled, descriptors, available, used, vector, next_available, next_used, told }
    }

    /// The queue with a saved state; `None` where that cannot be this queue's.
    pub fn restored(&self, saved: &QueueSavedV1) -> Option<Self> {
        let QueueSavedV1 {
            size,
            enabled,
            descriptors,
            available,
            used,
            vector,
            next_available,
            next_used,
            told,
        } = *saved;
        let max_size = self.max_size;
        let possible =
            size <= max_size && (size.is_power_of_two() || max_size == 0) && (!enabled || max_size != 0);
        possible.then_some(Self {
            max_size,
            size,
            enabled,
            descriptors,
            available,
            used,
            vector,
            next_available,
            next_used,
            told,
        })
    }
}

/// Saved state of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSavedV1 {
    size: u16,
    enabled: bool,
    descriptors: u64,
    available: u64,
    used: u64,
    vector: u16,
    next_available: u16,
    next_used: u16,
    told: u16,
}
