//! System control port B (61h): the register core.
//!
//! Source: Intel 82371AB (PIIX4) data sheet 4.2.5.1, NMI status and control register.

use serde::{Deserialize, Serialize};

const GATE_2: u8 = 1 << 0;
const SPEAKER: u8 = 1 << 1;
const SERR_DISABLE: u8 = 1 << 2;
const IO_CHECK_DISABLE: u8 = 1 << 3;
const REFRESH: u8 = 1 << 4;
const OUT_2: u8 = 1 << 5;
const IO_CHECK: u8 = 1 << 6;
const SERR: u8 = 1 << 7;
const WRITABLE: u8 = GATE_2 | SPEAKER | SERR_DISABLE | IO_CHECK_DISABLE;
/// Ticks of the timer clock from one memory refresh to the next (15 µs); each toggles bit 4.
const REFRESH_TICKS: u64 = 18;

/// The register: its writable bits and the two latched errors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Port61(u8);

impl Port61 {
    pub(super) fn gate(&self) -> bool {
        self.0 & GATE_2 != 0
    }

    pub(super) fn speaker_enabled(&self) -> bool {
        self.0 & SPEAKER != 0
    }

    /// The NMI line.
    pub(super) fn nmi(&self) -> bool {
        self.0 & (SERR | IO_CHECK) != 0
    }

    pub(super) fn signal_serr(&mut self) {
        if self.0 & SERR_DISABLE == 0 {
            self.0 |= SERR;
        }
    }

    pub(super) fn signal_io_check(&mut self) {
        if self.0 & IO_CHECK_DISABLE == 0 {
            self.0 |= IO_CHECK;
        }
    }

    /// Reads at tick `now` of the timer clock with counter 2's output.
    pub(super) fn read(&self, now: u64, out2: bool) -> u8 {
        let mut value = self.0 & !(REFRESH | OUT_2);
        if (now / REFRESH_TICKS) & 1 != 0 {
            value |= REFRESH;
        }
        if out2 {
            value |= OUT_2;
        }
        value
    }

    /// Writes; disabling an error source clears its status.
    pub(super) fn write(&mut self, value: u8) {
        self.0 = self.0 & (SERR | IO_CHECK) | value & WRITABLE;
        if value & SERR_DISABLE != 0 {
            self.0 &= !SERR;
        }
        if value & IO_CHECK_DISABLE != 0 {
            self.0 &= !IO_CHECK;
        }
    }
}
