//! What a driver can do to a queue.

use glassbox_device_api::Device;
use glassbox_testkit::Rng;

use crate::feature;
use crate::status::NEEDS_RESET;
use crate::testing::{BUFFERS, Data, Driver, INDIRECT, LINE, SIZE, descriptor, ring};

const IN: u32 = 0;

/// A driver whose one chain is made by `chain`, after the device was told of it.
fn offered(features: u64, chain: impl FnOnce(&Driver)) -> Driver {
    let mut driver = Driver::new();
    driver.start(features);
    driver.request(0, 0, IN, 1, Data::In(512));
    chain(&driver);
    driver.offer(0, 0);
    driver.kick(0);
    driver
}

fn is_broken(mut driver: Driver) -> bool {
    driver.status() & NEEDS_RESET != 0 && driver.take(0).is_none()
}

#[test]
fn a_chain_that_loops_breaks_the_device() {
    assert!(is_broken(offered(0, |d| d.descriptor(0, 1, BUFFERS, 0, 1, 0))));
    assert!(!is_broken(offered(0, |_| {})));
}

#[test]
fn descriptors_beyond_the_table_break_the_device() {
    assert!(is_broken(offered(0, |d| d.descriptor(0, 1, BUFFERS, 512, 3, SIZE))));
}

#[test]
fn what_the_device_reads_comes_before_what_it_writes() {
    assert!(is_broken(offered(0, |d| {
        d.descriptor(0, 1, BUFFERS + 16, 512, 3, 2);
        d.descriptor(0, 2, BUFFERS + 0x1800, 1, 0, 0);
    })));
}

#[test]
fn buffers_outside_of_memory_break_the_device() {
    assert!(is_broken(offered(0, |d| d.descriptor(0, 0, u64::MAX - 4, 16, 1, 1))));
    assert!(is_broken(offered(0, |d| d.descriptor(0, 0, 0xf000_0000, 16, 1, 1))));
    assert!(is_broken(offered(0, |d| d.descriptor(0, 1, 0xf000_0000, 512, 3, 2))));
    assert!(is_broken(offered(0, |d| d.descriptor(0, 2, 0xf000_0000, 1, 2, 0))));
}

#[test]
fn an_index_that_runs_ahead_breaks_the_device() {
    let mut driver = Driver::new();
    driver.start(0);
    driver.put(ring(0) + 0x1002, &(SIZE + 1).to_le_bytes());
    driver.kick(0);
    assert!(is_broken(driver));
}

#[test]
fn rings_outside_of_memory_break_the_device_and_the_driver_is_told() {
    let mut driver = Driver::new();
    driver.start(0);
    driver.write(0x14, 1, 0);
    driver.negotiate(feature::VERSION_1);
    driver.write(0x20, 8, u64::MAX - 3);
    driver.write(0x28, 8, u64::MAX - 3);
    driver.write(0x1c, 2, 1);
    driver.write(0x14, 1, 15);
    assert_eq!(driver.status(), 15 | NEEDS_RESET);
    assert!(driver.bench.level(LINE));
    assert_eq!(driver.read(0x1000, 1), 2, "a configuration change");
    driver.write(0x14, 1, 0);
    assert_eq!(driver.status(), 0);
    driver.start(0);
    assert_eq!(driver.call(IN, 1, Data::In(512)), (0, 513), "a reset leads out of it");
}

fn indirect(driver: &Driver, len: u32, flags: u16) {
    let table = BUFFERS + 0x1_0000;
    driver.put(table, &descriptor(BUFFERS, 16, 1, 1));
    driver.put(table + 16, &descriptor(BUFFERS + 16, 512, 3, 2));
    driver.put(table + 32, &descriptor(BUFFERS + 0x1800, 1, 2, 0));
    driver.descriptor(0, 0, table, len, INDIRECT | flags, 1);
}

