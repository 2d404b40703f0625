//! Fixed disks: the ATA command set (ACS-3), shared by both controllers.
//!
//! [`Disk`] executes the command that is in the [`Registers`] of its [`Interface`].
//! The interface's [`Phase`] tells the controller whether data is to be moved, and
//! how. [`Drive`] is a disk or a CD-ROM drive.

pub mod command;
mod disk;
mod drive;
mod geometry;
mod identify;
mod interface;
mod queue;
pub mod registers;
mod save;
mod settings;
mod smart;
mod span;
#[cfg(test)]
mod tests;
mod transfer;

pub use disk::Disk;
pub use drive::{Drive, DriveConfig, DriveKind, DriveSavedV1};
pub use geometry::{Geometry, SECTOR};
pub(crate) use identify::Words;
pub use identify::{Attachment, DriveIdentity, QUEUE_DEPTH};
pub use interface::{Interface, InterfaceSavedV1, Phase};
pub use queue::{FailedCommand, QueueEvent};
pub use registers::Registers;
pub use save::DiskSavedV1;
pub use settings::{Power, Settings};
pub use smart::Smart;
