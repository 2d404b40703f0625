//! Video memory, and where a plane's byte lies in it.
//!
//! The four planes are interleaved: four bytes at the same plane address are a
//! *group*, one little-endian dword, plane 0 lowest. VGA has 64 KiB of plane
//! addresses, and the group of address *a* is number *a* rotated right by two
//! bits. Chain-4 reaches plane *n* mod 4 at address *n* with its low bits clear,
//! so by this order byte *n* of a chain-4 window is byte *n* of video memory, and
//! the window can be mapped straight to it.

use glassbox_memory::{GuestMemory, MemoryError, RamBlock};

/// The least video memory: that of a VGA.
const LEAST: u32 = 256 << 10;

/// A block of guest memory that is the display's.
#[derive(Clone, Debug)]
pub struct VideoMemory {
    memory: GuestMemory,
    start: u64,
    len: u32,
    /// Where guest memory tells of writes.
    watched: Option<RamBlock>,
}

impl VideoMemory {
    /// The `len` bytes from RAM offset `start` of `memory`.
    ///
    /// # Panics
    /// When `len` is not a power of two of 256 KiB or more, or the block is not
    /// in the mapping: a mistake in the board, not of the guest.
    pub fn new(memory: GuestMemory, start: u64, len: u32) -> Self {
        assert!(len.is_power_of_two() && len >= LEAST, "video memory of {len} bytes");
        assert!(start.checked_add(len.into()).is_some_and(|end| end <= memory.host_len()));
        Self { memory, start, len, watched: None }
    }

    /// A block of `memory` whose writes are watched from now on, so that only changed
    /// parts of pictures are looked at.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn watched(memory: GuestMemory, block: RamBlock) -> Self {
        memory.watch_writes(block);
        let len = u32::try_from(block.len()).unwrap_or(u32::MAX);
        Self { watched: Some(block), ..Self::new(memory, block.offset(), len) }
    }

    /// Video memory of its own, mapped nowhere: for tests and tools.
    ///
    /// # Errors
    /// [`MemoryError`] where the host does not have `len` bytes, or they are not whole MiB.
    pub fn standalone(len: u32) -> Result<Self, MemoryError> {
        Ok(Self::new(GuestMemory::new(len.into())?, 0, len))
    }

    /// Bytes.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Never: there are at least 256 KiB.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// RAM offset of the first byte in [`GuestMemory`].
    pub fn ram_offset(&self) -> u64 {
        self.start
    }

    /// Whether guest memory tells of writes.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.is_some()
    }

    /// Calls `each` with the offset of every page written since the last call.
    pub(crate) fn take_dirty(&self, each: &mut dyn FnMut(u64)) {
        if let Some(block) = self.watched {
            self.memory.take_dirty(block, 0, block.len(), |offset| each(offset - block.offset()));
        }
    }

    fn at(&self, offset: u32, len: u32) -> u64 {
        // Beyond the end the memory repeats. Aligned accesses never straddle it.
        self.start + u64::from(offset & (self.len - 1) & !(len - 1))
    }

    /// The group at plane address `address` of a VGA (64 KiB of addresses).
    pub(crate) fn group_of(address: u32) -> u32 {
        (address & 0xffff) >> 2 | (address & 3) << 14
    }

    /// The group number `group`: bytes `4 * group` to `4 * group + 3`.
    #[inline]
    pub(crate) fn group(&self, group: u32) -> u32 {
        u32::from_le(self.memory.read(self.at(group.wrapping_mul(4), 4)))
    }

    #[inline]
    pub(crate) fn set_group(&self, group: u32, value: u32) {
        let at = self.at(group.wrapping_mul(4), 4);
        self.memory.write(at, value.to_le());
        self.written(at, 4);
    }

    /// Memory that is also code must not run stale, and pictures neither.
    #[inline]
    fn written(&self, at: u64, len: u64) {
        if !self.memory.is_open(at) {
            self.written_in_bulk(at, len);
        }
    }

    fn written_in_bulk(&self, at: u64, len: u64) {
        self.memory.code_written(at, len);
        self.memory.mark_dirty(at, len);
    }

    /// The byte of plane `plane` at a VGA's plane address.
    pub(crate) fn plane_byte(&self, plane: u32, address: u32) -> u8 {
        self.memory.read(self.at(Self::group_of(address) * 4 + plane, 1))
    }

    /// Reads `to.len()` bytes from `offset`; what lies beyond the memory is left alone.
    pub fn read(&self, offset: u32, to: &mut [u8]) {
        let room = self.len.saturating_sub(offset) as usize;
        let len = to.len().min(room);
        self.memory.read_slice_at(self.start + u64::from(offset.min(self.len)), &mut to[..len]);
    }

    /// Writes at `offset`; what lies beyond the memory is dropped.
    pub fn write(&self, offset: u32, from: &[u8]) {
        let len = from.len().min(self.len.saturating_sub(offset) as usize);
        let at = self.start + u64::from(offset.min(self.len));
        self.memory.write_slice_at(at, &from[..len]);
        self.written_in_bulk(at, len as u64);
    }

    /// Clears the first `len` bytes.
    pub(crate) fn clear(&self, len: u32) {
        let len = len.min(self.len);
        self.memory.fill_at(self.start, len as usize, 0);
        self.written_in_bulk(self.start, len.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_4_window_is_the_beginning_of_memory() {
        for byte in [0u32, 1, 5, 0x1234, 0xfffe] {
            let (plane, address) = (byte & 3, byte & !3);
            assert_eq!(VideoMemory::group_of(address) * 4 + plane, byte);
        }
    }

    #[test]
    fn every_plane_address_has_its_own_group() {
        let mut seen = vec![false; 0x1_0000];
        for address in 0..0x1_0000 {
            let group = VideoMemory::group_of(address) as usize;
            assert!(!std::mem::replace(&mut seen[group], true));
        }
    }

    #[test]
    fn accesses_beyond_the_end_wrap_or_are_dropped() {
        let memory = VideoMemory::standalone(1 << 20).unwrap();
        memory.set_group(u32::MAX, 0x0403_0201);
        let mut end = [0; 8];
        memory.read((1 << 20) - 4, &mut end);
        assert_eq!(end, [1, 2, 3, 4, 0, 0, 0, 0]);
        memory.write((1 << 20) - 1, &[9; 4]);
        memory.write(u32::MAX, &[9; 4]);
        assert_eq!(memory.group((1 << 18) - 1), 0x0903_0201);
        assert_eq!(memory.group(0), 0);
    }
}
