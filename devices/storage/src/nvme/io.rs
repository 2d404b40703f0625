//! Commands of the NVM command set (NVM Express 1.4, chapter 6).

use glassbox_device_api::{BlockCompletion, BlockError, BlockOp, BlockRequest, Medium};

use super::command::{Command, Status};
use super::prp::Pieces;
use super::registers::{CSTS_SHUTDOWN_COMPLETE, CSTS_SHUTDOWN_OCCURRING};
use super::{BLOCK, MAX_TRANSFER, Nvme};

const FLUSH: u8 = 0x00;
const WRITE: u8 = 0x01;
const READ: u8 = 0x02;
const COMPARE: u8 = 0x05;
const WRITE_ZEROES: u8 = 0x08;
const DATASET_MANAGEMENT: u8 = 0x09;
const VERIFY: u8 = 0x0c;

/// All that there are, and whether they change the contents of blocks.
pub(super) const IO_COMMANDS: [(u8, bool); 7] = [
    (FLUSH, false),
    (WRITE, true),
    (READ, false),
    (COMPARE, false),
    (WRITE_ZEROES, true),
    (DATASET_MANAGEMENT, true),
    (VERIFY, false),
];

/// Command dword 12: forced unit access; WRITE ZEROES: deallocate.
const FORCE_UNIT_ACCESS: u32 = 1 << 30;
const DEALLOCATE: u32 = 1 << 25;
/// Command dword 11 of DATASET MANAGEMENT: the attribute deallocate.
const ATTRIBUTE_DEALLOCATE: u32 = 1 << 2;
/// Bytes of a range of DATASET MANAGEMENT.
const RANGE: usize = 16;

/// A command whose request the back end has.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub queue: u16,
    /// None for what the controller does by itself.
    pub command: Option<Command>,
    work: Work,
    /// Bytes of the request's buffer.
    bytes: usize,
}

/// What to do with the answer.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Read(Pieces),
    Write,
    Compare(Pieces),
    /// More blocks to read: first and end, in bytes.
    Verify(u64, u64),
    /// More ranges to discard: first byte and length.
    Deallocate(Vec<(u64, u64)>),
    /// Nothing.
    Finish,
    /// The shutdown is complete.
    Shutdown,
}

impl Nvme {
    /// Starts an I/O command: `None` when the back end has it, dword 0 of its
    /// completion when there was nothing to do.
    pub(super) fn start_io(&mut self, queue: u16, command: &Command) -> Result<Option<u32>, Status> {
        let opcode = command.opcode();
        if !IO_COMMANDS.iter().any(|(known, _)| *known == opcode) {
            return Err(Status::INVALID_OPCODE);
        }
        let all = command.namespace() == u32::MAX && opcode == FLUSH;
        if command.namespace() != 1 && !all {
            return Err(Status::INVALID_NAMESPACE);
        }
        let medium = self.backend.medium().ok_or(Status::NOT_READY)?;
        let through = command.cdw(12) & FORCE_UNIT_ACCESS != 0 || !self.s.features.write_cache;
        let (work, request) = match opcode {
            FLUSH => (Work::Finish, BlockRequest::flush(0)),
            DATASET_MANAGEMENT => return self.dataset_management(queue, command, medium),
            _ => {
                let (offset, len) = blocks(command, medium)?;
                match opcode {
                    READ | COMPARE => {
                        let pieces = self.data(command, len)?;
                        let work = if opcode == READ { Work::Read(pieces) } else { Work::Compare(pieces) };
                        (work, BlockRequest::read(0, offset, len as usize))
                    }
                    WRITE => {
                        writable(medium)?;
                        let pieces = self.data(command, len)?;
                        let mut buffer = vec![0; len as usize];
                        pieces.read(&self.memory, &mut buffer).map_err(|_| Status::DATA_TRANSFER_ERROR)?;
                        let mut request = BlockRequest::write(0, offset, buffer);
                        request.fua = through;
                        (Work::Write, request)
                    }
                    WRITE_ZEROES => {
                        writable(medium)?;
                        let may_unmap = command.cdw(12) & DEALLOCATE != 0;
                        let op = BlockOp::WriteZeroes { len, may_unmap };
                        let request = BlockRequest { tag: 0, op, offset, buffer: Vec::new(), fua: through };
                        (Work::Finish, request)
                    }
                    _ => {
                        let (work, request) = verify(offset, offset + len);
                        (work, request)
                    }
                }
            }
        };
        self.submit(queue, Some(*command), work, request);
        Ok(None)
    }

    /// Where the data of a transfer is.
    fn data(&self, command: &Command, len: u64) -> Result<Pieces, Status> {
        if len > MAX_TRANSFER as u64 {
            return Err(Status::INVALID_FIELD);
        }
        Pieces::of(&self.memory, command, len as usize, self.s.page)
    }

    fn dataset_management(
        &mut self,
        queue: u16,
        command: &Command,
        medium: Medium,
    ) -> Result<Option<u32>, Status> {
        if command.cdw(11) & ATTRIBUTE_DEALLOCATE == 0 {
            // Only hints.
            return Ok(Some(0));
        }
        writable(medium)?;
        let mut bytes = vec![0; ((command.cdw(10) & 0xff) as usize + 1) * RANGE];
        let pieces = Pieces::of(&self.memory, command, bytes.len(), self.s.page)?;
        pieces.read(&self.memory, &mut bytes).map_err(|_| Status::DATA_TRANSFER_ERROR)?;
        let mut ranges = Vec::new();
        for range in bytes.chunks_exact(RANGE) {
            let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
            let (count, first) = (number(&range[4..8]), number(&range[8..16]));
            let (offset, len) = span(first, count, medium)?;
            if len != 0 {
                ranges.push((offset, len));
            }
        }
        ranges.reverse();
        match deallocate(ranges) {
            None => Ok(Some(0)),
            Some((work, request)) => {
                self.submit(queue, Some(*command), work, request);
                Ok(None)
            }
        }
    }

