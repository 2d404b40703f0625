//! The registers of the transport: device status, features, queues, interrupt causes.
//!
//! They are one state with two faces, the modern common configuration structure
//! (Virtio 1.2, 4.1.4.3) here and the legacy one (4.1.4.10) in `legacy`.

use glassbox_device_api::AccessSize;

use crate::queue::{NO_VECTOR, Queue};
use crate::{feature, status};

/// ISR bits (Virtio 1.2, 4.1.4.5).
pub(super) const ISR_QUEUE: u8 = 1;
pub(super) const ISR_CONFIG: u8 = 2;

/// What a write to a register makes the device do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    /// Reset the device.
    Reset,
    /// Reset the selected queue, whose number it has.
    ResetQueue(u16),
    /// The driver says that a queue has something.
    Notify(u16),
    /// The driver is ready: what it made available before counts.
    Start,
}

#[derive(Clone, Debug)]
pub(super) struct Registers {
    /// What is offered to a modern driver.
    pub offered: u64,
    /// What the driver accepted.
    pub features: u64,
    pub offered_select: u32,
    pub accepted_select: u32,
    pub status: u8,
    pub generation: u8,
    pub config_vector: u16,
    pub queue_select: u16,
    pub isr: u8,
    pub vectors: u16,
    /// The queues were placed through the legacy interface.
    pub legacy: bool,
    pub queues: Vec<Queue>,
}

impl Registers {
    pub fn new(offered: u64, sizes: &[u16], vectors: u16) -> Self {
        Self {
            offered,
            features: 0,
            offered_select: 0,
            accepted_select: 0,
            status: 0,
            generation: 0,
            config_vector: NO_VECTOR,
            queue_select: 0,
            isr: 0,
            vectors,
            legacy: false,
            queues: sizes.iter().map(|size| Queue::new(*size)).collect(),
        }
    }

    /// What a reset by the driver returns to zero. The generation goes on: a driver
    /// that reads on both sides of a reset must see a difference.
    pub fn reset(&mut self) {
        self.features = 0;
        self.offered_select = 0;
        self.accepted_select = 0;
        self.status = 0;
        self.config_vector = NO_VECTOR;
        self.queue_select = 0;
        self.isr = 0;
        self.legacy = false;
        self.queues.iter_mut().for_each(Queue::reset);
    }

    /// Whether the device may use its queues. Legacy drivers use them before they
    /// say that they are ready (Virtio 1.2, 3.1.2).
    pub fn is_running(&self) -> bool {
        let ready = self.status & status::DRIVER_OK != 0 || self.legacy;
        ready && self.status & status::NEEDS_RESET == 0
    }

    pub fn queue(&self) -> Option<&Queue> {
        self.queues.get(usize::from(self.queue_select))
    }

