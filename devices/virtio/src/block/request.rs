//! Requests to the block device (Virtio 1.2, 5.2.6).

use std::collections::VecDeque;

use glassbox_device_api::{BlockOp, BlockRequest, Medium};
use glassbox_memory::GuestMemory;

use super::SECTOR;
use super::config::{F_DISCARD, F_FLUSH, F_READ_ONLY, F_WRITE_ZEROES, MAX_RANGE_SECTORS, MAX_RANGES};
use crate::{Chain, QueueError};

/// Bytes before the data: type, priority, sector.
const HEADER: u64 = 16;
/// Bytes of a range to discard or to zero.
const RANGE: u64 = 16;
/// Bytes of the device's ID.
pub(super) const ID: usize = 20;
/// A request goes to the back end in pieces of at most so many bytes.
pub(super) const PIECE: u64 = 1 << 20;
/// Larger requests fail: the limits that are told allow for about a quarter of it.
const MAX_TRANSFER: u64 = 1 << 30;

const TYPE_IN: u32 = 0;
const TYPE_OUT: u32 = 1;
const TYPE_FLUSH: u32 = 4;
const TYPE_GET_ID: u32 = 8;
const TYPE_DISCARD: u32 = 11;
const TYPE_WRITE_ZEROES: u32 = 13;
/// Flag of a range: storage may be given back.
const RANGE_UNMAP: u32 = 1;

/// What the driver reads in the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
}

#[derive(Debug)]
enum Work {
    Read,
    Write,
    /// Whether the back end has it already.
    Flush {
        sent: bool,
    },
    /// Discards or zeroes: operation and offset.
    Ranges(VecDeque<(BlockOp, u64)>),
    /// The device's ID, which takes no back end.
    Id,
}

/// One request of the driver on its way.
#[derive(Debug)]
pub(super) struct Request {
    pub queue: u16,
    pub chain: Chain,
    work: Work,
    /// First byte on the medium.
    offset: u64,
    /// Bytes to transfer, and how many were.
    total: u64,
    done: u64,
    /// Where in the writable part the status is.
    status_at: u64,
}

impl Request {
    /// Reads the header. `Ok(Err(status))` is a request that fails.
    ///
    /// # Errors
    /// Where there is no header or no room for the status.
    pub fn parse(
        memory: &GuestMemory,
        queue: u16,
        chain: Chain,
        features: u64,
        medium: Option<Medium>,
    ) -> Result<(Self, Result<(), Status>), QueueError> {
        let mut header = [0; HEADER as usize];
        chain.read(memory, 0, &mut header)?;
        let status_at = chain.writable_len().checked_sub(1).ok_or(QueueError::Buffer)?;
        let header = u128::from_le_bytes(header);
        let (kind, sector) = (header as u32, (header >> 64) as u64);
        let mut request = Self {
            queue,
            chain,
            work: Work::Id,
            offset: sector.saturating_mul(SECTOR),
            total: 0,
            done: 0,
            status_at,
        };
        let accepted = request.start(memory, kind, features, medium)?;
        Ok((request, accepted))
    }

    fn start(
        &mut self,
        memory: &GuestMemory,
        kind: u32,
        features: u64,
        medium: Option<Medium>,
    ) -> Result<Result<(), Status>, QueueError> {
        let has = |bit: u64| features & bit != 0;
        let out = self.chain.readable_len() - HEADER;
        (self.work, self.total) = match kind {
            TYPE_IN => (Work::Read, self.status_at),
            TYPE_OUT => (Work::Write, out),
            TYPE_FLUSH if has(F_FLUSH) => (Work::Flush { sent: false }, 0),
            TYPE_GET_ID => (Work::Id, 0),
            TYPE_DISCARD if has(F_DISCARD) => return self.start_ranges(memory, false, out, medium),
            TYPE_WRITE_ZEROES if has(F_WRITE_ZEROES) => return self.start_ranges(memory, true, out, medium),
            _ => return Ok(Err(Status::Unsupported)),
        };
        let read_only = has(F_READ_ONLY) || medium.is_some_and(|medium| medium.read_only);
        let whole = self.total.is_multiple_of(SECTOR) && self.total <= MAX_TRANSFER;
        let end = self.offset.checked_add(self.total);
        let inside = medium.is_some_and(|medium| end.is_some_and(|end| end <= medium.bytes));
        let fine = match self.work {
            Work::Write => whole && inside && !read_only,
            Work::Read => whole && inside,
            _ => true,
        };
        Ok(if fine { Ok(()) } else { Err(Status::IoError) })
    }

