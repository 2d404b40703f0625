//! Saved state. Commands that the back end is at are started anew after a restore:
//! all of them come to the same when they are done twice.

use glassbox_device_api::{RestoreError, SaveRestore};
use glassbox_pci::{ConfigSpaceSavedV1, MsixSavedV1};
use serde::{Deserialize, Serialize};

use super::registers::{CSTS_SHUTDOWN_OCCURRING, MAX_ADMIN_ENTRIES};
use super::{MAX_IN_FLIGHT, MAX_IO_QUEUES, MAX_VECTORS, Nvme, State};

/// Completions that can wait for one queue: all that are under way, and events.
const MAX_WAITING: usize = 2 * MAX_IN_FLIGHT;

/// Saved state of an [`Nvme`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvmeSavedV1 {
    config: ConfigSpaceSavedV1,
    msix: MsixSavedV1,
    pub(super) state: State,
}

fn invalid(field: &'static str) -> RestoreError {
    RestoreError::Invalid { device: "nvme", field }
}

impl State {
    fn check(&self) -> Result<(), RestoreError> {
        let known = |id: &u16| *id <= MAX_IO_QUEUES;
        let submissions = self.submissions.iter().all(|(id, queue)| {
            known(id) && queue.is_possible(MAX_ADMIN_ENTRIES) && known(&queue.completions)
        });
        let completions = self
            .completions
            .iter()
            .all(|(id, queue)| known(id) && queue.is_possible(MAX_ADMIN_ENTRIES, MAX_VECTORS, MAX_WAITING));
        if !submissions || !completions {
            return Err(invalid("queues"));
        }
        if !self.page.is_power_of_two() || !(4096..=65536).contains(&self.page) {
            return Err(invalid("page"));
        }
        if !self.events.is_possible() || !self.errors.is_possible() {
            return Err(invalid("events"));
        }
        // Requests that the controller makes by itself are not among them.
        if self.restart.len() > 2 * MAX_IN_FLIGHT {
            return Err(invalid("restart"));
        }
        Ok(())
    }
}

impl SaveRestore for Nvme {
    type Saved = NvmeSavedV1;

    fn save(&self) -> NvmeSavedV1 {
        let Self {
            config,
            msix,
            msi: _,
            memory: _,
            clock: _,
            backend: _,
            serial: _,
            s,
            in_flight,
            in_flight_bytes: _,
            last_tag: _,
        } = self;
        let mut state = s.clone();
        let under_way = in_flight.values().filter_map(|f| Some((f.queue, f.command?)));
        state.restart.extend(under_way);
        NvmeSavedV1 { config: config.save(), msix: msix.save(), state }
    }

    fn restore(&mut self, saved: NvmeSavedV1) -> Result<(), RestoreError> {
        let NvmeSavedV1 { config, msix, state } = saved;
        state.check()?;
        let before = self.config.save();
        self.config.restore(config)?;
        if let Err(error) = self.msix.restore(msix) {
            self.config.restore(before)?;
            return Err(error);
        }
        self.s = state;
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        if self.s.registers.status & CSTS_SHUTDOWN_OCCURRING != 0 {
            self.flush_for_shutdown();
        }
        self.signal();
        Ok(())
    }
}
