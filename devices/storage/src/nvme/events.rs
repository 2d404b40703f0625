//! Asynchronous events and the error log (NVM Express 1.4, 5.2 and 5.14.1.1).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::command::Status;

/// Asynchronous event requests that are kept at once.
pub(super) const MAX_REQUESTS: usize = 4;
/// Entries of the error log.
pub(super) const MAX_ERRORS: usize = 64;
const MAX_PENDING: usize = 8;
/// Bytes of an error log entry.
pub(super) const ERROR_SIZE: usize = 64;

/// What a host is told of: type, information, log page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    kind: u8,
    information: u8,
    log_page: u8,
}

impl Event {
    pub const INVALID_DOORBELL: Self = Self { kind: 0, information: 0, log_page: 1 };
    pub const INVALID_DOORBELL_VALUE: Self = Self { kind: 0, information: 1, log_page: 1 };
    pub const TEMPERATURE: Self = Self { kind: 1, information: 1, log_page: 2 };
}

/// Requests of the host and events that wait for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Events {
    /// Identifiers of the requests.
    requests: VecDeque<u16>,
    pending: VecDeque<Event>,
    /// Types that were reported and whose log page was not read since.
    masked: u8,
}

impl Events {
    pub fn is_possible(&self) -> bool {
        self.requests.len() <= MAX_REQUESTS && self.pending.len() <= MAX_PENDING
    }

    pub fn request(&mut self, id: u16) -> Result<(), Status> {
        if self.requests.len() >= MAX_REQUESTS {
            return Err(Status::EVENT_LIMIT_EXCEEDED);
        }
        self.requests.push_back(id);
        Ok(())
    }

    /// Forgets a request; false when there is none.
    pub fn abort(&mut self, id: u16) -> bool {
        let found = self.requests.iter().position(|request| *request == id);
        found.is_some_and(|at| self.requests.remove(at).is_some())
    }

    pub fn report(&mut self, event: Event) {
        if !self.pending.contains(&event) && self.pending.len() < MAX_PENDING {
            self.pending.push_back(event);
        }
    }

    /// The next request that can be completed, with its dword 0.
    pub fn deliver(&mut self) -> Option<(u16, u32)> {
        let at = self.pending.iter().position(|event| self.masked & 1 << (event.kind & 7) == 0)?;
        let id = self.requests.pop_front()?;
        let event = self.pending.remove(at)?;
        self.masked |= 1 << (event.kind & 7);
        let result =
            u32::from(event.kind) | u32::from(event.information) << 8 | u32::from(event.log_page) << 16;
        Some((id, result))
    }

    /// The log page of these events was read.
    pub fn clear(&mut self, log_page: u8) {
        match log_page {
            1 => self.masked &= !1,
            2 => self.masked &= !2,
            _ => {}
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ErrorEntry {
    count: u64,
    queue: u16,
    id: u16,
    status: Status,
    namespace: u32,
}

/// The latest errors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ErrorLog {
    /// Errors since the controller was made.
    pub count: u64,
    entries: VecDeque<ErrorEntry>,
}

impl ErrorLog {
    pub fn is_possible(&self) -> bool {
        self.entries.len() <= MAX_ERRORS
    }

    pub fn push(&mut self, queue: u16, id: u16, status: Status, namespace: u32) {
        self.count = self.count.wrapping_add(1);
        self.entries.truncate(MAX_ERRORS - 1);
        self.entries.push_front(ErrorEntry { count: self.count, queue, id, status, namespace });
    }

    /// The log page, newest first.
    pub fn page(&self) -> Vec<u8> {
        let mut page = vec![0; MAX_ERRORS * ERROR_SIZE];
        for (bytes, entry) in page.chunks_exact_mut(ERROR_SIZE).zip(&self.entries) {
            bytes[0..8].copy_from_slice(&entry.count.to_le_bytes());
            bytes[8..10].copy_from_slice(&entry.queue.to_le_bytes());
            bytes[10..12].copy_from_slice(&entry.id.to_le_bytes());
            bytes[12..14].copy_from_slice(&(entry.status.0 << 1).to_le_bytes());
            // Where in the command the error is, is not told.
            bytes[14..16].copy_from_slice(&u16::MAX.to_le_bytes());
            bytes[24..28].copy_from_slice(&entry.namespace.to_le_bytes());
        }
        page
    }
}
