//! Intel 82077AA floppy disk controller with up to two drives.
//!
//! | offset | conventional port | read | write |
//! | --- | --- | --- | --- |
//! | 0 | 3F0h | status register A | |
//! | 1 | 3F1h | status register B | |
//! | 2 | 3F2h | digital output register | the same |
//! | 3 | 3F3h | tape drive register | the same |
//! | 4 | 3F4h | main status register | data rate select register |
//! | 5 | 3F5h | data (FIFO) | data (FIFO) |
//! | 7 | 3F7h | digital input register: bit 7 is disk change | configuration control register |
//!
//! Port 3F6h is the hard disk controller's. A command goes through the phases of
//! the data sheet: bytes of the *command* are collected, it is *executed*, and
//! its *result* is read. Seeks run beside other commands.
//!
//! A drive holds what a [`BlockBackend`] has in it; the image's size tells the
//! format ([`DisketteFormat`]). Guests that try data rates find the medium's only
//! at the right one. Sectors pass under the head fifty times as fast as in a real
//! drive.
//!
//! Sources: Intel 82077AA data sheet (290166); Intel 8272A data sheet (SCAN commands).

mod command;
mod control;
mod drive;
mod execution;
mod format;
mod save;
mod search;
mod transfer;

use drive::Drive;
use execution::Execution;
pub use format::{Density, DisketteFormat, DriveType};
use glassbox_device_api::{
    AccessSize, BlockBackend, Device, DmaChannel, IrqLine, PortIo, PortWindow, ResetKind, VmClock, VmTime,
};
pub use save::FloppySavedV1;
use serde::{Deserialize, Serialize};

const STATUS_A: u16 = 0;
const STATUS_B: u16 = 1;
const DIGITAL_OUTPUT: u16 = 2;
const TAPE_DRIVE: u16 = 3;
const MAIN_STATUS: u16 = 4;
const DATA: u16 = 5;
const DIGITAL_INPUT: u16 = 7;

/// Digital output register.
const DOR_NOT_RESET: u8 = 1 << 2;
const DOR_DMA_GATE: u8 = 1 << 3;
const DOR_MOTOR_0: u8 = 1 << 4;
/// Main status register.
const MSR_BUSY: u8 = 1 << 4;
const MSR_NON_DMA: u8 = 1 << 5;
const MSR_TO_HOST: u8 = 1 << 6;
const MSR_REQUEST: u8 = 1 << 7;
/// Data rate select register.
const DSR_RESET: u8 = 1 << 7;
/// CONFIGURE's second parameter.
const CONFIG_THRESHOLD: u8 = 0xf;
const CONFIG_NO_POLLING: u8 = 1 << 4;
const CONFIG_NO_FIFO: u8 = 1 << 5;
const CONFIG_IMPLIED_SEEK: u8 = 1 << 6;
/// SPECIFY's second parameter: non-DMA mode.
const SPECIFY_NON_DMA: u8 = 1 << 0;

/// From the end of a reset until the drives were polled.
const POLL_TIME: VmTime = VmTime(50_000);

/// What a board puts into a drive bay.
pub struct FloppyDrive {
    /// The drive's type, which CMOS tells the guest too.
    pub kind: DriveType,
    /// What is in it.
    pub backend: Box<dyn BlockBackend>,
}

impl FloppyDrive {
    /// A drive of the type that suits what is in it now.
    pub fn new(backend: Box<dyn BlockBackend>) -> Self {
        Self { kind: DriveType::suiting(backend.medium()), backend }
    }
}

impl std::fmt::Debug for FloppyDrive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FloppyDrive").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Where in a command the controller is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// Collects a command's bytes; none when idle.
    Command(Vec<u8>),
    Execution(Execution),
    Result {
        /// Bytes that are left, the next one last.
        left: Vec<u8>,
        /// An interrupt announced it, which reading the first byte ends.
        announced: bool,
    },
}

impl Phase {
    const IDLE: Self = Self::Command(Vec::new());
}

/// A seek or recalibration that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seek {
    due: VmTime,
    /// The cylinder to go to; none recalibrates.
    target: Option<u8>,
}

/// The registers, apart from what the drives hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Registers {
    dor: u8,
    tape: u8,
    /// Data rate code.
    rate: u8,
    specify: [u8; 2],
    /// CONFIGURE's second parameter.
    config: u8,
    pretrack: u8,
    lock: bool,
    /// PERPENDICULAR: D3 to D0, GAP, WGATE.
    perpendicular: u8,
    /// The last command's EOT or SC, as DUMPREG shows it.
    end_of_track: u8,
    /// Direction of the last step, as status register A shows it: true for inwards.
    inwards: bool,
    /// The head that was selected last.
    head: u8,
    /// Cylinders where the controller believes the heads to be.
    cylinders: [u8; 4],
    /// Statuses (ST0) that SENSE INTERRUPT STATUS has yet to tell, by drive.
    senses: [Option<u8>; 4],
    /// The INT pin before the DMA gate.
    interrupt: bool,
    /// When the polling that follows a reset is done.
    poll_due: Option<VmTime>,
    seeks: [Option<Seek>; 4],
    phase: Phase,
}

