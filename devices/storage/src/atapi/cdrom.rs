//! The drive on the ATA cable: its commands and the packet protocol
//! (ATA/ATAPI-7 volume 2, 11.8; volume 1, 6.24).

use glassbox_device_api::{BlockBackend, BlockCompletion, BlockError, BlockRequest, ResetKind};
use serde::{Deserialize, Serialize};

use super::cdb::{CDB_LEN, Cdb};
use super::disc::DATA;
use super::events::MediaEvent;
use super::mode::Parameters;
use super::packet::Reply;
use super::read::Read;
use super::sense::Sense;
use crate::ata::registers::{error, status};
use crate::ata::{Attachment, DriveIdentity, Interface, Phase, Power, Settings, Words, command};

/// Cylinder registers of a packet drive's signature.
const SIGNATURE: u16 = 0xeb14;

/// Interrupt reason, in the sector count register: the packet; data for the host; the end.
const REASON_PACKET: u8 = 0x01;
const REASON_TO_HOST: u8 = 0x02;
const REASON_FROM_HOST: u8 = 0x00;
const REASON_END: u8 = 0x03;

/// What the drive is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Task {
    /// Nothing.
    None,
    /// The host fetches IDENTIFY PACKET DEVICE.
    Identify,
    /// The host is to send a packet.
    Packet,
    /// The host fetches data.
    Reply,
    /// The host fetches sectors.
    Read(Read),
    /// The host sends the list of parameters of a packet.
    List(Cdb),
}

/// What the drive knows of itself and its medium.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unit {
    /// Why the last packet failed.
    pub sense: Sense,
    /// What the next packet is refused for, once.
    pub attention: Option<Sense>,
    /// The medium that was seen last.
    pub generation: Option<u64>,
    pub event: MediaEvent,
    pub tray_open: bool,
    pub locked: bool,
    pub parameters: Parameters,
}

/// How the data of a packet moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Route {
    /// By DMA.
    pub dma: bool,
    /// By PIO, blocks of at most so many bytes; 0 when the host gave no limit.
    pub limit: u16,
}

/// A CD-ROM or DVD-ROM drive over a block back end, with the interface of a
/// [`Disk`](crate::ata::Disk).
///
/// The medium may change at any time; the drive notices at the next packet. After
/// power-on it reports no unit attention: it is as firmware leaves it, which has
/// fetched that one.
pub struct Cdrom {
    /// Registers, data and INTRQ.
    pub interface: Interface,
    pub(super) backend: Box<dyn BlockBackend>,
    pub(super) identity: DriveIdentity,
    pub(super) attachment: Attachment,
    pub(super) settings: Settings,
    pub(super) unit: Unit,
    pub(super) task: Task,
    pub(super) route: Route,
}

impl std::fmt::Debug for Cdrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cdrom")
            .field("identity", &self.identity)
            .field("registers", &self.interface.registers)
            .field("unit", &self.unit)
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

impl Cdrom {
    /// A drive after power-on.
    pub fn new(backend: Box<dyn BlockBackend>, identity: DriveIdentity, attachment: Attachment) -> Self {
        let mut drive = Self {
            interface: Interface::default(),
            backend,
            identity,
            attachment,
            settings: Settings::new(0),
            unit: Unit::default(),
            task: Task::None,
            route: Route::default(),
        };
        drive.hard_reset(ResetKind::Cold);
        drive
    }

    fn drop_work(&mut self) {
        self.backend.drain();
        while self.backend.poll().is_some() {}
        self.task = Task::None;
    }

    /// The controller gives up on what is under way.
    pub fn cut_off(&mut self) {
        self.drop_work();
        self.interface.finish();
        self.interface.interrupt = false;
    }

    /// Whether nothing but a reset wakes it.
    pub fn is_asleep(&self) -> bool {
        self.settings.power == Power::Sleep
    }

    /// Whether something is under way at the back end.
    pub fn is_waiting(&self) -> bool {
        self.interface.phase() == Phase::Busy && self.task != Task::None
    }

    /// Whether the block that is wanted is a command packet.
    pub fn wants_packet(&self) -> bool {
        self.task == Task::Packet
    }

    /// Leaves signature and diagnostic code, as after any reset. DRDY stays clear
    /// until the first command.
    pub fn diagnose(&mut self) {
        self.drop_work();
        self.interface.end_command(0, error::PASSED);
        self.interface.registers.device = 0;
        self.interface.registers.set_signature(SIGNATURE);
        self.interface.interrupt = false;
    }

    /// The reset line of the cable, or power-on.
    pub fn hard_reset(&mut self, kind: ResetKind) {
        if kind == ResetKind::Cold {
            self.settings = Settings::new(0);
        }
        let generation = self.backend.medium().map(|medium| medium.generation);
        self.unit = Unit { generation, ..Unit::default() };
        self.backend.lock_medium(false);
        self.software_reset();
    }

    /// SRST, and DEVICE RESET.
    pub fn software_reset(&mut self) {
        self.settings.power = Power::Active;
        self.diagnose();
    }

