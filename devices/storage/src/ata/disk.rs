//! A fixed disk: takes a command and says what data it wants or has.

use std::collections::VecDeque;

use glassbox_device_api::{BlockBackend, BlockCompletion, BlockOp, BlockRequest, ResetKind};
use serde::{Deserialize, Serialize};

use super::command::{self, Access};
use super::geometry::{Geometry, SECTOR};
use super::identify::{Attachment, DiskFacts, DriveIdentity, MOST_MULTIPLE, MOST_TRIM_BLOCKS, identify_disk};
use super::interface::{Interface, Phase};
use super::queue::Queue;
use super::registers::{device, error, status};
use super::settings::{Power, Settings};
use super::smart::{self, Smart, SmartReply};
use super::transfer::Transfer;

/// Tag of the requests of the command in the registers; queued commands have others.
pub(super) const COMMAND_TAG: u64 = u64::MAX;

/// Cylinder registers of a disk's signature.
const SIGNATURE: u16 = 0x0000;

/// What the command in the registers is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Job {
    /// Nothing.
    None,
    /// Sectors move.
    Transfer(Transfer),
    /// The back end flushes.
    Flush,
    /// The host fetches what the drive has to tell.
    Reply,
    /// The host sends the ranges of a TRIM.
    TrimList,
    /// The back end discards ranges of sectors and counts.
    Trim(VecDeque<(u64, u16)>),
}

/// A fixed disk over a block back end.
///
/// The controller writes registers, calls [`execute`](Self::execute), and does what
/// [`Interface::phase`] asks for; when it has moved a block it calls
/// [`block_done`](Self::block_done). Answers of the back end are taken in
/// [`poll`](Self::poll). INTRQ is [`Interface::interrupt`].
pub struct Disk {
    /// Registers, data and INTRQ.
    pub interface: Interface,
    pub(super) backend: Box<dyn BlockBackend>,
    pub(super) identity: DriveIdentity,
    pub(super) attachment: Attachment,
    pub(super) sectors: u64,
    pub(super) read_only: bool,
    pub(super) settings: Settings,
    pub(super) smart: Smart,
    pub(super) job: Job,
    pub(super) queue: Queue,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk")
            .field("identity", &self.identity)
            .field("sectors", &self.sectors)
            .field("registers", &self.interface.registers)
            .field("job", &self.job)
            .finish_non_exhaustive()
    }
}

impl Disk {
    /// A disk after power-on. Its size is that of the medium now; later changes of it
    /// are not seen.
    pub fn new(backend: Box<dyn BlockBackend>, identity: DriveIdentity, attachment: Attachment) -> Self {
        let medium = backend.medium();
        // 48 bits of address.
        let sectors = medium.map_or(0, |medium| medium.bytes / SECTOR).min(1 << 48);
        let mut disk = Self {
            interface: Interface::default(),
            backend,
            identity,
            attachment,
            sectors,
            read_only: medium.is_some_and(|medium| medium.read_only),
            settings: Settings::new(sectors),
            smart: Smart::default(),
            job: Job::None,
            queue: Queue::default(),
        };
        disk.power_on();
        disk
    }

