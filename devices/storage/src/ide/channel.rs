//! One cable: command block, control block, two drives and their interrupt
//! (ATA/ATAPI-7 volume 2, chapters 6 and 9).

use glassbox_device_api::{AccessSize, IrqLine, ResetKind, RestoreError};
use glassbox_memory::GuestMemory;
use serde::{Deserialize, Serialize};

use super::bus_master::BusMaster;
use crate::ata::registers::{device, status};
use crate::ata::{Drive, DriveSavedV1, Phase, command};

/// Registers of the command block; reading 1 is the error register, 7 the status.
const ERROR_FEATURES: u8 = 1;
const COUNT: u8 = 2;
const LBA_LOW: u8 = 3;
const LBA_MID: u8 = 4;
const LBA_HIGH: u8 = 5;
const DEVICE: u8 = 6;
const STATUS_COMMAND: u8 = 7;
/// The control block's only register: alternate status and device control.
pub(super) const CONTROL: u8 = 8;

/// Device control: no interrupts, software reset, previous contents are read.
const NIEN: u8 = 1 << 1;
const SRST: u8 = 1 << 2;
const HOB: u8 = 1 << 7;

/// A cable with no drive that answers: lines are pulled up, but for DD7, which
/// the host pulls down so that it does not look busy (ATA/ATAPI-7 volume 2, 4.3.1).
const FLOATING: u8 = 0x7f;

/// A cable with up to two drives.
#[derive(Debug)]
pub struct Channel {
    drives: [Option<Drive>; 2],
    selected: usize,
    control: u8,
    /// INTRQ as the controller sees it.
    level: bool,
    pub(super) bus_master: BusMaster,
    line: IrqLine,
    memory: GuestMemory,
}

impl Channel {
    /// A cable with device 0 and device 1, and the wire of its interrupt.
    pub fn new(drives: [Option<Drive>; 2], line: IrqLine, memory: GuestMemory) -> Self {
        let bus_master = BusMaster::default();
        Self { drives, selected: 0, control: 0, level: false, bus_master, line, memory }
    }

    /// Drives the interrupt wire as the selected drive does.
    fn update(&mut self) {
        let asserted = self.drives[self.selected].as_ref().is_some_and(|drive| drive.interface().interrupt);
        let level = asserted && self.control & NIEN == 0;
        if level && !self.level {
            self.bus_master.interrupted();
        }
        self.level = level;
        self.line.set(level);
    }

    /// Moves data by DMA where the drive and the bus master are both ready for it.
    pub fn run(&mut self, may_master: bool) {
        if may_master && let Some(drive) = &mut self.drives[self.selected] {
            self.bus_master.run(drive, &self.memory);
        }
        self.update();
    }

    /// Takes the answers of the back ends.
    pub fn poll(&mut self, may_master: bool) {
        for drive in self.drives.iter_mut().flatten() {
            drive.poll();
        }
        self.run(may_master);
    }

    /// Whether a drive waits for its back end.
    pub fn is_busy(&self) -> bool {
        self.drives.iter().flatten().any(|drive| drive.interface().phase() == Phase::Busy)
    }

    /// The reset line.
    pub fn reset(&mut self, kind: ResetKind) {
        for drive in self.drives.iter_mut().flatten() {
            drive.hard_reset(kind);
        }
        self.selected = 0;
        self.control = 0;
        self.bus_master = BusMaster::default();
        self.update();
    }

    // The data register.

    /// Reads the data register.
    #[inline]
    pub fn read_data(&mut self, size: AccessSize) -> u32 {
        let Some(drive) = &mut self.drives[self.selected] else { return u32::from(FLOATING) | 0xff00 };
        if drive.interface().phase() != Phase::PioIn {
            return 0;
        }
        let (low, mut last) = drive.interface_mut().read_word();
        let mut value = u32::from(low);
        // A dword is two cycles at the cable.
        if size == AccessSize::Dword && !last {
            let (high, end) = drive.interface_mut().read_word();
            value |= u32::from(high) << 16;
            last = end;
        }
        if last {
            drive.block_done();
            self.update();
        }
        value
    }

