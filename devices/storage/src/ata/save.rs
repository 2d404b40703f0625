//! Saved state of a disk.

use glassbox_device_api::RestoreError;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, Job};
use super::geometry::SECTOR;
use super::interface::{Interface, InterfaceSavedV1, Phase};
use super::queue::FailedCommand;
use super::settings::Settings;
use super::smart::Smart;
use super::span::CHUNK;

/// Saved state of a [`Disk`]; what is stored on it is the back end's.
///
/// A command whose answer is outstanding is not part of it: [`Disk::quiesce`]
/// comes first. One that was is aborted when the state is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSavedV1 {
    interface: InterfaceSavedV1,
    sectors: u64,
    settings: Settings,
    smart: Smart,
    job: Job,
    failed: Option<FailedCommand>,
}

impl Disk {
    /// The state now.
    pub fn save(&self) -> DiskSavedV1 {
        let Self {
            interface,
            backend: _,
            identity: _,
            attachment: _,
            sectors,
            read_only: _,
            settings,
            smart,
            job,
            queue,
        } = self;
        DiskSavedV1 {
            interface: interface.save(),
            sectors: *sectors,
            settings: settings.clone(),
            smart: smart.clone(),
            job: job.clone(),
            failed: queue.failed_log(),
        }
    }

    /// Whether this disk can take over a saved state.
    ///
    /// # Errors
    /// [`RestoreError`] where a field holds an impossible value.
    pub fn check(&self, saved: &DiskSavedV1) -> Result<(), RestoreError> {
        let DiskSavedV1 { interface, sectors, settings, smart, job, failed: _ } = saved;
        let invalid = |field| Err(RestoreError::Invalid { device: "disk", field });
        let interface = Interface::restored(interface.clone(), CHUNK as usize * SECTOR as usize)?;
        let moves_data = interface.phase().moves_data();
        let in_range =
            |&(lba, count): &(u64, u16)| lba.checked_add(count.into()).is_some_and(|end| end <= self.sectors);
        let job_is_possible = match job {
            Job::None => !moves_data,
            Job::Transfer(transfer) => transfer.is_possible(self.sectors, &interface),
            Job::Flush => interface.phase() == Phase::Busy,
            Job::Trim(ranges) => interface.phase() == Phase::Busy && ranges.iter().all(in_range),
            Job::Reply => matches!(interface.phase(), Phase::PioIn | Phase::DmaIn),
            Job::TrimList => interface.phase() == Phase::DmaOut,
        };
        match () {
            () if *sectors != self.sectors => invalid("sectors"),
            () if !settings.is_possible() => invalid("settings"),
            () if !smart.is_possible() => invalid("smart"),
            () if !job_is_possible => invalid("job"),
            () => Ok(()),
        }
    }

    /// Takes over a saved state.
    ///
    /// # Errors
    /// As [`check`](Self::check); nothing changed then.
    pub fn restore(&mut self, saved: DiskSavedV1) -> Result<(), RestoreError> {
        self.check(&saved)?;
        let DiskSavedV1 { interface, sectors: _, settings, smart, job, failed } = saved;
        let interface = Interface::restored(interface, CHUNK as usize * SECTOR as usize)?;
        self.drop_work();
        self.interface = interface;
        self.settings = settings;
        self.smart = smart;
        self.job = job;
        self.queue.restore_failed(failed);
        if self.interface.phase() == Phase::Busy && self.job != Job::None {
            self.job = Job::None;
            self.interface.abort();
        }
        Ok(())
    }
}
