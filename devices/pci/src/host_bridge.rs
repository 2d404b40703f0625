//! The host bridge (Intel 82441FX, "440FX").

use glassbox_device_api::{Device, PciFunction, ResetKind, RestoreError, SaveRestore};
use serde::{Deserialize, Serialize};

use crate::config::offset;
use crate::{ConfigSpace, ConfigSpaceSavedV1, Identity, PciDevice};

/// PAM0 to PAM6, the shadow attributes of C0000h to FFFFFh (82441FX, offsets 59h to 5Fh).
const PAM: u8 = 0x59;
/// System management RAM control.
const SMRAM: u8 = 0x72;
const SMRAM_LOCK: u8 = 1 << 4;
/// SMRAM bits that the lock freezes: D_OPEN and SMM space enable, and the lock itself.
const SMRAM_FROZEN: u8 = 1 << 6 | 1 << 4 | 1 << 3;

/// Where an access to a shadowed segment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowAccess {
    /// Reads come from RAM, otherwise from the ROM or the bus.
    pub read_ram: bool,
    /// Writes go to RAM, otherwise to the ROM or the bus.
    pub write_ram: bool,
}

/// Function 00:00.0.
#[derive(Debug)]
pub struct HostBridge {
    config: ConfigSpace,
}

impl Default for HostBridge {
    fn default() -> Self {
        Self::new()
    }
}

impl HostBridge {
    /// A host bridge after reset: nothing is shadowed.
    pub fn new() -> Self {
        let mut config = ConfigSpace::new(Identity {
            vendor: 0x8086,
            device: 0x1237,
            class: 0x06_0000,
            revision: 2,
            subsystem_vendor: 0,
            subsystem: 0,
        });
        // Memory and bus master are hard-wired on; parity and SERR can be chosen.
        config.set_u16(offset::COMMAND, 0x0006);
        config.set_writable(offset::COMMAND, &[0x40, 0x01]);
        config.set_u16(offset::STATUS, 0x0280);
        config.set_writable(offset::CACHE_LINE, &[0x00, 0xf8]);
        config.set_writable(offset::INTERRUPT_LINE, &[0]);
        // PMC configuration, deturbo, DRAM bus control (82441FX, offsets 50h to 58h).
        config.set_writable(0x50, &[0x3f, 0xf4, 0x00, 0xbb, 0x00, 0x00, 0x00, 0xff, 0x7b]);
        config.set_u8(0x51, 0x01);
        config.set_u8(0x58, 0x10);
        // PAM0 has a segment in its upper half only.
        config.set_writable(PAM, &[0x70, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77]);
        // DRAM row boundaries, fixed DRAM hole, multi-transaction timer, SMRAM.
        config.set_writable(0x60, &[0xff; 8]);
        config.set_writable(0x68, &[0xc0]);
        config.set_writable(0x70, &[0xf8, 0x1f, 0x78]);
        config.set_u8(SMRAM, 0x02);
        // Error command, error status.
        config.set_writable(0x90, &[0xff]);
        config.set_write_one_to_clear(0x91, &[0x1f]);
        config.set_writable(0x93, &[0x3f]);
        Self { config }
    }

    /// As [`new`](Self::new), with the subsystem by which firmware made for QEMU
    /// finds out what it runs on.
    pub fn of_qemu() -> Self {
        let mut bridge = Self::new();
        bridge.config.set_u16(offset::SUBSYSTEM_VENDOR, 0x1af4);
        bridge.config.set_u16(offset::SUBSYSTEM, 0x1100);
        bridge
    }

    /// Whether A0000h to BFFFFh are system management RAM for everybody (82441FX,
    /// 72h: D_OPEN with SMM space enabled).
    pub fn smram_open(&self) -> bool {
        let smram = self.config.u8(SMRAM);
        smram & 1 << 6 != 0 && smram & 1 << 3 != 0
    }

    /// PAM0 to PAM6.
    pub fn pam(&self) -> [u8; 7] {
        std::array::from_fn(|i| self.config.u8(PAM + i as u8))
    }

