//! Admin commands (NVM Express 1.4, chapter 5).

use super::command::{Command, Status};
use super::prp::Pieces;
use super::queue::{CompletionQueue, SubmissionQueue};
use super::registers::MAX_ENTRIES;
use super::{MAX_IO_QUEUES, MAX_VECTORS, Nvme};

const DELETE_SUBMISSION_QUEUE: u8 = 0x00;
const CREATE_SUBMISSION_QUEUE: u8 = 0x01;
const GET_LOG_PAGE: u8 = 0x02;
const DELETE_COMPLETION_QUEUE: u8 = 0x04;
const CREATE_COMPLETION_QUEUE: u8 = 0x05;
const IDENTIFY: u8 = 0x06;
const ABORT: u8 = 0x08;
const SET_FEATURES: u8 = 0x09;
const GET_FEATURES: u8 = 0x0a;
const ASYNC_EVENT_REQUEST: u8 = 0x0c;

/// All that there are. FORMAT NVM, firmware, namespace management, security and
/// KEEP ALIVE are optional, and IDENTIFY says that they are not there.
pub(super) const ADMIN_COMMANDS: [u8; 10] = [
    DELETE_SUBMISSION_QUEUE,
    CREATE_SUBMISSION_QUEUE,
    GET_LOG_PAGE,
    DELETE_COMPLETION_QUEUE,
    CREATE_COMPLETION_QUEUE,
    IDENTIFY,
    ABORT,
    SET_FEATURES,
    GET_FEATURES,
    ASYNC_EVENT_REQUEST,
];

/// Queue attributes: physically contiguous, interrupts enabled.
const CONTIGUOUS: u32 = 1 << 0;
const INTERRUPTS: u32 = 1 << 1;
/// Namespace numbers from here on stand for no single namespace.
const FIRST_RESERVED: u32 = 0xffff_fffe;

impl Nvme {
    /// Carries out an admin command: dword 0 of its completion, or `None` when it
    /// is completed later.
    pub(super) fn admin(&mut self, command: &Command) -> Result<Option<u32>, Status> {
        match command.opcode() {
            DELETE_SUBMISSION_QUEUE => self.delete_submission_queue(command),
            CREATE_SUBMISSION_QUEUE => self.create_submission_queue(command),
            GET_LOG_PAGE => self.get_log_page(command),
            DELETE_COMPLETION_QUEUE => self.delete_completion_queue(command),
            CREATE_COMPLETION_QUEUE => self.create_completion_queue(command),
            IDENTIFY => self.identify(command),
            ABORT => Ok(self.abort(command)),
            SET_FEATURES => self.set_features(command),
            GET_FEATURES => self.get_features(command),
            ASYNC_EVENT_REQUEST => {
                self.s.events.request(command.id())?;
                self.deliver_events();
                return Ok(None);
            }
            _ => Err(Status::INVALID_OPCODE),
        }
        .map(Some)
    }

    /// Writes `data` to where the command wants it.
    pub(super) fn transfer_to_host(&mut self, command: &Command, data: &[u8]) -> Result<(), Status> {
        let pieces = Pieces::of(&self.memory, command, data.len(), self.s.page)?;
        pieces.write(&self.memory, data).map_err(|_| Status::DATA_TRANSFER_ERROR)
    }

    /// What the queue commands share: the identifier, and the size of a new queue.
    fn new_queue(&self, command: &Command, exists: bool) -> Result<(u16, u32), Status> {
        let id = command.cdw(10) as u16;
        if id == 0 || id > MAX_IO_QUEUES || exists {
            return Err(Status::INVALID_QUEUE_ID);
        }
        let size = (command.cdw(10) >> 16) + 1;
        if !(2..=MAX_ENTRIES).contains(&size) || !self.s.registers.has_entry_sizes() {
            return Err(Status::INVALID_QUEUE_SIZE);
        }
        if command.cdw(11) & CONTIGUOUS == 0 {
            return Err(Status::INVALID_FIELD);
        }
        if !command.prp1().is_multiple_of(self.s.page) {
            return Err(Status::PRP_OFFSET_INVALID);
        }
        Ok((id, size))
    }