impl Registers {
    fn power_on() -> Self {
        Self {
            dor: 0,
            tape: 0,
            rate: format::RATE_250K,
            specify: [0; 2],
            config: CONFIG_NO_FIFO,
            pretrack: 0,
            lock: false,
            perpendicular: 0,
            end_of_track: 0,
            inwards: false,
            head: 0,
            cylinders: [0; 4],
            senses: [None; 4],
            interrupt: false,
            poll_due: None,
            seeks: [None; 4],
            phase: Phase::IDLE,
        }
    }
}

/// The controller with its drives.
pub struct Floppy {
    clock: VmClock,
    irq: IrqLine,
    dma: Box<dyn DmaChannel>,
    drives: [Option<Drive>; 2],
    r: Registers,
    /// Numbers requests, so that answers to aborted ones are known as such.
    last_tag: u64,
}

impl std::fmt::Debug for Floppy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Floppy").field("drives", &self.drives).field("r", &self.r).finish_non_exhaustive()
    }
}

impl Floppy {
    /// Where a PC has the ports.
    pub const WINDOWS: [PortWindow; 2] = [
        PortWindow { port: 0x3f0, len: 6, offset: 0 },
        PortWindow { port: 0x3f7, len: 1, offset: DIGITAL_INPUT },
    ];

    /// A controller after power-on. `irq` is IRQ 6 and `dma` channel 2 in a PC;
    /// `drives` are A and B.
    pub fn new(
        clock: VmClock,
        irq: IrqLine,
        dma: Box<dyn DmaChannel>,
        drives: [Option<FloppyDrive>; 2],
    ) -> Self {
        let drives = drives.map(|drive| drive.map(|drive| Drive::new(drive.kind, drive.backend)));
        Self { clock, irq, dma, drives, r: Registers::power_on(), last_tag: 0 }
    }

    /// The type of drive `index` (0 for A), if there is one.
    pub fn drive_type(&self, index: usize) -> Option<DriveType> {
        self.drives.get(index)?.as_ref().map(|drive| drive.kind)
    }

    fn is_held_in_reset(&self) -> bool {
        self.r.dor & DOR_NOT_RESET == 0
    }

    fn motor_is_on(&self, drive: usize) -> bool {
        self.r.dor & DOR_MOTOR_0 << (drive & 3) != 0
    }

    fn is_non_dma(&self) -> bool {
        self.r.specify[1] & SPECIFY_NON_DMA != 0
    }

    fn drive(&mut self, index: u8) -> Option<&mut Drive> {
        self.drives.get_mut(usize::from(index))?.as_mut()
    }

    fn update_irq(&self) {
        self.irq.set(self.r.interrupt && self.r.dor & DOR_DMA_GATE != 0);
    }

    fn set_interrupt(&mut self, level: bool) {
        self.r.interrupt = level;
        self.update_irq();
    }

    /// Does what has fallen due.
    fn catch_up(&mut self, now: VmTime) {
        if self.r.poll_due.is_some_and(|due| due <= now) {
            self.poll_drives();
        }
        for drive in 0..4 {
            if self.r.seeks[usize::from(drive)].is_some_and(|seek| seek.due <= now) {
                self.finish_seek(drive);
            }
        }
        if let Phase::Execution(execution) = &mut self.r.phase
            && execution.due.is_some_and(|due| due <= now)
        {
            execution.due = None;
            self.execute();
        }
    }

    fn read(&mut self, offset: u16) -> u8 {
        match offset {
            STATUS_A => self.status_a(),
            STATUS_B => 0xc0 | (self.r.dor & 1) << 5 | self.r.dor >> 4 & 3,
            DIGITAL_OUTPUT => self.r.dor,
            // The upper bits are not driven.
            TAPE_DRIVE => 0xfc | self.r.tape,
            MAIN_STATUS => self.main_status(),
            DATA => self.read_data(),
            DIGITAL_INPUT => self.digital_input(),
            _ => 0xff,
        }
    }

    fn write(&mut self, offset: u16, value: u8) {
        match offset {
            DIGITAL_OUTPUT => self.write_digital_output(value),
            TAPE_DRIVE => self.r.tape = value & 3,
            MAIN_STATUS => {
                // Precompensation and power-down (which any access ends) show nowhere.
                self.r.rate = value & 3;
                if value & DSR_RESET != 0 && !self.is_held_in_reset() {
                    self.software_reset();
                    self.start_polling();
                }
            }
            DATA => self.write_data(value),
            DIGITAL_INPUT => self.r.rate = value & 3,
            _ => log::debug!("floppy: write of {value:#04x} to read-only register {offset}"),
        }
    }

