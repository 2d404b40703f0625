//! Requests as a driver sees them, over the modern interface.

use glassbox_device_api::{AccessSize, BlockError, Device, PciFunction, SaveRestore, Signal};
use glassbox_pci::PciDevice;
use glassbox_testkit::MemoryDisk;

use super::config::{F_CONFIG_WCE, F_DISCARD, F_FLUSH, F_MQ, F_READ_ONLY, F_WRITE_ZEROES};
use crate::pci::Interface;
use crate::testing::{BUFFERS, Data, Driver, LINE, disk_bytes, ring};

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;
const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;

fn started(features: u64) -> Driver {
    let mut driver = Driver::new();
    driver.start(features);
    driver
}

#[test]
fn reads_and_writes_reach_the_disk() {
    let mut driver = started(F_FLUSH);
    assert_eq!(driver.call(IN, 3, Data::In(1024)), (0, 1025));
    assert_eq!(driver.get::<1024>(BUFFERS + 16)[..], disk_bytes(64)[3 * 512..5 * 512]);
    assert_eq!(driver.call(OUT, 7, Data::Out(&[0xab; 512])), (0, 1));
    assert_eq!(driver.disk.bytes()[7 * 512..8 * 512], [0xab; 512]);
    assert_eq!(driver.disk.flushes(), 0);
    assert_eq!(driver.call(FLUSH, 0, Data::None), (0, 1));
    assert_eq!(driver.disk.flushes(), 1);
}

#[test]
fn bad_ranges_and_lengths_fail() {
    let mut driver = started(0);
    assert_eq!(driver.call(IN, 63, Data::In(1024)).0, IO_ERROR);
    assert_eq!(driver.call(IN, u64::MAX, Data::In(512)).0, IO_ERROR);
    assert_eq!(driver.call(IN, 0, Data::In(100)).0, IO_ERROR);
    assert_eq!(driver.call(OUT, 64, Data::Out(&[0; 512])).0, IO_ERROR);
    assert_eq!(driver.call(77, 0, Data::None).0, UNSUPPORTED);
    assert_eq!(driver.call(FLUSH, 0, Data::None).0, UNSUPPORTED, "not negotiated");
    driver.disk.fail_next(BlockError::NoSpace);
    assert_eq!(driver.call(OUT, 0, Data::Out(&[0; 512])), (IO_ERROR, 1));
    assert_eq!(driver.call(OUT, 0, Data::Out(&[0; 512])).0, 0);
}

#[test]
fn a_request_without_room_for_its_status_breaks_the_device() {
    let mut driver = started(0);
    driver.request(0, 0, IN, 0, Data::None);
    driver.descriptor(0, 0, BUFFERS, 16, 0, 0);
    driver.offer(0, 0);
    driver.kick(0);
    assert_eq!(driver.status() & 64, 64);
}

#[test]
fn the_id_is_told() {
    let mut driver = started(0);
    assert_eq!(driver.call(GET_ID, 0, Data::In(20)), (0, 21));
    assert_eq!(&driver.get::<20>(BUFFERS + 16), b"glass-0001\0\0\0\0\0\0\0\0\0\0");
}

fn range(sector: u64, sectors: u32, flags: u32) -> [u8; 16] {
    (u128::from(sector) | u128::from(sectors) << 64 | u128::from(flags) << 96).to_le_bytes()
}