    /// The host wrote the command register.
    pub fn execute(&mut self, code: u8) {
        if code == command::DEVICE_RESET {
            let selected = self.interface.registers.device;
            self.software_reset();
            // Of the device register, the selection is kept.
            self.interface.registers.device = selected & crate::ata::registers::device::DEV;
            return;
        }
        if self.is_asleep() {
            return;
        }
        self.interface.interrupt = false;
        self.interface.registers.error = 0;
        self.interface.registers.status = status::DRDY | status::DSC;
        self.start(code);
        self.poll();
    }

    fn start(&mut self, code: u8) {
        let registers = self.interface.registers;
        match code {
            command::PACKET => self.start_packet(),
            command::IDENTIFY_PACKET => {
                self.task = Task::Identify;
                let data = self.identify();
                self.interface.start_data(Phase::PioIn, data, 512);
                self.interface.interrupt = true;
            }
            // IDENTIFY DEVICE, and the reads of those who ask no further, tell that
            // this is another kind of drive (ATA/ATAPI-7 volume 1, 6.16 and 6.36).
            command::IDENTIFY | 0x20 => {
                self.interface.abort();
                self.interface.registers.set_signature(SIGNATURE);
            }
            command::SET_FEATURES
                if registers.features.now == 0x03 && self.settings.set_feature(0x03, registers.count.now) =>
            {
                self.end(0);
            }
            0xe0 | 0xe2 => self.set_power(Power::Standby),
            0xe1 | 0xe3 => self.set_power(Power::Idle),
            0xe5 => {
                let mode = if self.settings.power == Power::Standby { 0x00 } else { 0xff };
                self.interface.registers.count.set(mode);
                self.interface.finish();
                self.interface.interrupt = true;
            }
            0xe6 => self.set_power(Power::Sleep),
            _ => {
                if code != command::NOP {
                    log::debug!("CD-ROM: command {code:#04x} aborted");
                }
                self.interface.abort();
            }
        }
    }

    fn set_power(&mut self, power: Power) {
        self.settings.power = power;
        self.interface.finish();
        self.interface.interrupt = true;
    }

    fn identify(&self) -> Vec<u8> {
        let mut words = Words::new();
        // A packet drive, CD-ROM, removable; takes packets of 12 bytes at once.
        words.set(0, 0x85c0);
        words.set_identity(&self.identity);
        // DMA, LBA, IORDY.
        words.set(49, 0x0f00);
        words.set(50, 0x4000);
        words.set(51, 0x0200);
        words.set(53, 0x0006);
        words.set_modes(&self.settings);
        if self.attachment == Attachment::Serial {
            words.set(76, 0x000e);
        }
        // ATA-4 to ATA-7.
        words.set(80, 0x00f0);
        // NOP, DEVICE RESET, PACKET, power management.
        words.set(82, 0x4218);
        words.set(83, 0x4000);
        words.set(84, 0x4000);
        words.set(85, 0x4218);
        words.set(87, 0x4000);
        words.set_cable(self.attachment);
        words.into_bytes()
    }

    // The packet protocol.

    fn start_packet(&mut self) {
        let registers = &mut self.interface.registers;
        // Overlapped commands are not supported.
        if registers.features.now & 0x02 != 0 {
            return self.interface.abort();
        }
        let limit = u16::from(registers.lba_high.now) << 8 | u16::from(registers.lba_mid.now);
        self.route = Route { dma: registers.features.now & 0x01 != 0, limit };
        registers.count.now = REASON_PACKET;
        self.settings.power = Power::Active;
        self.task = Task::Packet;
        self.interface.start_data(Phase::PioOut, vec![0; CDB_LEN], CDB_LEN);
    }

    /// Bytes of a block by PIO: an even number.
    fn block_limit(&self) -> usize {
        usize::from(self.route.limit & !1).max(2)
    }

    fn packet_came(&mut self) {
        let cdb = Cdb::from_bytes(&self.interface.take_data());
        self.task = Task::None;
        match self.packet(cdb) {
            Ok(Reply::Done) => self.end(REASON_END),
            Ok(Reply::Data(mut data, most)) => {
                data.truncate(most);
                self.task = Task::Reply;
                self.offer(data);
            }
            Ok(Reply::Read(read)) if read.is_empty() => self.end(REASON_END),
            Ok(Reply::Read(read)) => {
                self.task = Task::Read(read);
                if self.has_limit() {
                    self.next_chunk();
                }
            }
            Ok(Reply::List(0)) => self.end(REASON_END),
            Ok(Reply::List(len)) => {
                self.task = Task::List(cdb);
                if self.has_limit() {
                    let (phase, block) = match self.route.dma {
                        true => (Phase::DmaOut, len),
                        false => (Phase::PioOut, self.block_limit()),
                    };
                    self.interface.start_data(phase, vec![0; len], block);
                    self.show_block();
                }
            }
            Err(sense) => self.check_condition(sense),
        }
    }

