//! Admin commands.

use super::*;

fn identify(cns: u32, namespace: u32) -> Sqe {
    sqe(0x06).namespace(namespace).prp(DATA, 0).with(10, cns)
}

fn set(feature: u32, value: u32) -> Sqe {
    sqe(0x09).namespace(0).with(10, feature).with(11, value)
}

fn get(feature: u32) -> Sqe {
    sqe(0x0a).namespace(0).with(10, feature)
}

/// Log page `id`, `dwords` long, from byte `offset` on.
fn log(id: u32, dwords: u32, offset: u32) -> Sqe {
    sqe(0x02).namespace(u32::MAX).prp(DATA, 0).with(10, (dwords - 1) << 16 | id).with(12, offset)
}

#[test]
fn identify_controller() {
    let mut pc = Pc::new();
    assert_eq!(pc.admin(identify(1, 0)), (OK, 0));
    let data = pc.data(DATA, 4096);
    assert_eq!(data[0..4], [0x36, 0x1b, 0xf4, 0x1a]);
    assert_eq!(data[4..24], *b"GB0001              ");
    assert_eq!(data[24..40], *b"Glassbox NVMe   ");
    assert_eq!(data[77], 7, "512 KiB");
    assert_eq!(data[80..84], 0x0001_0400u32.to_le_bytes());
    assert_eq!((data[512], data[513]), (0x66, 0x44));
    assert_eq!(data[516..520], [1, 0, 0, 0]);
    assert_eq!(data[256..258], [0, 0], "no optional admin commands");
    assert_eq!(data[536..540], [0, 0, 0, 0], "no SGLs");
    assert!(data[768..].starts_with(b"nqn.2014-08.org.nvmexpress:uuid:"));
    assert_eq!(data[768 + 32..768 + 68].iter().filter(|b| **b == b'-').count(), 4);
}

