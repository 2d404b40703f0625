//! A port: its registers, and the state machine between command list and drive
//! (AHCI 1.3.1 3.3 and chapter 5).

use glassbox_device_api::ResetKind;
use glassbox_memory::{Gpa, GuestMemory};
use serde::{Deserialize, Serialize};

use super::fis::{self, HostToDevice, received};
use super::registers::{SERR_EXCHANGED, SERR_PHY_READY, command as cmd, interrupt, port};
use super::slot::{BusError, Cursor, Direction, SlotCommand};
use crate::ata::registers::status;
use crate::ata::{Disk, Drive, Phase, QueueEvent, command};

/// Slots of a port.
pub(super) const SLOTS: usize = 32;

/// PxTFD and PxSIG while no drive has told its own (AHCI 1.3.1 3.3.8 and 3.3.9).
const NO_TASK_FILE: u32 = 0x7f;
const NO_SIGNATURE: u32 = u32::MAX;

/// Writable bits of SCTL: detection, speed, power states.
const SCTL_BITS: u32 = 0xfff;

/// The registers and what goes with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRegisters {
    pub(super) list: u64,
    pub(super) fis: u64,
    pub(super) is: u32,
    pub(super) ie: u32,
    pub(super) cmd: u32,
    tfd: u32,
    signature: u32,
    ssts: u32,
    sctl: u32,
    serr: u32,
    sact: u32,
    pub(super) ci: u32,
    /// An error ended the processing of commands until ST is cleared.
    pub(super) halted: bool,
    /// The drive hangs: it was cut off in the middle of a command.
    hung: bool,
    /// SRST is set.
    soft_reset: bool,
    /// The first FIS of the drive waits for FRE.
    first_fis: bool,
    /// The slot whose command the drive works on.
    pub(super) current: Option<u8>,
}

/// A port with its drive.
#[derive(Debug)]
pub struct Port {
    pub(super) registers: PortRegisters,
    pub(super) cursors: [Cursor; SLOTS],
    pub(super) drive: Option<Drive>,
}

impl Port {
    /// A port with a drive, or an empty one.
    pub fn new(drive: Option<Drive>) -> Self {
        let mut new = Self {
            registers: PortRegisters {
                list: 0,
                fis: 0,
                is: 0,
                ie: 0,
                cmd: cmd::ALWAYS,
                tfd: NO_TASK_FILE,
                signature: NO_SIGNATURE,
                ssts: 0,
                sctl: 0,
                serr: 0,
                sact: 0,
                ci: 0,
                halted: false,
                hung: false,
                soft_reset: false,
                first_fis: false,
                current: None,
            },
            cursors: [Cursor::default(); SLOTS],
            drive,
        };
        new.establish();
        new
    }

    /// HR: the adapter forgets all but where the command list and the received FISes
    /// are (AHCI 1.3.1 10.4.3), and sends a COMRESET.
    pub fn adapter_reset(&mut self) {
        let PortRegisters { list, fis, .. } = self.registers;
        self.reset(ResetKind::Warm);
        self.registers.list = list;
        self.registers.fis = fis;
    }

    /// The reset line: all registers, and a COMRESET.
    pub fn reset(&mut self, kind: ResetKind) {
        let drive = self.drive.take().map(|mut drive| {
            drive.hard_reset(kind);
            drive
        });
        *self = Self::new(drive);
    }

    /// The link comes up: the drive tells its signature.
    fn establish(&mut self) {
        let Some(drive) = &self.drive else {
            self.registers.ssts = 0;
            return;
        };
        let limit = self.registers.sctl >> 4 & 0xf;
        let speed = if limit == 0 { 2 } else { limit.min(2) };
        self.registers.ssts = 0x103 | speed << 4;
        self.registers.serr |= SERR_EXCHANGED | SERR_PHY_READY;
        let registers = drive.interface().registers;
        self.registers.first_fis = true;
        self.take_signature(&registers);
    }

    fn take_signature(&mut self, registers: &crate::ata::Registers) {
        let crate::ata::Registers { count, lba_low, lba_mid, lba_high, .. } = registers;
        self.registers.signature = u32::from_le_bytes([count.now, lba_low.now, lba_mid.now, lba_high.now]);
        self.show(registers.status, registers.error);
    }

    fn show(&mut self, status: u8, error: u8) {
        self.registers.tfd = u32::from(error) << 8 | u32::from(status);
    }

    fn is_task_file_busy(&self) -> bool {
        self.registers.tfd & u32::from(status::BSY | status::DRQ) != 0
    }

