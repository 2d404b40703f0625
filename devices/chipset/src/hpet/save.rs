//! Saved state of the HPET.

use glassbox_device_api::{RestoreError, SaveRestore, VmTime};
use serde::{Deserialize, Serialize};

use super::{Comparator, ENABLE, HPET_TIMERS, Hpet, LEGACY};

/// Saved state of an [`Hpet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HpetSavedV1 {
    config: u64,
    status: u32,
    counter: u64,
    since: VmTime,
    timers: [Comparator; HPET_TIMERS],
}

impl SaveRestore for Hpet {
    type Saved = HpetSavedV1;

    fn save(&self) -> HpetSavedV1 {
        let Self { clock: _, lines: _, config, status, counter, since, timers, warned: _ } = self;
        HpetSavedV1 { config: *config, status: *status, counter: *counter, since: *since, timers: *timers }
    }

    fn restore(&mut self, saved: HpetSavedV1) -> Result<(), RestoreError> {
        let HpetSavedV1 { config, status, counter, since, timers } = saved;
        let check = |good: bool, field: &'static str| {
            if good { Ok(()) } else { Err(RestoreError::Invalid { device: "hpet", field }) }
        };
        check(config & !(ENABLE | LEGACY) == 0, "config")?;
        check(status >> HPET_TIMERS == 0, "status")?;
        check(timers.iter().enumerate().all(|(i, timer)| timer.is_valid(i)), "timers")?;
        self.config = config;
        self.status = status;
        self.counter = counter;
        self.since = since;
        self.timers = timers;
        self.update_lines();
        Ok(())
    }
}
