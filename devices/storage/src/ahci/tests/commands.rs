//! Commands one at a time, resets, errors, packet drives.

use glassbox_device_api::{BlockError, Device, PciFunction, ResetKind, SaveRestore};
use glassbox_testkit::{Bench, MmioBus};

use super::rig::*;
use crate::ide::tests::rig::{cdrom, disk, numbered};

const DHRS: u32 = 1;
const PSS: u32 = 2;
const OFS: u32 = 1 << 24;
const HBFS: u32 = 1 << 29;
const TFES: u32 = 1 << 30;

#[test]
fn registers_after_reset_tell_the_drives() {
    let bench = Bench::new();
    let mut rig = Rig::bare(&bench, [disk(&numbered(8)), cdrom(&numbered(8)), None, None, None, None]);
    assert_eq!((rig.ahci.config_read(0), rig.ahci.config_read(8)), (0x2922_8086, 0x0106_0102));
    assert_eq!(rig.read32(0x00), 0xc124_ff05 | 1 << 13 | 1 << 14 | 1 << 15);
    assert_eq!((rig.read32(0x0c), rig.read32(0x10), rig.read32(GHC)), (0x3f, 0x0001_0200, 1 << 31));
    assert_eq!((rig.read32(PX_SIG), rig.read32(PX_TFD), rig.read32(PX_SSTS)), (0x0101, 0x0150, 0x123));
    assert_eq!((rig.read32(PX_SIG + 0x80), rig.read32(PX_TFD + 0x80)), (0xeb14_0101, 0x0100));
    assert_eq!((rig.read32(PX_SSTS + 0x100), rig.read32(PX_TFD + 0x100)), (0, 0x7f), "nothing is there");
    assert_eq!(rig.read32(PX_CMD), 6);
    rig.write32(PORT, 0xffff_ffff);
    rig.write32(PORT + 8, 0xffff_ffff);
    assert_eq!((rig.read32(PORT), rig.read32(PORT + 8)), (0xffff_fc00, 0xffff_ff00));
    assert_eq!(rig.read64(PORT), 0xffff_fc00);
    rig.write32(PX_IE, 1);
    rig.write32(GHC, 1);
    assert_eq!((rig.read32(PX_IE), rig.read32(GHC)), (0, 1 << 31));
    assert_eq!(rig.read32(PORT), 0xffff_fc00, "where the list is, is kept");
    rig.reset(ResetKind::Warm);
    assert_eq!(rig.read32(PORT), 0);
}

#[test]
fn first_fis_of_the_drive_is_received_when_that_is_enabled() {
    let bench = Bench::new();
    let rig = Rig::new(&bench, cdrom(&numbered(8)));
    let fis = rig.bytes(FIS + 0x40, 20);
    assert_eq!((fis[0], fis[1], fis[3], &fis[4..7], fis[12]), (0x34, 0, 1, &[1, 0x14, 0xeb][..], 1));
}

#[test]
fn a_dma_read_fills_its_regions_and_ends_in_a_register_fis() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, disk(&numbered(100)));
    let regions = [(DATA, 512), (DATA + 0x1000, 1024)];
    rig.issue(Command { slot: 3, code: 0x25, lba: 20, count: 3, regions: &regions, ..COMMAND });
    assert!(bench.level(INTX));
    assert_eq!((rig.read32(IS), rig.read32(PX_CI), rig.read32(PX_TFD)), (1, 0, 0x50));
    assert_eq!((rig.bytes(DATA, 1)[0], rig.bytes(DATA + 0x1000, 513)[512], rig.moved(3)), (20, 22, 1536));
    assert_eq!(rig.bytes(FIS + 0x40, 3), [0x34, 0x40, 0x50]);
    assert_eq!(rig.read32(PX_CMD) >> 8 & 0x1f, 3);
    assert_eq!(rig.take_interrupts(), DHRS);
    assert!(!bench.level(INTX));
}

#[test]
fn a_dma_write_gathers_its_regions() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::new(&bench, disk(&backend));
    rig.put(DATA, &[0x11; 512]);
    rig.put(DATA + 0x1000, &[0x22; 512]);
    let regions = [(DATA, 512), (DATA + 0x1000, 512)];
    rig.issue(Command { code: 0x35, lba: 50, count: 2, regions: &regions, ..COMMAND });
    assert_eq!((rig.take_interrupts(), rig.moved(0)), (DHRS, 1024));
    assert!(backend.bytes()[50 * 512..51 * 512].iter().all(|byte| *byte == 0x11));
    assert!(backend.bytes()[51 * 512..52 * 512].iter().all(|byte| *byte == 0x22));
}

