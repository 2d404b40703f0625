//! Disks and their controllers.
//!
//! Drives and controllers are apart: a drive of [`ata`] or [`atapi`] executes
//! commands on a [`BlockBackend`](glassbox_device_api::BlockBackend), and knows
//! neither ports nor guest memory. [`ide`] and [`ahci`] are the two controllers that
//! carry its commands and data. [`floppy`] is the diskette controller with its drives,
//! and [`nvme`] a controller that is its own drive.

pub mod ahci;
pub mod ata;
pub mod atapi;
pub mod floppy;
pub mod ide;
pub mod nvme;
