//! Descriptor chains (Virtio 1.2, 2.7.5 to 2.7.8).

use glassbox_memory::{Gpa, GuestMemory};

use super::QueueError;

/// Bytes of a descriptor.
pub(super) const DESCRIPTOR: u64 = 16;
/// Most descriptors of a chain that goes through an indirect table.
const MAX_INDIRECT: u32 = 1024;

const FLAG_NEXT: u16 = 1;
const FLAG_WRITE: u16 = 2;
const FLAG_INDIRECT: u16 = 4;

/// A run of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Guest physical address of the first byte.
    pub at: u64,
    /// Bytes.
    pub len: u32,
}

/// A buffer that the driver made available: what the device reads, then what it writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The descriptor that it begins with, by which it is given back.
    pub head: u16,
    /// What the device reads.
    pub readable: Vec<Segment>,
    /// What the device writes.
    pub writable: Vec<Segment>,
}

struct Descriptor {
    at: u64,
    len: u32,
    flags: u16,
    next: u16,
}

fn descriptor(memory: &GuestMemory, table: u64, index: u16) -> Result<Descriptor, QueueError> {
    let at = table.checked_add(u64::from(index) * DESCRIPTOR).ok_or(QueueError::RingAddress)?;
    let bytes: [u8; 16] = memory.read_at(Gpa(at)).map_err(|_| QueueError::RingAddress)?;
    let value = u128::from_le_bytes(bytes);
    Ok(Descriptor {
        at: value as u64,
        len: (value >> 64) as u32,
        flags: (value >> 96) as u16,
        next: (value >> 112) as u16,
    })
}

impl Chain {
    /// Follows the chain that begins at `head` of the table at `table` with `size` entries.
    pub(super) fn walk(
        memory: &GuestMemory,
        table: u64,
        size: u16,
        head: u16,
        indirect: bool,
    ) -> Result<Self, QueueError> {
        let mut chain = Self { head, ..Self::default() };
        let (mut table, mut size) = (table, u32::from(size));
        // As many as there are descriptors: one more, and the chain has a loop.
        let (mut left, mut inside) = (size, false);
        let mut index = head;
        loop {
            if u32::from(index) >= size {
                return Err(QueueError::NoSuchDescriptor(index));
            }
            left = left.checked_sub(1).ok_or(QueueError::Loop)?;
            let entry = descriptor(memory, table, index)?;
            if entry.flags & FLAG_INDIRECT != 0 {
                let entries = entry.len / DESCRIPTOR as u32;
                let odd = entries == 0 || !u64::from(entry.len).is_multiple_of(DESCRIPTOR);
                if !indirect || inside || odd || entry.flags & FLAG_NEXT != 0 {
                    return Err(QueueError::BadIndirect);
                }
                (table, size, left) = (entry.at, entries.min(1 << 16), entries.min(MAX_INDIRECT));
                (inside, index) = (true, 0);
                continue;
            }
            chain.add(&entry)?;
            if entry.flags & FLAG_NEXT == 0 {
                return Ok(chain);
            }
            index = entry.next;
        }
    }

    fn add(&mut self, entry: &Descriptor) -> Result<(), QueueError> {
        let segment = Segment { at: entry.at, len: entry.len };
        if entry.flags & FLAG_WRITE != 0 {
            self.writable.push(segment);
        } else if self.writable.is_empty() {
            self.readable.push(segment);
        } else {
            return Err(QueueError::Order);
        }
        Ok(())
    }

    /// Bytes that the device may read.
    pub fn readable_len(&self) -> u64 {
        self.readable.iter().map(|s| u64::from(s.len)).sum()
    }

    /// Bytes that the device may write.
    pub fn writable_len(&self) -> u64 {
        self.writable.iter().map(|s| u64::from(s.len)).sum()
    }

    /// Fills `to` from byte `offset` of what the device reads.
    ///
    /// # Errors
    /// [`QueueError::Buffer`] where the chain is too short or leaves memory.
    pub fn read(&self, memory: &GuestMemory, offset: u64, to: &mut [u8]) -> Result<(), QueueError> {
        for_parts(&self.readable, offset, to.len(), |at, part| {
            memory.read_bytes(Gpa(at), &mut to[part]).map_err(|_| QueueError::Buffer)
        })
    }

    /// Stores `from` at byte `offset` of what the device writes.
    ///
    /// # Errors
    /// As [`read`](Self::read); a part may have been written.
    pub fn write(&self, memory: &GuestMemory, offset: u64, from: &[u8]) -> Result<(), QueueError> {
        for_parts(&self.writable, offset, from.len(), |at, part| {
            memory.write_bytes(Gpa(at), &from[part]).map_err(|_| QueueError::Buffer)
        })
    }
}

/// Calls `each` with the address and the range of the caller's bytes for each
/// segment that bytes `offset..offset + len` of the chain lie in.
fn for_parts(
    segments: &[Segment],
    offset: u64,
    len: usize,
    mut each: impl FnMut(u64, std::ops::Range<usize>) -> Result<(), QueueError>,
) -> Result<(), QueueError> {
    let (mut skip, mut done) = (offset, 0);
    for segment in segments {
        let size = u64::from(segment.len);
        if skip >= size {
            skip -= size;
            continue;
        }
        if done == len {
            break;
        }
        let part = usize::try_from(size - skip).unwrap_or(usize::MAX).min(len - done);
        each(segment.at.checked_add(skip).ok_or(QueueError::Buffer)?, done..done + part)?;
        (skip, done) = (0, done + part);
    }
    if done == len { Ok(()) } else { Err(QueueError::Buffer) }
}
