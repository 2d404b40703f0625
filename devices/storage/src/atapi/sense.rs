//! Why a command packet failed (SPC-2 7.20, MMC-3 annex F).

use serde::{Deserialize, Serialize};

/// Sense key, additional code and qualifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sense {
    /// Sense key.
    pub key: u8,
    /// Additional sense code.
    pub code: u8,
    /// Additional sense code qualifier.
    pub qualifier: u8,
    /// The sector that it is about.
    pub lba: Option<u32>,
}

impl Sense {
    /// Nothing to report.
    pub const NONE: Self = Self::new(0x0, 0x00, 0x00);
    /// No medium; the tray is closed.
    pub const NO_MEDIUM: Self = Self::new(0x2, 0x3a, 0x01);
    /// No medium; the tray is open.
    pub const TRAY_OPEN: Self = Self::new(0x2, 0x3a, 0x02);
    /// The sector cannot be read.
    pub const UNREADABLE: Self = Self::new(0x3, 0x11, 0x00);
    /// The packet's code is unknown.
    pub const UNKNOWN_COMMAND: Self = Self::new(0x5, 0x20, 0x00);
    /// No sector has this address.
    pub const OUT_OF_RANGE: Self = Self::new(0x5, 0x21, 0x00);
    /// A field of the packet cannot be.
    pub const INVALID_FIELD: Self = Self::new(0x5, 0x24, 0x00);
    /// The list of parameters has a wrong length.
    pub const LIST_LENGTH: Self = Self::new(0x5, 0x1a, 0x00);
    /// A parameter cannot be.
    pub const INVALID_PARAMETER: Self = Self::new(0x5, 0x26, 0x00);
    /// Parameters cannot be saved.
    pub const NOT_SAVED: Self = Self::new(0x5, 0x39, 0x00);
    /// The medium is held in the drive.
    pub const REMOVAL_PREVENTED: Self = Self::new(0x5, 0x53, 0x02);
    /// The sectors of this track are of another kind.
    pub const WRONG_MODE: Self = Self::new(0x5, 0x64, 0x00);
    /// The medium may have changed.
    pub const MEDIUM_CHANGED: Self = Self::new(0x6, 0x28, 0x00);

    const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        Self { key, code, qualifier, lba: None }
    }

    /// The same about a sector.
    pub const fn at(self, lba: u32) -> Self {
        Self { lba: Some(lba), ..self }
    }

    /// The 18 bytes of fixed format.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; 18];
        bytes[0] = 0x70 | u8::from(self.lba.is_some()) << 7;
        bytes[2] = self.key;
        bytes[3..7].copy_from_slice(&self.lba.unwrap_or(0).to_be_bytes());
        bytes[7] = 10;
        bytes[12] = self.code;
        bytes[13] = self.qualifier;
        bytes
    }
}