    /// Reads the ranges of a discard or of writing zeroes (Virtio 1.2, 5.2.6).
    fn start_ranges(
        &mut self,
        memory: &GuestMemory,
        zero: bool,
        len: u64,
        medium: Option<Medium>,
    ) -> Result<Result<(), Status>, QueueError> {
        let count = len / RANGE;
        if count == 0 || !len.is_multiple_of(RANGE) || count > MAX_RANGES.into() {
            return Ok(Err(Status::IoError));
        }
        let mut ranges = VecDeque::new();
        for n in 0..count {
            let mut range = [0; RANGE as usize];
            self.chain.read(memory, HEADER + n * RANGE, &mut range)?;
            let range = u128::from_le_bytes(range);
            let (sector, sectors, flags) = (range as u64, (range >> 64) as u32, (range >> 96) as u32);
            let may_unmap = flags & RANGE_UNMAP != 0;
            if flags & !RANGE_UNMAP != 0 || may_unmap && !zero {
                return Ok(Err(Status::Unsupported));
            }
            let (offset, len) = (sector.saturating_mul(SECTOR), u64::from(sectors) * SECTOR);
            let op = if zero { BlockOp::WriteZeroes { len, may_unmap } } else { BlockOp::Discard { len } };
            let probe = BlockRequest { tag: 0, op, offset, buffer: Vec::new(), fua: false };
            if sectors > MAX_RANGE_SECTORS || probe.check(medium).is_err() {
                return Ok(Err(Status::IoError));
            }
            if sectors != 0 {
                ranges.push_back((op, offset));
            }
        }
        self.work = Work::Ranges(ranges);
        Ok(Ok(()))
    }

    /// Bytes of host memory that the request holds while it is on its way.
    pub fn cost(&self) -> u64 {
        self.total.min(PIECE)
    }

    /// The next part for the back end; `None` when all is done. `fua` writes through.
    ///
    /// # Errors
    /// Where the driver's buffer is not in memory.
    pub fn next(
        &mut self,
        memory: &GuestMemory,
        tag: u64,
        fua: bool,
    ) -> Result<Option<BlockRequest>, QueueError> {
        let (offset, len) = (self.offset + self.done, (self.total - self.done).min(PIECE));
        Ok(match &mut self.work {
            Work::Read => (len != 0).then(|| BlockRequest::read(tag, offset, len as usize)),
            Work::Write if len != 0 => {
                let mut buffer = vec![0; len as usize];
                self.chain.read(memory, HEADER + self.done, &mut buffer)?;
                Some(BlockRequest { fua, ..BlockRequest::write(tag, offset, buffer) })
            }
            Work::Ranges(ranges) => ranges.pop_front().map(|(op, offset)| BlockRequest {
                tag,
                op,
                offset,
                buffer: Vec::new(),
                fua,
            }),
            Work::Flush { sent } => (!std::mem::replace(sent, true)).then(|| BlockRequest::flush(tag)),
            _ => None,
        })
    }

    /// A part was carried out.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn answered(&mut self, memory: &GuestMemory, part: &BlockRequest) -> Result<(), QueueError> {
        match self.work {
            Work::Read => {
                self.chain.write(memory, self.done, &part.buffer)?;
                self.done += part.buffer.len() as u64;
            }
            Work::Write => self.done += part.buffer.len() as u64,
            Work::Flush { .. } | Work::Ranges(_) | Work::Id => {}
        }
        Ok(())
    }

    /// Stores the status, and the ID where that was asked for. Returns the bytes
    /// that were written into the chain.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn finish(&self, memory: &GuestMemory, status: Status, id: &[u8; ID]) -> Result<u32, QueueError> {
        let mut data = match self.work {
            Work::Read => self.done,
            _ => 0,
        };
        if matches!(self.work, Work::Id) && status == Status::Ok {
            data = self.status_at.min(ID as u64);
            self.chain.write(memory, 0, &id[..data as usize])?;
        }
        self.chain.write(memory, self.status_at, &[status as u8])?;
        Ok(u32::try_from(data + 1).unwrap_or(u32::MAX))
    }
}
