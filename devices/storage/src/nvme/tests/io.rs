//! Commands of the NVM command set.

use glassbox_device_api::BlockError;

use super::*;

fn read(first: u64, count: u32) -> Sqe {
    sqe(2).prp(DATA, DATA + 4096).blocks(first, count)
}

fn write(first: u64, count: u32) -> Sqe {
    sqe(1).prp(DATA, DATA + 4096).blocks(first, count)
}

fn status(pc: &mut Pc, pair: &mut Pair, sqe: Sqe) -> u16 {
    pc.run(pair, sqe).status
}

#[test]
fn reads_and_writes_go_where_the_prps_say() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    assert_eq!(status(&mut pc, &mut pair, read(5, 16)), OK);
    assert_eq!(pc.data(DATA, 8192), pc.blocks(5, 16));
    pc.memory.write_bytes(Gpa(DATA + 0x200), &[0xa5; 512]).unwrap();
    assert_eq!(status(&mut pc, &mut pair, write(7, 1).prp(DATA + 0x200, 0)), OK);
    assert_eq!(pc.blocks(7, 1), [0xa5; 512]);
    // A list of scattered pages, 512 KiB.
    let pages: Vec<u64> = (0..127).map(|i| DATA + 0x2_0000 + 4096 * (126 - i)).collect();
    let list: Vec<u8> = pages.iter().flat_map(|page| page.to_le_bytes()).collect();
    pc.memory.write_bytes(Gpa(LIST), &list).unwrap();
    assert_eq!(status(&mut pc, &mut pair, read(100, 1024).prp(DATA, LIST)), OK);
    assert_eq!(pc.data(DATA, 4096), pc.blocks(100, 8));
    assert_eq!(pc.data(pages[0], 4096), pc.blocks(108, 8));
    assert_eq!(pc.data(pages[126], 4096), pc.blocks(100 + 127 * 8, 8));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    let mut bad = |sqe: Sqe| status(&mut pc, &mut pair, sqe);
    assert_eq!(bad(read(DISK_BLOCKS, 1)), 0x80);
    assert_eq!(bad(read(DISK_BLOCKS - 1, 2)), 0x80);
    assert_eq!(bad(read(u64::MAX, 2)), 0x80);
    assert_eq!(bad(write(u64::MAX - 1, 1)), 0x80);
    assert_eq!(bad(read(0, 1025)), 0x02, "longer than MDTS");
    assert_eq!(bad(read(0, 1).namespace(2)), 0x0b);
    assert_eq!(bad(read(0, 1).namespace(u32::MAX)), 0x0b);
    assert_eq!(bad(sqe(0x7f)), 0x01);
    assert_eq!(bad(read(0, 16).prp(DATA, DATA + 8)), 0x13);
    assert_eq!(bad(read(0, 16).prp(RAM - 4096, RAM)), 0x04);
    assert_eq!(bad(write(0, 1).prp(1 << 50, 0)), 0x04);
    assert_eq!(bad(read(0, 1).with(0, 2 | 2 << 14)), 0x02);
}

#[test]
fn forced_unit_access_and_no_cache_write_through() {
    // MemoryDisk keeps no flag, so a back end that does looks on.
    #[derive(Debug, Default)]
    struct Watch(Vec<glassbox_device_api::BlockCompletion>, std::sync::Arc<std::sync::Mutex<Vec<bool>>>);
    impl BlockBackend for Watch {
        fn medium(&self) -> Option<glassbox_device_api::Medium> {
            Some(glassbox_device_api::Medium { bytes: 1 << 20, read_only: false, generation: 1 })
        }
        fn submit(&mut self, request: BlockRequest) {
            self.1.lock().unwrap().push(request.fua);
            self.0.push(glassbox_device_api::BlockCompletion { request, result: Ok(()) });
        }
        fn poll(&mut self) -> Option<glassbox_device_api::BlockCompletion> {
            self.0.pop()
        }
        fn drain(&mut self) {}
    }
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    let watch = Watch::default();
    let flags = watch.1.clone();
    pc.bar.0.backend = Box::new(watch);
    status(&mut pc, &mut pair, write(0, 1));
    status(&mut pc, &mut pair, write(0, 1).with(12, 1 << 30));
    assert_eq!(pc.admin(sqe(9).namespace(0).with(10, 6).with(11, 0)).0, OK);
    status(&mut pc, &mut pair, write(0, 1));
    assert_eq!(*flags.lock().unwrap(), [false, true, true]);
}

#[test]
fn flush_zeroes_and_deallocate() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    assert_eq!(status(&mut pc, &mut pair, sqe(0)), OK);
    assert_eq!(status(&mut pc, &mut pair, sqe(0).namespace(u32::MAX)), OK);
    assert_eq!(pc.disk.flushes(), 2);
    assert_eq!(status(&mut pc, &mut pair, sqe(8).blocks(10, 2000).with(12, 1999 | 1 << 25)), OK);
    assert_eq!(pc.blocks(10, 2000), vec![0; 2000 * 512]);
    assert_ne!(pc.blocks(9, 1), [0; 512]);
    assert_eq!(status(&mut pc, &mut pair, sqe(8).blocks(DISK_BLOCKS, 1)), 0x80);
    let ranges = |ranges: &[(u32, u64)]| -> Vec<u8> {
        let range = |(count, first): &(u32, u64)| {
            [&[0; 4][..], &count.to_le_bytes()[..], &first.to_le_bytes()[..]].concat()
        };
        ranges.iter().flat_map(range).collect()
    };
    let trim = |count: u32| sqe(9).prp(DATA, 0).with(10, count - 1).with(11, 4);
    pc.memory.write_bytes(Gpa(DATA), &ranges(&[(8, 0), (0, 5), (100, 50)])).unwrap();
    assert_eq!(status(&mut pc, &mut pair, trim(3)), OK);
    pc.memory.write_bytes(Gpa(DATA), &ranges(&[(8, 0), (u32::MAX, 5)])).unwrap();
    assert_eq!(status(&mut pc, &mut pair, trim(2)), 0x80);
    assert_eq!(status(&mut pc, &mut pair, trim(2).with(11, 3)), OK, "hints only");
}

