//! Command bytes of the 82077AA (data sheet table 5-1).

use serde::{Deserialize, Serialize};

/// How SCAN compares a byte of the diskette with the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Condition {
    Equal,
    LowOrEqual,
    HighOrEqual,
}

/// A command that works on the data of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Access {
    Read,
    ReadDeleted,
    Write,
    WriteDeleted,
    ReadTrack,
    Verify,
    Scan(Condition),
    Format,
    ReadId,
}

impl Access {
    /// Whether it changes the diskette.
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::WriteDeleted | Self::Format)
    }

    /// Whether CONFIGURE's implied seek goes before it.
    pub fn seeks(self) -> bool {
        !matches!(self, Self::Format | Self::ReadId | Self::ReadTrack)
    }

    /// Whether data of it crosses to or from the host.
    pub fn moves_data(self) -> bool {
        !matches!(self, Self::Verify | Self::ReadId)
    }
}

/// A first command byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Access(Access),
    Specify,
    SenseDriveStatus,
    Recalibrate,
    SenseInterrupt,
    DumpRegisters,
    Seek,
    RelativeSeek,
    Version,
    Perpendicular,
    Configure,
    Lock,
    Invalid,
}

impl Command {
    /// What a first byte means. Bits that a command does not use have to be zero.
    /// PART ID (18h) and the commands of later controllers are invalid, which is
    /// how drivers tell an 82077AA.
    pub fn decode(byte: u8) -> Self {
        // MT, MFM and SK, as far as a command has them.
        match (byte & 0x1f, byte & 0xe0) {
            (0x06, _) => Self::Access(Access::Read),
            (0x0c, _) => Self::Access(Access::ReadDeleted),
            (0x05, 0x00 | 0x40 | 0x80 | 0xc0) => Self::Access(Access::Write),
            (0x09, 0x00 | 0x40 | 0x80 | 0xc0) => Self::Access(Access::WriteDeleted),
            // Drivers of the µPD765 set SK here, which changes nothing.
            (0x02, 0x00 | 0x40 | 0x20 | 0x60) => Self::Access(Access::ReadTrack),
            (0x16, _) => Self::Access(Access::Verify),
            (0x11, _) => Self::Access(Access::Scan(Condition::Equal)),
            (0x19, _) => Self::Access(Access::Scan(Condition::LowOrEqual)),
            (0x1d, _) => Self::Access(Access::Scan(Condition::HighOrEqual)),
            (0x0d, 0x00 | 0x40) => Self::Access(Access::Format),
            (0x0a, 0x00 | 0x40) => Self::Access(Access::ReadId),
            (0x03, 0) => Self::Specify,
            (0x04, 0) => Self::SenseDriveStatus,
            (0x07, 0) => Self::Recalibrate,
            (0x08, 0) => Self::SenseInterrupt,
            (0x0e, 0) => Self::DumpRegisters,
            (0x0f, 0) => Self::Seek,
            (0x0f, 0x80 | 0xc0) => Self::RelativeSeek,
            (0x10, 0) => Self::Version,
            (0x12, 0) => Self::Perpendicular,
            (0x13, 0) => Self::Configure,
            (0x14, 0 | 0x80) => Self::Lock,
            _ => Self::Invalid,
        }
    }

    /// Bytes that follow the first.
    pub fn parameters(self) -> usize {
        match self {
            Self::Access(Access::ReadId) => 1,
            Self::Access(Access::Format) => 5,
            Self::Access(_) => 8,
            Self::SenseDriveStatus | Self::Recalibrate | Self::Perpendicular => 1,
            Self::Specify | Self::Seek | Self::RelativeSeek => 2,
            Self::Configure => 3,
            Self::SenseInterrupt | Self::DumpRegisters | Self::Version | Self::Lock | Self::Invalid => 0,
        }
    }
}
