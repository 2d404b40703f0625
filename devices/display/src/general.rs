//! The external registers: miscellaneous output, feature control, video subsystem enable.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "General registers".

use serde::{Deserialize, Serialize};

/// Registers of no unit in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct General {
    /// 3C2h written, 3CCh read.
    pub misc_output: u8,
    /// 3BAh or 3DAh written, 3CAh read.
    pub feature_control: u8,
    /// 3C3h. Kept; a PCI function is enabled by its command register.
    pub subsystem_enable: u8,
}

impl General {
    /// The CRT controller is at 3D4h (colour) instead of 3B4h (monochrome).
    pub fn is_color(&self) -> bool {
        self.misc_output & 1 != 0
    }

    /// The processor reaches video memory.
    pub fn ram_enabled(&self) -> bool {
        self.misc_output & 2 != 0
    }

    /// The dot clock in Hz. Clocks 2 and 3 are external; nothing is connected
    /// there, and the second crystal stands in.
    pub fn dot_clock(&self) -> u64 {
        if self.misc_output >> 2 & 3 == 0 { 25_175_000 } else { 28_322_000 }
    }

    /// Address bit 0 of chained odd/even accesses in windows of 64 KiB or less:
    /// the page bit is low-active.
    pub fn page_bit(&self) -> u32 {
        u32::from(self.misc_output >> 5 & 1 ^ 1)
    }
}
