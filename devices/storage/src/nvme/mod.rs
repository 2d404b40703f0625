//! NVM Express controller with one namespace over a [`BlockBackend`].
//!
//! A PCI function of class 01-08-02. Memory BAR 0:
//!
//! | offset | what |
//! | --- | --- |
//! | 0000h | controller registers |
//! | 1000h | doorbells, 4 bytes each: submission queue 0, completion queue 0, ... |
//! | 2000h | MSI-X table |
//! | 3000h | MSI-X pending bits |
//!
//! The host puts commands into submission queues in its memory and rings their
//! doorbells. The controller fetches them round robin, hands requests to the back
//! end, and posts completions when it has answered. Data is described by PRP
//! entries; scatter-gather lists are not offered. Each completion queue has its
//! MSI-X vector; without MSI-X the interrupt pin is asserted while an interrupting
//! queue holds entries that the host has not seen.
//!
//! Source: NVM Express base specification 1.4.

mod admin;
mod command;
mod events;
mod features;
mod identify;
mod io;
mod log_page;
mod prp;
mod queue;
mod registers;
mod save;

use std::collections::BTreeMap;

use command::{Command, Completion, Status};
use events::{ErrorLog, Event, Events};
use features::Features;
use glassbox_device_api::{
    AccessSize, BlockBackend, BlockRequest, Device, IrqLine, MsiTarget, PciFunction, ResetKind, VmClock,
    VmTime,
};
use glassbox_memory::GuestMemory;
use glassbox_pci::{BarKind, BarMapping, ConfigSpace, Identity, Msix, PciDevice};
use io::{InFlight, Work};
use log_page::Counters;
use queue::{CompletionQueue, SubmissionQueue};
use registers::{Action, Registers, offset};
pub use save::NvmeSavedV1;
use serde::{Deserialize, Serialize};

/// Those of the device that every driver has been tested with.
const IDENTITY: Identity = Identity {
    vendor: 0x1b36,
    device: 0x0010,
    class: 0x01_0802,
    revision: 2,
    subsystem_vendor: 0x1af4,
    subsystem: 0x1100,
};
const BAR: usize = 0;
const BAR_SIZE: u64 = 0x4000;
const MSIX_TABLE: u32 = 0x2000;
const MSIX_PENDING: u32 = 0x3000;
const INTA: u8 = 1;

/// I/O queue pairs.
const MAX_IO_QUEUES: u16 = 32;
const MAX_VECTORS: u16 = MAX_IO_QUEUES + 1;
/// Bytes of a logical block.
const BLOCK: u64 = 512;
/// Bytes that one command transfers at most.
const MAX_TRANSFER: usize = 512 << 10;
/// Commands and bytes that are with the back end at once.
const MAX_IN_FLIGHT: usize = 1024;
const MAX_IN_FLIGHT_BYTES: usize = 64 << 20;
/// Commands that are started before others on the bus get a turn.
const COMMANDS_PER_TURN: usize = 512;
const NEXT_TURN: VmTime = VmTime(1_000);

/// What a controller is connected to.
#[derive(Debug)]
pub struct NvmeConfig {
    /// Guest time, for the hours that the log tells.
    pub clock: VmClock,
    /// Guest memory.
    pub memory: GuestMemory,
    /// The wire of the interrupt pin.
    pub line: IrqLine,
    /// Where messages go.
    pub msi: MsiTarget,
    /// Serial number: printable ASCII, of which the first 20 characters count.
    pub serial: String,
}

/// What a snapshot holds, besides the PCI function's registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    registers: Registers,
    /// Bytes of a memory page, as of when the controller was enabled.
    page: u64,
    submissions: BTreeMap<u16, SubmissionQueue>,
    completions: BTreeMap<u16, CompletionQueue>,
    features: Features,
    events: Events,
    errors: ErrorLog,
    counters: Counters,
    /// Commands that a saved controller was at, to be started anew.
    restart: Vec<(u16, Command)>,
    /// When the rest of a long turn goes on.
    resume: Option<VmTime>,
}