    /// Writes the data register.
    #[inline]
    pub fn write_data(&mut self, size: AccessSize, value: u32) {
        let Some(drive) = &mut self.drives[self.selected] else { return };
        if drive.interface().phase() != Phase::PioOut {
            return;
        }
        let mut last = drive.interface_mut().write_word(value as u16);
        if size == AccessSize::Dword && !last {
            last = drive.interface_mut().write_word((value >> 16) as u16);
        }
        if last {
            drive.block_done();
            self.update();
        }
    }

    /// Reads the data register as often as `to` has room for and the drive's block has
    /// whole elements. Returns how often: 0 where each read is to be done by itself.
    pub fn read_data_run(&mut self, size: AccessSize, to: &mut [u8]) -> usize {
        self.move_run(Phase::PioIn, size, to.len(), |block| to[..block.len()].copy_from_slice(block))
    }

    /// Writes the data register as [`read_data_run`](Self::read_data_run) reads it.
    pub fn write_data_run(&mut self, size: AccessSize, from: &[u8]) -> usize {
        self.move_run(Phase::PioOut, size, from.len(), |block| block.copy_from_slice(&from[..block.len()]))
    }

    /// Hands the next of the block, at most `most` bytes, to `copy` if the drive is in `phase`.
    fn move_run(
        &mut self,
        phase: Phase,
        size: AccessSize,
        most: usize,
        copy: impl FnOnce(&mut [u8]),
    ) -> usize {
        let Some(drive) = &mut self.drives[self.selected] else { return 0 };
        let interface = drive.interface_mut();
        // A byte takes a whole word off the cable.
        if interface.phase() != phase || size == AccessSize::Byte {
            return 0;
        }
        let block = interface.block_mut();
        let count = most.min(block.len()) / size.bytes() as usize;
        let len = count * size.bytes() as usize;
        copy(&mut block[..len]);
        if count != 0 && interface.advance(len) {
            drive.block_done();
            self.update();
        }
        count
    }

    // The other registers.

    /// Reads a register other than the data register.
    pub fn read(&mut self, register: u8, may_master: bool) -> u8 {
        if matches!(register, STATUS_COMMAND | CONTROL) && self.is_busy() {
            self.poll(may_master);
        }
        let drive = match &mut self.drives {
            [_, Some(drive)] if self.selected == 1 => drive,
            [Some(drive), _] if self.selected == 0 => drive,
            [Some(drive), None] => return absent_device_1(drive, register, self.control),
            _ => return FLOATING,
        };
        let value = read_register(drive, register, self.control);
        if register == STATUS_COMMAND {
            drive.interface_mut().interrupt = false;
            self.update();
        }
        value
    }

    /// Writes a register other than the data register.
    pub fn write(&mut self, register: u8, value: u8, may_master: bool) {
        match register {
            CONTROL => self.write_control(value),
            STATUS_COMMAND => {
                self.control &= !HOB;
                self.write_command(value);
                self.run(may_master);
            }
            _ => self.write_parameter(register, value),
        }
    }

    /// Both drives take what is written to the command block; one that is busy or
    /// moves data does not.
    fn write_parameter(&mut self, register: u8, value: u8) {
        self.control &= !HOB;
        for drive in self.drives.iter_mut().flatten() {
            let registers = &mut drive.interface_mut().registers;
            if registers.status & (status::BSY | status::DRQ) != 0 {
                continue;
            }
            match register {
                ERROR_FEATURES => registers.features.push(value),
                COUNT => registers.count.push(value),
                LBA_LOW => registers.lba_low.push(value),
                LBA_MID => registers.lba_mid.push(value),
                LBA_HIGH => registers.lba_high.push(value),
                DEVICE => registers.device = value,
                _ => {}
            }
        }
        if register == DEVICE {
            self.selected = usize::from(value & device::DEV != 0);
            self.update();
        }
    }

    fn write_command(&mut self, code: u8) {
        if code == command::EXECUTE_DIAGNOSTIC {
            return self.diagnose();
        }
        let Some(drive) = &mut self.drives[self.selected] else { return };
        let occupied = drive.interface().registers.status & (status::BSY | status::DRQ) != 0;
        let resets = code == command::DEVICE_RESET && drive.is_packet() && self.control & SRST == 0;
        if !occupied || resets {
            drive.execute(code);
        }
    }