#[test]
fn pio_data_comes_with_setup_fises_and_no_register_fis() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, disk(&numbered(100)));
    rig.put(FIS + 0x40, &[0; 20]);
    rig.issue(Command { code: 0xec, regions: &[(DATA, 512)], ..COMMAND });
    assert_eq!(rig.take_interrupts(), PSS);
    let fis = rig.bytes(FIS + 0x20, 18);
    assert_eq!((fis[0], fis[1], fis[2], fis[15], &fis[16..18]), (0x5f, 0x60, 0x58, 0x50, &[0, 2][..]));
    assert_eq!(rig.bytes(FIS + 0x40, 1), [0]);
    assert_eq!((rig.bytes(DATA + 152, 2), rig.read32(PX_CI)), (vec![0x0e, 0x01], 0), "word 76: queuing");
    rig.put(DATA, &[0x66; 1024]);
    rig.issue(Command { code: 0x34, lba: 9, count: 2, regions: &[(DATA, 1024)], ..COMMAND });
    assert_eq!(rig.take_interrupts(), PSS | DHRS, "the second block, and the end");
    rig.issue(Command { code: 0x24, lba: 10, count: 1, regions: &[(DATA + 0x1000, 512)], ..COMMAND });
    assert_eq!(rig.bytes(DATA + 0x1000, 2), [0x66, 0x66]);
}

#[test]
fn commands_run_in_turn_as_the_back_end_answers() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::new(&bench, disk(&backend));
    backend.hold(true);
    for slot in [1, 2] {
        let regions = [(DATA + 0x1000 * u64::from(slot), 512)];
        rig.issue(Command { slot, code: 0x25, lba: slot.into(), count: 1, regions: &regions, ..COMMAND });
    }
    assert_eq!((rig.read32(PX_CI), rig.read32(PX_TFD) & 0x80), (6, 0x80));
    backend.release();
    rig.poll_host();
    assert_eq!((rig.read32(PX_CI), rig.take_interrupts()), (4, DHRS));
    backend.release();
    assert_eq!(rig.read32(PX_CI), 0, "who polls the register sees the answer");
    assert_eq!(rig.bytes(DATA + 0x2000, 1), [2]);
}

#[test]
fn an_error_stops_the_list_until_it_is_started_again() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::new(&bench, disk(&backend));
    backend.fail_next(BlockError::Host("bad".into()));
    rig.prepare(Command { slot: 2, code: 0xe7, ..COMMAND });
    rig.issue(Command { slot: 1, code: 0x25, lba: 42, count: 1, regions: &[(DATA, 512)], ..COMMAND });
    rig.write32(PX_CI, 1 << 2);
    assert_eq!(rig.take_interrupts(), DHRS | TFES);
    assert_eq!((rig.read32(PX_CI), rig.read32(PX_TFD), rig.read32(PX_CMD) >> 8 & 0x1f), (6, 0x4051, 1));
    assert_eq!(rig.bytes(FIS + 0x44, 1), [42], "the failing sector");
    rig.write32(PX_CMD, 0x10);
    assert_eq!((rig.read32(PX_CI), rig.read32(PX_CMD) & 0x8000), (0, 0));
    rig.write32(PX_CMD, 0x11);
    rig.write32(PX_CI, 1 << 2);
    assert_eq!((rig.take_interrupts(), rig.read32(PX_CI)), (DHRS, 0));
}

#[test]
fn a_drive_that_is_cut_off_stays_busy_until_it_is_reset() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::new(&bench, disk(&backend));
    backend.hold(true);
    let read = Command { code: 0x25, lba: 7, count: 1, regions: &[(DATA, 512)], ..COMMAND };
    rig.issue(read);
    rig.write32(PX_CMD, 0x10);
    backend.hold(false);
    rig.write32(PX_CMD, 0x11);
    rig.issue(read);
    assert_eq!((rig.read32(PX_CI), rig.read32(PX_TFD) & 0x80), (1, 0x80));
    rig.write32(PX_CMD, 0x10);
    rig.write32(PX_SCTL, 0x301);
    assert_eq!((rig.read32(PX_SSTS), rig.read32(PX_TFD)), (0, 0x7f));
    rig.write32(PX_SCTL, 0x300);
    assert_eq!((rig.read32(PX_SSTS), rig.read32(PX_TFD), rig.read32(PX_SIG)), (0x123, 0x0150, 0x0101));
    assert_eq!(rig.read32(PX_SERR), 1 << 26 | 1 << 16);
    rig.write32(PX_SERR, u32::MAX);
    rig.write32(PX_CMD, 0x11);
    rig.issue(read);
    assert_eq!((rig.read32(PX_CI), rig.bytes(DATA, 1)), (0, vec![7]));
}