#[test]
fn ranges_are_zeroed_and_discarded() {
    let mut driver = started(F_DISCARD | F_WRITE_ZEROES);
    let two = [range(1, 2, 1), range(8, 1, 0)].concat();
    assert_eq!(driver.call(WRITE_ZEROES, 0, Data::Out(&two)), (0, 1));
    let bytes = driver.disk.bytes();
    assert!(bytes[512..3 * 512].iter().chain(&bytes[8 * 512..9 * 512]).all(|b| *b == 0));
    assert_eq!(bytes[3 * 512..8 * 512], disk_bytes(64)[3 * 512..8 * 512]);
    assert_eq!(driver.call(DISCARD, 0, Data::Out(&range(0, 64, 0))).0, 0);
    assert_eq!(driver.call(DISCARD, 0, Data::Out(&range(0, 65, 0))).0, IO_ERROR);
    assert_eq!(driver.call(DISCARD, 0, Data::Out(&range(0, 1, 1))).0, UNSUPPORTED, "unmap is for zeroes");
    assert_eq!(driver.call(WRITE_ZEROES, 0, Data::Out(&range(0, 1, 2))).0, UNSUPPORTED);
    assert_eq!(driver.call(WRITE_ZEROES, 0, Data::Out(&[0; 15])).0, IO_ERROR);
    assert_eq!(driver.call(WRITE_ZEROES, 0, Data::Out(&[0; 17 * 16])).0, IO_ERROR, "too many");
}

#[test]
fn a_read_only_disk_says_so_and_refuses_writes() {
    let disk = MemoryDisk::empty();
    disk.insert(disk_bytes(64), true);
    let mut driver = Driver::with(disk, 1, Interface::Modern);
    assert_eq!(driver.offered() & (F_READ_ONLY | F_DISCARD | F_WRITE_ZEROES), F_READ_ONLY);
    driver.start(F_READ_ONLY);
    assert_eq!(driver.call(OUT, 0, Data::Out(&[0; 512])).0, IO_ERROR);
    assert_eq!(driver.call(IN, 0, Data::In(512)).0, 0);
}

#[test]
fn configuration_tells_size_limits_and_topology() {
    let mut driver = started(F_MQ);
    assert_eq!(driver.read(0x2000, 8), 64, "capacity");
    assert_eq!((driver.read(0x2008, 4), driver.read(0x200c, 4)), (1 << 20, 254));
    assert_eq!((driver.read(0x2014, 4), driver.read(0x2018, 1)), (512, 3), "4 KiB physical blocks");
    assert_eq!((driver.read(0x2022, 2), driver.read(0x12, 2)), (2, 2), "queues");
    assert_eq!(driver.read(0x2024, 4), 1 << 22);
    assert_eq!((driver.read(0x203c, 4), driver.read(0x2ffc, 8)), (0, 0), "beyond the structure");
}

#[test]
fn writes_go_through_unless_the_driver_knows_of_flushes() {
    let mut driver = started(0);
    assert_eq!(driver.read(0x2020, 1), 0, "write-through");
    driver.start(F_FLUSH);
    assert_eq!(driver.read(0x2020, 1), 1);
    driver.start(F_FLUSH | F_CONFIG_WCE);
    driver.write(0x2020, 1, 0);
    assert_eq!(driver.read(0x2020, 1), 0);
    driver.write(0x2020, 1, 1);
    assert_eq!(driver.read(0x2020, 1), 1);
}

#[test]
fn answers_are_given_when_the_host_has_them() {
    let mut driver = started(0);
    driver.disk.hold(true);
    for slot in [0, 1] {
        let request = driver.request(0, slot, IN, slot.into(), Data::In(512));
        driver.offer(0, request.head);
    }
    driver.kick(0);
    driver.pci.poll_host();
    assert_eq!(driver.take(0), None);
    driver.disk.release();
    driver.pci.poll_host();
    assert_eq!((driver.take(0), driver.take(0)), (Some((0, 513)), Some((3, 513))));
    assert!(driver.bench.level(LINE));
}

#[test]
fn large_requests_go_in_pieces() {
    let disk = MemoryDisk::new(disk_bytes(8192));
    let mut driver = Driver::with(disk, 2, Interface::Transitional);
    driver.start(0);
    // Six times the same buffer of 512 KiB: the last part stays.
    let places = driver.request(0, 0, IN, 0, Data::In(512));
    for n in 0..6 {
        driver.descriptor(0, 3 + n, 0x20_0000, 1 << 19, 3, if n == 5 { 2 } else { 4 + n });
    }
    driver.descriptor(0, 0, BUFFERS, 16, 1, 3);
    driver.disk.hold(true);
    driver.offer(0, places.head);
    driver.kick(0);
    for _ in 0..3 {
        assert_eq!(driver.take(0), None);
        driver.disk.release();
        driver.pci.poll_host();
    }
    assert_eq!(driver.take(0), Some((0, 6 << 19 | 1)));
    assert_eq!(driver.get::<512>(0x20_0000)[..], disk_bytes(8192)[5 << 19..(5 << 19) + 512]);
}

