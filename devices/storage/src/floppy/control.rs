//! The FIFO, and the commands that touch no data: seeks, statuses, settings.

use glassbox_device_api::VmTime;

use super::command::Command;
use super::execution::Execution;
use super::{CONFIG_NO_POLLING, Floppy, Phase, Seek};

/// ST0: how a command ended, seek end, equipment check.
pub(super) const ST0_ABNORMAL: u8 = 1 << 6;
const ST0_READY_CHANGED: u8 = 3 << 6;
pub(super) const ST0_SEEK_END: u8 = 1 << 5;
pub(super) const ST0_EQUIPMENT_CHECK: u8 = 1 << 4;
/// The result of a command that does not exist.
const INVALID: u8 = 0x80;
/// The result of VERSION: an enhanced controller.
const VERSION: u8 = 0x90;
/// ST3: write protected, the bits that are always one, track 0.
const ST3_WRITE_PROTECTED: u8 = 1 << 6;
const ST3_ONES: u8 = 1 << 5 | 1 << 3;
const ST3_TRACK_0: u8 = 1 << 4;

/// From the start of a seek to its end, apart from the steps.
const SETTLE_TIME: u64 = 200_000;
const STEP_TIME: u64 = 10_000;

impl Floppy {
    pub(super) fn read_data(&mut self) -> u8 {
        match &mut self.r.phase {
            Phase::Result { left, announced } => {
                let byte = left.pop().unwrap_or(INVALID);
                let acknowledged = std::mem::take(announced);
                let is_last = left.is_empty();
                if acknowledged {
                    self.set_interrupt(false);
                }
                if is_last {
                    self.r.phase = Phase::IDLE;
                    self.announce_seeks();
                }
                byte
            }
            Phase::Execution(_) => self.data_to_host(),
            // Nothing to be read: the data register floats.
            Phase::Command(_) => 0xff,
        }
    }

    pub(super) fn write_data(&mut self, value: u8) {
        if self.is_held_in_reset() {
            return;
        }
        match &mut self.r.phase {
            Phase::Command(bytes) => {
                bytes.push(value);
                let command = Command::decode(bytes[0]);
                if bytes.len() > command.parameters() {
                    let bytes = std::mem::take(bytes);
                    self.start(command, &bytes);
                }
            }
            Phase::Execution(_) => self.data_from_host(value),
            Phase::Result { .. } => log::debug!("floppy: {value:#04x} written during the result phase"),
        }
    }

    /// Begins a result phase that no interrupt announces.
    pub(super) fn result(&mut self, bytes: &[u8]) {
        self.r.phase = Phase::Result { left: bytes.iter().rev().copied().collect(), announced: false };
    }

    /// All bytes of `command` are there.
    fn start(&mut self, command: Command, bytes: &[u8]) {
        let first = bytes[0];
        let parameter = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let drive = parameter(1) & 3;
        self.r.phase = Phase::IDLE;
        match command {
            Command::Access(access) => {
                // A seek that a driver did not wait for is over before the head reads.
                if self.r.seeks[usize::from(drive)].is_some() {
                    self.finish_seek(drive);
                }
                self.start_execution(Execution::new(access, bytes));
            }
            Command::Specify => self.r.specify = [parameter(1), parameter(2)],
            Command::SenseDriveStatus => {
                let status = self.drive_status(parameter(1));
                self.result(&[status]);
            }
            Command::Recalibrate => self.start_seek(drive, None),
            Command::Seek => self.start_seek(drive, Some(parameter(2))),
            Command::RelativeSeek => {
                let from = self.r.cylinders[usize::from(drive)];
                let by = parameter(2);
                let inwards = first & 0x40 != 0;
                let to = if inwards { from.wrapping_add(by) } else { from.wrapping_sub(by) };
                self.start_seek(drive, Some(to));
            }
            Command::SenseInterrupt => self.sense_interrupt(),
            Command::DumpRegisters => self.dump_registers(),
            Command::Version => self.result(&[VERSION]),
            Command::Perpendicular => {
                let value = parameter(1);
                // D3 to D0 are taken over only with OW.
                let kept = if value & 0x80 != 0 { 0 } else { self.r.perpendicular & 0x3c };
                let taken = if value & 0x80 != 0 { 0x3f } else { 0x03 };
                self.r.perpendicular = kept | value & taken;
            }
            Command::Configure => {
                self.r.config = parameter(2) & 0x7f;
                self.r.pretrack = parameter(3);
            }
            Command::Lock => {
                self.r.lock = first & 0x80 != 0;
                self.result(&[u8::from(self.r.lock) << 4]);
            }
            Command::Invalid => {
                log::debug!("floppy: invalid command {first:#04x}");
                self.result(&[INVALID]);
            }
        }
    }