#[test]
fn software_reset_by_two_control_fises() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, cdrom(&numbered(8)));
    for (control, flags) in [(4u8, 0x105 | 1 << 10), (0, 5)] {
        let mut fis = [0; 20];
        fis[0] = 0x27;
        fis[15] = control;
        rig.put(TABLES, &fis);
        rig.header(0, flags, TABLES);
        rig.put(FIS + 0x40, &[0; 20]);
        rig.write32(PX_CI, 1);
        assert_eq!(rig.read32(PX_CI), 0);
        assert_eq!(rig.read32(PX_TFD) & 0x80 != 0, control == 4);
    }
    assert_eq!((rig.bytes(FIS + 0x40, 1), rig.read32(PX_SIG)), (vec![0x34], 0xeb14_0101));
    assert_eq!(rig.take_interrupts(), 0);
}

#[test]
fn too_little_room_is_an_overflow() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, disk(&numbered(100)));
    rig.issue(Command { code: 0x25, lba: 7, count: 2, regions: &[(DATA, 512)], ..COMMAND });
    assert_eq!((rig.take_interrupts(), rig.read32(PX_CI), rig.moved(0)), (DHRS | OFS, 0, 512));
    rig.issue(Command { code: 0x35, lba: 7, count: 2, regions: &[(DATA, 512)], ..COMMAND });
    assert_eq!((rig.take_interrupts(), rig.read32(PX_CI)), (OFS, 1), "the drive waits for the rest");
}

#[test]
fn addresses_without_memory_are_a_bus_error() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, disk(&numbered(100)));
    rig.issue(Command { code: 0x25, count: 1, regions: &[(0xd000_0000, 512)], ..COMMAND });
    assert_eq!((rig.take_interrupts(), rig.read32(PX_CI)), (HBFS, 1));
    rig.write32(PX_CMD, 0x10);
    rig.write32(PORT, 0xd000_0000);
    rig.write32(PX_SCTL, 1);
    rig.write32(PX_SCTL, 0);
    rig.write32(PX_CMD, 0x11);
    rig.write32(PX_CI, 1);
    assert_eq!(rig.take_interrupts() & HBFS, HBFS, "no list");
}

#[test]
fn packets_read_by_dma_and_by_pio() {
    let bench = Bench::new();
    let backend = numbered(400);
    let mut rig = Rig::new(&bench, cdrom(&backend));
    let read = [0x28, 0, 0, 0, 0, 10, 0, 0, 3, 0, 0, 0];
    let packet = Command { code: 0xa0, packet: Some(read), ..COMMAND };
    rig.issue(Command { features: 1, regions: &[(DATA, 6144)], ..packet });
    assert_eq!((rig.take_interrupts(), rig.read32(PX_TFD), rig.moved(0)), (DHRS, 0x50, 6144));
    assert_eq!((rig.bytes(DATA, 1), rig.bytes(DATA + 4096, 1)), (vec![40], vec![48]));
    // By PIO, with a byte count limit of 2048 in the cylinder registers.
    rig.issue(Command { lba: 0x08_0000, regions: &[(DATA + 0x1_0000, 6144)], ..packet });
    assert_eq!((rig.take_interrupts(), rig.bytes(DATA + 0x1_1000, 1)), (DHRS | PSS, vec![48]));
    rig.issue(Command { packet: Some([0x28, 0, 0, 0, 0, 200, 0, 0, 1, 0, 0, 0]), features: 1, ..packet });
    assert_eq!((rig.take_interrupts(), rig.read32(PX_TFD)), (DHRS | TFES, 0x5451));
}

#[test]
fn nothing_moves_until_mastering_is_enabled() {
    let bench = Bench::new();
    let mut rig = Rig::new(&bench, disk(&numbered(100)));
    rig.ahci.config_write(4, 2, 3);
    rig.issue(Command { code: 0x25, lba: 7, count: 1, regions: &[(DATA, 512)], ..COMMAND });
    assert_eq!(rig.read32(PX_CI), 1);
    rig.ahci.config_write(4, 6, 3);
    assert_eq!((rig.read32(PX_CI), rig.bytes(DATA, 1)), (0, vec![7]));
}

#[test]
fn saved_state_keeps_what_was_issued() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::new(&bench, disk(&backend));
    backend.hold(true);
    rig.issue(Command { code: 0x25, lba: 7, count: 1, regions: &[(DATA, 512)], ..COMMAND });
    rig.ahci.quiesce();
    assert_eq!((rig.bytes(DATA, 1), bench.level(INTX)), (vec![7], true));
    let saved = rig.save();
    let other_bench = Bench::new();
    let mut other = Rig::bare(&other_bench, [disk(&backend), None, None, None, None, None]);
    other.restore(saved.clone()).unwrap();
    assert!(other_bench.level(INTX));
    assert_eq!(other.take_interrupts(), DHRS);
    assert!(Rig::bare(&bench, [None, None, None, None, None, None]).restore(saved).is_err());
}
