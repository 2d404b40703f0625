//! Bus-master DMA.

use glassbox_device_api::{Device, PciFunction};
use glassbox_memory::Gpa;
use glassbox_testkit::{Bench, PortBus};

use super::rig::{BUS_MASTER, IRQ14, Rig, numbered};

const COMMAND: u16 = BUS_MASTER;
const STATUS: u16 = BUS_MASTER + 2;
const TABLE: u64 = 0x1000;
/// Start, reading from the drive; stop.
const READ: u8 = 0x09;
const WRITE: u8 = 0x01;

#[test]
fn a_read_is_scattered_over_its_regions() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(100));
    rig.prd_table(TABLE, &[(0x2_0000, 512), (0x3_0000, 1024)]);
    rig.command(0xc8, 20, 3);
    assert!(!bench.level(IRQ14));
    assert_eq!(rig.alternate_status() & 0x88, 0x80);
    rig.out8(COMMAND, READ);
    assert!(bench.level(IRQ14));
    assert_eq!((rig.in8(STATUS), rig.status()), (0x04, 0x50));
    assert_eq!(rig.bytes(0x2_0000, 1), [20]);
    assert_eq!((rig.bytes(0x3_0000, 1), rig.bytes(0x3_0200, 1)), (vec![21], vec![22]));
    assert_eq!(rig.bytes(0x3_0400, 4), [0; 4]);
    assert_eq!(rig.in8(STATUS), 0x04, "the drive's status does not clear the controller's");
    rig.out8(COMMAND, 0);
    rig.out8(STATUS, 0x64);
    assert_eq!(rig.in8(STATUS), 0x60);
}

#[test]
fn a_write_is_gathered_and_may_be_started_first() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::with_disk(&bench, &backend);
    rig.memory.write_bytes(Gpa(0x2_0002), &[0xaa; 510]).unwrap();
    rig.memory.write_bytes(Gpa(0x3_0000), &[0xbb; 514]).unwrap();
    rig.prd_table(TABLE, &[(0x2_0002, 510), (0x3_0000, 514)]);
    rig.out8(COMMAND, WRITE);
    assert_eq!(rig.in8(STATUS), 0x01);
    rig.command_ext(0x35, 50, 2);
    assert_eq!((rig.in8(STATUS), rig.status()), (0x04, 0x50));
    let bytes = &backend.bytes()[50 * 512..52 * 512];
    assert!(bytes[..510].iter().all(|byte| *byte == 0xaa));
    assert!(bytes[510..].iter().all(|byte| *byte == 0xbb));
}

#[test]
fn a_region_of_count_0_is_64_kib_and_long_commands_come_in_chunks() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(6000));
    let regions: Vec<_> = (0..40).map(|i| (0x10_0000 + i * 0x1_0000, 0)).collect();
    rig.prd_table(TABLE, &regions);
    rig.command_ext(0x25, 100, 5120);
    rig.out8(COMMAND, READ);
    assert_eq!((rig.in8(STATUS), rig.status()), (0x04, 0x50));
    for i in [0, 127, 128, 2047, 2048, 5119u32] {
        assert_eq!(rig.bytes(0x10_0000 + u64::from(i) * 512, 4), (100 + i).to_le_bytes());
    }
}

#[test]
fn too_long_a_table_stays_active_and_too_short_a_one_leaves_the_drive_waiting() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(100));
    rig.prd_table(TABLE, &[(0x2_0000, 4096)]);
    rig.out8(COMMAND, READ);
    rig.command(0xc8, 0, 1);
    assert_eq!((rig.in8(STATUS), rig.status()), (0x05, 0x50));
    rig.out8(COMMAND, 0);
    assert_eq!(rig.in8(STATUS), 0x04);
    rig.out8(STATUS, 0x04);
    rig.prd_table(TABLE, &[(0x2_0000, 512)]);
    rig.out8(COMMAND, READ);
    rig.command(0xc8, 0, 2);
    assert_eq!(rig.in8(STATUS), 0x00, "neither active nor interrupted");
    assert_eq!(rig.alternate_status() & 0x80, 0x80);
    assert!(!bench.level(IRQ14));
}

#[test]
fn regions_without_memory_end_in_an_error() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(100));
    rig.prd_table(TABLE, &[(0xe000_0000, 512)]);
    rig.command(0xc8, 0, 1);
    rig.out8(COMMAND, READ);
    assert_eq!(rig.in8(STATUS), 0x02);
    rig.out32(BUS_MASTER + 4, 0xf000_0000);
    rig.out8(COMMAND, 0);
    rig.out8(COMMAND, READ);
    assert_eq!(rig.in8(STATUS), 0x02, "no table either");
}

#[test]
fn nothing_moves_until_mastering_is_enabled() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(100));
    rig.ide.config_write(4, 1, 3);
    rig.prd_table(TABLE, &[(0x2_0000, 512)]);
    rig.command(0xc8, 7, 1);
    rig.out8(COMMAND, READ);
    assert_eq!((rig.in8(STATUS), rig.bytes(0x2_0000, 1)), (0x01, vec![0]));
    rig.ide.config_write(4, 5, 3);
    assert_eq!((rig.in8(STATUS), rig.bytes(0x2_0000, 1)), (0x04, vec![7]));
}

#[test]
fn data_moves_when_the_back_end_has_answered() {
    let bench = Bench::new();
    let backend = numbered(100);
    let mut rig = Rig::with_disk(&bench, &backend);
    backend.hold(true);
    rig.prd_table(TABLE, &[(0x2_0000, 512)]);
    rig.command(0xc8, 7, 1);
    rig.out8(COMMAND, READ);
    rig.poll_host();
    assert_eq!((rig.in8(STATUS), bench.level(IRQ14)), (0x01, false));
    backend.release();
    rig.poll_host();
    assert_eq!((rig.in8(STATUS), bench.level(IRQ14)), (0x04, true));
    assert_eq!(rig.bytes(0x2_0000, 1), [7]);
}

#[test]
fn trim_discards_ranges_and_refuses_those_beyond_the_end() {
    let bench = Bench::new();
    let mut rig = Rig::with_disk(&bench, &numbered(100));
    let trim = |rig: &mut Rig, entries: [u64; 3]| {
        let bytes: Vec<_> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        rig.memory.write_bytes(Gpa(0x2_0000), &bytes).unwrap();
        rig.out8(COMMAND, 0);
        rig.prd_table(TABLE, &[(0x2_0000, 512)]);
        rig.out8(1, 0);
        rig.out8(1, 1);
        rig.command_ext(0x06, 0, 1);
        rig.out8(COMMAND, WRITE);
        (rig.status(), rig.in8(1))
    };
    assert_eq!(trim(&mut rig, [8 << 48 | 10, 0, 1 << 48 | 99]), (0x50, 0));
    assert_eq!(trim(&mut rig, [8 << 48 | 10, 2 << 48 | 99, 0]), (0x51, 0x10));
    rig.out8(1, 1);
    rig.command_ext(0x06, 0, 9);
    assert_eq!((rig.status(), rig.in8(1)), (0x51, 0x04), "more than word 105 allows");
}
