//! Saved state of a configuration space.

use glassbox_device_api::{RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use super::ConfigSpace;

/// Saved state of a [`ConfigSpace`]: its 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigSpaceSavedV1 {
    pub(super) bytes: Vec<u8>,
}

impl SaveRestore for ConfigSpace {
    type Saved = ConfigSpaceSavedV1;

    fn save(&self) -> ConfigSpaceSavedV1 {
        let Self {
            bytes,
            reset: _,
            writable: _,
            clear: _,
            driven: _,
            bars: _,
            last_capability: _,
            next_capability: _,
            mappings: _,
            mapping_version: _,
            intx: _,
        } = self;
        ConfigSpaceSavedV1 { bytes: bytes.to_vec() }
    }

    /// Refuses the space of another kind of function: read-only bits must agree.
    fn restore(&mut self, saved: ConfigSpaceSavedV1) -> Result<(), RestoreError> {
        let ConfigSpaceSavedV1 { bytes } = saved;
        let invalid = RestoreError::Invalid { device: "pci", field: "bytes" };
        let Ok(bytes) = <[u8; 256]>::try_from(bytes) else { return Err(invalid) };
        let changeable = |i: usize| self.writable[i] | self.clear[i] | self.driven[i];
        if (0..256).any(|i| (bytes[i] ^ self.reset[i]) & !changeable(i) != 0) {
            return Err(invalid);
        }
        self.bytes = bytes;
        self.update_mappings();
        self.update_intx();
        Ok(())
    }
}