    /// By PIO, data needs a limit for its blocks: without one the command is aborted.
    fn has_limit(&mut self) -> bool {
        let has = self.route.dma || self.route.limit != 0;
        if !has {
            self.task = Task::None;
            self.interface.abort();
            self.interface.registers.count.now = REASON_END;
        }
        has
    }

    /// Offers a whole answer.
    fn offer(&mut self, data: Vec<u8>) {
        if data.is_empty() {
            return self.end(REASON_END);
        }
        if !self.has_limit() {
            return;
        }
        let len = data.len();
        match self.route.dma {
            true => self.interface.start_data(Phase::DmaIn, data, len),
            // An odd limit holds an odd answer.
            false if len <= usize::from(self.route.limit) => {
                self.interface.start_data(Phase::PioIn, data, len)
            }
            false => self.interface.start_data(Phase::PioIn, data, self.block_limit()),
        }
        self.show_block();
    }

    /// Tells the host the bytes of the block and their direction.
    fn show_block(&mut self) {
        let phase = self.interface.phase();
        if phase.is_dma() {
            return;
        }
        let len = self.interface.block().len() as u16;
        let registers = &mut self.interface.registers;
        registers.lba_mid.now = len as u8;
        registers.lba_high.now = (len >> 8) as u8;
        registers.count.now = if phase == Phase::PioIn { REASON_TO_HOST } else { REASON_FROM_HOST };
        self.interface.interrupt = true;
    }

    /// Ends the command well.
    fn end(&mut self, reason: u8) {
        self.task = Task::None;
        self.interface.finish();
        self.interface.registers.count.now = reason;
        self.interface.interrupt = true;
    }

    /// Ends the packet in CHECK CONDITION.
    fn check_condition(&mut self, sense: Sense) {
        self.unit.sense = sense;
        self.task = Task::None;
        self.interface.fail(sense.key << 4 | if sense.key == 5 { error::ABRT } else { 0 });
        self.interface.registers.count.now = REASON_END;
    }

    fn next_chunk(&mut self) {
        let Task::Read(read) = &self.task else { return };
        if read.left == 0 {
            return self.end(REASON_END);
        }
        let limit = (!self.route.dma).then(|| self.block_limit());
        let (sectors, _) = read.next(limit);
        let request = BlockRequest::read(0, u64::from(read.lba) * DATA, sectors as usize * DATA as usize);
        self.interface.set_busy();
        self.backend.submit(request);
    }

    fn answered(&mut self, answer: BlockCompletion) {
        let limit = (!self.route.dma).then(|| self.block_limit());
        let Task::Read(read) = &mut self.task else { return };
        let sectors = answer.request.len() / DATA;
        match answer.result {
            Ok(()) => {
                let (_, block) = read.next(limit);
                let data = read.take(answer.request.buffer);
                let phase = if limit.is_some() { Phase::PioIn } else { Phase::DmaIn };
                let block = if limit.is_some() { block } else { data.len() };
                self.interface.start_data(phase, data, block);
                self.show_block();
            }
            Err(BlockError::Host(_)) if sectors > 1 => {
                read.limit = 1;
                self.next_chunk();
            }
            Err(reason) => {
                let lba = read.lba;
                log::warn!("CD-ROM {}: sector {lba}: {reason}", self.identity.serial);
                self.check_condition(match reason {
                    BlockError::NoMedium => Sense::NO_MEDIUM,
                    BlockError::OutOfRange => Sense::OUT_OF_RANGE.at(lba),
                    BlockError::ReadOnly | BlockError::NoSpace | BlockError::Host(_) => {
                        Sense::UNREADABLE.at(lba)
                    }
                });
            }
        }
    }

    /// The controller has moved the whole block.
    pub fn block_done(&mut self) {
        let phase = self.interface.phase();
        match &self.task {
            Task::Packet => self.packet_came(),
            _ if self.interface.rest() > 0 => {
                let block = match &self.task {
                    Task::Read(read) => read.next(Some(self.block_limit())).1,
                    _ => self.block_limit(),
                };
                self.interface.next_block(phase, block);
                self.show_block();
            }
            Task::Read(_) => self.next_chunk(),
            Task::List(cdb) => {
                let cdb = *cdb;
                let list = self.interface.take_data();
                match self.list(cdb, &list) {
                    Ok(()) => self.end(REASON_END),
                    Err(sense) => self.check_condition(sense),
                }
            }
            Task::Reply => self.end(REASON_END),
            // By PIO, the only block has had its interrupt.
            Task::Identify | Task::None => {
                self.task = Task::None;
                self.interface.finish();
                self.interface.interrupt = false;
            }
        }
        self.poll();
    }

    /// Takes the answers of the back end.
    pub fn poll(&mut self) {
        while let Some(answer) = self.backend.poll() {
            self.answered(answer);
        }
    }

    /// Waits for the back end and takes its answers: before the state is saved.
    pub fn quiesce(&mut self) {
        while self.is_waiting() {
            self.backend.drain();
            self.poll();
        }
    }
}