#[test]
fn identify_namespace_and_its_lists() {
    let mut pc = Pc::new();
    assert_eq!(pc.admin(identify(0, 1)), (OK, 0));
    let data = pc.data(DATA, 4096);
    for at in [0, 8, 16] {
        assert_eq!(data[at..at + 8], DISK_BLOCKS.to_le_bytes());
    }
    assert_eq!((data[25], data[26], data[99]), (0, 0, 0));
    assert_eq!(data[128..132], [0, 0, 9, 0]);
    let eui = data[120..128].to_vec();
    assert_eq!(eui[0] & 3, 2, "locally administered");
    assert_eq!(pc.admin(identify(0, 2)).0, 0x0b);
    assert_eq!(pc.admin(identify(0, u32::MAX)).0, 0x0b);

    assert_eq!(pc.admin(identify(2, 0)), (OK, 0));
    assert_eq!(pc.data(DATA, 8), [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(pc.admin(identify(2, 1)), (OK, 0));
    assert_eq!(pc.data(DATA, 4), [0; 4]);
    assert_eq!(pc.admin(identify(2, 0xffff_fffe)).0, 0x0b);

    assert_eq!(pc.admin(identify(3, 1)), (OK, 0));
    let data = pc.data(DATA, 4096);
    assert_eq!((data[..4].to_vec(), data[4..12].to_vec()), (vec![1, 8, 0, 0], eui));
    assert_eq!((data[12..16].to_vec(), data[22] >> 4, data[24] >> 6), (vec![3, 16, 0, 0], 4, 2));
    assert_eq!(data[32..], [0; 4096 - 32]);
    assert_eq!(pc.admin(identify(6, 0)).0, 0x02);

    pc.disk.insert(vec![0; 1024], true);
    assert_eq!(pc.admin(identify(0, 1)), (OK, 0));
    assert_eq!((pc.data(DATA, 1)[0], pc.data(DATA + 99, 1)[0]), (2, 1), "write-protected");
}

#[test]
fn queues_are_checked() {
    let mut pc = Pc::new();
    let cq =
        |id: u32, size: u32, flags: u32| sqe(5).prp(0x2_0000, 0).with(10, size << 16 | id).with(11, flags);
    let sq =
        |id: u32, size: u32, flags: u32| sqe(1).prp(0x3_0000, 0).with(10, size << 16 | id).with(11, flags);
    assert_eq!(pc.admin(cq(0, 7, 1)).0, 0x101);
    assert_eq!(pc.admin(cq(33, 7, 1)).0, 0x101);
    assert_eq!(pc.admin(cq(1, 0, 1)).0, 0x102);
    assert_eq!(pc.admin(cq(1, 1024, 1)).0, 0x102);
    assert_eq!(pc.admin(cq(1, 7, 0)).0, 0x02, "not contiguous");
    assert_eq!(pc.admin(cq(1, 7, 1).prp(0x2_0010, 0)).0, 0x13);
    assert_eq!(pc.admin(cq(1, 7, 1 << 16 | 3)).0, 0x108, "vector 1 without messages");
    assert_eq!(pc.admin(sq(1, 7, 1 << 16 | 1)).0, 0x100, "no such completion queue");
    assert_eq!(pc.admin(sq(1, 7, 1)).0, 0x101, "the admin queue's");
    assert_eq!(pc.admin(cq(1, 1023, 3)).0, OK);
    assert_eq!(pc.admin(cq(1, 7, 3)).0, 0x101, "exists");
    assert_eq!(pc.admin(sq(9, 7, 1 << 16 | 1)).0, OK);
    assert_eq!(pc.admin(sq(9, 7, 1 << 16 | 1)).0, 0x101);
    let delete_sq = |id: u32| sqe(0).with(10, id);
    let delete_cq = |id: u32| sqe(4).with(10, id);
    assert_eq!(pc.admin(delete_cq(1)).0, 0x10c, "in use");
    assert_eq!((pc.admin(delete_sq(0)).0, pc.admin(delete_cq(0)).0), (0x101, 0x101));
    assert_eq!((pc.admin(delete_sq(1)).0, pc.admin(delete_cq(2)).0), (0x101, 0x101));
    assert_eq!((pc.admin(delete_sq(9)).0, pc.admin(delete_cq(1)).0), (OK, OK));
}

#[test]
fn entry_sizes_have_to_be_set_for_queues() {
    let mut pc = Pc::new();
    pc.bar.write32(0x14, 1);
    assert_eq!(pc.admin(sqe(5).prp(0x2_0000, 0).with(10, 7 << 16 | 1).with(11, 1)).0, 0x102);
}

#[test]
fn deleting_a_queue_gives_up_what_is_under_way() {
    let mut pc = Pc::new();
    let mut pair = pc.pair(1);
    pc.disk.hold(true);
    let id = pc.put(&mut pair, sqe(2).prp(DATA, 0).blocks(0, 1));
    pc.ring(&pair);
    assert_eq!(pc.admin(sqe(0).with(10, 1)).0, OK);
    let seen = pc.next(&mut pair).unwrap();
    assert_eq!((seen.id, seen.status), (id, 0x08));
    pc.disk.release();
    pc.bar.0.poll_host();
    assert_eq!(pc.data(DATA, 512), [0; 512], "nothing is written after that");
}

#[test]
fn features_are_kept_and_told() {
    let mut pc = Pc::new();
    assert_eq!(pc.admin(set(7, 0x0003_0003)), (OK, 0x001f_001f));
    assert_eq!(pc.admin(set(7, 0x0000_ffff)).0, 0x02);
    assert_eq!(pc.admin(get(7)), (OK, 0x001f_001f));
    for (feature, default, value) in [
        (0x01, 7, 0x0102_0303),
        (0x04, 343, 350),
        (0x06, 1, 0),
        (0x08, 0, 0x0a04),
        (0x0a, 0, 1),
        (0x0b, 0, 0x02),
    ] {
        assert_eq!(pc.admin(get(feature)), (OK, default), "{feature:#x}");
        assert_eq!(pc.admin(set(feature, value)), (OK, 0));
        assert_eq!(pc.admin(get(feature)), (OK, value));
        assert_eq!(pc.admin(get(feature | 1 << 8)), (OK, default), "select: default");
        assert_eq!(pc.admin(get(feature | 3 << 8)), (OK, 4), "select: capabilities");
        assert_eq!(pc.admin(set(feature | 1 << 31, value)).0, 0x10d);
        assert_eq!(pc.admin(set(feature, value).namespace(1)).0, 0x10f);
    }
    assert_eq!(pc.admin(set(5, 5).namespace(1)), (OK, 0));
    assert_eq!(pc.admin(get(5).namespace(1)), (OK, 5));
    assert_eq!(pc.admin(get(5 | 3 << 8).namespace(1)), (OK, 6));
    assert_eq!(pc.admin(get(5).namespace(0)).0, 0x0b);
    assert_eq!(pc.admin(set(5, 1 << 16).namespace(1)).0, 0x02);
    assert_eq!(pc.admin(set(9, 1 << 16 | 2)), (OK, 0));
    assert_eq!(pc.admin(get(9).with(11, 2)), (OK, 1 << 16 | 2));
    assert_eq!(pc.admin(get(9).with(11, 33)).0, 0x02);
    assert_eq!(pc.admin(set(2, 1)).0, 0x02, "one power state");
    for unknown in [0x00, 0x03, 0x0c, 0x0f, 0x80, 0xff] {
        assert_eq!((pc.admin(get(unknown)).0, pc.admin(set(unknown, 0)).0), (0x02, 0x02), "{unknown:#x}");
    }
    pc.pair(1);
    assert_eq!(pc.admin(set(7, 0)).0, 0x0c, "too late");
    pc.bar.write32(0x14, 0);
    pc.enable();
    assert_eq!(pc.admin(get(6)), (OK, 1), "a reset forgets");
}

#[test]
fn a_low_threshold_is_a_critical_warning_and_an_event() {
    let mut pc = Pc::new();
    assert_eq!(pc.admin(set(0x0b, 2)), (OK, 0));
    let mut admin = pc.admin;
    let request = pc.put(&mut admin, sqe(0x0c));
    pc.ring(&admin);
    pc.put(&mut admin, set(0x04, 300));
    pc.ring(&admin);
    let seen = pc.next(&mut admin).unwrap();
    assert_eq!((seen.id, seen.result), (request, 0x0002_0101));
    assert_eq!(pc.next(&mut admin).unwrap().status, OK);
    pc.admin = admin;
    assert_eq!(pc.admin(log(2, 128, 0)), (OK, 0));
    assert_eq!(pc.data(DATA, 5), [2, 0x39, 0x01, 100, 10]);
}

#[test]
fn logs() {
    let mut pc = Pc::new();
    assert_eq!(pc.admin(log(0x70, 1, 0)).0, 0x109);
    assert_eq!(pc.admin(log(1, 16, 0)), (OK, 0));
    let entry = pc.data(DATA, 64);
    assert_eq!(entry[..8], 1u64.to_le_bytes(), "the log page before");
    assert_eq!(u16::from_le_bytes([entry[12], entry[13]]) >> 1 & 0x7ff, 0x109);
    assert_eq!(pc.admin(log(3, 128, 0)), (OK, 0));
    assert_eq!(pc.data(DATA, 1), [1]);
    assert_eq!(pc.admin(log(5, 1024, 0)), (OK, 0));
    let effects = pc.data(DATA, 4096);
    assert_eq!((effects[4 * 6], effects[4 * 0x80]), (1, 0), "IDENTIFY, FORMAT");
    assert_eq!((effects[1024 + 4], effects[1024 + 8]), (3, 1), "WRITE, READ");
    assert_eq!(pc.admin(log(5, 1, 1024 + 4)), (OK, 0));
    assert_eq!(pc.data(DATA, 4), [3, 0, 0, 0]);
    assert_eq!(pc.admin(log(5, 1, 2)).0, 0x02);
    assert_eq!(pc.admin(log(5, 1, 4100)).0, 0x02);
    assert_eq!(pc.admin(log(2, 1 << 16, 0).with(11, 0xffff)), (OK, 0), "no more than there is");
}

#[test]
fn what_is_not_there_is_refused() {
    let mut pc = Pc::new();
    // Firmware, namespaces, self-test, keep alive, doorbell buffers, format, security, sanitize.
    for opcode in [0x03, 0x0d, 0x10, 0x11, 0x14, 0x15, 0x18, 0x7c, 0x80, 0x81, 0x82, 0x84, 0xff] {
        assert_eq!(pc.admin(sqe(opcode)).0, 0x01, "{opcode:#x}");
    }
    assert_eq!(pc.admin(sqe(6).with(0, 6 | 1 << 14)).0, 0x02, "SGLs");
    assert_eq!(pc.admin(sqe(6).with(0, 6 | 1 << 8)).0, 0x02, "fused operations");
    assert_eq!(pc.admin(identify(1, 0).prp(1 << 40, 0)).0, 0x04);
    assert_eq!(pc.admin(identify(1, 0).prp(DATA + 2, 0)).0, 0x13);
}

#[test]
fn event_requests_are_limited_and_can_be_aborted() {
    let mut pc = Pc::new();
    let mut admin = pc.admin;
    let ids: Vec<u16> = (0..5).map(|_| pc.put(&mut admin, sqe(0x0c))).collect();
    pc.ring(&admin);
    let seen = pc.next(&mut admin).unwrap();
    assert_eq!((seen.id, seen.status), (ids[4], 0x105));
    pc.put(&mut admin, sqe(8).with(10, u32::from(ids[2]) << 16));
    pc.ring(&admin);
    let seen = pc.next(&mut admin).unwrap();
    assert_eq!((seen.id, seen.status), (ids[2], 0x07));
    assert_eq!(pc.next(&mut admin).unwrap().result, 0);
    pc.admin = admin;
    assert_eq!(pc.admin(sqe(8).with(10, u32::from(ids[2]) << 16)), (OK, 1), "gone already");
}
