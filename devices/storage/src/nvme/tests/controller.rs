//! Registers, reset, shutdown, doorbells, interrupts, saved state.

use super::*;

#[test]
fn registers_tell_what_the_controller_can() {
    let mut pc = Pc::untouched();
    assert_eq!(pc.bar.read64(0), 0x0040_0030_0f01_03ff);
    assert_eq!(pc.bar.read32(8), 0x0001_0400);
    assert_eq!(pc.bar.read16(10), 1, "narrow reads give their part");
    assert_eq!(pc.bar.0.config_read(8) >> 8, 0x01_0802);
    assert_eq!(pc.bar.0.config_read(0x10) & 0xf, 4, "64-bit memory");
    assert_eq!(pc.bar.0.config_read(0x40) >> 16 & 0x7ff, 32, "33 vectors");
    pc.bar.write8(0x14, 1);
    assert_eq!(pc.bar.read32(0x14), 0, "narrow writes are ignored");
    pc.bar.write64(0x28, u64::MAX);
    assert_eq!(pc.bar.read64(0x28), !0xfff);
}

#[test]
fn configurations_that_are_not_supported_are_fatal() {
    for configuration in [0x0046_0001 | 1 << 4, 0x0046_0001 | 1 << 11, 0x0046_0001 | 15 << 7] {
        let mut pc = Pc::untouched();
        pc.bar.write32(0x24, 0x000f_000f);
        pc.bar.write32(0x14, configuration);
        assert_eq!(pc.bar.read32(0x1c), 2, "{configuration:#x}");
        pc.bar.write32(0x14, 0);
        assert_eq!(pc.bar.read32(0x1c), 0);
        pc.enable();
    }
    let mut pc = Pc::untouched();
    pc.bar.write32(0x14, 0x0046_0001);
    assert_eq!(pc.bar.read32(0x1c), 2, "admin queues of one entry");
}

#[test]
fn disabling_forgets_queues() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    pc.bar.write32(0x14, 0x0046_0000);
    assert_eq!(pc.bar.read32(0x1c), 0);
    pc.put(&mut pair, sqe(0));
    pc.ring(&pair);
    assert_eq!(pc.next(&mut pair), None);
    pc.enable();
    pc.pair(1);
}

#[test]
fn shutdown_flushes_first() {
    let mut pc = Pc::new();
    pc.disk.hold(true);
    pc.bar.write32(0x14, 0x0046_4001);
    assert_eq!(pc.bar.read32(0x1c), 0x5, "shutdown occurring");
    pc.disk.release();
    pc.bar.0.poll_host();
    assert_eq!((pc.bar.read32(0x1c), pc.disk.flushes()), (0x9, 1));
    pc.bar.write32(0x14, 0x0046_0000);
    assert_eq!(pc.bar.read32(0x1c), 0);
}

#[test]
fn a_subsystem_reset_is_told_until_acknowledged() {
    let mut pc = Pc::new();
    pc.bar.write32(0x20, 0x1234);
    assert_eq!(pc.bar.read32(0x1c), 1);
    pc.bar.write32(0x20, 0x4e56_4d65);
    assert_eq!((pc.bar.read32(0x1c), pc.bar.read32(0x14), pc.bar.read64(0x28)), (0x10, 0, 0));
    pc.bar.write32(0x1c, 0x10);
    assert_eq!(pc.bar.read32(0x1c), 0);
}

#[test]
fn the_pin_is_asserted_until_the_host_has_seen_all_entries() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    pc.bench.take();
    for _ in 0..2 {
        pc.put(&mut pair, sqe(0));
    }
    pc.ring(&pair);
    assert!(pc.bench.level(PIN));
    pc.bar.write32(0x0c, 1);
    assert!(!pc.bench.level(PIN), "masked");
    assert_eq!(pc.bar.read32(0x10), 1);
    pc.bar.write32(0x10, 1);
    assert!(pc.bench.level(PIN));
    pc.next(&mut pair).unwrap();
    assert!(pc.bench.level(PIN));
    pc.next(&mut pair).unwrap();
    assert!(!pc.bench.level(PIN));
}

#[test]
fn each_completion_queue_sends_its_message() {
    let mut pc = Pc::new();
    pc.enable_messages();
    let mut pairs = [pc.pair(1), pc.pair(2)];
    pc.bench.take();
    for pair in &mut pairs {
        pc.put(pair, sqe(0));
        pc.put(pair, sqe(0));
        pc.ring(pair);
        let message = Signal::Msi { address: MESSAGE, data: 0x40 + u32::from(pair.id) };
        assert_eq!(pc.bench.take(), [message], "one for what is posted together");
    }
    assert!(!pc.bench.level(PIN));
}

