//! A drive of either kind on a cable.

use glassbox_device_api::{BlockBackend, ResetKind, RestoreError};
use serde::{Deserialize, Serialize};

use super::{Attachment, Disk, DiskSavedV1, DriveIdentity, Interface};
use crate::atapi::{Cdrom, CdromSavedV1};

/// What a drive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveKind {
    /// A fixed disk.
    Disk,
    /// A CD-ROM or DVD-ROM drive; its medium may come and go.
    Cdrom,
}

/// A drive to be put on a controller.
pub struct DriveConfig {
    /// What it is.
    pub kind: DriveKind,
    /// Where its bytes are.
    pub backend: Box<dyn BlockBackend>,
    /// Serial number, up to 20 ASCII characters.
    pub serial: String,
}

impl std::fmt::Debug for DriveConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DriveConfig").field("kind", &self.kind).field("serial", &self.serial).finish()
    }
}

/// A drive of either kind.
#[derive(Debug)]
pub enum Drive {
    /// A fixed disk.
    Disk(Box<Disk>),
    /// A CD-ROM or DVD-ROM drive.
    Cdrom(Box<Cdrom>),
}

/// Saved state of a [`Drive`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriveSavedV1 {
    /// A fixed disk.
    Disk(DiskSavedV1),
    /// A CD-ROM or DVD-ROM drive.
    Cdrom(CdromSavedV1),
}

impl Drive {
    /// The drive after power-on.
    pub fn new(config: DriveConfig, attachment: Attachment) -> Self {
        let DriveConfig { kind, backend, serial } = config;
        match kind {
            DriveKind::Disk => {
                let identity = DriveIdentity::new("Glassbox disk", &serial);
                Self::Disk(Box::new(Disk::new(backend, identity, attachment)))
            }
            DriveKind::Cdrom => {
                let identity = DriveIdentity::new("Glassbox DVD-ROM", &serial);
                Self::Cdrom(Box::new(Cdrom::new(backend, identity, attachment)))
            }
        }
    }

    /// Registers, data and INTRQ.
    #[inline]
    pub fn interface(&self) -> &Interface {
        match self {
            Self::Disk(disk) => &disk.interface,
            Self::Cdrom(drive) => &drive.interface,
        }
    }

    /// Registers, data and INTRQ.
    #[inline]
    pub fn interface_mut(&mut self) -> &mut Interface {
        match self {
            Self::Disk(disk) => &mut disk.interface,
            Self::Cdrom(drive) => &mut drive.interface,
        }
    }

    /// Whether it is a packet drive.
    pub fn is_packet(&self) -> bool {
        matches!(self, Self::Cdrom(_))
    }

    /// Whether the block that is wanted is a command packet.
    pub fn wants_packet(&self) -> bool {
        match self {
            Self::Disk(_) => false,
            Self::Cdrom(drive) => drive.wants_packet(),
        }
    }

    /// Whether something is under way at the back end.
    pub fn is_waiting(&self) -> bool {
        match self {
            Self::Disk(disk) => disk.is_waiting(),
            Self::Cdrom(drive) => drive.is_waiting(),
        }
    }

    /// The controller gives up on what is under way.
    pub fn cut_off(&mut self) {
        match self {
            Self::Disk(disk) => disk.cut_off(),
            Self::Cdrom(drive) => drive.cut_off(),
        }
    }

    /// Whether nothing but a reset wakes it.
    pub fn is_asleep(&self) -> bool {
        match self {
            Self::Disk(disk) => disk.is_asleep(),
            Self::Cdrom(drive) => drive.is_asleep(),
        }
    }

    /// The host wrote the command register.
    pub fn execute(&mut self, code: u8) {
        match self {
            Self::Disk(disk) => disk.execute(code),
            Self::Cdrom(drive) => drive.execute(code),
        }
    }

    /// The controller has moved the whole block.
    pub fn block_done(&mut self) {
        match self {
            Self::Disk(disk) => disk.block_done(),
            Self::Cdrom(drive) => drive.block_done(),
        }
    }

    /// Takes the answers of the back end.
    pub fn poll(&mut self) {
        match self {
            Self::Disk(disk) => disk.poll(),
            Self::Cdrom(drive) => drive.poll(),
        }
    }

    /// SRST.
    pub fn software_reset(&mut self) {
        match self {
            Self::Disk(disk) => disk.software_reset(),
            Self::Cdrom(drive) => drive.software_reset(),
        }
    }

    /// The reset line of the cable, or power-on.
    pub fn hard_reset(&mut self, kind: ResetKind) {
        match self {
            Self::Disk(disk) => disk.hard_reset(kind),
            Self::Cdrom(drive) => drive.hard_reset(kind),
        }
    }

    /// EXECUTE DEVICE DIAGNOSTIC: leaves signature and code.
    pub fn diagnose(&mut self) {
        match self {
            Self::Disk(disk) => disk.diagnose(),
            Self::Cdrom(drive) => drive.diagnose(),
        }
    }

    /// Waits for the back end and takes its answers: before the state is saved.
    pub fn quiesce(&mut self) {
        match self {
            Self::Disk(disk) => disk.quiesce(),
            Self::Cdrom(drive) => drive.quiesce(),
        }
    }

    /// The state now.
    pub fn save(&self) -> DriveSavedV1 {
        match self {
            Self::Disk(disk) => DriveSavedV1::Disk(disk.save()),
            Self::Cdrom(drive) => DriveSavedV1::Cdrom(drive.save()),
        }
    }

    /// Whether this drive can take over a saved state.
    ///
    /// # Errors
    /// [`RestoreError`] where a field holds an impossible value.
    pub fn check(&self, saved: &DriveSavedV1) -> Result<(), RestoreError> {
        match (self, saved) {
            (Self::Disk(disk), DriveSavedV1::Disk(saved)) => disk.check(saved),
            (Self::Cdrom(drive), DriveSavedV1::Cdrom(saved)) => drive.check(saved),
            _ => Err(RestoreError::Invalid { device: "ata", field: "kind" }),
        }
    }

    /// Takes over a saved state.
    ///
    /// # Errors
    /// As [`check`](Self::check); nothing changed then.
    pub fn restore(&mut self, saved: DriveSavedV1) -> Result<(), RestoreError> {
        match (self, saved) {
            (Self::Disk(disk), DriveSavedV1::Disk(saved)) => disk.restore(saved),
            (Self::Cdrom(drive), DriveSavedV1::Cdrom(saved)) => drive.restore(saved),
            _ => Err(RestoreError::Invalid { device: "ata", field: "kind" }),
        }
    }
}