#[test]
fn queues_work_side_by_side_with_a_vector_each() {
    let mut driver = Driver::new();
    driver.start(F_MQ);
    for n in 0..3u64 {
        for (word, value) in [0xfee0_0000, 0, 0x40 + n, 0].into_iter().enumerate() {
            let at = n * 16 + 4 * word as u64;
            driver.pci.bar_write(1, at, AccessSize::Dword, value);
        }
    }
    driver.pci.config_write(0x40, 0x8000_0000, 8);
    for n in 0..2 {
        driver.write(0x16, 2, n);
        driver.write(0x1a, 2, n + 1);
        assert_eq!(driver.read(0x1a, 2), n + 1);
    }
    driver.write(0x1a, 2, 3);
    assert_eq!(driver.read(0x1a, 2), 0xffff, "no such vector");
    driver.write(0x1a, 2, 2);
    driver.bench.take();
    let request = driver.request(1, 0, IN, 1, Data::In(512));
    driver.offer(1, request.head);
    driver.kick(1);
    assert_eq!(driver.take(1), Some((0, 513)));
    assert_eq!(driver.bench.take(), [Signal::Msi { address: 0xfee0_0000, data: 0x42 }]);
    assert_eq!(driver.call(IN, 0, Data::In(512)).0, 0);
    assert_eq!(driver.bench.take(), [Signal::Msi { address: 0xfee0_0000, data: 0x41 }]);
    assert!(!driver.bench.level(LINE));
}

#[test]
fn a_reset_ends_what_is_on_its_way() {
    let mut driver = started(0);
    driver.disk.hold(true);
    let request = driver.request(0, 0, IN, 1, Data::In(512));
    driver.offer(0, request.head);
    driver.kick(0);
    driver.write(0x14, 1, 0);
    assert_eq!(driver.status(), 0);
    driver.disk.release();
    driver.pci.poll_host();
    assert_eq!(driver.get::<1>(request.status), [0xee], "memory is left alone");
    assert_eq!(driver.take(0), None);
    driver.disk.hold(false);
    driver.start(0);
    assert_eq!(driver.call(IN, 1, Data::In(512)), (0, 513));
}

#[test]
fn a_grown_disk_is_announced() {
    let mut driver = started(0);
    let generation = driver.read(0x15, 1);
    driver.disk.insert(disk_bytes(128), false);
    driver.pci.poll_host();
    assert_eq!(driver.read(0x1000, 1), 2);
    assert_ne!(driver.read(0x15, 1), generation);
    assert_eq!(driver.read(0x2000, 8), 128);
}

#[test]
fn requests_on_their_way_are_carried_out_after_a_restore() {
    let mut driver = started(0);
    driver.disk.hold(true);
    let request = driver.request(0, 0, IN, 5, Data::In(512));
    driver.offer(0, request.head);
    driver.kick(0);
    let saved = driver.pci.save();

    let mut other = Driver::new();
    let memory = driver.get::<0x8_0000>(0);
    other.put(0, &memory);
    other.pci.restore(saved.clone()).unwrap();
    assert_eq!(other.pci.save(), saved);
    assert_eq!(other.take(0), None);
    other.pci.poll_host();
    assert_eq!(other.take(0), Some((0, 513)));
    assert_eq!(other.get::<512>(request.data)[..], disk_bytes(64)[5 * 512..6 * 512]);
    assert_eq!(other.get::<2>(ring(0) + 0x2002), [1, 0]);
    let mut single = Driver::with(MemoryDisk::new(disk_bytes(64)), 1, Interface::Transitional);
    assert!(single.pci.restore(saved).is_err(), "another number of queues");
}