    /// Whether the drive waits for its back end, or queued commands are out.
    pub fn is_waiting(&self) -> bool {
        self.registers.current.is_some() || self.registers.sact != 0
    }

    /// The interrupts that the port asks for now.
    pub fn interrupts(&self) -> u32 {
        self.status() & self.registers.ie
    }

    /// PxIS, with the bits that follow SERR.
    fn status(&self) -> u32 {
        let mut value = self.registers.is;
        if self.registers.serr & SERR_EXCHANGED != 0 {
            value |= interrupt::PCS;
        }
        if self.registers.serr & SERR_PHY_READY != 0 {
            value |= interrupt::PRCS;
        }
        value
    }

    // Registers.

    /// Reads a register by its offset in the port's 128 bytes.
    pub fn read(&self, offset: u64) -> u32 {
        let r = &self.registers;
        match offset {
            port::CLB => r.list as u32,
            port::CLBU => (r.list >> 32) as u32,
            port::FB => r.fis as u32,
            port::FBU => (r.fis >> 32) as u32,
            port::IS => self.status(),
            port::IE => r.ie,
            port::CMD => r.cmd,
            port::TFD => r.tfd,
            port::SIG => r.signature,
            port::SSTS => r.ssts,
            port::SCTL => r.sctl,
            port::SERR => r.serr,
            port::SACT => r.sact,
            port::CI => r.ci,
            _ => 0,
        }
    }

    /// Writes the bits of a register that `mask` selects.
    pub fn write(&mut self, offset: u64, value: u32, mask: u32) {
        let r = &mut self.registers;
        let merge = |old: u32, bits: u32| old & !(mask & bits) | value & mask & bits;
        let merge_high = |old: u64| old & 0xffff_ffff | u64::from(merge((old >> 32) as u32, u32::MAX)) << 32;
        let merge_low = |old: u64, bits| old >> 32 << 32 | u64::from(merge(old as u32, bits));
        let ones = value & mask;
        match offset {
            port::CLB => r.list = merge_low(r.list, !0x3ff),
            port::CLBU => r.list = merge_high(r.list),
            port::FB => r.fis = merge_low(r.fis, !0xff),
            port::FBU => r.fis = merge_high(r.fis),
            port::IS => r.is &= !ones,
            port::IE => r.ie = merge(r.ie, interrupt::ALL),
            port::CMD => {
                let new = merge(r.cmd, cmd::ST | cmd::FRE | cmd::KEPT);
                self.write_command(new, ones & cmd::CLO != 0);
            }
            port::SCTL => {
                let new = merge(r.sctl, SCTL_BITS);
                self.write_control(new);
            }
            port::SERR => r.serr &= !ones,
            port::SACT if r.cmd & cmd::ST != 0 => r.sact |= ones,
            port::CI if r.cmd & cmd::ST != 0 => r.ci |= ones,
            port::TFD | port::SIG | port::SSTS | port::SACT | port::CI => {}
            _ => log::debug!("AHCI: port register {offset:#x} is not there"),
        }
    }

    fn write_command(&mut self, mut new: u32, list_override: bool) {
        if new & cmd::ST == 0 && self.registers.cmd & cmd::ST != 0 {
            self.stop();
            new &= !(0x1f << cmd::CCS_SHIFT);
        }
        let mirror = |new: u32, from: u32, to: u32| if new & from != 0 { new | to } else { new & !to };
        new = mirror(new, cmd::ST, cmd::CR);
        new = mirror(new, cmd::FRE, cmd::FR);
        self.registers.cmd = new | cmd::ALWAYS;
        if list_override && new & cmd::ST == 0 {
            self.registers.tfd &= !u32::from(status::BSY | status::DRQ);
        }
    }

    /// ST was cleared: no command is issued any more. A drive in the middle of one
    /// stays busy until it is reset.
    fn stop(&mut self) {
        if self.is_waiting()
            && let Some(drive) = &mut self.drive
        {
            drive.cut_off();
            self.registers.hung |= self.registers.current.is_some();
        }
        let r = &mut self.registers;
        r.current = None;
        r.ci = 0;
        r.sact = 0;
        r.halted = false;
    }

