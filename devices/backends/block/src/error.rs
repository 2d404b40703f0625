//! Why an image cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use glassbox_device_api::BlockError;
use thiserror::Error;

use crate::Format;

/// Why an image could not be opened, created or changed. Each message names the
/// file and, where there is something to do about it, says what.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The host refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// Somebody else has the image open in a way that forbids ours.
    #[error(
        "{path} is in use by another program (another glassbox, or QEMU) that {holder}: end that one first, {advice}",
        path = path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// What the other one does with it.
        holder: &'static str,
        /// What works beside it.
        advice: &'static str,
    },
    /// The host's rights allow reading only.
    #[error(
        "{path} may not be written: change its permissions, or open it with `readonly` (or `ephemeral`, which keeps \
         writes elsewhere)",
        path = path.display()
    )]
    NotWritable {
        /// The file.
        path: PathBuf,
    },
    /// The format is one that is read and not written.
    #[error(
        "{path} is a {format} image, which is read but not written: open it with `readonly` or `ephemeral`, or convert \
         it with `glassbox image convert {path} NEW.qcow2`",
        path = path.display()
    )]
    ReadOnlyFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
    },
    /// The content is none that we read.
    #[error("{path}: {what}", path = path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        what: String,
    },
    /// The image contradicts itself.
    #[error("{path} is damaged: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The guest holds the medium.
    #[error("the guest has locked the medium in its drive: eject it there, or force it")]
    MediumLocked,
    /// The user has stopped it.
    #[error("stopped before the end")]
    Interrupted,
    /// The drive has no door.
    #[error("a fixed disk's medium cannot be changed")]
    Fixed,
}

impl ImageError {
    /// Wraps what the host said about `path`.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    pub(crate) fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_owned(), what: what.into() }
    }
}

/// An image's own contradiction, as an error of the host's kind.
pub(crate) fn corrupt(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// What the guest's device is told.
pub(crate) fn to_block_error(error: &io::Error) -> BlockError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            BlockError::NoSpace
        }
        _ => BlockError::Host(error.to_string()),
    }
}
