//! A channel's wires.

use std::sync::{Arc, Mutex};

use glassbox_device_api::{DmaBurst, DmaChannel};

use super::controller::Transfer;
use super::{Core, OPEN_BUS, lock};

/// What a device holds of the controllers.
pub(super) struct Wires {
    core: Arc<Mutex<Core>>,
    number: usize,
}

impl Wires {
    pub fn new(core: Arc<Mutex<Core>>, number: usize) -> Self {
        Self { core, number }
    }

    /// Bytes of a unit: channels 5 to 7 move words.
    fn width(&self) -> usize {
        if self.number < 4 { 1 } else { 2 }
    }

    /// Grants units for up to `len` bytes and lets `each` move them.
    fn burst(&self, len: usize, each: impl FnOnce(&Core, super::Run)) -> DmaBurst {
        let mut core = lock(&self.core);
        if !core.serves(self.number) {
            return DmaBurst::default();
        }
        let controller = &mut core.controllers[self.number >> 2];
        let Some(run) = controller.run(self.number & 3, len / self.width()) else {
            return DmaBurst::default();
        };
        each(&core, run);
        DmaBurst { bytes: run.units * self.width(), terminal_count: run.terminal_count }
    }
}

impl DmaChannel for Wires {
    fn set_request(&mut self, active: bool) {
        lock(&self.core).controllers[self.number >> 2].set_dreq(self.number & 3, active);
    }

    fn is_ready(&self) -> bool {
        lock(&self.core).serves(self.number)
    }

    fn device_to_memory(&mut self, data: &[u8]) -> DmaBurst {
        self.burst(data.len(), |core, run| {
            if run.transfer == Transfer::Write {
                core.store(self.number, run, data);
            }
        })
    }

    fn memory_to_device(&mut self, data: &mut [u8]) -> DmaBurst {
        let width = self.width();
        self.burst(data.len(), |core, run| {
            if run.transfer == Transfer::Read {
                core.fetch(self.number, run, data);
            } else {
                data[..run.units * width].fill(OPEN_BUS);
            }
        })
    }
}
