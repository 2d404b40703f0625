//! What SET FEATURES, SET MULTIPLE MODE and their like choose.

use serde::{Deserialize, Serialize};

use super::geometry::Geometry;
use super::identify::MOST_MULTIPLE;

/// How deep a drive sleeps (ACS-3 4.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    /// Ready.
    Active,
    /// Idle.
    Idle,
    /// Spun down; a command wakes it.
    Standby,
    /// Nothing but a reset wakes it.
    Sleep,
}

/// What the host chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// CHS addresses are taken apart by it.
    pub geometry: Geometry,
    /// Sectors of a block of READ and WRITE MULTIPLE; 0 when they are disabled.
    pub multiple: u8,
    /// Writes are answered when the host has them, not when they are stable.
    pub write_cache: bool,
    /// Read look-ahead: nothing depends on it.
    pub look_ahead: bool,
    /// The transfer mode by its code in SET FEATURES: nothing depends on it.
    pub transfer_mode: u8,
    /// How deep the drive sleeps.
    pub power: Power,
}

impl Settings {
    /// The settings after power-on of a drive of `sectors` sectors.
    pub fn new(sectors: u64) -> Self {
        Self {
            geometry: Geometry::of_capacity(sectors),
            multiple: 0,
            write_cache: true,
            look_ahead: true,
            transfer_mode: 0,
            power: Power::Active,
        }
    }

    /// Carries out SET FEATURES. False when the drive does not know the subcommand
    /// or the mode (ACS-3 7.45, ATA-5 8.37).
    pub fn set_feature(&mut self, subcommand: u8, count: u8) -> bool {
        match subcommand {
            0x02 => self.write_cache = true,
            0x82 => self.write_cache = false,
            0xaa => self.look_ahead = true,
            0x55 => self.look_ahead = false,
            // Keep or drop settings at a software reset: they are kept either way.
            0x66 | 0xcc => {}
            0x03 => return self.set_transfer_mode(count),
            _ => return false,
        }
        true
    }

    /// PIO default, PIO 3 and 4, multiword DMA 0 to 2, Ultra DMA 0 to 5.
    fn set_transfer_mode(&mut self, mode: u8) -> bool {
        let known = matches!(mode, 0 | 1 | 0x08..=0x0c | 0x20..=0x22 | 0x40..=0x45);
        // Flow-controlled PIO leaves the DMA mode alone.
        if known && mode >= 0x20 {
            self.transfer_mode = mode;
        }
        known
    }

    /// Whether a drive can hold them.
    pub fn is_possible(&self) -> bool {
        let multiple =
            self.multiple == 0 || self.multiple.is_power_of_two() && self.multiple <= MOST_MULTIPLE;
        self.geometry.is_possible() && multiple
    }
}