    /// Sectors of 512 bytes.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    fn power_on(&mut self) {
        self.settings = Settings::new(self.sectors);
        self.diagnose();
    }

    /// Drops what is under way, and waits for the back end to be done with it: what
    /// comes later must not overtake it.
    pub(super) fn drop_work(&mut self) {
        self.backend.drain();
        while self.backend.poll().is_some() {}
        self.job = Job::None;
        self.queue.clear();
    }

    /// The controller gives up on what is under way: it will neither fetch nor send
    /// the data.
    pub fn cut_off(&mut self) {
        let failed = self.queue.failed_log();
        self.drop_work();
        self.queue.restore_failed(failed);
        self.interface.finish();
        self.interface.interrupt = false;
    }

    /// Whether nothing but a reset wakes it.
    pub fn is_asleep(&self) -> bool {
        self.settings.power == Power::Sleep
    }

    /// Whether something is under way at the back end.
    pub fn is_waiting(&self) -> bool {
        self.interface.phase() == Phase::Busy && self.job != Job::None || self.queue.is_waiting()
    }

    /// Leaves signature and diagnostic code, as after any reset.
    pub fn diagnose(&mut self) {
        self.drop_work();
        self.interface.end_command(status::DRDY | status::DSC, error::PASSED);
        self.interface.registers.device = 0;
        self.interface.registers.set_signature(SIGNATURE);
        self.interface.interrupt = false;
    }

    /// The reset line of the cable, or power-on.
    pub fn hard_reset(&mut self, kind: ResetKind) {
        match kind {
            ResetKind::Cold => self.power_on(),
            ResetKind::Warm => self.software_reset(),
        }
    }

    /// SRST: settings are kept.
    pub fn software_reset(&mut self) {
        self.settings.power = Power::Active;
        self.diagnose();
    }

    /// The host wrote the command register.
    pub fn execute(&mut self, code: u8) {
        if self.is_asleep() {
            return;
        }
        self.interface.interrupt = false;
        self.interface.registers.error = 0;
        self.interface.registers.status = status::DRDY | status::DSC;
        let reads_log = matches!(code, command::READ_LOG_EXT | command::READ_LOG_DMA_EXT);
        if self.queue.is_busy() || self.queue.failed_log().is_some() && !reads_log {
            // Only a queued command may follow a queued one (ACS-3 4.14.2): all of them end.
            if self.queue.is_busy() {
                self.drop_work();
            }
            return self.interface.abort();
        }
        self.start(code);
        self.poll();
    }

    fn start(&mut self, code: u8) {
        if let Some(access) = Access::of(code) {
            self.settings.power = Power::Active;
            return self.start_transfer(access);
        }
        let registers = self.interface.registers;
        let count = registers.count.now;
        match code {
            command::IDENTIFY => {
                let data = self.identify();
                self.reply(Phase::PioIn, data);
            }
            command::SET_FEATURES => {
                let known = self.settings.set_feature(registers.features.now, count);
                self.finish_if(known);
            }
            command::SET_MULTIPLE => self.set_multiple(count),
            command::INITIALIZE_PARAMETERS => {
                let heads = (registers.device & 0x0f) + 1;
                let chosen = Geometry::chosen(self.sectors, heads, count);
                if let Some(geometry) = chosen {
                    self.settings.geometry = geometry;
                }
                self.finish_if(chosen.is_some());
            }
            // RECALIBRATE and SEEK.
            0x10..=0x1f => self.finish(),
            0x70..=0x7f => self.seek(),
            command::FLUSH_CACHE | command::FLUSH_CACHE_EXT => {
                self.settings.power = Power::Active;
                self.job = Job::Flush;
                self.submit(BlockRequest::flush(COMMAND_TAG));
            }
            command::READ_NATIVE_MAX => {
                let last = self.sectors.saturating_sub(1).min(0x0fff_ffff);
                self.interface.registers.set_lba28(last);
                self.finish();
            }
            command::READ_NATIVE_MAX_EXT => {
                self.interface.registers.set_lba48(self.sectors.saturating_sub(1));
                self.finish();
            }
            command::SMART => self.smart(),
            command::READ_LOG_EXT => self.read_log(Phase::PioIn),
            command::READ_LOG_DMA_EXT => self.read_log(Phase::DmaIn),
            command::DATA_SET_MANAGEMENT => self.start_trim(),
            // STANDBY IMMEDIATE, STANDBY; IDLE IMMEDIATE, IDLE; CHECK POWER MODE; SLEEP.
            0xe0 | 0xe2 | 0x94 | 0x96 => self.set_power(Power::Standby),
            0xe1 | 0xe3 | 0x95 | 0x97 => self.set_power(Power::Idle),
            0xe5 | 0x98 => {
                let mode = match self.settings.power {
                    Power::Standby | Power::Sleep => 0x00,
                    Power::Idle => 0x80,
                    Power::Active => 0xff,
                };
                self.interface.registers.count.set(mode);
                self.finish();
            }
            0xe6 | 0x99 => self.set_power(Power::Sleep),
            _ => {
                let expected =
                    matches!(code, command::NOP | command::IDENTIFY_PACKET | command::DEVICE_RESET);
                if !expected {
                    log::debug!("disk: command {code:#04x} aborted");
                }
                self.interface.abort();
            }
        }
    }

    fn identify(&self) -> Vec<u8> {
        identify_disk(&DiskFacts {
            identity: &self.identity,
            attachment: self.attachment,
            sectors: self.sectors,
            read_only: self.read_only,
            settings: &self.settings,
            smart_enabled: self.smart.enabled,
        })
    }

    /// Ends the command well.
    pub(super) fn finish(&mut self) {
        self.job = Job::None;
        self.interface.finish();
        self.interface.interrupt = true;
    }

    /// Ends the command well, or aborts it.
    fn finish_if(&mut self, good: bool) {
        if good { self.finish() } else { self.interface.abort() }
    }

    fn reply(&mut self, phase: Phase, data: Vec<u8>) {
        self.job = Job::Reply;
        let block = if phase.is_dma() { data.len() } else { SECTOR as usize };
        self.interface.start_data(phase, data, block);
        self.interface.interrupt = phase == Phase::PioIn;
    }

    pub(super) fn submit(&mut self, request: BlockRequest) {
        self.interface.set_busy();
        self.backend.submit(request);
    }

    fn set_multiple(&mut self, count: u8) {
        let possible = count == 0 || count.is_power_of_two() && count <= MOST_MULTIPLE;
        self.settings.multiple = if possible { count } else { 0 };
        self.finish_if(possible);
    }

    fn set_power(&mut self, power: Power) {
        self.settings.power = power;
        self.finish();
    }

    fn seek(&mut self) {
        match self.address(false) {
            Some(lba) if lba < self.sectors => self.finish(),
            _ => self.interface.fail(error::IDNF),
        }
    }

    /// The first sector of a command in the registers; `None` when CHS names none.
    pub(super) fn address(&self, ext: bool) -> Option<u64> {
        let registers = &self.interface.registers;
        if ext {
            return Some(registers.lba48());
        }
        if registers.device & device::LBA != 0 {
            return Some(registers.lba28());
        }
        let cylinder = u16::from(registers.lba_high.now) << 8 | u16::from(registers.lba_mid.now);
        self.settings.geometry.lba(cylinder, registers.device & 0x0f, registers.lba_low.now)
    }

    fn smart(&mut self) {
        let registers = self.interface.registers;
        if (registers.lba_mid.now, registers.lba_high.now) != smart::KEY {
            return self.interface.abort();
        }
        match self.smart.execute(registers.features.now, registers.count.now, registers.lba_low.now) {
            // RETURN STATUS leaves the key as it was when no threshold is exceeded.
            SmartReply::Done | SmartReply::Healthy => self.finish(),
            SmartReply::Data(data) => self.reply(Phase::PioIn, data),
            SmartReply::Abort => self.interface.abort(),
        }
    }

    /// READ LOG EXT: the directory and, on the serial bus, the log of queued errors
    /// (ACS-3 A.2 and A.14).
    fn read_log(&mut self, phase: Phase) {
        let registers = &self.interface.registers;
        let page = u16::from(registers.lba_mid.before) << 8 | u16::from(registers.lba_mid.now);
        let serial = self.attachment == Attachment::Serial;
        let mut log = vec![0; SECTOR as usize];
        match registers.lba_low.now {
            _ if registers.count.word() != 1 || page != 0 => return self.interface.abort(),
            0x00 => {
                log[0] = 1;
                log[2 * 0x10] = u8::from(serial);
            }
            0x10 if serial => log = self.queue.take_error_log(),
            _ => return self.interface.abort(),
        }
        self.reply(phase, log);
    }

    fn start_trim(&mut self) {
        let registers = &self.interface.registers;
        let blocks = registers.count.word();
        let trim = registers.features.now == 1;
        if !trim || self.read_only || blocks == 0 || blocks > MOST_TRIM_BLOCKS {
            return self.interface.abort();
        }
        let bytes = usize::from(blocks) * SECTOR as usize;
        self.job = Job::TrimList;
        self.interface.start_data(Phase::DmaOut, vec![0; bytes], bytes);
    }

    /// The ranges came: entries of a 48-bit address and a 16-bit count; a count of 0
    /// is no range.
    fn trim_list_done(&mut self) {
        let list = self.interface.take_data();
        let mut ranges = VecDeque::new();
        for entry in list.as_chunks::<8>().0 {
            let entry = u64::from_le_bytes(*entry);
            let (lba, count) = (entry & 0xffff_ffff_ffff, (entry >> 48) as u16);
            if count == 0 {
                continue;
            }
            if lba + u64::from(count) > self.sectors {
                self.job = Job::None;
                return self.interface.fail(error::IDNF);
            }
            ranges.push_back((lba, count));
        }
        self.job = Job::Trim(ranges);
        self.next_range();
    }

    fn next_range(&mut self) {
        let Job::Trim(ranges) = &mut self.job else { return };
        let Some((lba, count)) = ranges.pop_front() else { return self.finish() };
        self.submit(BlockRequest {
            tag: COMMAND_TAG,
            op: BlockOp::Discard { len: u64::from(count) * SECTOR },
            offset: lba * SECTOR,
            buffer: Vec::new(),
            fua: false,
        });
    }

    /// The controller has moved the whole block.
    pub fn block_done(&mut self) {
        match (&self.job, self.interface.phase()) {
            (Job::Transfer(_), _) => self.transfer_block_done(),
            (Job::TrimList, _) => self.trim_list_done(),
            (_, Phase::PioIn) if self.interface.rest() > 0 => {
                self.interface.next_block(Phase::PioIn, SECTOR as usize);
                self.interface.interrupt = true;
            }
            // The last block of a read by PIO has had its interrupt.
            (_, phase) => {
                self.finish();
                self.interface.interrupt = phase.is_dma();
            }
        }
        self.poll();
    }

    /// Takes the answers of the back end.
    pub fn poll(&mut self) {
        while let Some(answer) = self.backend.poll() {
            if answer.request.tag == COMMAND_TAG {
                self.command_answered(answer);
            } else {
                self.queue_answered(answer);
            }
        }
    }

    fn command_answered(&mut self, answer: BlockCompletion) {
        match &self.job {
            Job::Transfer(_) => self.transfer_answered(answer),
            Job::Flush | Job::Trim(_) => {
                if let Err(reason) = &answer.result {
                    log::warn!("disk {}: {:?} failed: {reason}", self.identity.serial, answer.request.op);
                    self.job = Job::None;
                    self.interface.abort();
                } else if self.job == Job::Flush {
                    self.finish();
                } else {
                    self.next_range();
                }
            }
            Job::None | Job::Reply | Job::TrimList => {}
        }
    }

    /// Waits for the back end and takes its answers: before the state is saved.
    pub fn quiesce(&mut self) {
        // A command may need several requests.
        while self.is_waiting() {
            self.backend.drain();
            self.poll();
        }
    }
}