    /// Interrupt, drive B, step, track 0, head, index, write protect, direction;
    /// most of the pins are active low.
    fn status_a(&mut self) -> u8 {
        let selected = self.r.dor & 3;
        let pending = u8::from(self.r.interrupt) << 7;
        let no_drive_b = u8::from(self.drives[1].is_none()) << 6;
        let head = self.r.head << 3;
        let inwards = u8::from(self.r.inwards);
        let (track_0, protected) = self.drive(selected).map_or((false, false), |drive| {
            let protected = drive.diskette().is_some_and(|diskette| diskette.read_only);
            (drive.state.cylinder == 0, protected)
        });
        pending | no_drive_b | u8::from(!track_0) << 4 | head | 1 << 2 | u8::from(!protected) << 1 | inwards
    }

    fn main_status(&self) -> u8 {
        if self.is_held_in_reset() {
            return 0;
        }
        let seeking = (0..4).filter(|i| self.r.seeks[*i].is_some()).fold(0, |bits, i| bits | 1 << i);
        let phase = match &self.r.phase {
            Phase::Command(bytes) if bytes.is_empty() => MSR_REQUEST,
            Phase::Command(_) => MSR_REQUEST | MSR_BUSY,
            Phase::Result { .. } => MSR_REQUEST | MSR_TO_HOST | MSR_BUSY,
            Phase::Execution(execution) if self.is_non_dma() && execution.access.moves_data() => {
                let data = match execution.host_transfer() {
                    Some(true) => MSR_REQUEST | MSR_TO_HOST,
                    Some(false) => MSR_REQUEST,
                    None => 0,
                };
                MSR_BUSY | MSR_NON_DMA | data
            }
            Phase::Execution(_) => MSR_BUSY,
        };
        phase | seeking
    }

    /// Bit 7 is the selected drive's change line; the rest is not driven.
    fn digital_input(&mut self) -> u8 {
        let selected = self.r.dor & 3;
        let motor = self.motor_is_on(selected.into());
        let changed = self.drive(selected).is_some_and(|drive| {
            drive.diskette();
            // The PC's cable selects a drive together with its motor.
            motor && drive.state.changed
        });
        u8::from(changed) << 7 | 0x7f
    }

    fn write_digital_output(&mut self, value: u8) {
        let old = std::mem::replace(&mut self.r.dor, value);
        for index in 0..2 {
            let motor = DOR_MOTOR_0 << index;
            if old & !value & motor != 0
                && let Some(drive) = self.drive(index)
            {
                drive.motor_off();
            }
        }
        if old & !value & DOR_NOT_RESET != 0 {
            self.software_reset();
        } else if value & !old & DOR_NOT_RESET != 0 {
            self.start_polling();
        }
        self.update_irq();
    }

    fn start_polling(&mut self) {
        self.r.poll_due = Some(self.clock.now() + POLL_TIME);
    }

    /// A reset by DOR or DSR. SPECIFY's values stay. LOCK protects what CONFIGURE
    /// said of the FIFO and of precompensation; drives are polled in any case,
    /// unless CONFIGURE says otherwise before it is done.
    fn software_reset(&mut self) {
        self.r.phase = Phase::IDLE;
        self.r.seeks = [None; 4];
        self.r.senses = [None; 4];
        self.r.poll_due = None;
        self.r.perpendicular &= 0x3c;
        if self.r.lock {
            self.r.config &= CONFIG_NO_FIFO | CONFIG_THRESHOLD;
        } else {
            self.r.config = CONFIG_NO_FIFO;
            self.r.pretrack = 0;
        }
        self.dma.set_request(false);
        self.set_interrupt(false);
    }
}

impl Device for Floppy {
    fn name(&self) -> &'static str {
        "floppy"
    }

    fn reset(&mut self, kind: ResetKind) {
        // An answer to what is under way finds another tag.
        self.last_tag += 1;
        self.r = Registers::power_on();
        self.dma.set_request(false);
        self.update_irq();
        for drive in self.drives.iter_mut().flatten() {
            drive.motor_off();
            if kind == ResetKind::Cold {
                drive.power_on();
            }
        }
    }

    fn next_deadline(&self) -> Option<VmTime> {
        let execution = match &self.r.phase {
            Phase::Execution(execution) => execution.due,
            _ => None,
        };
        let seeks = self.r.seeks.iter().flatten().map(|seek| seek.due);
        seeks.chain(self.r.poll_due).chain(execution).min()
    }

    fn advance(&mut self, now: VmTime) {
        self.catch_up(now);
    }

    fn poll_host(&mut self) {
        self.fetch_answers();
    }
}

impl PortIo for Floppy {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        self.catch_up(self.clock.now());
        let bytes = size.bytes().min(4) as u16;
        (0..bytes).fold(0, |value, i| value | u32::from(self.read(offset.wrapping_add(i))) << (8 * i))
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        self.catch_up(self.clock.now());
        for i in 0..size.bytes().min(4) as u16 {
            self.write(offset.wrapping_add(i), (value >> (8 * i)) as u8);
        }
    }
}

#[cfg(test)]
mod tests;
