//! Which values model-specific registers take.

use crate::testing::{cpu32, cpu64};
use crate::{Cpu, Exception};
use glassbox_x86_spec::control::Efer;
use glassbox_x86_spec::msr;

/// A value that a register takes and reads back.
fn keeps(cpu: &mut Cpu, index: u32, value: u64) {
    assert_eq!(cpu.write_msr(index, value), Ok(()), "{index:#x} refused {value:#x}");
    assert_eq!(cpu.read_msr(index), Ok(value), "{index:#x}");
}

fn refuses(cpu: &mut Cpu, index: u32, value: u64) {
    let before = cpu.read_msr(index);
    assert_eq!(cpu.write_msr(index, value), Err(Exception::GP0), "{index:#x} took {value:#x}");
    assert_eq!(cpu.read_msr(index), before, "{index:#x} changed");
}

#[test]
fn addresses_have_to_be_canonical() {
    let mut cpu = cpu64();
    let registers =
        [msr::LSTAR, msr::CSTAR, msr::FS_BASE, msr::GS_BASE, msr::KERNEL_GS_BASE, msr::SYSENTER_EIP];
    for index in registers {
        keeps(&mut cpu, index, 0xFFFF_8000_0000_0000);
        refuses(&mut cpu, index, 0x8000_0000_0000);
    }
}

#[test]
fn pat_takes_only_memory_types() {
    let mut cpu = cpu64();
    keeps(&mut cpu, msr::PAT, 0x0407_0500_0106_0407);
    refuses(&mut cpu, msr::PAT, 2);
    refuses(&mut cpu, msr::PAT, 3 << 56);
    refuses(&mut cpu, msr::PAT, 8 << 8);
}

#[test]
fn mtrrs_are_checked() {
    let mut cpu = cpu64();
    keeps(&mut cpu, msr::MTRR_PHYS_BASE0, 0xC000_0000);
    keeps(&mut cpu, msr::MTRR_PHYS_BASE0 + 1, 0xFF_C000_0800);
    refuses(&mut cpu, msr::MTRR_PHYS_BASE0, 1 << 40);
    refuses(&mut cpu, msr::MTRR_PHYS_BASE0, 2);
    refuses(&mut cpu, msr::MTRR_PHYS_BASE0 + 1, 1);
    keeps(&mut cpu, msr::MTRR_FIX4K + 7, 0x0506_0400_0105_0506);
    refuses(&mut cpu, msr::MTRR_FIX16K + 1, 7);
    keeps(&mut cpu, msr::MTRR_DEF_TYPE, 0xC06);
    refuses(&mut cpu, msr::MTRR_DEF_TYPE, 0x1006);
    refuses(&mut cpu, msr::MTRR_CAP, 0);
    assert!(cpu.read_msr(msr::MTRR_PHYS_BASE0 + 16).is_err(), "eight ranges");
}

#[test]
fn firmware_mtrrs_are_values_that_software_could_write() {
    let mut cpu = cpu64();
    cpu.set_firmware_mtrrs(0xC000_0000);
    for index in (0x200..0x210).chain([0x250, 0x258, 0x259]).chain(0x268..0x270).chain([msr::MTRR_DEF_TYPE]) {
        let value = cpu.read_msr(index).unwrap();
        keeps(&mut cpu, index, value);
    }
    assert_eq!(cpu.read_msr(0x201), Ok(0xFF_C000_0800));
    assert_eq!((cpu.read_msr(0x258), cpu.read_msr(0x259)), (Ok(0x0606_0606_0606_0606), Ok(0)));
}

#[test]
fn efer_has_the_bits_of_the_model_and_keeps_lma() {
    let mut cpu = cpu32();
    keeps(&mut cpu, msr::EFER, (Efer::SCE | Efer::NXE | Efer::AIBRSE).bits());
    refuses(&mut cpu, msr::EFER, 1 << 12);
    cpu.write_msr(msr::EFER, (Efer::LMA | Efer::LME).bits()).unwrap();
    assert_eq!(cpu.read_msr(msr::EFER), Ok(Efer::LME.bits()), "LMA is not software's");
}

#[test]
fn tsc_and_its_adjustment_move_together() {
    let mut cpu = cpu64();
    cpu.write_msr(msr::TSC, 1_000_000).unwrap();
    assert_eq!(cpu.read_msr(msr::TSC_ADJUST), Ok(1_000_000));
    assert_eq!(cpu.read_msr(msr::TSC), Ok(1_000_000));
    cpu.write_msr(msr::TSC_ADJUST, 400_000).unwrap();
    assert_eq!(cpu.read_msr(msr::TSC), Ok(400_000));
}

#[test]
fn amd_registers_answer_as_kernels_expect() {
    let mut cpu = cpu64();
    assert_eq!(cpu.read_msr(msr::HWCR).map(|v| v >> 24 & 1), Ok(1), "the TSC counts at P0");
    assert_eq!(cpu.read_msr(msr::DE_CFG).map(|v| v >> 1 & 1), Ok(1), "LFENCE serializes");
    keeps(&mut cpu, msr::SYSCFG, 1 << 20);
    refuses(&mut cpu, msr::SYSCFG, 1 << 23);
    cpu.write_msr(msr::K7_EVENT_FIRST + 4, 0x1234).unwrap();
    assert_eq!(cpu.read_msr(msr::K7_EVENT_FIRST + 4), Ok(0), "no counters");
    assert!(cpu.read_msr(msr::MISC_ENABLE).is_err(), "an Intel register");
}

#[test]
fn unknown_registers_raise_gp() {
    let mut cpu = cpu64();
    for index in [0x2, 0x10A, 0x1234_5678, 0x4000_0000, 0xC001_0299, u32::MAX] {
        assert_eq!(cpu.read_msr(index), Err(Exception::GP0));
        assert_eq!(cpu.write_msr(index, 0), Err(Exception::GP0));
    }
}

#[test]
fn machine_checks_have_no_banks() {
    let mut cpu = cpu64();
    assert_eq!(cpu.read_msr(msr::MCG_CAP), Ok(0));
    keeps(&mut cpu, msr::MCG_STATUS, 4);
    refuses(&mut cpu, msr::MCG_STATUS, 8);
    assert!(cpu.read_msr(0x400).is_err());
}
