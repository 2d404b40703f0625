//! The contents, in memory and on the host.

use std::collections::VecDeque;

use glassbox_device_api::{BlockBackend, BlockOp, BlockRequest};
use thiserror::Error;

/// The unit in which changes are stored.
const UNIT: usize = 512;
/// Changes that wait for the host; more make the guest wait.
const MAX_WAITING: usize = 256;
/// Bytes of the largest chip.
const LARGEST: u64 = 16 << 20;

/// Why a chip cannot be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FlashError {
    /// The file has an impossible size.
    #[error("a file of {0} bytes cannot be a flash chip: whole sectors of 4096 bytes, at most 16 MiB")]
    Size(u64),
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(String),
}

/// Bytes that are kept on the host.
pub(crate) struct Store {
    bytes: Vec<u8>,
    backend: Box<dyn BlockBackend>,
    /// Units to be stored, oldest first: number and contents.
    waiting: VecDeque<(usize, Vec<u8>)>,
    /// A write or a flush is on its way.
    busy: bool,
    /// Something was written since the last flush.
    unflushed: bool,
    /// The host failed: the chip can be written no more.
    failed: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("len", &self.bytes.len())
            .field("waiting", &self.waiting.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Reads all of the medium, whose size has to be a multiple of `sector`.
    pub fn load(mut backend: Box<dyn BlockBackend>, sector: u64) -> Result<Self, FlashError> {
        let len = backend.medium().map_or(0, |medium| medium.bytes);
        if len == 0 || len > LARGEST || !len.is_multiple_of(sector) {
            return Err(FlashError::Size(len));
        }
        backend.submit(BlockRequest::read(0, 0, len as usize));
        backend.drain();
        let answer = backend.poll().ok_or_else(|| FlashError::Read("no answer".into()))?;
        answer.result.map_err(|error| FlashError::Read(error.to_string()))?;
        let bytes = answer.request.buffer;
        let waiting = VecDeque::new();
        Ok(Self { bytes, backend, waiting, busy: false, unflushed: false, failed: false })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn has_failed(&self) -> bool {
        self.failed
    }

    pub fn is_read_only(&self) -> bool {
        self.backend.medium().is_none_or(|medium| medium.read_only)
    }

    /// Changes the bytes from `at` on with `change`, and has the change stored.
    pub fn change(&mut self, at: usize, len: usize, change: impl FnOnce(&mut [u8])) {
        let Some(range) = self.bytes.get_mut(at..at + len) else { return };
        change(range);
        for unit in at / UNIT..(at + len).div_ceil(UNIT) {
            let contents = self.bytes[unit * UNIT..(unit + 1) * UNIT].to_vec();
            match self.waiting.back_mut() {
                // Byte after byte is programmed: what waits last may still change.
                Some((last, newer)) if *last == unit => *newer = contents,
                _ => self.waiting.push_back((unit, contents)),
            }
        }
        if self.waiting.len() > MAX_WAITING {
            self.finish();
        }
        self.poll();
    }

    /// Takes the host's answers and sends what waits.
    pub fn poll(&mut self) {
        loop {
            while let Some(answer) = self.backend.poll() {
                self.busy = false;
                self.unflushed |= !matches!(answer.request.op, BlockOp::Flush);
                if let Err(error) = answer.result {
                    log::error!("firmware variables cannot be stored: {error}");
                    self.failed = true;
                    self.waiting.clear();
                    self.unflushed = false;
                }
            }
            if self.busy {
                return;
            }
            let request = match self.waiting.pop_front() {
                Some((unit, contents)) => BlockRequest::write(0, (unit * UNIT) as u64, contents),
                None if self.unflushed => {
                    self.unflushed = false;
                    BlockRequest::flush(0)
                }
                None => return,
            };
            self.busy = true;
            self.backend.submit(request);
        }
    }

    /// Waits until everything is on stable storage.
    pub fn finish(&mut self) {
        self.poll();
        while self.busy {
            self.backend.drain();
            self.poll();
        }
    }

    /// Takes over saved contents.
    pub fn replace(&mut self, bytes: Vec<u8>) {
        let changed = (0..bytes.len() / UNIT).map(|unit| unit * UNIT..(unit + 1) * UNIT);
        for range in changed {
            if self.bytes[range.clone()] != bytes[range.clone()] {
                self.change(range.start, UNIT, |to| to.copy_from_slice(&bytes[range.clone()]));
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.finish();
    }
}
