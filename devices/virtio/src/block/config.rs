//! Features and configuration structure of the block device (Virtio 1.2, 5.2.3 and 5.2.4).

use super::SECTOR;

/// Most bytes of a segment.
pub(super) const F_SIZE_MAX: u64 = 1 << 1;
/// Most segments of a request.
pub(super) const F_SEG_MAX: u64 = 1 << 2;
pub(super) const F_GEOMETRY: u64 = 1 << 4;
pub(super) const F_READ_ONLY: u64 = 1 << 5;
pub(super) const F_BLK_SIZE: u64 = 1 << 6;
pub(super) const F_FLUSH: u64 = 1 << 9;
pub(super) const F_TOPOLOGY: u64 = 1 << 10;
/// The driver chooses between write-back and write-through.
pub(super) const F_CONFIG_WCE: u64 = 1 << 11;
/// Several queues.
pub(super) const F_MQ: u64 = 1 << 12;
pub(super) const F_DISCARD: u64 = 1 << 13;
pub(super) const F_WRITE_ZEROES: u64 = 1 << 14;

/// What the fields say.
pub(super) const SIZE_MAX: u32 = 1 << 20;
pub(super) const SEG_MAX: u32 = 254;
pub(super) const MAX_RANGE_SECTORS: u32 = 1 << 22;
pub(super) const MAX_RANGES: u32 = 16;

/// Where the writeback field is, the only one that is written.
pub(super) const WRITEBACK: u64 = 32;
/// Bytes of the structure.
const SIZE: usize = 60;

/// What the structure is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// Bytes of the medium.
    pub bytes: u64,
    /// Logical and physical block size in bytes.
    pub block_size: u32,
    pub physical_block_size: u32,
    pub writeback: bool,
    pub queues: u16,
}

impl Fields {
    /// The structure's bytes.
    pub fn bytes(&self) -> [u8; SIZE] {
        let mut to = [0; SIZE];
        let mut put = |at: usize, bytes: &[u8]| to[at..at + bytes.len()].copy_from_slice(bytes);
        let sectors = self.bytes / SECTOR;
        put(0, &sectors.to_le_bytes());
        put(8, &SIZE_MAX.to_le_bytes());
        put(12, &SEG_MAX.to_le_bytes());
        let (heads, per_track) = (16u8, 63u8);
        let cylinders = (sectors / (u64::from(heads) * u64::from(per_track))).min(16383) as u16;
        put(16, &cylinders.to_le_bytes());
        put(18, &[heads, per_track]);
        put(20, &self.block_size.to_le_bytes());
        let per_physical = (self.physical_block_size / self.block_size.max(1)).max(1);
        put(24, &[per_physical.ilog2() as u8, 0]);
        put(26, &1u16.to_le_bytes());
        put(28, &0u32.to_le_bytes());
        put(32, &[u8::from(self.writeback), 0]);
        put(34, &self.queues.to_le_bytes());
        put(36, &MAX_RANGE_SECTORS.to_le_bytes());
        put(40, &MAX_RANGES.to_le_bytes());
        put(44, &(self.block_size / SECTOR as u32).max(1).to_le_bytes());
        put(48, &MAX_RANGE_SECTORS.to_le_bytes());
        put(52, &MAX_RANGES.to_le_bytes());
        put(56, &[1]);
        to
    }
}
