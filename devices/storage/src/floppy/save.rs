//! Saved state. What the back end was asked for is asked again after a restore.

use glassbox_device_api::{RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use super::drive::DriveState;
use super::execution::{Execution, Step};
use super::format::SECTOR;
use super::{Floppy, Phase, Registers};

/// Sectors of the longest track there is, in bytes: the largest buffer.
const LARGEST_BUFFER: usize = 40 * SECTOR;
/// Bytes of the longest command and result.
const LONGEST_COMMAND: usize = 9;
const LONGEST_RESULT: usize = 10;

/// Saved state of a [`Floppy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloppySavedV1 {
    registers: Registers,
    drives: [Option<DriveState>; 2],
}

fn invalid(field: &'static str) -> RestoreError {
    RestoreError::Invalid { device: "floppy", field }
}

impl Registers {
    fn check(&self) -> Result<(), RestoreError> {
        if self.rate > 3 || self.tape > 3 || self.head > 1 {
            return Err(invalid("registers"));
        }
        let known = match &self.phase {
            Phase::Command(bytes) => bytes.len() < LONGEST_COMMAND,
            Phase::Execution(x) => x.is_possible(),
            Phase::Result { left, announced: _ } => (1..=LONGEST_RESULT).contains(&left.len()),
        };
        if known { Ok(()) } else { Err(invalid("phase")) }
    }
}

impl Execution {
    fn is_possible(&self) -> bool {
        let whole = self.step != Step::Store || self.buffer.len().is_multiple_of(SECTOR);
        self.drive < 4
            && self.head < 2
            && whole
            && self.buffer.len() <= LARGEST_BUFFER
            && self.position <= self.buffer.len()
            && self.sector.len() <= SECTOR
    }
}

impl SaveRestore for Floppy {
    type Saved = FloppySavedV1;

    fn save(&self) -> FloppySavedV1 {
        let Self { clock: _, irq: _, dma: _, drives, r, last_tag: _ } = self;
        let state = |index: usize| drives[index].as_ref().map(|drive| drive.state.clone());
        FloppySavedV1 { registers: r.clone(), drives: [state(0), state(1)] }
    }

    /// Refuses the state of a controller with other drives.
    fn restore(&mut self, saved: FloppySavedV1) -> Result<(), RestoreError> {
        let FloppySavedV1 { registers, drives } = saved;
        registers.check()?;
        for (own, saved) in self.drives.iter().zip(&drives) {
            let possible = saved.as_ref().is_none_or(DriveState::is_possible);
            if own.is_some() != saved.is_some() || !possible {
                return Err(invalid("drives"));
            }
        }
        for (own, saved) in self.drives.iter_mut().zip(drives) {
            if let (Some(own), Some(saved)) = (own, saved) {
                own.state = saved;
            }
        }
        self.r = registers;
        self.last_tag += 1;
        if let Phase::Execution(x) = &self.r.phase
            && matches!(x.step, Step::Fetch | Step::Store)
        {
            let x = x.clone();
            self.submit(&x);
        }
        self.update_irq();
        Ok(())
    }
}
