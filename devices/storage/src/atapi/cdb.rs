//! Command packets (MMC-3 chapter 6).

use serde::{Deserialize, Serialize};

/// Bytes of a packet on this interface.
pub const CDB_LEN: usize = 12;

/// A command packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cdb(pub [u8; CDB_LEN]);

impl Cdb {
    /// The packet in `bytes`; what is missing is zero.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut cdb = [0; CDB_LEN];
        for (to, from) in cdb.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self(cdb)
    }

    /// The operation code.
    pub const fn code(self) -> u8 {
        self.0[0]
    }

    /// The byte at `at`.
    pub fn byte(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// Whether bit `bit` of the byte at `at` is set.
    pub fn bit(self, at: usize, bit: u8) -> bool {
        self.byte(at) >> bit & 1 != 0
    }

    /// The 16-bit field at `at`.
    pub fn be16(self, at: usize) -> u16 {
        u16::from_be_bytes([self.byte(at), self.byte(at + 1)])
    }

    /// The 24-bit field at `at`.
    pub fn be24(self, at: usize) -> u32 {
        u32::from(self.byte(at)) << 16 | u32::from(self.be16(at + 1))
    }

    /// The 32-bit field at `at`.
    pub fn be32(self, at: usize) -> u32 {
        u32::from(self.be16(at)) << 16 | u32::from(self.be16(at + 2))
    }
}
