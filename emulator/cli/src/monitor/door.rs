//! A drive as the monitor reaches it.

use crate::drives::Opened;
use glassbox_block::{Drive, DriveOptions};
use glassbox_machine::{Control, DriveInterface, DriveMedia};
use std::path::Path;
use std::sync::Arc;

/// A drive with a name for commands: `disk0`, `cdrom0`, `floppy1`.
pub struct Door {
    name: String,
    interface: DriveInterface,
    drive: Arc<Drive>,
    control: Control,
}

impl Door {
    /// The doors of all drives, which are numbered by their kind.
    pub fn of(drives: &[Opened], control: &Control) -> Vec<Self> {
        let mut doors: Vec<Self> = Vec::new();
        for Opened { config, drive } in drives {
            let kind = match config.media {
                DriveMedia::Disk => "disk",
                DriveMedia::Cdrom => "cdrom",
                DriveMedia::Floppy => "floppy",
            };
            let number = doors.iter().filter(|door| door.name.starts_with(kind)).count();
            let (interface, drive) = (config.interface, Arc::clone(drive));
            doors.push(Self { name: format!("{kind}{number}"), interface, drive, control: control.clone() });
        }
        doors
    }

    /// What commands call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Place, size and file, as one line.
    pub fn describe(&self) -> String {
        let content = match (self.drive.medium(), self.drive.path()) {
            (Some(medium), Some(path)) => {
                let read_only = if medium.read_only { ", read-only" } else { "" };
                let locked = if self.drive.is_locked() { ", locked by the guest" } else { "" };
                format!("{}, {} bytes{read_only}{locked}", path.display(), medium.bytes)
            }
            _ => "empty".to_owned(),
        };
        format!("{}: {}: {content}\n", self.name, self.interface)
    }

    /// Takes out what is in it.
    ///
    /// # Errors
    /// A fixed disk, or one that the guest holds unless `force` is set.
    pub fn eject(&self, force: bool) -> anyhow::Result<()> {
        self.drive.eject(force)?;
        self.control.input_ready();
        Ok(())
    }

    /// Puts `file` in, in place of what is there.
    ///
    /// # Errors
    /// As [`eject`](Self::eject), and where the image cannot be used.
    pub fn insert(&self, file: &Path) -> anyhow::Result<()> {
        self.drive.insert(&DriveOptions::new(file))?;
        self.control.input_ready();
        Ok(())
    }
}