    /// How an access to a physical address between C0000h and FFFFFh is directed;
    /// `None` for others.
    pub fn shadow(&self, address: u64) -> Option<ShadowAccess> {
        let pam = self.pam();
        let bits = match address {
            0xf_0000..=0xf_ffff => pam[0] >> 4,
            0xc_0000..=0xe_ffff => {
                let segment = ((address - 0xc_0000) >> 14) as usize;
                pam[1 + segment / 2] >> (segment % 2 * 4)
            }
            _ => return None,
        };
        Some(ShadowAccess { read_ram: bits & 1 != 0, write_ram: bits & 2 != 0 })
    }
}

impl Device for HostBridge {
    fn name(&self) -> &'static str {
        "host-bridge"
    }

    fn reset(&mut self, _kind: ResetKind) {
        self.config.reset();
    }
}

impl PciFunction for HostBridge {
    fn config_read(&mut self, offset: u8) -> u32 {
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u8, value: u32, byte_enables: u8) {
        let before = self.config.u8(SMRAM);
        self.config.write(offset, value, byte_enables);
        if before & SMRAM_LOCK != 0 {
            // Locked until reset, and closed (82441FX, D_LCK).
            self.config.set_driven(SMRAM, SMRAM_FROZEN, before & SMRAM_FROZEN & !(1 << 6));
        }
    }
}

impl PciDevice for HostBridge {}

/// Saved state of a [`HostBridge`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostBridgeSavedV1 {
    config: ConfigSpaceSavedV1,
}

impl SaveRestore for HostBridge {
    type Saved = HostBridgeSavedV1;

    fn save(&self) -> HostBridgeSavedV1 {
        let Self { config } = self;
        HostBridgeSavedV1 { config: config.save() }
    }

    fn restore(&mut self, saved: HostBridgeSavedV1) -> Result<(), RestoreError> {
        let HostBridgeSavedV1 { config } = saved;
        self.config.restore(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_440fx_with_hard_wired_command_bits() {
        let mut bridge = HostBridge::new();
        assert_eq!(bridge.config_read(0), 0x1237_8086);
        assert_eq!(bridge.config_read(8), 0x0600_0002);
        bridge.config_write(4, 0, 0xf);
        assert_eq!(bridge.config_read(4), 0x0280_0006);
    }

    #[test]
    fn pam_registers_direct_each_segment() {
        let mut bridge = HostBridge::new();
        let rom = ShadowAccess { read_ram: false, write_ram: false };
        assert_eq!(bridge.shadow(0xf_0000), Some(rom));
        bridge.config_write(0x58, 0xffff_ffff, 0b0010);
        assert_eq!(bridge.pam()[0], 0x70);
        assert_eq!(bridge.shadow(0xf_ffff), Some(ShadowAccess { read_ram: true, write_ram: true }));
        bridge.config_write(0x5c, 0x0000_2100, 0b0010);
        assert_eq!(bridge.pam()[4], 0x21, "PAM4: D8000h and DC000h");
        assert_eq!(bridge.shadow(0xd_8000), Some(ShadowAccess { read_ram: true, write_ram: false }));
        assert_eq!(bridge.shadow(0xd_c000), Some(ShadowAccess { read_ram: false, write_ram: true }));
        assert_eq!(bridge.shadow(0xb_ffff), None);
        assert_eq!(bridge.shadow(0x10_0000), None);
        bridge.reset(ResetKind::Cold);
        assert_eq!(bridge.pam(), [0; 7]);
    }

    #[test]
    fn smram_lock_holds_until_reset() {
        let mut bridge = HostBridge::new();
        bridge.config_write(0x70, 0x005a_0000, 0b0100);
        assert_eq!(bridge.config.u8(SMRAM), 0x5a);
        bridge.config_write(0x70, 0x0042_0000, 0b0100);
        assert_eq!(bridge.config.u8(SMRAM), 0x1a, "closed, locked, enabled");
        bridge.reset(ResetKind::Cold);
        assert_eq!(bridge.config.u8(SMRAM), 0x02);
    }

    #[test]
    fn saved_state_comes_back() {
        let mut bridge = HostBridge::new();
        bridge.config_write(0x58, 0x3333_3333, 0xf);
        let mut other = HostBridge::new();
        other.restore(bridge.save()).unwrap();
        assert_eq!(other.pam(), bridge.pam());
    }
}