    /// SCTL: detection 1 holds the link in reset, 4 turns it off, 0 lets it come up.
    fn write_control(&mut self, new: u32) {
        let (before, after) = (self.registers.sctl & 0xf, new & 0xf);
        self.registers.sctl = new;
        match after {
            _ if before == after => {}
            0 if matches!(before, 1 | 4) => self.establish(),
            1 | 4 => {
                self.registers.ssts = if after == 4 { 4 } else { 0 };
                self.registers.tfd = NO_TASK_FILE;
                self.registers.signature = NO_SIGNATURE;
                self.registers.hung = false;
                self.registers.soft_reset = false;
                self.registers.current = None;
                if let Some(drive) = &mut self.drive {
                    drive.hard_reset(ResetKind::Warm);
                }
            }
            _ => {}
        }
    }

    // The state machine.

    /// Takes the answers of the back end and goes on as far as possible.
    pub fn poll(&mut self, memory: &GuestMemory) {
        if let Some(drive) = &mut self.drive {
            drive.poll();
        }
        self.run(memory);
    }

    /// Goes on as far as possible.
    pub fn run(&mut self, memory: &GuestMemory) {
        if self.registers.first_fis && self.registers.cmd & cmd::FRE != 0 {
            self.registers.first_fis = false;
            if let Some(drive) = &self.drive {
                let fis = fis::register(&drive.interface().registers, false);
                self.receive(memory, received::REGISTER, &fis);
            }
        }
        // Each turn issues a command, moves a block or ends: a guest can keep it
        // going for no longer than the commands it has issued.
        while self.registers.cmd & cmd::CR != 0 && !self.registers.halted {
            let went_on = match self.registers.current {
                Some(slot) => self.step(memory, slot),
                None => match self.serve_queue(memory) {
                    true => Ok(true),
                    false => self.issue(memory),
                },
            };
            match went_on {
                Ok(true) => {}
                Ok(false) => return,
                Err(BusError) => self.bus_error(),
            }
        }
    }

    fn bus_error(&mut self) {
        log::debug!("AHCI: no memory at an address of a command");
        self.registers.is |= interrupt::HBFS;
        self.halt_in_command();
    }

    /// The adapter gives up on a command that the drive is still in.
    fn halt_in_command(&mut self) {
        self.registers.halted = true;
        self.registers.hung = true;
        self.registers.current = None;
        if let Some(drive) = &mut self.drive {
            drive.cut_off();
        }
    }

    /// Stores a FIS of the drive.
    fn receive(&mut self, memory: &GuestMemory, offset: u64, fis: &[u8]) {
        let stored = self.registers.cmd & cmd::FRE == 0
            || memory.write_bytes(Gpa(self.registers.fis.wrapping_add(offset)), fis).is_ok();
        if !stored {
            self.registers.is |= interrupt::HBFS;
        }
    }

    /// Issues the next command of the list. False when there is none, or the drive
    /// does not take it now.
    fn issue(&mut self, memory: &GuestMemory) -> Result<bool, BusError> {
        let r = &mut self.registers;
        if r.ci == 0 || self.drive.is_none() || r.ssts & 0xf != 3 {
            return Ok(false);
        }
        let last = r.cmd >> cmd::CCS_SHIFT & 0x1f;
        let after_last = r.ci & !(u32::MAX >> (31 - last));
        let slot = if after_last != 0 { after_last } else { r.ci }.trailing_zeros() as u8;
        let SlotCommand { fis, cursor } = SlotCommand::fetch(memory, r.list, slot)?;
        let Some(fis) = fis else {
            // Nothing a drive would answer: the slot stays issued.
            log::debug!("AHCI: slot {slot} has no register FIS");
            r.halted = true;
            return Ok(false);
        };
        if fis.is_command && (self.is_task_file_busy() || self.registers.hung || self.registers.soft_reset) {
            return Ok(false);
        }
        let r = &mut self.registers;
        r.cmd = r.cmd & !(0x1f << cmd::CCS_SHIFT) | u32::from(slot) << cmd::CCS_SHIFT;
        self.cursors[usize::from(slot)] = cursor;
        if !fis.is_command {
            r.ci &= !(1 << slot);
            self.control_fis(memory, fis);
            return Ok(true);
        }
        r.tfd |= u32::from(status::BSY);
        r.current = Some(slot);
        self.send(slot, fis);
        Ok(true)
    }

