//! A run of sectors on its way between a drive and its back end, chunk by chunk.

use glassbox_device_api::{BlockCompletion, BlockError, BlockOp, BlockRequest};
use serde::{Deserialize, Serialize};

use super::geometry::SECTOR;

/// Most sectors of one request of a back end: bounds the memory of a command.
pub(crate) const CHUNK: u32 = 2048;

/// The sectors of a command that were not moved yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// The next sector.
    pub lba: u64,
    /// Sectors from there on.
    pub left: u32,
    /// Sectors of one request. It shrinks after a failure until the request that
    /// fails is the failing sector alone.
    limit: u32,
    /// What is still to be written of the chunk that the host gave.
    rest: Vec<u8>,
}

/// What an answer leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SpanStep {
    /// This has to be asked next.
    Again(BlockRequest),
    /// The chunk is done; the data of a read.
    Moved(Vec<u8>),
    /// The sector [`Span::lba`] cannot be moved.
    Failed(BlockError),
}

impl Span {
    /// `left` sectors from `lba` on, in chunks of `limit`.
    pub fn new(lba: u64, left: u32, limit: u32) -> Self {
        Self { lba, left, limit, rest: Vec::new() }
    }

    /// Sectors of the next chunk.
    pub fn chunk(&self) -> u32 {
        self.left.min(self.limit)
    }

    /// Reads the next chunk.
    pub fn read(&self, tag: u64) -> BlockRequest {
        BlockRequest::read(tag, self.lba * SECTOR, self.chunk() as usize * SECTOR as usize)
    }

    /// Writes the next chunk: `data` has its bytes.
    pub fn write(&mut self, tag: u64, mut data: Vec<u8>, fua: bool) -> BlockRequest {
        let most = self.limit as usize * SECTOR as usize;
        if data.len() > most {
            self.rest = data.split_off(most);
        }
        BlockRequest { fua, ..BlockRequest::write(tag, self.lba * SECTOR, data) }
    }

    /// Takes the answer to the last request.
    pub fn answered(&mut self, answer: BlockCompletion) -> SpanStep {
        let BlockCompletion { request, result } = answer;
        let BlockRequest { tag, op, mut buffer, fua, .. } = request;
        let sectors = (buffer.len() as u64 / SECTOR) as u32;
        match result {
            Ok(()) => {
                self.lba += u64::from(sectors);
                self.left = self.left.saturating_sub(sectors);
                if op == BlockOp::Read {
                    return SpanStep::Moved(buffer);
                }
                let rest = std::mem::take(&mut self.rest);
                if rest.is_empty() {
                    SpanStep::Moved(Vec::new())
                } else {
                    SpanStep::Again(self.write(tag, rest, fua))
                }
            }
            Err(BlockError::Host(_) | BlockError::NoSpace) if sectors > 1 => {
                self.limit = (sectors / 16).max(1);
                if op == BlockOp::Read {
                    return SpanStep::Again(self.read(tag));
                }
                buffer.append(&mut self.rest);
                SpanStep::Again(self.write(tag, buffer, fua))
            }
            Err(error) => SpanStep::Failed(error),
        }
    }

    /// Whether it lies on a drive of `sectors` sectors and holds what it can.
    pub fn is_possible(&self, sectors: u64) -> bool {
        let inside = self.lba.checked_add(self.left.into()).is_some_and(|end| end <= sectors);
        inside && (1..=CHUNK).contains(&self.limit) && self.left <= 0x1_0000 && self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(request: BlockRequest) -> BlockCompletion {
        BlockCompletion { request, result: Err(BlockError::Host("bad".into())) }
    }

    fn done(request: BlockRequest) -> BlockCompletion {
        BlockCompletion { request, result: Ok(()) }
    }

    #[test]
    fn a_failed_read_is_narrowed_down_to_its_sector() {
        let mut span = Span::new(100, 64, CHUNK);
        let bad = 100 + 37;
        let mut request = span.read(0);
        let mut moved = 0;
        for _ in 0..40 {
            let first = request.offset / SECTOR;
            let last = first + request.len() / SECTOR;
            let answer = if (first..last).contains(&bad) { failed(request) } else { done(request) };
            request = match span.answered(answer) {
                SpanStep::Again(request) => request,
                SpanStep::Moved(data) => {
                    moved += data.len() as u64 / SECTOR;
                    span.read(0)
                }
                SpanStep::Failed(_) => {
                    assert_eq!((span.lba, span.left, moved), (bad, 27, 37));
                    return;
                }
            };
        }
        panic!("no end");
    }

    #[test]
    fn a_split_write_keeps_its_bytes_in_order() {
        let mut span = Span::new(0, 40, CHUNK);
        let data: Vec<u8> = (0..40u8).flat_map(|i| [i; 512]).collect();
        let mut disk = vec![0; data.len()];
        let mut step = span.answered(failed(BlockRequest::write(0, 0, data.clone())));
        while let SpanStep::Again(request) = step {
            assert_eq!(request.len(), 1024);
            let at = request.offset as usize;
            disk[at..at + 1024].copy_from_slice(&request.buffer);
            step = span.answered(done(request));
        }
        assert_eq!((step, span.left), (SpanStep::Moved(Vec::new()), 0));
        assert!(disk == data);
    }
}
