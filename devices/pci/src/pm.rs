//! The power management function (Intel 82371AB, "PIIX4", function 3).
//!
//! It places the blocks of `glassbox_chipset::AcpiPm` and `SmbusHost`, which stay where the
//! firmware's FADT says: their bases cannot be moved and decoding cannot be turned off.

use glassbox_device_api::{Device, PciFunction, ResetKind, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use crate::config::offset;
use crate::{ConfigSpace, ConfigSpaceSavedV1, Identity, PciDevice};

/// PMBA, the base of the power management block.
const PM_BASE: u8 = 0x40;
/// DEVACTB.
const DEVICE_ACTIVITY_B: u8 = 0x58;
/// PMREGMISC: bit 0 lets the block respond.
const PM_MISC: u8 = 0x80;
/// SMBBA, the base of the SMBus host.
const SMBUS_BASE: u8 = 0x90;
/// SMBHSTCFG: the SMBus host responds, and interrupts by IRQ 9.
const SMBUS_CONFIG: u8 = 0xD2;
const SMBUS_ENABLED: u8 = 4 << 1 | 1;
/// The SCI is wired to IRQ 9.
const SCI_IRQ: u8 = 9;

/// Function 00:01.3.
#[derive(Debug)]
pub struct PmFunction {
    config: ConfigSpace,
}

impl PmFunction {
    /// The function, with the first ports of the blocks (multiples of 64 and 16).
    pub fn new(pm_base: u16, smbus_base: u16) -> Self {
        let mut config = ConfigSpace::new(Identity {
            vendor: 0x8086,
            device: 0x7113,
            class: 0x06_8000,
            revision: 3,
            subsystem_vendor: 0,
            subsystem: 0,
        });
        config.set_u16(offset::COMMAND, 0x0001);
        config.set_writable(offset::COMMAND, &[0, 0]);
        config.set_u16(offset::STATUS, 0x0280);
        config.set_writable(offset::CACHE_LINE, &[0, 0]);
        config.set_u8(offset::INTERRUPT_LINE, SCI_IRQ);
        config.set_u8(offset::INTERRUPT_PIN, 1);
        config.set_u32(PM_BASE, u32::from(pm_base & 0xffc0) | 1);
        config.set_u8(PM_MISC, 1);
        config.set_u32(SMBUS_BASE, u32::from(smbus_base & 0xfff0) | 1);
        config.set_u8(SMBUS_CONFIG, SMBUS_ENABLED);
        Self { config }
    }

    /// As [`new`](Self::new), with SMIs by the APM port enabled already (DEVACTB bit
    /// 25): to SeaBIOS that means that system management mode is set up, and that
    /// it need not try. There is none.
    pub fn without_smm(pm_base: u16, smbus_base: u16) -> Self {
        let mut function = Self::new(pm_base, smbus_base);
        function.config.set_u8(DEVICE_ACTIVITY_B + 3, 0x02);
        function
    }

    /// The first port of the block.
    pub fn pm_base(&self) -> u16 {
        self.config.u16(PM_BASE) & 0xffc0
    }
}

impl Device for PmFunction {
    fn name(&self) -> &'static str {
        "pm-function"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.config.reset();
    }
}

impl PciFunction for PmFunction {
    fn config_read(&mut self, offset: u8) -> u32 {
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        self.config.write(offset, value, byte_enables);
    }
}

impl PciDevice for PmFunction {}

/// Saved state of a [`PmFunction`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PmFunctionSavedV1 {
    config: ConfigSpaceSavedV1,
}

impl SaveRestore for PmFunction {
    type Saved = PmFunctionSavedV1;

    fn save(&self) -> PmFunctionSavedV1 {
        let Self { config } = self;
        PmFunctionSavedV1 { config: config.save() }
    }

    fn restore(&mut self, saved: PmFunctionSavedV1) -> Result<(), RestoreError> {
        let PmFunctionSavedV1 { config } = saved;
        self.config.restore(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_where_the_tables_say_and_stay_there() {
        let mut function = PmFunction::new(0x600, 0x700);
        assert_eq!(function.config_read(0), 0x7113_8086);
        assert_eq!(function.config_read(8), 0x0680_0003);
        for at in [0x04, 0x40, 0x80, 0x90, 0xd0] {
            function.config_write(at, 0, 0xf);
        }
        assert_eq!(function.config_read(0x40), 0x601);
        assert_eq!(function.config_read(0x80), 1);
        assert_eq!(function.config_read(0x90), 0x701);
        assert_eq!(function.config_read(0xd0) >> 16 & 0xff, 0x09);
        assert_eq!(function.config_read(4) & 0xffff, 1);
        assert_eq!(function.pm_base(), 0x600);
        assert_eq!(function.config_read(0x3c), 0x0109);
    }

    #[test]
    fn saved_state_of_another_base_is_refused() {
        let mut function = PmFunction::new(0x600, 0x700);
        assert!(function.restore(PmFunction::new(0x640, 0x700).save()).is_err());
        assert!(function.restore(PmFunction::new(0x600, 0x700).save()).is_ok());
    }
}
