//! The fixed hardware: FADT and FACS (ACPI 6.5, 5.2.9 and 5.2.10).

use crate::platform::{
    ACPI_DISABLE, ACPI_ENABLE, GPE0_BLOCK, GPE0_LENGTH, PM_TIMER, PM1_CONTROL, PM1_EVENT, RESET_PORT,
    RESET_VALUE, SCI_IRQ, SMI_COMMAND,
};
use crate::root::{OEM_ID, OEM_REVISION, OEM_TABLE_ID};
use acpi_tables::Aml;
use acpi_tables::facs::FACS;
use acpi_tables::fadt::{FADTBuilder, Flags, PmProfile};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};

/// The FACS must begin at a multiple of this.
pub const FACS_ALIGN: u64 = 64;

/// IAPC_BOOT_ARCH (5.2.9.3).
mod boot_arch {
    pub const LEGACY_DEVICES: u16 = 1 << 0;
    pub const KEYBOARD_CONTROLLER: u16 = 1 << 1;
    pub const NO_VGA: u16 = 1 << 2;
}

/// Above these worst-case latencies in microseconds C2 and C3 do not exist.
const NO_C2: u16 = 101;
const NO_C3: u16 = 1001;
/// The CMOS byte that holds the century.
const CMOS_CENTURY: u8 = 0x32;

/// The FADT that points to a FACS and a DSDT.
pub fn fadt(facs: u32, dsdt: u32, vga: bool) -> Vec<u8> {
    let arch =
        boot_arch::LEGACY_DEVICES | boot_arch::KEYBOARD_CONTROLLER | if vga { 0 } else { boot_arch::NO_VGA };
    let port = |bytes: u8, access, port: u16| {
        GAS::new(AddressSpace::SystemIo, bytes * 8, 0, access, u64::from(port))
    };

    let mut fadt = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION)
        .firmware_ctrl_32(facs)
        .preferred_pm_profile(PmProfile::Desktop)
        .gpe_info(u32::from(GPE0_BLOCK), 0, GPE0_LENGTH, 0, 0)
        .flag(Flags::Wbinvd)
        .flag(Flags::ProcC1)
        // The power button is a fixed one, a sleep button there is none.
        .flag(Flags::SlpButton)
        .flag(Flags::TmrValExt)
        .flag(Flags::ResetRegSup);
    fadt.dsdt = dsdt.into();
    fadt.x_dsdt = u64::from(dsdt).into();
    fadt.sci_int = u16::from(SCI_IRQ).into();
    fadt.smi_cmd = u32::from(SMI_COMMAND).into();
    fadt.acpi_enable = ACPI_ENABLE;
    fadt.acpi_disable = ACPI_DISABLE;
    fadt.p_lvl2_lat = NO_C2.into();
    fadt.p_lvl3_lat = NO_C3.into();
    fadt.century = CMOS_CENTURY;
    fadt.iapc_boot_arch = arch.into();
    fadt.reset_reg = port(1, AccessSize::ByteAccess, RESET_PORT);
    fadt.reset_value = RESET_VALUE;

    // Old and extended fields must agree.
    fadt.pm1a_evt_blk = u32::from(PM1_EVENT).into();
    fadt.pm1_evt_len = 4;
    fadt.x_pm1a_evt_blk = port(4, AccessSize::WordAccess, PM1_EVENT);
    fadt.pm1a_cnt_blk = u32::from(PM1_CONTROL).into();
    fadt.pm1_cnt_len = 2;
    fadt.x_pm1a_cnt_blk = port(2, AccessSize::WordAccess, PM1_CONTROL);
    fadt.pm_tmr_blk = u32::from(PM_TIMER).into();
    fadt.pm_tmr_len = 4;
    fadt.x_pm_tmr_blk = port(4, AccessSize::DwordAccess, PM_TIMER);
    fadt.x_gpe0_blk = port(GPE0_LENGTH, AccessSize::ByteAccess, GPE0_BLOCK);
    serialize(&fadt.finalize())
}

/// The FACS: it has no checksum.
pub fn facs() -> Vec<u8> {
    serialize(&FACS::new())
}

fn serialize(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn fields_lie_where_the_specification_puts_them() {
        let fadt = fadt(0xE_0040, 0xE_0100, true);
        assert_eq!((fadt.len(), fadt[8], fadt[131]), (276, 6, 5));
        assert_eq!((u32_at(&fadt, 36), u32_at(&fadt, 40)), (0xE_0040, 0xE_0100));
        assert_eq!(fadt[46..48], [9, 0], "SCI_INT");
        assert_eq!((u32_at(&fadt, 48), fadt[52], fadt[53]), (0xB2, 0xF1, 0xF0));
        assert_eq!([u32_at(&fadt, 56), u32_at(&fadt, 64), u32_at(&fadt, 76)], [0x600, 0x604, 0x608]);
        assert_eq!(fadt[88..92], [4, 2, 0, 4]);
        assert_eq!((u32_at(&fadt, 80), fadt[92]), (0x60C, 4), "GPE0_BLK");
        assert_eq!(fadt[108], 0x32);
        assert_eq!(fadt[109..111], [3, 0]);
        assert_eq!(u32_at(&fadt, 112), 1 | 1 << 2 | 1 << 5 | 1 << 8 | 1 << 10);
        assert_eq!(fadt[116..129], [1, 8, 0, 1, 0xF9, 0x0C, 0, 0, 0, 0, 0, 0, 6]);
        assert_eq!(u32_at(&fadt, 140), 0xE_0100, "X_DSDT");
        assert_eq!(fadt[148..160], [1, 32, 0, 2, 0, 6, 0, 0, 0, 0, 0, 0], "X_PM1a_EVT_BLK");
    }

    #[test]
    fn a_machine_without_vga_says_so() {
        assert_eq!(fadt(0, 0, false)[109], 7);
    }

    #[test]
    fn the_facs_is_64_bytes() {
        let facs = facs();
        assert_eq!((&facs[..4], u32_at(&facs, 4), facs.len()), (&b"FACS"[..], 64, 64));
    }
}
