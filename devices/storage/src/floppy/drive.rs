//! A diskette drive: where its head is, what is in it, and the disk change latch.

use glassbox_device_api::{BlockBackend, BlockRequest};
use serde::{Deserialize, Serialize};

use super::format::{DisketteFormat, DriveType};

/// The innermost cylinder a head can reach.
const LAST_CYLINDER: u8 = 83;
/// Step pulses of one RECALIBRATE.
const RECALIBRATE_STEPS: u8 = 79;

/// The diskette in a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Diskette {
    pub format: DisketteFormat,
    pub read_only: bool,
    /// Bytes that the image has: behind them a truncated one reads as zeroes.
    pub bytes: u64,
}

/// The part of a drive that a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DriveState {
    /// Where the head is.
    pub cylinder: u8,
    /// The disk change latch.
    pub changed: bool,
    /// Which medium was in when it was last looked at.
    generation: Option<u64>,
    /// Something was written that was not flushed.
    pub dirty: bool,
}

impl DriveState {
    pub fn is_possible(&self) -> bool {
        self.cylinder <= LAST_CYLINDER
    }
}

/// A drive with its back end.
pub(super) struct Drive {
    pub kind: DriveType,
    pub backend: Box<dyn BlockBackend>,
    pub state: DriveState,
}

impl std::fmt::Debug for Drive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drive").field("kind", &self.kind).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Drive {
    /// A drive after power-on: the change latch is set.
    pub fn new(kind: DriveType, backend: Box<dyn BlockBackend>) -> Self {
        let generation = backend.medium().map(|medium| medium.generation);
        let state = DriveState { cylinder: 0, changed: true, generation, dirty: false };
        Self { kind, backend, state }
    }

    pub fn power_on(&mut self) {
        self.state.changed = true;
    }

    /// What is in the drive. Notices that it was changed.
    pub fn diskette(&mut self) -> Option<Diskette> {
        let medium = self.backend.medium();
        let generation = medium.map(|medium| medium.generation);
        if self.state.generation != generation {
            self.state.generation = generation;
            self.state.changed = true;
        }
        let medium = medium?;
        let format = DisketteFormat::of(medium)?;
        Some(Diskette { format, read_only: medium.read_only, bytes: medium.bytes })
    }

    /// The track of the diskette under the head: none between those of a diskette
    /// with wide tracks, nor behind its last.
    pub fn track(&self, format: DisketteFormat) -> Option<u8> {
        let at = self.state.cylinder;
        let track = match format.is_double_stepped(self.kind) {
            true if at & 1 != 0 => return None,
            true => at / 2,
            false => at,
        };
        (track < format.cylinders).then_some(track)
    }

    /// Moves the head by `steps` pulses outwards (negative) or inwards.
    pub fn step(&mut self, steps: i16) {
        let cylinder = i16::from(self.state.cylinder).saturating_add(steps);
        self.state.cylinder = cylinder.clamp(0, LAST_CYLINDER.into()) as u8;
        // A step pulse resets the latch unless the drive is empty.
        if self.diskette().is_some() && steps != 0 {
            self.state.changed = false;
        }
    }

    /// Steps outwards until track 0 is sensed; false when it was too far away.
    pub fn recalibrate(&mut self) -> bool {
        let steps = self.state.cylinder.min(RECALIBRATE_STEPS);
        self.step(-i16::from(steps));
        self.state.cylinder == 0
    }

    /// The motor stops: what was written goes to stable storage.
    pub fn motor_off(&mut self) {
        if std::mem::take(&mut self.state.dirty) {
            // Nobody waits for this answer: tag 0 is no transfer's.
            self.backend.submit(BlockRequest::flush(0));
        }
    }
}
