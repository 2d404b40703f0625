//! Saved state of a CD-ROM drive.

use glassbox_device_api::RestoreError;
use serde::{Deserialize, Serialize};

use super::cdb::CDB_LEN;
use super::cdrom::{Cdrom, Route, Task, Unit};
use super::raw::RAW;
use crate::ata::{Interface, InterfaceSavedV1, Phase, Settings};

/// Most bytes of data that the drive ever offers: 128 whole sectors.
const MOST_DATA: usize = 128 * RAW;

/// Saved state of a [`Cdrom`]; the medium is the back end's.
///
/// As with a disk, [`Cdrom::quiesce`] comes first: a packet whose answer is
/// outstanding is aborted when the state is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdromSavedV1 {
    interface: InterfaceSavedV1,
    settings: Settings,
    unit: Unit,
    task: Task,
    route: Route,
}

impl Cdrom {
    /// The state now.
    pub fn save(&self) -> CdromSavedV1 {
        let Self { interface, backend: _, identity: _, attachment: _, settings, unit, task, route } = self;
        CdromSavedV1 {
            interface: interface.save(),
            settings: settings.clone(),
            unit: unit.clone(),
            task: task.clone(),
            route: *route,
        }
    }

    /// Whether this drive can take over a saved state.
    ///
    /// # Errors
    /// [`RestoreError`] where a field holds an impossible value.
    pub fn check(&self, saved: &CdromSavedV1) -> Result<(), RestoreError> {
        let CdromSavedV1 { interface, settings, unit: _, task, route: _ } = saved;
        let invalid = |field| Err(RestoreError::Invalid { device: "cdrom", field });
        let interface = Interface::restored(interface.clone(), MOST_DATA)?;
        let phase = interface.phase();
        let task_is_possible = match task {
            Task::None => !phase.moves_data(),
            Task::Identify => phase == Phase::PioIn,
            Task::Packet => phase == Phase::PioOut && interface.data_len() == CDB_LEN,
            Task::Reply => matches!(phase, Phase::PioIn | Phase::DmaIn),
            Task::Read(read) => {
                read.is_possible() && matches!(phase, Phase::PioIn | Phase::DmaIn | Phase::Busy)
            }
            Task::List(_) => matches!(phase, Phase::PioOut | Phase::DmaOut),
        };
        match () {
            () if !settings.is_possible() => invalid("settings"),
            () if !task_is_possible => invalid("task"),
            () => Ok(()),
        }
    }

    /// Takes over a saved state.
    ///
    /// # Errors
    /// As [`check`](Self::check); nothing changed then.
    pub fn restore(&mut self, saved: CdromSavedV1) -> Result<(), RestoreError> {
        self.check(&saved)?;
        let CdromSavedV1 { interface, settings, unit, task, route } = saved;
        let interface = Interface::restored(interface, MOST_DATA)?;
        self.backend.drain();
        while self.backend.poll().is_some() {}
        self.interface = interface;
        self.settings = settings;
        self.unit = unit;
        self.backend.lock_medium(self.unit.locked);
        self.task = task;
        self.route = route;
        if self.interface.phase() == Phase::Busy && self.task != Task::None {
            self.task = Task::None;
            self.interface.abort();
        }
        Ok(())
    }
}
