//! Submission and completion queue entries, and status codes (NVM Express 1.4, 4.2 and 4.6).

use serde::{Deserialize, Serialize};

/// Bytes of a submission queue entry.
pub(super) const SQE_SIZE: usize = 64;
/// Bytes of a completion queue entry.
pub(super) const CQE_SIZE: usize = 16;

/// How a command ended: the status field of its completion, 15 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Status(pub u16);

/// Do not retry.
const DNR: u16 = 1 << 14;
/// More about it is in the error log.
const MORE: u16 = 1 << 13;

impl Status {
    pub const SUCCESS: Self = Self(0);
    // Generic.
    pub const INVALID_OPCODE: Self = Self(0x01 | DNR);
    pub const INVALID_FIELD: Self = Self(0x02 | DNR);
    pub const ID_CONFLICT: Self = Self(0x03 | DNR);
    pub const DATA_TRANSFER_ERROR: Self = Self(0x04 | DNR);
    pub const INTERNAL_ERROR: Self = Self(0x06);
    pub const ABORT_REQUESTED: Self = Self(0x07);
    pub const QUEUE_DELETED: Self = Self(0x08);
    pub const INVALID_NAMESPACE: Self = Self(0x0b | DNR);
    pub const SEQUENCE_ERROR: Self = Self(0x0c | DNR);
    pub const PRP_OFFSET_INVALID: Self = Self(0x13 | DNR);
    pub const WRITE_PROTECTED: Self = Self(0x20 | DNR);
    pub const LBA_OUT_OF_RANGE: Self = Self(0x80 | DNR);
    pub const CAPACITY_EXCEEDED: Self = Self(0x81 | DNR);
    pub const NOT_READY: Self = Self(0x82);
    // Command specific.
    pub const INVALID_COMPLETION_QUEUE: Self = Self(0x100 | DNR);
    pub const INVALID_QUEUE_ID: Self = Self(0x101 | DNR);
    pub const INVALID_QUEUE_SIZE: Self = Self(0x102 | DNR);
    pub const EVENT_LIMIT_EXCEEDED: Self = Self(0x105 | DNR);
    pub const INVALID_VECTOR: Self = Self(0x108 | DNR);
    pub const INVALID_LOG_PAGE: Self = Self(0x109 | DNR);
    pub const INVALID_QUEUE_DELETION: Self = Self(0x10c | DNR);
    pub const NOT_SAVEABLE: Self = Self(0x10d | DNR);
    pub const NOT_NAMESPACE_SPECIFIC: Self = Self(0x10f | DNR);
    // Media and data integrity.
    pub const WRITE_FAULT: Self = Self(0x280);
    pub const UNRECOVERED_READ: Self = Self(0x281);
    pub const COMPARE_FAILURE: Self = Self(0x285 | DNR);

    pub fn is_success(self) -> bool {
        self.0 == 0
    }

    /// The same, pointing to the error log.
    pub fn with_more(self) -> Self {
        Self(self.0 | MORE)
    }
}

/// A submission queue entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Command {
    words: [u32; 16],
}

impl Command {
    pub fn parse(bytes: &[u8; SQE_SIZE]) -> Self {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Self { words }
    }

    pub fn opcode(&self) -> u8 {
        self.words[0] as u8
    }

    /// Part of a fused operation.
    pub fn is_fused(&self) -> bool {
        self.words[0] & 3 << 8 != 0
    }

    /// Describes its data by SGLs.
    pub fn uses_sgl(&self) -> bool {
        self.words[0] & 3 << 14 != 0
    }

    pub fn id(&self) -> u16 {
        (self.words[0] >> 16) as u16
    }

    pub fn namespace(&self) -> u32 {
        self.words[1]
    }

    pub fn prp1(&self) -> u64 {
        self.qword(6)
    }

    pub fn prp2(&self) -> u64 {
        self.qword(8)
    }

    /// Command dword 10 to 15.
    pub fn cdw(&self, index: usize) -> u32 {
        self.words[index & 15]
    }

    /// Two command dwords as one number.
    pub fn qword(&self, index: usize) -> u64 {
        u64::from(self.cdw(index)) | u64::from(self.cdw(index + 1)) << 32
    }
}

/// What becomes a completion queue entry when it is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Completion {
    /// The command's submission queue.
    pub queue: u16,
    /// The command's identifier.
    pub id: u16,
    pub status: Status,
    /// Dword 0.
    pub result: u32,
}

impl Completion {
    /// The entry's bytes. `head` is where the controller is in the submission queue.
    pub fn bytes(&self, head: u16, phase: bool) -> [u8; CQE_SIZE] {
        let mut bytes = [0; CQE_SIZE];
        bytes[0..4].copy_from_slice(&self.result.to_le_bytes());
        bytes[8..10].copy_from_slice(&head.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.queue.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.id.to_le_bytes());
        bytes[14..16].copy_from_slice(&(self.status.0 << 1 | u16::from(phase)).to_le_bytes());
        bytes
    }
}
