//! Native command queuing (ACS-3 4.14, 7.22 and 7.61).

use std::collections::VecDeque;

use glassbox_device_api::BlockCompletion;
use serde::{Deserialize, Serialize};

use super::command::{self, AccessKind};
use super::disk::Disk;
use super::geometry::SECTOR;
use super::identify::{Attachment, QUEUE_DEPTH, checksum};
use super::registers::{device, error};
use super::settings::Power;
use super::span::{CHUNK, Span, SpanStep};
use super::transfer::failure;

/// FUA in the device register of a queued write.
const DEVICE_FUA: u8 = 1 << 7;

/// What the drive wants of the controller for a queued command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueEvent {
    /// Data goes to the host, followed by [`Disk::queue_data_taken`].
    DataIn {
        /// The command.
        tag: u8,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Data is wanted by [`Disk::queue_data`].
    DataOut {
        /// The command.
        tag: u8,
        /// Bytes.
        len: usize,
    },
    /// The command is over.
    Done {
        /// The command.
        tag: u8,
    },
    /// A command failed, and all others with it; status and error are in the
    /// registers. The host reads log 10h next.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Queued {
    kind: AccessKind,
    fua: bool,
    span: Span,
}

/// The queued commands of a drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    commands: Vec<Option<Queued>>,
    events: VecDeque<QueueEvent>,
    /// What log 10h tells of the command that failed; queued commands are refused
    /// until it was read.
    failed: Option<FailedCommand>,
}

/// A queued command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCommand {
    tag: u8,
    status: u8,
    error: u8,
    lba: u64,
    device: u8,
    /// It was not queued, or its tag was in use: log 10h says NQ.
    not_queued: bool,
}

impl Queue {
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether commands are queued.
    pub fn is_busy(&self) -> bool {
        self.commands.iter().any(Option::is_some)
    }

    /// Whether something other than the controller is to act: the back end.
    pub fn is_waiting(&self) -> bool {
        self.is_busy() && self.events.is_empty()
    }

    pub fn failed_log(&self) -> Option<FailedCommand> {
        self.failed
    }

    pub fn restore_failed(&mut self, failed: Option<FailedCommand>) {
        self.clear();
        self.failed = failed;
    }

    /// Log 10h (ACS-3 A.14): reading it lets queued commands in again.
    pub fn take_error_log(&mut self) -> Vec<u8> {
        let mut log = vec![0; SECTOR as usize];
        match self.failed.take() {
            Some(failed) => {
                log[0] = failed.tag | u8::from(failed.not_queued) << 7;
                log[2] = failed.status;
                log[3] = failed.error;
                let lba = failed.lba.to_le_bytes();
                log[4..7].copy_from_slice(&lba[..3]);
                log[7] = failed.device;
                log[8..11].copy_from_slice(&lba[3..6]);
            }
            None => log[0] = 0x80,
        }
        log[511] = checksum(&log[..511]);
        log
    }
}

impl Disk {
    /// Whether `code` is a command that is queued.
    pub const fn is_queued(code: u8) -> bool {
        matches!(code, command::READ_FPDMA_QUEUED | command::WRITE_FPDMA_QUEUED)
    }

    /// The host issued READ or WRITE FPDMA QUEUED with its registers set. True when
    /// it was queued; otherwise it failed like any command does.
    pub fn enqueue(&mut self, code: u8) -> bool {
        let registers = self.interface.registers;
        let tag = registers.count.now >> 3;
        let write = code == command::WRITE_FPDMA_QUEUED;
        let taken = self.queue.commands.get(usize::from(tag)).is_some_and(Option::is_some);
        let known = self.attachment == Attachment::Serial && Self::is_queued(code);
        if self.settings.power == Power::Sleep {
            return false;
        }
        self.interface.interrupt = false;
        let lba = registers.lba48();
        let count = match registers.features.word() {
            0 => 0x1_0000,
            count => u32::from(count),
        };
        let inside = lba.saturating_add(count.into()) <= self.sectors;
        let possible = known && !taken && self.queue.failed.is_none() && tag < QUEUE_DEPTH;
        if !possible || write && self.read_only || !inside {
            let error = if possible && !inside { error::IDNF } else { error::ABRT };
            self.drop_work();
            self.interface.fail(error);
            self.queue.failed = known.then_some(FailedCommand {
                tag,
                status: self.interface.registers.status,
                error,
                lba: lba.max(self.sectors) & 0xffff_ffff_ffff,
                device: registers.device,
                not_queued: taken,
            });
            return false;
        }
        self.settings.power = Power::Active;
        self.interface.finish();
        let kind = if write { AccessKind::Write } else { AccessKind::Read };
        let fua = write && registers.device & DEVICE_FUA != 0;
        self.queue.commands.resize(QUEUE_DEPTH.into(), None);
        self.queue.commands[usize::from(tag)] =
            Some(Queued { kind, fua, span: Span::new(lba, count, CHUNK) });
        self.next_queued_chunk(tag);
        self.poll();
        true
    }

    /// What the controller is to do next for queued commands.
    pub fn queue_event(&mut self) -> Option<QueueEvent> {
        self.queue.events.pop_front()
    }

    /// The host has the data of [`QueueEvent::DataIn`].
    pub fn queue_data_taken(&mut self, tag: u8) {
        self.next_queued_chunk(tag);
        self.poll();
    }

    /// The data for [`QueueEvent::DataOut`].
    pub fn queue_data(&mut self, tag: u8, data: Vec<u8>) {
        let write_cache = self.settings.write_cache;
        if let Some(queued) = self.queued(tag) {
            let fua = queued.fua || !write_cache;
            let request = queued.span.write(tag.into(), data, fua);
            self.backend.submit(request);
        }
        self.poll();
    }

    fn queued(&mut self, tag: u8) -> Option<&mut Queued> {
        self.queue.commands.get_mut(usize::from(tag))?.as_mut()
    }

    fn next_queued_chunk(&mut self, tag: u8) {
        let Some(queued) = self.queued(tag) else { return };
        if queued.span.left == 0 {
            self.queue.commands[usize::from(tag)] = None;
            self.queue.events.push_back(QueueEvent::Done { tag });
        } else if queued.kind == AccessKind::Write {
            let len = queued.span.chunk() as usize * SECTOR as usize;
            self.queue.events.push_back(QueueEvent::DataOut { tag, len });
        } else {
            let request = queued.span.read(tag.into());
            self.backend.submit(request);
        }
    }

    pub(super) fn queue_answered(&mut self, answer: BlockCompletion) {
        let tag = answer.request.tag as u8;
        let Some(queued) = self.queued(tag) else { return };
        match queued.span.answered(answer) {
            SpanStep::Again(request) => self.backend.submit(request),
            SpanStep::Moved(data) if queued.kind == AccessKind::Read => {
                self.queue.events.push_back(QueueEvent::DataIn { tag, data });
            }
            SpanStep::Moved(_) => self.next_queued_chunk(tag),
            SpanStep::Failed(reason) => {
                let (kind, lba) = (queued.kind, queued.span.lba);
                log::warn!("disk {}: sector {lba}: {kind:?} failed: {reason}", self.identity.serial);
                let (status, error) = failure(kind, &reason);
                self.drop_work();
                self.interface.end_command(status, error);
                self.queue.failed =
                    Some(FailedCommand { tag, status, error, lba, device: device::LBA, not_queued: false });
                self.queue.events.push_back(QueueEvent::Failed);
            }
        }
    }
}
