//! Submission and completion queues in guest memory (NVM Express 1.4, 4.1).

use std::collections::VecDeque;

use glassbox_memory::{Gpa, GuestMemory, MemoryError};
use serde::{Deserialize, Serialize};

use super::command::{CQE_SIZE, Command, Completion, SQE_SIZE};

/// A doorbell was rung with a number that the queue cannot have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidDoorbell;

/// Where the host puts commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SubmissionQueue {
    base: u64,
    /// Entries; 2 at least.
    size: u32,
    pub head: u16,
    pub tail: u16,
    /// The completion queue.
    pub completions: u16,
}

impl SubmissionQueue {
    pub fn new(base: u64, size: u32, completions: u16) -> Self {
        Self { base, size, head: 0, tail: 0, completions }
    }

    /// Whether this state can be; it may come from a hostile file.
    pub fn is_possible(&self, max_size: u32) -> bool {
        (2..=max_size).contains(&self.size)
            && u32::from(self.head) < self.size
            && u32::from(self.tail) < self.size
    }

    pub fn ring(&mut self, tail: u32) -> Result<(), InvalidDoorbell> {
        if tail >= self.size {
            return Err(InvalidDoorbell);
        }
        self.tail = tail as u16;
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Takes the next command; the queue must not be empty.
    pub fn fetch(&mut self, memory: &GuestMemory) -> Result<Command, MemoryError> {
        let at = self.base.wrapping_add(u64::from(self.head) * SQE_SIZE as u64);
        let bytes = memory.read_at::<SQE_SIZE>(Gpa(at))?;
        self.head = ((u32::from(self.head) + 1) % self.size) as u16;
        Ok(Command::parse(&bytes))
    }
}

/// Where the controller puts completions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CompletionQueue {
    base: u64,
    size: u32,
    pub head: u16,
    pub tail: u16,
    phase: bool,
    /// The interrupt vector, if the queue interrupts.
    pub vector: Option<u16>,
    /// Completions that found the queue full.
    pub waiting: VecDeque<Completion>,
    /// Something was posted that no message told of yet.
    pub notify: bool,
}

impl CompletionQueue {
    pub fn new(base: u64, size: u32, vector: Option<u16>) -> Self {
        Self { base, size, head: 0, tail: 0, phase: true, vector, waiting: VecDeque::new(), notify: false }
    }

    pub fn is_possible(&self, max_size: u32, vectors: u16, max_waiting: usize) -> bool {
        (2..=max_size).contains(&self.size)
            && u32::from(self.head) < self.size
            && u32::from(self.tail) < self.size
            && self.vector.is_none_or(|vector| vector < vectors)
            && self.waiting.len() <= max_waiting
    }

    /// The host has seen all entries before `head`.
    pub fn ring(&mut self, head: u32) -> Result<(), InvalidDoorbell> {
        let distance = |to: u32| (to + self.size - u32::from(self.head)) % self.size;
        if head >= self.size || distance(head) > distance(self.tail.into()) {
            return Err(InvalidDoorbell);
        }
        self.head = head as u16;
        Ok(())
    }

    /// Whether there are entries that the host has not seen.
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    pub fn is_full(&self) -> bool {
        (u32::from(self.tail) + 1) % self.size == u32::from(self.head)
    }

    /// Writes an entry; the queue must not be full.
    pub fn post(
        &mut self,
        memory: &GuestMemory,
        completion: Completion,
        submission_head: u16,
    ) -> Result<(), MemoryError> {
        let at = self.base.wrapping_add(u64::from(self.tail) * CQE_SIZE as u64);
        memory.write_bytes(Gpa(at), &completion.bytes(submission_head, self.phase))?;
        self.tail = ((u32::from(self.tail) + 1) % self.size) as u16;
        if self.tail == 0 {
            self.phase = !self.phase;
        }
        self.notify = true;
        Ok(())
    }
}