/// An NVM Express controller.
pub struct Nvme {
    config: ConfigSpace,
    msix: Msix,
    msi: MsiTarget,
    memory: GuestMemory,
    clock: VmClock,
    backend: Box<dyn BlockBackend>,
    serial: String,
    s: State,
    /// What the back end is at, by tag.
    in_flight: BTreeMap<u64, InFlight>,
    in_flight_bytes: usize,
    last_tag: u64,
}

impl std::fmt::Debug for Nvme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nvme")
            .field("serial", &self.serial)
            .field("state", &self.s)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

impl Nvme {
    /// A controller after power-on whose namespace 1 is what `backend` holds.
    /// `None` only when configuration space had no room, which a test excludes.
    pub fn new(backend: Box<dyn BlockBackend>, connect: NvmeConfig) -> Option<Self> {
        let NvmeConfig { clock, memory, line, msi, serial } = connect;
        let mut config = ConfigSpace::new(IDENTITY);
        config.set_interrupt_pin(INTA, line);
        let placed = config.add_bar(BAR, BarKind::Memory64 { prefetchable: false }, BAR_SIZE);
        let msix = Msix::add(&mut config, MAX_VECTORS, BAR as u8, MSIX_TABLE, MSIX_PENDING)?;
        placed.then(|| Self {
            config,
            msix,
            msi,
            memory,
            clock,
            backend,
            serial,
            s: State { page: 4096, ..State::default() },
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
            last_tag: 0,
        })
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Enable => self.enable(),
            Action::Disable => self.disable(),
            Action::Shutdown => {
                self.s.registers.set_shutdown(registers::CSTS_SHUTDOWN_OCCURRING);
                self.flush_for_shutdown();
                self.collect();
            }
            Action::ResetSubsystem => {
                self.disable();
                self.s.registers =
                    Registers { status: registers::CSTS_SUBSYSTEM_RESET, ..Registers::default() };
            }
            Action::Interrupt => self.signal(),
        }
    }

    fn flush_for_shutdown(&mut self) {
        self.submit(0, None, Work::Shutdown, BlockRequest::flush(0));
    }

    fn enable(&mut self) {
        let r = &mut self.s.registers;
        if !r.can_enable() {
            log::warn!("nvme: configuration {:#010x} is not supported", r.configuration);
            r.status |= registers::CSTS_FATAL;
            return;
        }
        self.s.page = r.page_size();
        let (submission, completion) = r.admin_entries();
        r.status = r.status & registers::CSTS_SUBSYSTEM_RESET | registers::CSTS_READY;
        let (asq, acq) = (r.admin_submission, r.admin_completion);
        self.s.submissions.insert(0, SubmissionQueue::new(asq, submission, 0));
        self.s.completions.insert(0, CompletionQueue::new(acq, completion, Some(0)));
    }

    /// A controller reset: queues and what was set by commands are gone.
    fn disable(&mut self) {
        self.s.registers.status &= registers::CSTS_SUBSYSTEM_RESET;
        self.s.registers.interrupt_mask = 0;
        self.s.submissions.clear();
        self.s.completions.clear();
        self.s.features = Features::default();
        self.s.events = Events::default();
        self.s.restart.clear();
        self.s.resume = None;
        // Answers to what is under way find no command.
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.signal();
    }

    /// A failure that only a reset ends.
    fn fail(&mut self, what: &str) {
        log::warn!("nvme: {what} is not in memory; the controller stops");
        self.s.registers.status |= registers::CSTS_FATAL;
    }

    fn can_run(&self) -> bool {
        self.s.registers.is_ready() && self.config.is_bus_master()
    }

    /// Fetches and starts commands, posts completions, and interrupts.
    fn process(&mut self) {
        if self.can_run() {
            for (queue, command) in std::mem::take(&mut self.s.restart) {
                self.start(queue, command);
            }
        }
        self.collect();
        let mut started = 0;
        while self.can_run() {
            let ready = self.ready_queues();
            if ready.is_empty() {
                break;
            }
            if started >= COMMANDS_PER_TURN {
                self.s.resume = Some(self.clock.now() + NEXT_TURN);
                break;
            }
            for queue in ready {
                self.start_next(queue);
                started += 1;
            }
            self.collect();
        }
        self.signal();
    }

    /// Queues with commands that can be started now.
    fn ready_queues(&self) -> Vec<u16> {
        if self.in_flight.len() >= MAX_IN_FLIGHT || self.in_flight_bytes >= MAX_IN_FLIGHT_BYTES {
            return Vec::new();
        }
        let stalled = |queue: &SubmissionQueue| {
            self.s.completions.get(&queue.completions).is_none_or(|cq| !cq.waiting.is_empty())
        };
        let ready = self.s.submissions.iter().filter(|(_, queue)| !queue.is_empty() && !stalled(queue));
        ready.map(|(id, _)| *id).collect()
    }

    fn start_next(&mut self, id: u16) {
        let Some(queue) = self.s.submissions.get_mut(&id).filter(|queue| !queue.is_empty()) else { return };
        match queue.fetch(&self.memory) {
            Ok(command) => self.start(id, command),
            Err(_) => self.fail("a submission queue"),
        }
    }

    fn start(&mut self, queue: u16, command: Command) {
        let twin = |f: &InFlight| f.queue == queue && f.command.is_some_and(|c| c.id() == command.id());
        let outcome = if command.is_fused() || command.uses_sgl() {
            Err(Status::INVALID_FIELD)
        } else if self.in_flight.values().any(twin) {
            Err(Status::ID_CONFLICT)
        } else if queue == 0 {
            self.admin(&command)
        } else {
            self.start_io(queue, &command)
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(result)) => self.complete(queue, &command, Status::SUCCESS, result),
            Err(status) => self.complete(queue, &command, status, 0),
        }
    }

    /// A command of a submission queue is done.
    fn complete(&mut self, queue: u16, command: &Command, mut status: Status, result: u32) {
        if !status.is_success() {
            log::debug!("nvme: queue {queue}: {command:x?} failed: {:#06x}", status.0);
            status = status.with_more();
            self.s.errors.push(queue, command.id(), status, command.namespace());
        }
        self.post(Completion { queue, id: command.id(), status, result });
    }

    fn post(&mut self, completion: Completion) {
        let Some(queue) = self.s.submissions.get(&completion.queue) else { return };
        let id = queue.completions;
        if let Some(queue) = self.s.completions.get_mut(&id) {
            queue.waiting.push_back(completion);
        }
        self.post_waiting(id);
    }

    /// Writes completions as far as their queue has room.
    fn post_waiting(&mut self, id: u16) {
        let Some(queue) = self.s.completions.get_mut(&id) else { return };
        while !queue.is_full()
            && let Some(completion) = queue.waiting.pop_front()
        {
            let head = self.s.submissions.get(&completion.queue).map_or(0, |queue| queue.head);
            if queue.post(&self.memory, completion, head).is_err() {
                self.fail("a completion queue");
                return;
            }
        }
    }

    /// Sends the messages that are due, or drives the pin.
    fn signal(&mut self) {
        let messages = self.msix.is_enabled(&self.config);
        let mut level = false;
        for queue in self.s.completions.values_mut() {
            let notify = std::mem::take(&mut queue.notify);
            let Some(vector) = queue.vector else { continue };
            if messages && notify {
                self.msix.trigger(&self.config, vector, &self.msi);
            }
            level |= !queue.is_empty();
        }
        let masked = self.s.registers.interrupt_mask & 1 != 0;
        self.config.set_interrupt(level && !masked && !messages);
    }

    fn ring_doorbell(&mut self, number: u64, value: u32) {
        if !self.s.registers.is_ready() {
            return;
        }
        let id = (number / 2) as u16;
        let is_completion = number % 2 == 1;
        let rung = if is_completion {
            self.s.completions.get_mut(&id).map(|queue| queue.ring(value))
        } else {
            self.s.submissions.get_mut(&id).map(|queue| queue.ring(value))
        };
        match rung {
            Some(Ok(())) if is_completion => {
                self.post_waiting(id);
                self.process();
            }
            Some(Ok(())) => self.process(),
            Some(Err(queue::InvalidDoorbell)) => self.report(Event::INVALID_DOORBELL_VALUE, id),
            None => self.report(Event::INVALID_DOORBELL, id),
        }
    }

    /// An error that no command is to blame for.
    fn report(&mut self, event: Event, queue: u16) {
        log::debug!("nvme: doorbell of queue {queue}: {event:?}");
        self.s.errors.push(queue, u16::MAX, Status::INTERNAL_ERROR, 0);
        self.s.events.report(event);
        self.deliver_events();
        self.signal();
    }

    /// Completes asynchronous event requests for what happened.
    fn deliver_events(&mut self) {
        while let Some((id, result)) = self.s.events.deliver() {
            self.post(Completion { queue: 0, id, status: Status::SUCCESS, result });
        }
    }

    fn read_word(&mut self, at: u64) -> u32 {
        match at {
            0..offset::DOORBELLS => self.s.registers.read(at),
            // Doorbells read as anything the controller likes.
            _ => 0,
        }
    }

    fn write_word(&mut self, at: u64, value: u32) {
        match at {
            0..offset::DOORBELLS => {
                let action = self.s.registers.write(at, value);
                self.act(action);
            }
            offset::DOORBELLS..0x2000 => self.ring_doorbell((at - offset::DOORBELLS) / 4, value),
            _ => {}
        }
    }
}