#[test]
fn a_full_completion_queue_holds_back() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    // A completion queue of 8 has room for 7.
    for _ in 0..7 {
        pc.put(&mut pair, sqe(0));
    }
    pc.ring(&pair);
    for _ in 0..5 {
        pc.put(&mut pair, sqe(0));
    }
    pc.ring(&pair);
    let seen: Vec<_> = std::iter::from_fn(|| pc.next(&mut pair)).collect();
    assert_eq!(seen.len(), 12, "nothing is lost");
    assert!(seen.windows(2).all(|two| two[0].id + 1 == two[1].id));
}

#[test]
fn phases_turn_with_each_round() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    for round in 0..50u16 {
        let seen = pc.run(&mut pair, sqe(0));
        assert_eq!((seen.status, seen.sq_head), (OK, (round + 1) % IO_ENTRIES));
    }
}

#[test]
fn wrong_doorbells_are_asynchronous_events() {
    let mut pc = Pc::new();
    let mut admin = pc.admin;
    let request = pc.put(&mut admin, sqe(0x0c));
    let another = pc.put(&mut admin, sqe(0x0c));
    pc.ring(&admin);
    assert_eq!(pc.next(&mut admin), None);
    pc.bar.write32(0x1000 + 8 * 5, 1);
    let seen = pc.next(&mut admin).unwrap();
    assert_eq!((seen.id, seen.status, seen.result), (request, OK, 0x0001_0000));
    pc.bar.write32(0x1000, 16);
    assert_eq!(pc.next(&mut admin), None, "of the same type, until the log was read");
    pc.put(&mut admin, sqe(0x02).namespace(u32::MAX).prp(DATA, 0).with(10, 15 << 16 | 1));
    pc.ring(&admin);
    let seen: Vec<_> = std::iter::from_fn(|| pc.next(&mut admin)).collect();
    assert!(seen.iter().any(|s| s.id == another && s.result == 0x0001_0100), "{seen:?}");
    assert_eq!(pc.data(DATA, 8), 2u64.to_le_bytes(), "two errors were logged");
    // A completion doorbell cannot overtake the entries.
    pc.bar.write32(0x1004, u32::from(admin.head) + 1);
    assert_eq!(pc.bar.read32(0x1c), 1);
}

#[test]
fn queues_outside_of_memory_are_fatal() {
    let mut pc = Pc::untouched();
    pc.bar.write32(0x24, 0x000f_000f);
    pc.bar.write64(0x28, 1 << 40);
    pc.bar.write32(0x14, 0x0046_0001);
    pc.bar.write32(0x1000, 3);
    assert_eq!(pc.bar.read32(0x1c), 3);
    let mut pc = Pc::new();
    pc.bar.write32(0x14, 0);
    pc.bar.write64(0x30, !0xfff);
    pc.bar.write32(0x14, 0x0046_0001);
    pc.memory.write_bytes(Gpa(ASQ), &sqe(0x0a).bytes()).unwrap();
    pc.bar.write32(0x1000, 1);
    assert_eq!(pc.bar.read32(0x1c), 3);
}

#[test]
fn nothing_is_fetched_without_the_bus() {
    let mut pc = Pc::new();
    pc.bar.0.config_write(4, 2, 1);
    let mut admin = pc.admin;
    pc.put(&mut admin, sqe(0x0a).namespace(0).with(10, 7));
    pc.ring(&admin);
    assert_eq!(pc.next(&mut admin), None);
    pc.bar.0.config_write(4, 6, 1);
    assert_eq!(pc.next(&mut admin).unwrap().result, 0x001f_001f);
}

#[test]
fn long_turns_are_cut() {
    let mut pc = Pc::new();
    let entries = 1024u16;
    let mut pair = Pair::new(1, 0x20_0000, 0x30_0000, entries);
    let size = 1 | (u32::from(entries) - 1) << 16;
    assert_eq!(pc.admin(sqe(5).prp(pair.cq, 0).with(10, size).with(11, 1)), (OK, 0));
    assert_eq!(pc.admin(sqe(1).prp(pair.sq, 0).with(10, size).with(11, 1 << 16 | 1)), (OK, 0));
    for _ in 0..1000 {
        pc.put(&mut pair, sqe(0));
    }
    pc.ring(&pair);
    assert!(pc.bar.next_deadline().is_some());
    while pc.bench.run_to_deadline(&mut pc.bar).is_some() {}
    let seen = std::iter::from_fn(|| pc.next(&mut pair)).count();
    assert_eq!(seen, 1000);
}
