//! Disk images as the host's end of drives.
//!
//! A [`Drive`] holds a medium and the threads that work for it; each of its
//! users has a [client](Drive::client), which is a
//! [`BlockBackend`](glassbox_device_api::BlockBackend). Below is an [`Image`], the
//! disk in a file of some [`Format`], and below that the host's file, which is
//! locked against a second writer.

mod client;
mod drive;
mod error;
mod foreign;
mod format;
mod image;
mod lock;
mod open;
mod overlay;
mod qcow2;
mod raw;
mod storage;
pub mod tools;

pub use drive::{Cache, Drive, DriveKind, DriveOptions, Execution};
pub use error::ImageError;
pub use format::{Format, is_wrapped};
pub use image::{Extent, ExtentKind, Image};
pub use open::{OpenOptions, open};
pub use qcow2::check::CheckReport;
