//! Saved state of the transport.

use glassbox_device_api::{RestoreError, SaveRestore};
use glassbox_pci::{ConfigSpaceSavedV1, MsixSavedV1};
use serde::{Deserialize, Serialize};

use super::VirtioPci;
use super::registers::{ISR_CONFIG, ISR_QUEUE, Registers};
use crate::queue::{NO_VECTOR, Queue, QueueSavedV1};
use crate::{VirtioDevice, status};

/// Saved state of a [`VirtioPci`] around a device's state `S`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtioPciSavedV1<S> {
    device: S,
    config: ConfigSpaceSavedV1,
    msix: MsixSavedV1,
    features: u64,
    offered_select: u32,
    accepted_select: u32,
    status: u8,
    generation: u8,
    config_vector: u16,
    queue_select: u16,
    isr: u8,
    legacy: bool,
    queues: Vec<QueueSavedV1>,
    left: Vec<u16>,
}

impl<D: VirtioDevice + SaveRestore> SaveRestore for VirtioPci<D> {
    type Saved = VirtioPciSavedV1<D::Saved>;

    fn save(&self) -> Self::Saved {
        let Self { device, config, msix, registers, window: _, memory: _, msi: _, left } = self;
        let Registers {
            offered: _,
            features,
            offered_select,
            accepted_select,
            status,
            generation,
            config_vector,
            queue_select,
            isr,
            vectors: _,
            legacy,
            queues,
        } = registers;
        VirtioPciSavedV1 {
            device: device.save(),
            config: config.save(),
            msix: msix.save(),
            features: *features,
            offered_select: *offered_select,
            accepted_select: *accepted_select,
            status: *status,
            generation: *generation,
            config_vector: *config_vector,
            queue_select: *queue_select,
            isr: *isr,
            legacy: *legacy,
            queues: queues.iter().map(Queue::save).collect(),
            left: left.clone(),
        }
    }

    fn restore(&mut self, saved: Self::Saved) -> Result<(), RestoreError> {
        let VirtioPciSavedV1 {
            device,
            config,
            msix,
            features,
            offered_select,
            accepted_select,
            status,
            generation,
            config_vector,
            queue_select,
            isr,
            legacy,
            queues: saved_queues,
            left,
        } = saved;
        let invalid = |field| RestoreError::Invalid { device: "virtio", field };
        let old = &self.registers;
        if status & status::FEATURES_OK != 0 && features & !old.offered != 0 {
            return Err(invalid("features"));
        }
        let vector = |v: u16| v == NO_VECTOR || v < old.vectors;
        if !vector(config_vector) {
            return Err(invalid("config_vector"));
        }
        if isr & !(ISR_QUEUE | ISR_CONFIG) != 0 {
            return Err(invalid("isr"));
        }
        let queues: Option<Vec<Queue>> =
            old.queues.iter().zip(&saved_queues).map(|(queue, saved)| queue.restored(saved)).collect();
        let queues = queues.filter(|queues| {
            saved_queues.len() == old.queues.len() && queues.iter().all(|queue| vector(queue.vector))
        });
        let queues = queues.ok_or(invalid("queues"))?;
        if left.len() > queues.len() || left.iter().any(|queue| usize::from(*queue) >= queues.len()) {
            return Err(invalid("left"));
        }
        // The parts refuse for themselves; what changed already is put back.
        let before = (self.config.save(), self.msix.save());
        self.config.restore(config)?;
        let parts = self.msix.restore(msix).and_then(|()| self.device.restore(device));
        if let Err(error) = parts {
            self.config.restore(before.0)?;
            self.msix.restore(before.1)?;
            return Err(error);
        }
        let Registers { offered, vectors, .. } = self.registers;
        self.registers = Registers {
            offered,
            features,
            offered_select,
            accepted_select,
            status,
            generation,
            config_vector,
            queue_select,
            isr,
            vectors,
            legacy,
            queues,
        };
        self.left = left;
        self.drive_pin();
        Ok(())
    }
}