    fn create_completion_queue(&mut self, command: &Command) -> Result<u32, Status> {
        let exists = self.s.completions.contains_key(&(command.cdw(10) as u16));
        let (id, size) = self.new_queue(command, exists)?;
        let attributes = command.cdw(11);
        let vector = (attributes >> 16) as u16;
        let last = if self.msix.is_enabled(&self.config) { MAX_VECTORS - 1 } else { 0 };
        if vector > last {
            return Err(Status::INVALID_VECTOR);
        }
        let vector = (attributes & INTERRUPTS != 0).then_some(vector);
        self.s.completions.insert(id, CompletionQueue::new(command.prp1(), size, vector));
        Ok(0)
    }

    fn create_submission_queue(&mut self, command: &Command) -> Result<u32, Status> {
        let exists = self.s.submissions.contains_key(&(command.cdw(10) as u16));
        let completions = (command.cdw(11) >> 16) as u16;
        if completions == 0 || completions > MAX_IO_QUEUES {
            return Err(Status::INVALID_QUEUE_ID);
        }
        if !self.s.completions.contains_key(&completions) {
            return Err(Status::INVALID_COMPLETION_QUEUE);
        }
        let (id, size) = self.new_queue(command, exists)?;
        self.s.submissions.insert(id, SubmissionQueue::new(command.prp1(), size, completions));
        Ok(0)
    }

    fn delete_completion_queue(&mut self, command: &Command) -> Result<u32, Status> {
        let id = command.cdw(10) as u16;
        if id == 0 || !self.s.completions.contains_key(&id) {
            return Err(Status::INVALID_QUEUE_ID);
        }
        if self.s.submissions.values().any(|queue| queue.completions == id) {
            return Err(Status::INVALID_QUEUE_DELETION);
        }
        self.s.completions.remove(&id);
        Ok(0)
    }

    fn delete_submission_queue(&mut self, command: &Command) -> Result<u32, Status> {
        let id = command.cdw(10) as u16;
        if id == 0 || !self.s.submissions.contains_key(&id) {
            return Err(Status::INVALID_QUEUE_ID);
        }
        // What the back end is at is given up: its answer will find no command.
        let under_way: Vec<u64> =
            self.in_flight.iter().filter(|(_, f)| f.queue == id).map(|(tag, _)| *tag).collect();
        for tag in under_way {
            if let Some(command) = self.take_in_flight(tag).and_then(|f| f.command) {
                self.complete(id, &command, Status::QUEUE_DELETED, 0);
            }
        }
        self.s.submissions.remove(&id);
        Ok(0)
    }

    fn identify(&mut self, command: &Command) -> Result<u32, Status> {
        let namespace = command.namespace();
        let data = match command.cdw(10) as u8 {
            0x00 => match namespace {
                1 => self.identify_namespace(self.backend.medium().ok_or(Status::NOT_READY)?),
                _ => return Err(Status::INVALID_NAMESPACE),
            },
            0x01 => self.identify_controller(),
            0x02 if namespace >= FIRST_RESERVED => return Err(Status::INVALID_NAMESPACE),
            0x02 => self.identify_list(namespace),
            0x03 if namespace != 1 => return Err(Status::INVALID_NAMESPACE),
            0x03 => self.identify_descriptors(),
            _ => return Err(Status::INVALID_FIELD),
        };
        self.transfer_to_host(command, &data)?;
        Ok(0)
    }

    /// Only event requests can be aborted; what is with the back end goes on.
    fn abort(&mut self, command: &Command) -> u32 {
        const NOT_ABORTED: u32 = 1;
        let (queue, id) = (command.cdw(10) as u16, (command.cdw(10) >> 16) as u16);
        if queue != 0 || !self.s.events.abort(id) {
            return NOT_ABORTED;
        }
        self.post(super::Completion { queue, id, status: Status::ABORT_REQUESTED, result: 0 });
        0
    }
}
