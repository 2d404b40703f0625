//! A drive in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glassbox_device_api::{
    BlockBackend, BlockCompletion, BlockError, BlockOp, BlockRequest, DriveSource, Medium,
};

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    medium: Option<Medium>,
    generations: u64,
    waiting: VecDeque<BlockRequest>,
    answers: VecDeque<BlockCompletion>,
    held: bool,
    fail_next: Option<BlockError>,
    flushes: u64,
    locked: bool,
}

impl State {
    fn execute(&mut self, mut request: BlockRequest) {
        let result = match self.fail_next.take() {
            Some(error) => Err(error),
            None => request.check(self.medium),
        };
        if result.is_ok() {
            let at = request.offset as usize;
            let end = at + request.len() as usize;
            match request.op {
                BlockOp::Read => request.buffer.copy_from_slice(&self.bytes[at..end]),
                BlockOp::Write => self.bytes[at..end].copy_from_slice(&request.buffer),
                BlockOp::WriteZeroes { .. } => self.bytes[at..end].fill(0),
                BlockOp::Flush => self.flushes += 1,
                BlockOp::Discard { .. } => {}
            }
        }
        self.answers.push_back(BlockCompletion { request, result });
    }
}

/// A [`BlockBackend`] over bytes in memory. Clones are the same drive, so a test
/// keeps one and gives one to the device.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

impl MemoryDisk {
    /// A drive with these bytes in it, which answers at once.
    pub fn new(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.insert(bytes, false);
        disk
    }

    /// An empty drive.
    pub fn empty() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a medium in.
    pub fn insert(&self, bytes: Vec<u8>, read_only: bool) {
        let mut state = self.state();
        state.generations += 1;
        state.medium = Some(Medium { bytes: bytes.len() as u64, read_only, generation: state.generations });
        state.bytes = bytes;
    }

    /// Takes the medium out.
    pub fn remove(&self) {
        self.state().medium = None;
    }

    /// What is stored now.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// How many flushes were carried out.
    pub fn flushes(&self) -> u64 {
        self.state().flushes
    }

    /// Whether the guest holds the medium in.
    pub fn is_locked(&self) -> bool {
        self.state().locked
    }

    /// From now on requests wait until [`release`](Self::release) (true), or are done at once.
    pub fn hold(&self, held: bool) {
        self.state().held = held;
    }

    /// Carries out what waits.
    pub fn release(&self) {
        let mut state = self.state();
        while let Some(request) = state.waiting.pop_front() {
            state.execute(request);
        }
    }

    /// The next request that is carried out fails like this.
    pub fn fail_next(&self, error: BlockError) {
        self.state().fail_next = Some(error);
    }
}

impl BlockBackend for MemoryDisk {
    fn medium(&self) -> Option<Medium> {
        self.state().medium
    }

    fn submit(&mut self, request: BlockRequest) {
        let mut state = self.state();
        if state.held {
            state.waiting.push_back(request);
        } else {
            state.execute(request);
        }
    }

    fn poll(&mut self) -> Option<BlockCompletion> {
        self.state().answers.pop_front()
    }

    fn drain(&mut self) {
        self.release();
    }

    fn eject(&mut self) -> bool {
        self.remove();
        true
    }

    fn lock_medium(&mut self, locked: bool) {
        self.state().locked = locked;
    }
}

/// All users share the answers: for tests with one user at a time.
impl DriveSource for MemoryDisk {
    fn client(&self) -> Box<dyn BlockBackend> {
        Box::new(self.clone())
    }
}
