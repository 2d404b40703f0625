//! Disks, CD-ROMs and floppies as a device or a firmware service sees them.
//!
//! A device [submits](BlockBackend::submit) a request that owns its buffer and
//! later [polls](BlockBackend::poll) for the answer. It copies between buffer
//! and guest memory itself, so that guest memory is only ever written by the
//! thread that holds the bus. A back end works on a thread of its own, or, for
//! repeatable runs, inside `submit`: then the answer is there at once.
//! [`Device::poll_host`](crate::Device::poll_host) is when a device looks for answers.

use thiserror::Error;

/// What is in a drive now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// Its size in bytes, a multiple of 512 (of 2048 for CD-ROMs).
    pub bytes: u64,
    /// Writes are refused ([`BlockError::ReadOnly`]).
    pub read_only: bool,
    /// Another number for each medium that was put in: what a device compares to
    /// notice a change.
    pub generation: u64,
}

/// What a request is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockOp {
    /// Fills the buffer.
    Read,
    /// Stores the buffer.
    Write,
    /// Returns when everything that was completed before is on stable storage.
    Flush,
    /// The guest needs the range's contents no more. It may read as before or as zeroes.
    Discard {
        /// Bytes.
        len: u64,
    },
    /// The range reads as zeroes from now on.
    WriteZeroes {
        /// Bytes.
        len: u64,
        /// Storage may be given back to the host.
        may_unmap: bool,
    },
}

/// One request. Requests that are under way together may be done in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// The device's own number, handed back with the answer.
    pub tag: u64,
    /// What to do.
    pub op: BlockOp,
    /// First byte on the medium; a multiple of 512.
    pub offset: u64,
    /// The data of a write; what a read fills (its length counts, a multiple of
    /// 512). Empty otherwise.
    pub buffer: Vec<u8>,
    /// Forced unit access: a write is on stable storage before it is answered.
    pub fua: bool,
}

impl BlockRequest {
    /// Reads `len` bytes.
    pub fn read(tag: u64, offset: u64, len: usize) -> Self {
        Self { tag, op: BlockOp::Read, offset, buffer: vec![0; len], fua: false }
    }

    /// Writes `buffer`.
    pub fn write(tag: u64, offset: u64, buffer: Vec<u8>) -> Self {
        Self { tag, op: BlockOp::Write, offset, buffer, fua: false }
    }

    /// Makes stable what was written.
    pub fn flush(tag: u64) -> Self {
        Self { tag, op: BlockOp::Flush, offset: 0, buffer: Vec::new(), fua: false }
    }

    /// Bytes that the request covers.
    pub fn len(&self) -> u64 {
        match self.op {
            BlockOp::Read | BlockOp::Write => self.buffer.len() as u64,
            BlockOp::Flush => 0,
            BlockOp::Discard { len } | BlockOp::WriteZeroes { len, .. } => len,
        }
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the request may be carried out on `medium`: what every back end asks first.
    ///
    /// # Errors
    /// [`BlockError::NoMedium`], [`BlockError::OutOfRange`], [`BlockError::ReadOnly`].
    pub fn check(&self, medium: Option<Medium>) -> Result<(), BlockError> {
        let medium = medium.ok_or(BlockError::NoMedium)?;
        if self.offset.checked_add(self.len()).is_none_or(|end| end > medium.bytes) {
            return Err(BlockError::OutOfRange);
        }
        let changes = !matches!(self.op, BlockOp::Read | BlockOp::Flush);
        if changes && medium.read_only { Err(BlockError::ReadOnly) } else { Ok(()) }
    }
}

/// Why a request failed. The guest gets the device's error for it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BlockError {
    /// The drive is empty.
    #[error("no medium in the drive")]
    NoMedium,
    /// Part of the range lies behind the end of the medium.
    #[error("beyond the end of the medium")]
    OutOfRange,
    /// The medium cannot be written.
    #[error("the medium is read-only")]
    ReadOnly,
    /// The host has no room left.
    #[error("the host's disk is full")]
    NoSpace,
    /// The host could not do it; the user was told.
    #[error("{0}")]
    Host(String),
}

/// The answer to a [`BlockRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockCompletion {
    /// The request, with its buffer: full of data after a read that went well.
    pub request: BlockRequest,
    /// How it went.
    pub result: Result<(), BlockError>,
}

/// The host's end of a drive. No call but [`drain`](Self::drain) waits.
///
/// Several users of one drive (a device and the firmware's services) have a
/// back end each, and see only their own answers.
pub trait BlockBackend: Send {
    /// What is in the drive now.
    fn medium(&self) -> Option<Medium>;

    /// Takes over a request. Every request is answered exactly once.
    fn submit(&mut self, request: BlockRequest);

    /// The next answer, if there is one.
    fn poll(&mut self) -> Option<BlockCompletion>;

    /// Waits until every request is answered, for a reset or a snapshot; the
    /// answers are there for [`poll`](Self::poll) then.
    fn drain(&mut self);

    /// The guest opens the drive and takes the medium out. True when that was done;
    /// fixed disks stay.
    fn eject(&mut self) -> bool {
        false
    }

    /// The guest forbids (true) or allows that the user takes the medium out.
    fn lock_medium(&mut self, locked: bool) {
        let _ = locked;
    }
}

/// A drive, from which every user gets a back end of its own.
pub trait DriveSource: Send + Sync {
    /// A back end for one more user.
    fn client(&self) -> Box<dyn BlockBackend>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_checked_against_its_medium() {
        let medium = |read_only| Some(Medium { bytes: 1024, read_only, generation: 1 });
        let read = BlockRequest::read(1, 512, 512);
        assert_eq!(read.check(medium(true)), Ok(()));
        assert_eq!(read.check(None), Err(BlockError::NoMedium));
        assert_eq!(BlockRequest::read(1, 1024, 512).check(medium(true)), Err(BlockError::OutOfRange));
        assert_eq!(BlockRequest::read(1, u64::MAX, 512).check(medium(true)), Err(BlockError::OutOfRange));
        let write = BlockRequest::write(1, 0, vec![0; 512]);
        assert_eq!(
            (write.check(medium(true)), write.check(medium(false))),
            (Err(BlockError::ReadOnly), Ok(()))
        );
        assert_eq!(BlockRequest::flush(1).check(medium(true)), Ok(()));
    }
}
