//! The transport's registers, modern and legacy.

use glassbox_device_api::{AccessSize, Device, PciFunction, ResetKind, SaveRestore};
use glassbox_memory::Gpa;
use glassbox_pci::PciDevice;
use glassbox_testkit::{MemoryDisk, Rng};

use super::Interface;
use crate::feature;
use crate::testing::{Data, Driver, LINE, disk_bytes};

const IN: u32 = 0;

/// The vendor-specific capabilities: type and offset in configuration space.
fn capabilities(driver: &mut Driver) -> Vec<(u8, u8)> {
    let mut at = driver.pci.config_read(0x34) as u8;
    let mut found = Vec::new();
    while at != 0 {
        let head = driver.pci.config_read(at).to_le_bytes();
        if head[0] == 9 {
            found.push((head[3], at));
        }
        at = head[1];
    }
    found
}

#[test]
fn a_transitional_device_has_both_identities() {
    let mut driver = Driver::new();
    assert_eq!(driver.pci.config_read(0), 0x1001_1af4);
    assert_eq!(driver.pci.config_read(8), 0x0100_0000);
    assert_eq!(driver.pci.config_read(0x2c), 0x0002_1af4);
    assert_eq!(driver.pci.config_read(0x10), 1, "ports");
    assert_eq!(driver.pci.config_read(0x3c) & 0xff00, 0x100, "INTA#");
    let mut modern = Driver::with(MemoryDisk::new(disk_bytes(1)), 1, Interface::Modern);
    assert_eq!(modern.pci.config_read(0), 0x1042_1af4);
    assert_eq!(modern.pci.config_read(8) & 0xff, 1);
    assert_eq!(modern.pci.config_read(0x10), 0, "no ports");
}

#[test]
fn capabilities_say_where_the_structures_are() {
    let mut driver = Driver::new();
    let found = capabilities(&mut driver);
    assert_eq!(found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [1, 3, 4, 2, 5]);
    for (kind, at) in found {
        let place = [4, 8, 12].map(|n| driver.pci.config_read(at + n));
        match kind {
            1 => assert_eq!(place, [4, 0, 0x1000]),
            2 => assert_eq!((place, driver.pci.config_read(at + 16)), ([4, 0x3000, 0x1000], 4)),
            3 => assert_eq!(place, [4, 0x1000, 0x1000]),
            4 => assert_eq!(place, [4, 0x2000, 0x1000]),
            _ => assert_eq!(place, [0, 0, 0]),
        }
    }
}

#[test]
fn structures_are_reached_through_configuration_space() {
    let mut driver = Driver::new();
    let window = capabilities(&mut driver).last().unwrap().1;
    let mut access = |offset: u32, length: u32, write: Option<u32>| {
        driver.pci.config_write(window + 4, 4, 1);
        driver.pci.config_write(window + 8, offset, 15);
        driver.pci.config_write(window + 12, length, 15);
        if let Some(value) = write {
            driver.pci.config_write(window + 16, value, 15);
        }
        driver.pci.config_read(window + 16)
    };
    assert_eq!(access(0x2000, 4, None), 64, "capacity");
    assert_eq!(access(0x14, 1, Some(0xff03)), 3, "status");
    assert_eq!(access(0x16, 2, Some(1)), 1);
    assert_eq!(access(0x2000, 3, None), 0, "no such width");
    assert_eq!(access(0x2002, 4, None), 0, "not aligned");
    assert_eq!(access(0xffff_fffc, 4, None), 0);
}

#[test]
fn features_are_negotiated() {
    let mut driver = Driver::new();
    let offered = driver.offered();
    assert_eq!(offered & feature::VERSION_1, feature::VERSION_1);
    driver.negotiate(feature::INDIRECT_DESC);
    assert_eq!(driver.status(), 3, "without VERSION_1");
    driver.negotiate(feature::VERSION_1 | 1 << 63);
    assert_eq!(driver.status(), 3, "not offered");
    driver.negotiate(feature::VERSION_1 | feature::EVENT_IDX);
    assert_eq!(driver.status(), 11);
    driver.write(8, 4, 0);
    driver.write(0xc, 4, 0);
    assert_eq!(driver.read(0xc, 4), feature::EVENT_IDX, "settled");
    driver.write(0, 4, 2);
    assert_eq!(driver.read(4, 4), 0);
}

#[test]
fn queue_registers_are_per_queue_and_freeze_with_enable() {
    let mut driver = Driver::new();
    driver.negotiate(feature::VERSION_1);
    driver.write(0x16, 2, 1);
    assert_eq!((driver.read(0x18, 2), driver.read(0x1e, 2)), (256, 1));
    for (size, after) in [(64, 64), (48, 64), (512, 64), (0, 64)] {
        driver.write(0x18, 2, size);
        assert_eq!(driver.read(0x18, 2), after);
    }
    driver.write(0x20, 8, 0x1_2345_6000);
    assert_eq!((driver.read(0x20, 4), driver.read(0x24, 4)), (0x2345_6000, 1));
    driver.write(0x1c, 2, 1);
    driver.write(0x20, 4, 0);
    driver.write(0x1c, 2, 0);
    assert_eq!((driver.read(0x20, 8), driver.read(0x1c, 2)), (0x1_2345_6000, 1));
    driver.write(0x16, 2, 0);
    assert_eq!(driver.read(0x1c, 2), 0);
    driver.write(0x16, 2, 7);
    assert_eq!((driver.read(0x18, 2), driver.read(0x1a, 2)), (0, 0xffff), "no such queue");
}