    /// Hands a request to the back end.
    pub(super) fn submit(
        &mut self,
        queue: u16,
        command: Option<Command>,
        work: Work,
        mut request: BlockRequest,
    ) {
        self.last_tag += 1;
        request.tag = self.last_tag;
        let bytes = request.buffer.len();
        self.in_flight_bytes += bytes;
        self.in_flight.insert(self.last_tag, InFlight { queue, command, work, bytes });
        self.backend.submit(request);
    }

    pub(super) fn take_in_flight(&mut self, tag: u64) -> Option<InFlight> {
        let taken = self.in_flight.remove(&tag)?;
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(taken.bytes);
        Some(taken)
    }

    /// Takes over what the back end has answered.
    pub(super) fn collect(&mut self) {
        while let Some(answer) = self.backend.poll() {
            // Answers to commands that were given up find none.
            if let Some(taken) = self.take_in_flight(answer.request.tag) {
                self.answered(taken, answer);
            }
        }
    }

    fn answered(&mut self, taken: InFlight, answer: BlockCompletion) {
        let InFlight { queue, command, work, bytes: _ } = taken;
        let Some(command) = command else {
            if self.s.registers.status & CSTS_SHUTDOWN_OCCURRING != 0 {
                self.s.registers.set_shutdown(CSTS_SHUTDOWN_COMPLETE);
            }
            return;
        };
        let reads = answer.request.op == BlockOp::Read;
        if let Err(error) = answer.result {
            let status = self.status_of(&error, reads);
            self.complete(queue, &command, status, 0);
            return;
        }
        let data = answer.request.buffer;
        let status = match work {
            Work::Read(pieces) => {
                self.s.counters.reads += 1;
                self.s.counters.blocks_read += data.len() as u64 / BLOCK;
                self.to_memory(&pieces, &data)
            }
            Work::Write => {
                self.s.counters.writes += 1;
                self.s.counters.blocks_written += data.len() as u64 / BLOCK;
                Status::SUCCESS
            }
            Work::Compare(pieces) => {
                let mut expected = vec![0; data.len()];
                match pieces.read(&self.memory, &mut expected) {
                    Err(_) => Status::DATA_TRANSFER_ERROR,
                    Ok(()) if expected != data => Status::COMPARE_FAILURE,
                    Ok(()) => Status::SUCCESS,
                }
            }
            Work::Verify(next, end) if next < end => {
                let (work, request) = verify(next, end);
                self.submit(queue, Some(command), work, request);
                return;
            }
            Work::Deallocate(ranges) => match deallocate(ranges) {
                None => Status::SUCCESS,
                Some((work, request)) => {
                    self.submit(queue, Some(command), work, request);
                    return;
                }
            },
            Work::Verify(..) | Work::Finish | Work::Shutdown => Status::SUCCESS,
        };
        self.complete(queue, &command, status, 0);
    }

    fn to_memory(&self, pieces: &Pieces, data: &[u8]) -> Status {
        // The function may have lost the bus meanwhile.
        let written = self.config.is_bus_master() && pieces.write(&self.memory, data).is_ok();
        if written { Status::SUCCESS } else { Status::DATA_TRANSFER_ERROR }
    }

    fn status_of(&mut self, error: &BlockError, reads: bool) -> Status {
        match error {
            BlockError::NoMedium => Status::NOT_READY,
            BlockError::OutOfRange => Status::LBA_OUT_OF_RANGE,
            BlockError::ReadOnly => Status::WRITE_PROTECTED,
            BlockError::NoSpace => Status::CAPACITY_EXCEEDED,
            BlockError::Host(_) => {
                self.s.counters.media_errors += 1;
                if reads { Status::UNRECOVERED_READ } else { Status::WRITE_FAULT }
            }
        }
    }
}

fn writable(medium: Medium) -> Result<(), Status> {
    if medium.read_only { Err(Status::WRITE_PROTECTED) } else { Ok(()) }
}

/// First byte and length of the blocks that a command is for.
fn blocks(command: &Command, medium: Medium) -> Result<(u64, u64), Status> {
    span(command.qword(10), u64::from(command.cdw(12) & 0xffff) + 1, medium)
}

/// First byte and length of `count` blocks.
fn span(first: u64, count: u64, medium: Medium) -> Result<(u64, u64), Status> {
    let end = first.checked_add(count).filter(|end| *end <= medium.bytes / BLOCK);
    end.map(|_| (first * BLOCK, count * BLOCK)).ok_or(Status::LBA_OUT_OF_RANGE)
}

/// Reads the next part of what is to be verified.
fn verify(next: u64, end: u64) -> (Work, BlockRequest) {
    let len = (end - next).min(MAX_TRANSFER as u64);
    (Work::Verify(next + len, end), BlockRequest::read(0, next, len as usize))
}

/// Discards the last of `ranges`.
fn deallocate(mut ranges: Vec<(u64, u64)>) -> Option<(Work, BlockRequest)> {
    let (offset, len) = ranges.pop()?;
    let op = BlockOp::Discard { len };
    Some((Work::Deallocate(ranges), BlockRequest { tag: 0, op, offset, buffer: Vec::new(), fua: false }))
}