    fn drive_status(&mut self, select: u8) -> u8 {
        let drive = self.drive(select & 3).map_or(0, |drive| {
            let protected = drive.diskette().is_some_and(|diskette| diskette.read_only);
            let track_0 = drive.state.cylinder == 0;
            let protected = if protected { ST3_WRITE_PROTECTED } else { 0 };
            if track_0 { protected | ST3_TRACK_0 } else { protected }
        });
        ST3_ONES | drive | select & 7
    }

    fn dump_registers(&mut self) {
        let r = &self.r;
        let lock = u8::from(r.lock) << 7;
        let [c0, c1, c2, c3] = r.cylinders;
        let [s1, s2] = r.specify;
        let bytes = [c0, c1, c2, c3, s1, s2, r.end_of_track, lock | r.perpendicular, r.config, r.pretrack];
        self.result(&bytes);
    }

    /// The polling after a reset found that all drives became ready.
    pub(super) fn poll_drives(&mut self) {
        self.r.poll_due = None;
        if self.r.config & CONFIG_NO_POLLING == 0 {
            self.r.senses = [0, 1, 2, 3].map(|drive| Some(ST0_READY_CHANGED | drive));
            self.set_interrupt(true);
        }
    }

    fn sense_interrupt(&mut self) {
        if self.r.poll_due.is_some() {
            // The driver did not wait for the interrupt.
            self.poll_drives();
        }
        let next = (0..4).find_map(|drive| Some((drive, self.r.senses[drive].take()?)));
        let Some((drive, status)) = next else {
            self.result(&[INVALID]);
            return;
        };
        self.result(&[status, self.r.cylinders[drive]]);
        self.set_interrupt(false);
    }

    /// Interrupts for a drive that came to its cylinder, unless a command or its
    /// result is under way: then later. What polling found interrupts only once.
    fn announce_seeks(&mut self) {
        let is_seek = |status: &u8| status & ST0_READY_CHANGED != ST0_READY_CHANGED;
        if matches!(self.r.phase, Phase::Command(_)) && self.r.senses.iter().flatten().any(is_seek) {
            self.set_interrupt(true);
        }
    }

    fn start_seek(&mut self, drive: u8, target: Option<u8>) {
        let at = usize::from(drive);
        let steps = match target {
            Some(target) => self.r.cylinders[at].abs_diff(target),
            None => self.drive(drive).map_or(79, |drive| drive.state.cylinder),
        };
        let due = self.clock.now() + seek_time(steps);
        self.r.senses[at] = None;
        self.r.seeks[at] = Some(Seek { due, target });
    }

    /// The drive has made its steps.
    pub(super) fn finish_seek(&mut self, index: u8) {
        let at = usize::from(index);
        let Some(seek) = self.r.seeks[at].take() else { return };
        let status = match seek.target {
            Some(target) => {
                self.step_to(index, target);
                ST0_SEEK_END
            }
            None => {
                self.r.inwards = false;
                self.r.cylinders[at] = 0;
                if self.drive(index).is_some_and(|drive| drive.recalibrate()) {
                    ST0_SEEK_END
                } else {
                    ST0_ABNORMAL | ST0_SEEK_END | ST0_EQUIPMENT_CHECK
                }
            }
        };
        self.r.senses[at] = Some(status | index);
        self.announce_seeks();
    }

    /// Steps from where the controller believes the head to be.
    pub(super) fn step_to(&mut self, index: u8, target: u8) {
        let at = usize::from(index);
        let from = std::mem::replace(&mut self.r.cylinders[at], target);
        self.r.inwards = target > from;
        if let Some(drive) = self.drive(index) {
            drive.step(i16::from(target) - i16::from(from));
        }
    }
}

/// How long a seek over that many cylinders takes.
pub(super) fn seek_time(steps: u8) -> VmTime {
    VmTime(SETTLE_TIME + STEP_TIME * u64::from(steps))
}