    /// EXECUTE DEVICE DIAGNOSTIC is for both drives; device 0 answers.
    fn diagnose(&mut self) {
        let occupied = self
            .drives
            .iter()
            .flatten()
            .any(|drive| drive.interface().registers.status & (status::BSY | status::DRQ) != 0);
        if occupied {
            return;
        }
        for drive in self.drives.iter_mut().flatten() {
            drive.diagnose();
        }
        self.selected = 0;
        if let Some(drive) = &mut self.drives[0] {
            drive.interface_mut().interrupt = true;
        }
    }

    fn write_control(&mut self, value: u8) {
        let before = std::mem::replace(&mut self.control, value & (NIEN | SRST | HOB));
        let resets = value & SRST != 0;
        if resets != (before & SRST != 0) {
            for drive in self.drives.iter_mut().flatten() {
                drive.software_reset();
                if resets {
                    drive.interface_mut().set_busy();
                }
            }
            self.selected = 0;
        }
        self.update();
    }

    // State.

    /// Waits for the back ends, until no command waits for one.
    pub fn quiesce(&mut self, may_master: bool) {
        loop {
            for drive in self.drives.iter_mut().flatten() {
                drive.quiesce();
            }
            self.run(may_master);
            // Moving data may have begun the next request.
            if self.control & SRST != 0 || !self.is_busy() {
                return;
            }
        }
    }

    /// The state now.
    pub fn save(&self) -> ChannelSavedV1 {
        let Self { drives, selected, control, level, bus_master, line: _, memory: _ } = self;
        ChannelSavedV1 {
            drives: drives.iter().map(|drive| drive.as_ref().map(Drive::save)).collect(),
            second_selected: *selected == 1,
            control: *control,
            level: *level,
            bus_master: *bus_master,
        }
    }

    /// Whether this channel can take over a saved state.
    ///
    /// # Errors
    /// [`RestoreError`] where a field holds an impossible value.
    pub fn check(&self, saved: &ChannelSavedV1) -> Result<(), RestoreError> {
        let ChannelSavedV1 { drives, second_selected: _, control, level: _, bus_master } = saved;
        let invalid = |field| Err(RestoreError::Invalid { device: "ide", field });
        if drives.len() != 2 {
            return invalid("drives");
        }
        for pair in self.drives.iter().zip(drives) {
            match pair {
                (Some(drive), Some(saved)) => drive.check(saved)?,
                (None, None) => {}
                _ => return invalid("drives"),
            }
        }
        match () {
            () if control & !(NIEN | SRST | HOB) != 0 => invalid("control"),
            () if !bus_master.is_possible() => invalid("bus_master"),
            () => Ok(()),
        }
    }

    /// Takes over a saved state.
    ///
    /// # Errors
    /// As [`check`](Self::check); nothing changed then.
    pub fn restore(&mut self, saved: ChannelSavedV1) -> Result<(), RestoreError> {
        self.check(&saved)?;
        let ChannelSavedV1 { drives, second_selected, control, level, bus_master } = saved;
        for (drive, saved) in self.drives.iter_mut().zip(drives) {
            if let (Some(drive), Some(saved)) = (drive, saved) {
                drive.restore(saved)?;
            }
        }
        self.selected = usize::from(second_selected);
        self.control = control;
        self.level = level;
        self.bus_master = bus_master;
        self.update();
        Ok(())
    }
}

fn read_register(drive: &Drive, register: u8, control: u8) -> u8 {
    let registers = &drive.interface().registers;
    let pair = match register {
        ERROR_FEATURES => return registers.error,
        COUNT => registers.count,
        LBA_LOW => registers.lba_low,
        LBA_MID => registers.lba_mid,
        LBA_HIGH => registers.lba_high,
        // Bits 7 and 5 are obsolete and read as ones.
        DEVICE => return registers.device | 0xa0,
        _ => return registers.status,
    };
    if control & HOB != 0 { pair.before } else { pair.now }
}

/// Device 0 answers for an absent device 1: status 0, and its own registers unless
/// it is a packet drive, whose signature would be mistaken for another drive
/// (ATA/ATAPI-7 volume 1, 5.19).
fn absent_device_1(device_0: &Drive, register: u8, control: u8) -> u8 {
    if device_0.is_packet() || matches!(register, STATUS_COMMAND | CONTROL) {
        0
    } else {
        read_register(device_0, register, control)
    }
}

/// Saved state of a [`Channel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSavedV1 {
    drives: Vec<Option<DriveSavedV1>>,
    second_selected: bool,
    control: u8,
    level: bool,
    bus_master: BusMaster,
}
