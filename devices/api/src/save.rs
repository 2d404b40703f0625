//! Saved state of a device.

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Why a saved state was refused. The device is as it was before.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RestoreError {
    /// A field holds what the device can never hold.
    #[error("saved state of {device}: {field} holds an impossible value")]
    Invalid {
        /// The device's name.
        device: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// Saves and restores a device through a type of its own that stays stable
/// while the device's internals change.
///
/// `save` takes the device apart by exhaustive destructuring, so that a field
/// that is forgotten does not compile.
pub trait SaveRestore {
    /// The saved state, versioned by its type's name (`PitSavedV1`).
    type Saved: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug;

    /// The state now.
    fn save(&self) -> Self::Saved;

    /// Takes over a saved state; it may come from a hostile file.
    ///
    /// # Errors
    /// [`RestoreError`] where a field holds an impossible value; nothing changed then.
    fn restore(&mut self, saved: Self::Saved) -> Result<(), RestoreError>;
}