#[test]
fn compare_and_verify() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    let compare = sqe(5).prp(DATA, DATA + 4096).blocks(3, 9);
    pc.memory.write_bytes(Gpa(DATA), &pc.blocks(3, 9)).unwrap();
    assert_eq!(status(&mut pc, &mut pair, compare), OK);
    pc.memory.write_bytes(Gpa(DATA + 4096 + 511), &[0xee]).unwrap();
    assert_eq!(status(&mut pc, &mut pair, compare), 0x285);
    assert_eq!(status(&mut pc, &mut pair, sqe(0x0c).blocks(0, 4096)), OK, "longer than MDTS");
    assert_eq!(status(&mut pc, &mut pair, sqe(0x0c).blocks(1, 4096)), 0x80);
    pc.disk.fail_next(BlockError::Host("broken".into()));
    assert_eq!(status(&mut pc, &mut pair, sqe(0x0c).blocks(0, 4096)), 0x281);
}

#[test]
fn errors_of_the_host_are_media_errors() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    for (error, on_read, on_write) in [
        (BlockError::Host("broken".into()), 0x281, 0x280),
        (BlockError::NoSpace, 0x81, 0x81),
        (BlockError::ReadOnly, 0x20, 0x20),
        (BlockError::OutOfRange, 0x80, 0x80),
        (BlockError::NoMedium, 0x82, 0x82),
    ] {
        pc.disk.fail_next(error.clone());
        assert_eq!(status(&mut pc, &mut pair, read(0, 1)), on_read, "{error}");
        pc.disk.fail_next(error.clone());
        assert_eq!(status(&mut pc, &mut pair, write(0, 1)), on_write, "{error}");
    }
    pc.disk.insert(vec![0; 4096], true);
    assert_eq!(status(&mut pc, &mut pair, write(0, 1)), 0x20);
    assert_eq!(status(&mut pc, &mut pair, sqe(8).blocks(0, 1)), 0x20);
    pc.disk.remove();
    assert_eq!(status(&mut pc, &mut pair, read(0, 1)), 0x82);
}

#[test]
fn many_commands_are_under_way_and_finish_in_any_order() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    pc.disk.hold(true);
    for i in 0..6 {
        pc.put(&mut pair, sqe(2).prp(DATA + 4096 * i, 0).blocks(i, 8));
    }
    pc.ring(&pair);
    assert_eq!(pc.next(&mut pair), None);
    assert!(pc.bar.0.next_deadline().is_none());
    // The same identifier as one that is under way.
    pc.next_id -= 6;
    let twin = pc.put(&mut pair, sqe(0));
    pc.ring(&pair);
    let seen = pc.next(&mut pair).unwrap();
    assert_eq!((seen.id, seen.status), (twin, 0x03));
    pc.disk.release();
    pc.bar.0.poll_host();
    for i in 0..6 {
        assert_eq!(pc.next(&mut pair).unwrap().status, OK);
        assert_eq!(pc.data(DATA + 4096 * i, 4096), pc.blocks(i as usize, 8));
    }
    assert_eq!(pc.next(&mut pair), None);
}

#[test]
fn answers_after_a_reset_are_nobodys() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    pc.disk.hold(true);
    pc.put(&mut pair, read(0, 8));
    pc.ring(&pair);
    pc.bar.write32(0x14, 0x0046_0000);
    pc.disk.release();
    pc.bar.0.poll_host();
    assert_eq!((pc.next(&mut pair), pc.data(DATA, 4096)), (None, vec![0; 4096]));
}

#[test]
fn smart_counts() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    for _ in 0..3 {
        status(&mut pc, &mut pair, read(0, 16));
    }
    status(&mut pc, &mut pair, write(0, 16));
    pc.bench.pass(VmTime(2 * 3_600_000_000_000));
    assert_eq!(pc.admin(sqe(2).namespace(1).prp(DATA, 0).with(10, 127 << 16 | 2)), (OK, 0));
    let count = |at: u64| pc.data(DATA + at, 1)[0];
    assert_eq!((count(32), count(48), count(64), count(80), count(128)), (1, 1, 3, 1, 2));
}

#[test]
fn commands_under_way_are_started_anew_after_a_restore() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    pc.disk.hold(true);
    let ids = [pc.put(&mut pair, read(20, 8)), pc.put(&mut pair, sqe(0))];
    pc.ring(&pair);
    let saved = pc.bar.save();
    let mut other = device(&pc.bench, &pc.memory, &disk());
    other.restore(saved.clone()).unwrap();
    assert_eq!(other.save(), saved);
    other.0.poll_host();
    pc.bar = other;
    let seen = [pc.next(&mut pair).unwrap(), pc.next(&mut pair).unwrap()];
    assert_eq!((seen[0].id, seen[1].id), (ids[0], ids[1]));
    assert_eq!(pc.data(DATA, 4096), pc.blocks(20, 8));
}