#[test]
fn a_table_of_descriptors_works_where_it_is_negotiated() {
    let mut driver = offered(feature::INDIRECT_DESC, |d| indirect(d, 48, 0));
    assert_eq!(driver.take(0), Some((0, 513)));
    assert!(is_broken(offered(0, |d| indirect(d, 48, 0))), "not negotiated");
    assert!(is_broken(offered(feature::INDIRECT_DESC, |d| indirect(d, 40, 0))), "not whole descriptors");
    assert!(is_broken(offered(feature::INDIRECT_DESC, |d| indirect(d, 0, 0))), "empty");
    assert!(is_broken(offered(feature::INDIRECT_DESC, |d| indirect(d, 32, 0))), "cut off");
    assert!(is_broken(offered(feature::INDIRECT_DESC, |d| indirect(d, 48, 1))), "with a next one");
    let nested = offered(feature::INDIRECT_DESC, |d| {
        indirect(d, 48, 0);
        d.put(BUFFERS + 0x1_0000, &descriptor(BUFFERS, 16, INDIRECT, 0));
    });
    assert!(is_broken(nested));
}

#[test]
fn a_huge_table_with_a_loop_ends() {
    let driver = offered(feature::INDIRECT_DESC, |d| {
        let table = BUFFERS + 0x1_0000;
        d.put(table, &descriptor(BUFFERS, 0, 1, 0));
        d.descriptor(0, 0, table, 0xffff_fff0, INDIRECT, 0);
    });
    assert!(is_broken(driver));
}

#[test]
fn the_driver_can_ask_for_no_interrupt() {
    let mut driver = Driver::new();
    driver.start(0);
    driver.put(ring(0) + 0x1000, &[1, 0]);
    assert_eq!(driver.call(IN, 0, Data::In(512)), (0, 513));
    assert!(!driver.bench.level(LINE));
    driver.put(ring(0) + 0x1000, &[0, 0]);
    driver.call(IN, 0, Data::In(512));
    assert!(driver.bench.level(LINE));
    assert_eq!(driver.read(0x1000, 1), 1);
    assert!(!driver.bench.level(LINE), "reading the cause releases the pin");
}

#[test]
fn event_index_interrupts_when_the_buffer_asked_for_comes_back() {
    let mut driver = Driver::new();
    driver.start(feature::EVENT_IDX);
    // used_event: tell me of the third buffer.
    driver.put(ring(0) + 0x1004 + 2 * u64::from(SIZE), &2u16.to_le_bytes());
    for expected in [false, false, true, false] {
        driver.call(IN, 0, Data::In(512));
        assert_eq!(driver.read(0x1000, 1) & 1 != 0, expected);
    }
    // avail_event: notify me of the fifth.
    assert_eq!(driver.get::<2>(ring(0) + 0x2004 + 8 * u64::from(SIZE)), [4, 0]);
}

#[test]
fn indices_wrap() {
    let mut driver = Driver::new();
    driver.start(feature::EVENT_IDX);
    for n in 0..66_000u32 {
        driver.put(ring(0) + 0x1004 + 2 * u64::from(SIZE), &(n as u16).to_le_bytes());
        assert_eq!(driver.call(8, 0, Data::In(20)), (0, 21));
        assert_eq!(driver.read(0x1000, 1), 1, "request {n}");
    }
}

#[test]
fn random_rings_neither_panic_nor_stall() {
    let mut broken = 0;
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let mut driver = Driver::new();
        driver.disk.hold(rng.one_in(2));
        driver.start(if rng.one_in(2) { feature::EVENT_IDX } else { 0 } | feature::INDIRECT_DESC);
        for _ in 0..60 {
            for slot in 0..4 {
                driver.request(0, slot, rng.below(14) as u32, rng.value(), Data::In(512));
            }
            if rng.one_in(4) {
                let index = rng.below(SIZE.into()) as u16;
                let at = if rng.one_in(2) { BUFFERS + rng.below(0x8000) } else { rng.value() };
                let (flags, next) = (rng.below(8) as u16, rng.below(18) as u16);
                driver.descriptor(0, index, at, rng.value() as u32, flags, next);
            }
            if rng.one_in(16) {
                let at = ring(0) + rng.below(0x3000);
                driver.put(at, &[rng.next_u64() as u8]);
            }
            driver.offer(0, rng.below(SIZE.into()) as u16);
            driver.kick(0);
            if rng.one_in(8) {
                driver.disk.release();
            }
            driver.pci.poll_host();
            if driver.status() & NEEDS_RESET != 0 {
                broken += 1;
                driver.start(feature::INDIRECT_DESC);
            }
        }
    }
    assert!(broken > 100, "the test does find what breaks a device ({broken})");
}