    /// Device control: SRST holds the drive in reset, its end makes it tell its signature.
    fn control_fis(&mut self, memory: &GuestMemory, fis: HostToDevice) {
        let resets = fis.control & HostToDevice::SRST != 0;
        let before = std::mem::replace(&mut self.registers.soft_reset, resets);
        let Some(drive) = self.drive.as_mut().filter(|_| fis.multiplier_port == 0) else { return };
        if resets {
            drive.software_reset();
            self.registers.tfd |= u32::from(status::BSY);
            self.registers.sact = 0;
            self.registers.hung = false;
        } else if before {
            drive.software_reset();
            let registers = drive.interface().registers;
            self.take_signature(&registers);
            let answer = fis::register(&registers, false);
            self.receive(memory, received::REGISTER, &answer);
        }
    }

    fn send(&mut self, slot: u8, fis: HostToDevice) {
        let Some(drive) = &mut self.drive else { return };
        // Nobody answers behind a multiplier that is not there, or asleep.
        if fis.multiplier_port != 0 || drive.is_asleep() {
            self.registers.hung = true;
            return;
        }
        fis.load(&mut drive.interface_mut().registers);
        match drive {
            Drive::Disk(disk) if Disk::is_queued(fis.command) => {
                // The slot's number is the command's tag (AHCI 1.3.1 5.6.4.1).
                if disk.interface.registers.count.now >> 3 != slot {
                    disk.interface.abort();
                } else {
                    disk.enqueue(fis.command);
                }
            }
            _ if fis.command == command::EXECUTE_DIAGNOSTIC => {
                drive.diagnose();
                drive.interface_mut().interrupt = true;
            }
            _ => drive.execute(fis.command),
        }
    }

    /// Does what the drive asks for in the current command. False when it waits.
    fn step(&mut self, memory: &GuestMemory, slot: u8) -> Result<bool, BusError> {
        let Some(drive) = self.drive.as_mut().filter(|_| !self.registers.hung) else { return Ok(false) };
        let interface = drive.interface_mut();
        let phase = interface.phase();
        let before = interface.registers;
        let signal = std::mem::take(&mut interface.interrupt);
        let to_host = matches!(phase, Phase::PioIn | Phase::DmaIn);
        let cursor = &mut self.cursors[usize::from(slot)];
        match phase {
            Phase::Busy => return Ok(false),
            Phase::Idle => {
                self.complete(memory, slot, signal);
                return Ok(true);
            }
            Phase::PioIn | Phase::DmaIn | Phase::PioOut | Phase::DmaOut => {}
        }
        let len = interface.block().len();
        let (moved, descriptor) = if drive.wants_packet() {
            let packet = cursor.packet(memory)?;
            let interface = drive.interface_mut();
            for (to, from) in interface.block_mut().iter_mut().zip(packet) {
                *to = from;
            }
            (len, false)
        } else {
            let direction = if to_host { Direction::ToHost } else { Direction::FromHost };
            let moved = cursor.transfer(memory, direction, drive.interface_mut().block_mut())?;
            (moved.bytes, moved.interrupt)
        };
        if descriptor {
            self.registers.is |= interrupt::DPS;
        }
        if moved < len {
            self.registers.is |= interrupt::OFS;
            if !to_host {
                // The drive waits for data that never comes.
                self.halt_in_command();
                return Ok(false);
            }
        }
        let interface = drive.interface_mut();
        interface.advance(len);
        drive.block_done();
        if phase.is_dma() {
            return Ok(true);
        }
        let now = drive.interface();
        let good = now.registers.status & status::ERR == 0;
        let ends_here = to_host && now.phase() == Phase::Idle && !now.interrupt && good;
        let end = if ends_here { now.registers.status } else { status::BSY | status::DRDY };
        let fis = fis::pio_setup(&before, signal, to_host, end, len as u16);
        self.show(end, before.error);
        self.receive(memory, received::PIO_SETUP, &fis);
        if signal {
            self.registers.is |= interrupt::PSS;
        }
        if ends_here {
            self.registers.current = None;
            self.registers.ci &= !(1 << slot);
        }
        Ok(true)
    }

    /// The current command is over, and a register FIS tells so.
    fn complete(&mut self, memory: &GuestMemory, slot: u8, signal: bool) {
        let Some(drive) = &self.drive else { return };
        let registers = drive.interface().registers;
        self.registers.current = None;
        self.show(registers.status, registers.error);
        let fis = fis::register(&registers, signal);
        self.receive(memory, received::REGISTER, &fis);
        if signal {
            self.registers.is |= interrupt::DHRS;
        }
        if registers.status & status::ERR != 0 {
            self.registers.is |= interrupt::TFES;
            self.registers.halted = true;
        } else {
            self.registers.ci &= !(1 << slot);
        }
    }

