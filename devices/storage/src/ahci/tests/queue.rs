//! Native command queuing.

use glassbox_device_api::{BlockError, Device};
use glassbox_testkit::{Bench, MmioBus};

use super::rig::*;
use crate::ide::tests::rig::{disk, numbered};

const READ: u8 = 0x60;
const WRITE: u8 = 0x61;
const SDBS: u32 = 1 << 3;
const TFES: u32 = 1 << 30;

#[test]
fn queued_commands_complete_in_any_order_with_one_fis_for_many() {
    let bench = Bench::new();
    let backend = numbered(10_000);
    let mut rig = Rig::new(&bench, disk(&backend));
    backend.hold(true);
    // The first needs two requests of the back end, the others one each.
    rig.enqueue(7, READ, 0, 4096, DATA + 0x10_0000);
    rig.enqueue(3, READ, 500, 1, DATA);
    rig.enqueue(31, READ, 600, 2, DATA + 0x1000);
    assert_eq!((rig.read32(PX_CI), rig.read32(PX_TFD)), (0, 0x50), "accepted, and not busy");
    assert_eq!(rig.read32(PX_SACT), 1 << 7 | 1 << 3 | 1 << 31);
    assert!(!bench.level(INTX));
    backend.release();
    rig.poll_host();
    assert_eq!((rig.read32(PX_SACT), rig.take_interrupts()), (1 << 7, SDBS));
    assert_eq!(rig.bytes(FIS + 0x58, 8), [0xa1, 0x40, 0x50, 0, 0x08, 0, 0, 0x80]);
    assert_eq!(rig.bytes(FIS, 5), [0x41, 0x20, 0, 0, 31]);
    assert_eq!((rig.bytes(DATA, 2), rig.bytes(DATA + 0x1200, 2)), (vec![0xf4, 1], vec![0x59, 2]));
    backend.release();
    rig.poll_host();
    assert_eq!((rig.read32(PX_SACT), rig.take_interrupts()), (0, SDBS));
    assert_eq!(rig.bytes(DATA + 0x10_0000 + 4095 * 512, 2), [0xff, 0x0f]);
}

#[test]
fn queued_writes_reach_the_disk() {
    let bench = Bench::new();
    let backend = numbered(10_000);
    let mut rig = Rig::new(&bench, disk(&backend));
    rig.put(DATA, &[0xab; 4096]);
    rig.enqueue(0, WRITE, 100, 8, DATA);
    assert_eq!((rig.read32(PX_SACT), rig.take_interrupts()), (0, SDBS));
    assert!(backend.bytes()[51_200..55_296].iter().all(|byte| *byte == 0xab));
    assert_eq!(backend.bytes()[55_296], 108);
}

#[test]
fn a_failed_command_ends_all_and_its_log_tells_which() {
    let bench = Bench::new();
    let backend = numbered(1000);
    let mut rig = Rig::new(&bench, disk(&backend));
    backend.hold(true);
    rig.enqueue(4, READ, 300, 1, DATA);
    rig.enqueue(9, READ, 301, 1, DATA + 0x1000);
    backend.fail_next(BlockError::Host("bad".into()));
    backend.release();
    rig.poll_host();
    assert_eq!(rig.take_interrupts(), SDBS | TFES);
    assert_eq!((rig.read32(PX_SACT), rig.read32(PX_TFD)), (1 << 4 | 1 << 9, 0x4051));
    backend.hold(false);
    // What a driver does: stop, start, read log 10h.
    rig.write32(PX_CMD, 0x10);
    assert_eq!(rig.read32(PX_SACT), 0);
    rig.write32(PX_CMD, 0x11);
    rig.issue(Command { code: 0x2f, lba: 0x10, count: 1, regions: &[(DATA, 512)], ..COMMAND });
    let log = rig.bytes(DATA, 512);
    assert_eq!((log[0], log[2], log[3], &log[4..6]), (4, 0x51, 0x40, &[0x2c, 1][..]));
    assert_eq!(log.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
    rig.take_interrupts();
    rig.enqueue(9, READ, 301, 1, DATA);
    assert_eq!((rig.take_interrupts(), rig.bytes(DATA, 2)), (SDBS, vec![0x2d, 1]));
}

#[test]
fn a_command_that_is_not_queued_ends_the_queue() {
    let bench = Bench::new();
    let backend = numbered(1000);
    let mut rig = Rig::new(&bench, disk(&backend));
    backend.hold(true);
    rig.enqueue(4, READ, 300, 1, DATA);
    rig.issue(Command { slot: 5, code: 0xe7, ..COMMAND });
    assert_eq!((rig.take_interrupts() & TFES, rig.read32(PX_TFD)), (TFES, 0x0451));
    backend.release();
    rig.poll_host();
    assert_eq!(rig.bytes(DATA, 1), [0], "its data never comes");
}

#[test]
fn tags_in_use_and_addresses_beyond_the_end_are_refused() {
    let bench = Bench::new();
    let backend = numbered(1000);
    let mut rig = Rig::new(&bench, disk(&backend));
    rig.enqueue(4, READ, 999, 2, DATA);
    assert_eq!((rig.take_interrupts() & TFES, rig.read32(PX_TFD)), (TFES, 0x1051));
    let mut rig = Rig::new(&bench, disk(&backend));
    backend.hold(true);
    rig.enqueue(4, READ, 1, 1, DATA);
    rig.enqueue(4, READ, 2, 1, DATA);
    assert_eq!((rig.take_interrupts() & TFES, rig.read32(PX_TFD)), (TFES, 0x0451));
}