    pub fn queue_mut(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(self.queue_select))
    }

    /// A vector that exists, or none.
    pub fn vector(&self, value: u16) -> u16 {
        if value < self.vectors { value } else { NO_VECTOR }
    }

    /// Writes the device status register.
    pub fn set_status(&mut self, value: u8) -> Action {
        if value == 0 {
            return Action::Reset;
        }
        let before = self.status;
        let mut value = value & !status::NEEDS_RESET | before & status::NEEDS_RESET;
        if value & !before & status::FEATURES_OK != 0 {
            let subset = self.features & !self.offered == 0;
            if !subset || self.features & feature::VERSION_1 == 0 {
                log::debug!("virtio: features {:#x} of {:#x} are refused", self.features, self.offered);
                value &= !status::FEATURES_OK;
            }
        }
        self.status = value;
        if value & !before & status::DRIVER_OK != 0 { Action::Start } else { Action::Nothing }
    }

    /// Reads a field of the common configuration structure.
    pub fn common_read(&self, offset: u64, size: AccessSize) -> u64 {
        if size == AccessSize::Qword {
            let high = self.common_read(offset + 4, AccessSize::Dword);
            return self.common_read(offset, AccessSize::Dword) | high << 32;
        }
        let word = self.common_dword(offset & !3);
        u64::from(word) >> (8 * (offset & 3)) & size.mask()
    }

    fn common_dword(&self, offset: u64) -> u32 {
        let half = |features: u64, select: u32| match select {
            0 => features as u32,
            1 => (features >> 32) as u32,
            _ => 0,
        };
        let pair = |low: u16, high: u16| u32::from(high) << 16 | u32::from(low);
        let queue = self.queue();
        match offset {
            0x00 => self.offered_select,
            0x04 => half(self.offered, self.offered_select),
            0x08 => self.accepted_select,
            0x0c => half(self.features, self.accepted_select),
            0x10 => pair(self.config_vector, self.queues.len() as u16),
            0x14 => {
                let low = u16::from_le_bytes([self.status, self.generation]);
                pair(low, self.queue_select)
            }
            0x18 => queue.map_or(pair(0, NO_VECTOR), |q| pair(q.size, q.vector)),
            0x1c => queue.map_or(0, |q| pair(q.enabled.into(), self.queue_select)),
            0x20 => queue.map_or(0, |q| q.descriptors as u32),
            0x24 => queue.map_or(0, |q| (q.descriptors >> 32) as u32),
            0x28 => queue.map_or(0, |q| q.available as u32),
            0x2c => queue.map_or(0, |q| (q.available >> 32) as u32),
            0x30 => queue.map_or(0, |q| q.used as u32),
            0x34 => queue.map_or(0, |q| (q.used >> 32) as u32),
            // The notification data and the reset of a queue, which is over at once.
            _ => 0,
        }
    }

    /// Writes a field of the common configuration structure. Fields are written
    /// whole, and addresses also by halves (Virtio 1.2, 4.1.3.1).
    pub fn common_write(&mut self, offset: u64, size: AccessSize, value: u64) -> Action {
        let word = value as u16;
        match (offset, size) {
            (0x20 | 0x28 | 0x30, AccessSize::Qword) => {
                self.common_write(offset, AccessSize::Dword, value & 0xffff_ffff);
                self.common_write(offset + 4, AccessSize::Dword, value >> 32);
            }
            (0x00, AccessSize::Dword) => self.offered_select = value as u32,
            (0x08, AccessSize::Dword) => self.accepted_select = value as u32,
            (0x0c, AccessSize::Dword) => self.accept(value as u32),
            (0x10, AccessSize::Word) => self.config_vector = self.vector(word),
            (0x14, AccessSize::Byte) => return self.set_status(value as u8),
            (0x16, AccessSize::Word) => self.queue_select = word,
            (0x3a, AccessSize::Word) => {
                let can = self.features & feature::RING_RESET != 0 && self.queue().is_some();
                if word == 1 && can {
                    return Action::ResetQueue(self.queue_select);
                }
            }
            (0x18..0x3a, _) => self.queue_write(offset, size, value),
            _ => log::debug!("virtio: write of {size:?} to common field {offset:#x}"),
        }
        Action::Nothing
    }

    /// The driver accepts half of the features; not after it said that these are all.
    fn accept(&mut self, half: u32) {
        if self.status & status::FEATURES_OK != 0 {
            return;
        }
        let shift = match self.accepted_select {
            0 => 0,
            1 => 32,
            _ => return,
        };
        self.features = self.features & !(0xffff_ffff << shift) | u64::from(half) << shift;
    }

    fn queue_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        let vector = self.vector(value as u16);
        let Some(queue) = self.queue_mut() else { return };
        let low = |address: u64| address & !0xffff_ffff | value & 0xffff_ffff;
        let high = |address: u64| address & 0xffff_ffff | value << 32;
        match (offset, size) {
            (0x1a, AccessSize::Word) => queue.vector = vector,
            (0x1c, AccessSize::Word) if value & 1 != 0 && queue.size != 0 => queue.enabled = true,
            // What a queue is made of does not change while it is in use.
            _ if queue.enabled => {}
            (0x18, AccessSize::Word) => queue.set_size(value as u16),
            (0x20, AccessSize::Dword) => queue.descriptors = low(queue.descriptors),
            (0x24, AccessSize::Dword) => queue.descriptors = high(queue.descriptors),
            (0x28, AccessSize::Dword) => queue.available = low(queue.available),
            (0x2c, AccessSize::Dword) => queue.available = high(queue.available),
            (0x30, AccessSize::Dword) => queue.used = low(queue.used),
            (0x34, AccessSize::Dword) => queue.used = high(queue.used),
            _ => log::debug!("virtio: write of {size:?} to common field {offset:#x}"),
        }
    }
}
