//! The legacy interface: a header in I/O ports (Virtio 1.2, 4.1.4.10 and 2.7.2).

use glassbox_device_api::AccessSize;

use super::registers::{Action, Registers};
use crate::{feature, status};

/// Bytes of the header, and of its part for MSI-X, which is there while MSI-X is
/// enabled. The device's configuration structure follows.
const HEADER: u64 = 0x14;
const MSIX_PART: u64 = 4;
/// The unit of a queue's address, and what its used ring is aligned to.
const PAGE: u64 = 4096;

/// What is at an offset of the window.
pub(super) enum Legacy {
    Register(u64),
    /// The ISR: reading it has a side effect.
    Isr,
    Device(u64),
}

pub(super) fn decode(offset: u64, msix: bool) -> Legacy {
    let header = HEADER + if msix { MSIX_PART } else { 0 };
    match offset {
        0x13 => Legacy::Isr,
        offset if offset >= header => Legacy::Device(offset - header),
        offset => Legacy::Register(offset),
    }
}

impl Registers {
    /// Reads a register of the header.
    pub(super) fn legacy_read(&self, offset: u64, size: AccessSize) -> u64 {
        let queue = self.queue();
        let word = match offset & !3 {
            0x00 => self.offered as u32,
            0x04 => self.features as u32,
            0x08 => queue.map_or(0, |q| (q.descriptors / PAGE) as u32),
            0x0c => u32::from(self.queue_select) << 16 | u32::from(queue.map_or(0, |q| q.max_size)),
            0x10 => u32::from(self.status) << 16,
            0x14 => {
                let vector = queue.map_or(crate::queue::NO_VECTOR, |q| q.vector);
                u32::from(vector) << 16 | u32::from(self.config_vector)
            }
            _ => 0,
        };
        u64::from(word) >> (8 * (offset & 3)) & size.mask()
    }

    /// Writes a register of the header.
    pub(super) fn legacy_write(&mut self, offset: u64, size: AccessSize, value: u64) -> Action {
        let word = value as u16;
        match (offset, size) {
            (0x04, AccessSize::Dword) => {
                // There is no negotiation to fail: what is not offered does not count.
                self.features = value & self.offered & 0xffff_ffff;
            }
            (0x08, AccessSize::Dword) => self.place_legacy_queue(value as u32),
            (0x0e, AccessSize::Word) => self.queue_select = word,
            (0x10, AccessSize::Word) => return Action::Notify(word),
            (0x12, AccessSize::Byte) => {
                let action = self.set_status(value as u8);
                if action != Action::Reset {
                    self.legacy |=
                        self.features & feature::VERSION_1 == 0 && self.status & status::FEATURES_OK == 0;
                }
                return action;
            }
            (0x14, AccessSize::Word) => self.config_vector = self.vector(word),
            (0x16, AccessSize::Word) => {
                let vector = self.vector(word);
                if let Some(queue) = self.queue_mut() {
                    queue.vector = vector;
                }
            }
            _ => log::debug!("virtio: write of {size:?} to legacy register {offset:#x}"),
        }
        Action::Nothing
    }

    /// All three parts of a queue lie behind one page number; 0 takes the queue
    /// out of use.
    fn place_legacy_queue(&mut self, page: u32) {
        let Some(queue) = self.queue_mut().filter(|q| q.max_size != 0) else { return };
        let vector = queue.vector;
        queue.reset();
        queue.vector = vector;
        let entries = u64::from(queue.size);
        queue.descriptors = u64::from(page) * PAGE;
        queue.available = queue.descriptors + 16 * entries;
        queue.used = (queue.available + 6 + 2 * entries).next_multiple_of(PAGE);
        queue.enabled = page != 0;
        self.legacy = true;
    }
}