    /// Does what queued commands ask for, until nothing is left to do; false when
    /// nothing was.
    fn serve_queue(&mut self, memory: &GuestMemory) -> bool {
        let Some(Drive::Disk(disk)) = &mut self.drive else { return false };
        let (mut done, mut went_on) = (0u32, false);
        let mut failed = None;
        while failed.is_none()
            && let Some(event) = disk.queue_event()
        {
            went_on = true;
            let result = match event {
                QueueEvent::DataIn { tag, mut data } => {
                    let len = data.len();
                    let cursor = &mut self.cursors[usize::from(tag) % SLOTS];
                    let moved = cursor.transfer(memory, Direction::ToHost, &mut data);
                    moved.map(|moved| {
                        disk.queue_data_taken(tag);
                        (tag, true, len, moved)
                    })
                }
                QueueEvent::DataOut { tag, len } => {
                    let mut data = vec![0; len];
                    let cursor = &mut self.cursors[usize::from(tag) % SLOTS];
                    let moved = cursor.transfer(memory, Direction::FromHost, &mut data);
                    moved.map(|moved| {
                        // A table that is too short: the rest is not written.
                        if moved.bytes == len {
                            disk.queue_data(tag, data);
                        }
                        (tag, false, len, moved)
                    })
                }
                QueueEvent::Done { tag } => {
                    done |= 1 << (tag & 31);
                    continue;
                }
                QueueEvent::Failed => {
                    failed = Some(interrupt::TFES);
                    continue;
                }
            };
            let Ok((tag, to_host, len, moved)) = result else {
                failed = Some(interrupt::HBFS);
                continue;
            };
            let fis = fis::dma_setup(tag, to_host, len as u32);
            let at = Gpa(self.registers.fis.wrapping_add(received::DMA_SETUP));
            if self.registers.cmd & cmd::FRE != 0 && memory.write_bytes(at, &fis).is_err() {
                failed = Some(interrupt::HBFS);
            }
            if moved.interrupt {
                self.registers.is |= interrupt::DPS;
            }
            if moved.bytes < len {
                self.registers.is |= interrupt::OFS;
                if !to_host {
                    failed = Some(interrupt::OFS);
                }
            }
        }
        let Some(Drive::Disk(disk)) = &mut self.drive else { return went_on };
        let registers = disk.interface.registers;
        match failed {
            Some(interrupt::TFES) => {
                self.end_queued(memory, registers.status, registers.error, done);
                self.registers.is |= interrupt::TFES;
                self.registers.halted = true;
            }
            Some(bit) => {
                self.registers.is |= bit;
                self.halt_in_command();
            }
            None if done != 0 => self.end_queued(memory, status::DRDY | status::DSC, 0, done),
            None => {}
        }
        went_on
    }

    /// A set device bits FIS: queued commands are over. BSY and DRQ stay as they are.
    fn end_queued(&mut self, memory: &GuestMemory, status: u8, error: u8, done: u32) {
        let fis = fis::set_device_bits(status, error, done);
        self.receive(memory, received::DEVICE_BITS, &fis);
        let kept = self.registers.tfd as u8 & 0x88;
        self.show(kept | status & 0x77, error);
        self.registers.sact &= !done;
        self.registers.is |= interrupt::SDBS;
    }

    /// Waits for the back end, until no command waits for it.
    pub fn quiesce(&mut self, memory: &GuestMemory) {
        while let Some(drive) = &mut self.drive {
            drive.quiesce();
            self.run(memory);
            let waits = self.drive.as_ref().is_some_and(Drive::is_waiting);
            if !waits || self.registers.halted {
                return;
            }
        }
    }

    /// Whether the registers can hold this.
    pub(super) fn is_possible(registers: &PortRegisters, cursors: &[Cursor]) -> bool {
        let known = cmd::ST | cmd::FRE | cmd::KEPT | cmd::ALWAYS | cmd::CR | cmd::FR | 0x1f << cmd::CCS_SHIFT;
        let running = |bit, mirror| (registers.cmd & bit != 0) == (registers.cmd & mirror != 0);
        cursors.len() == SLOTS
            && cursors.iter().all(Cursor::is_possible)
            && registers.cmd & !known == 0
            && registers.cmd & cmd::ALWAYS == cmd::ALWAYS
            && running(cmd::ST, cmd::CR)
            && running(cmd::FRE, cmd::FR)
            && registers.list & 0x3ff == 0
            && registers.fis & 0xff == 0
            && registers.current.is_none_or(|slot| usize::from(slot) < SLOTS)
    }
}