impl Device for Nvme {
    fn name(&self) -> &'static str {
        "nvme"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.disable();
        self.s = State { counters: self.s.counters.clone(), page: 4096, ..State::default() };
        self.msix.reset();
        self.config.reset();
        self.config.set_interrupt(false);
    }

    fn next_deadline(&self) -> Option<VmTime> {
        self.s.resume
    }

    fn advance(&mut self, now: VmTime) {
        if self.s.resume.is_some_and(|at| at <= now) {
            self.s.resume = None;
            self.process();
        }
    }

    fn poll_host(&mut self) {
        self.process();
    }
}

impl PciFunction for Nvme {
    fn config_read(&mut self, offset: u8) -> u32 {
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        self.config.write(offset, value, byte_enables);
        self.msix.send_pending(&self.config, &self.msi);
        // Bus mastering or MSI-X may have been turned on or off.
        self.process();
    }
}

impl PciDevice for Nvme {
    fn mapping_version(&self) -> u64 {
        self.config.mapping_version()
    }

    fn mappings(&self) -> Vec<BarMapping> {
        self.config.mappings().to_vec()
    }

    fn bar_read(&mut self, bar: usize, at: u64, size: AccessSize) -> u64 {
        if bar != BAR {
            return size.mask();
        }
        if self.msix.contains(at) {
            return self.msix.mmio_read(at, size);
        }
        let word = at & !3;
        let low = u64::from(self.read_word(word)) >> ((at & 3) * 8);
        let high = match size {
            AccessSize::Qword => u64::from(self.read_word(word.wrapping_add(4))) << 32,
            _ => 0,
        };
        (low | high) & size.mask()
    }

    fn bar_write(&mut self, bar: usize, at: u64, size: AccessSize, value: u64) {
        if bar != BAR {
            return;
        }
        if self.msix.contains(at) {
            self.msix.mmio_write(&self.config, &self.msi, at, size, value);
            return;
        }
        if size < AccessSize::Dword || at & 3 != 0 {
            log::debug!("nvme: {size:?} write at {at:#x} is ignored");
            return;
        }
        self.write_word(at, value as u32);
        if size == AccessSize::Qword {
            self.write_word(at.wrapping_add(4), (value >> 32) as u32);
        }
    }
}

#[cfg(test)]
mod tests;