#[test]
fn one_queue_is_reset_and_used_again() {
    let mut driver = Driver::new();
    driver.start(feature::RING_RESET);
    assert_eq!(driver.call(IN, 0, Data::In(512)).0, 0);
    driver.write(0x16, 2, 0);
    driver.write(0x3a, 2, 1);
    assert_eq!((driver.read(0x3a, 2), driver.read(0x1c, 2), driver.read(0x20, 8)), (0, 0, 0));
    driver.enable_queue(0);
    (driver.available[0], driver.used[0]) = (0, 0);
    assert_eq!(driver.call(IN, 0, Data::In(512)).0, 0);
}

#[test]
fn nothing_is_done_before_the_driver_is_ready_or_without_bus_mastering() {
    let mut driver = Driver::new();
    driver.negotiate(feature::VERSION_1);
    driver.enable_queue(0);
    let request = driver.request(0, 0, IN, 0, Data::In(512));
    driver.offer(0, request.head);
    driver.kick(0);
    assert_eq!(driver.take(0), None);
    driver.pci.config_write(4, 3, 3);
    driver.write(0x14, 1, 15);
    assert_eq!(driver.take(0), None);
    driver.pci.config_write(4, 7, 3);
    assert_eq!(driver.take(0), Some((0, 513)), "it waited in the queue");
}

#[test]
fn a_warm_reset_forgets_all() {
    let mut driver = Driver::new();
    driver.start(0);
    driver.call(IN, 0, Data::In(512));
    assert!(driver.bench.level(LINE));
    driver.pci.reset(ResetKind::Warm);
    assert!(!driver.bench.level(LINE));
    assert_eq!((driver.pci.config_read(4) & 0xffff, driver.status()), (0, 0));
}

/// A queue of 256 entries at a page, as a legacy driver lays it out.
#[test]
fn a_legacy_driver_reads_a_sector() {
    let mut driver = Driver::new();
    driver.port_write(0x12, 1, 0);
    driver.port_write(0x12, 1, 1);
    driver.port_write(0x12, 1, 3);
    assert_eq!(driver.port_read(0, 4) & 1 << 28, 1 << 28);
    driver.port_write(4, 4, 1 << 28 | 1 << 3);
    assert_eq!(driver.port_read(4, 4), 1 << 28, "what is not offered is not accepted");
    driver.port_write(0xe, 2, 0);
    assert_eq!(driver.port_read(0xc, 2), 256);
    assert_eq!(driver.port_read(0x14, 4), 64, "capacity, right behind the header");
    let base = 0x2_0000u64;
    driver.port_write(8, 4, base / 4096);
    assert_eq!(driver.port_read(8, 4), base / 4096);
    driver.port_write(0x12, 1, 7);
    let (available, used) = (base + 4096, base + 8192);
    let places = driver.request(0, 0, IN, 2, Data::In(512));
    let mut table = [0; 48];
    driver.memory.read_bytes(Gpa(crate::testing::RINGS), &mut table).unwrap();
    driver.put(base, &table);
    driver.put(available, &[0, 0, 1, 0, 0, 0]);
    driver.port_write(0x10, 2, 0);
    assert_eq!(driver.get::<12>(used), [0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 0, 0]);
    assert_eq!(driver.get::<512>(places.data)[..], disk_bytes(64)[1024..1536]);
    assert!(driver.bench.level(LINE));
    assert_eq!(driver.port_read(0x13, 1), 1);
    assert_eq!(driver.port_read(0x13, 1), 0);
    assert!(!driver.bench.level(LINE));
    driver.port_write(0x12, 1, 0);
    assert_eq!(driver.port_read(8, 4), 0);
}

#[test]
fn msix_moves_the_legacy_configuration() {
    let mut driver = Driver::new();
    assert_eq!(driver.port_read(0x14, 4), 64);
    driver.pci.config_write(0x40, 0x8000_0000, 8);
    assert_eq!(driver.port_read(0x18, 4), 64);
    driver.port_write(0x14, 2, 1);
    driver.port_write(0x16, 2, 9);
    assert_eq!((driver.port_read(0x14, 2), driver.port_read(0x16, 2)), (1, 0xffff));
}

#[test]
fn random_accesses_neither_panic_nor_answer_too_wide_and_state_comes_back() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut driver = Driver::new();
        if rng.one_in(2) {
            driver.start(0);
        }
        for _ in 0..500 {
            let size = rng.size(AccessSize::Qword);
            let bar = [0, 1, 4, 4, 4][rng.below(5) as usize];
            let room = [0x80, 0x1000, 0, 0, 0x4000][bar];
            let mut offset = rng.below(room);
            if bar == 4 && rng.one_in(2) {
                offset = rng.below(0x40);
            }
            if rng.one_in(2) {
                assert_eq!(driver.pci.bar_read(bar, offset, size) & !size.mask(), 0);
            } else {
                driver.pci.bar_write(bar, offset, size, rng.value() & size.mask());
            }
            if rng.one_in(16) {
                let value = rng.value() as u32;
                driver.pci.config_write(rng.below(256) as u8 & !3, value, rng.below(16) as u8);
            }
            if rng.one_in(64) {
                driver.pci.poll_host();
            }
        }
        let saved = driver.pci.save();
        let mut other = Driver::new();
        other.pci.restore(saved.clone()).unwrap();
        assert_eq!(other.pci.save(), saved, "seed {seed}");
        assert_eq!(other.bench.level(LINE), driver.bench.level(LINE));
    }
}
