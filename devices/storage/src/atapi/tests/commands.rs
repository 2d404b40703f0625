//! What the packets answer.

use glassbox_testkit::{Bench, MemoryDisk, PortBus};

use super::protocol::{disc, fetch, outcome, rig, send};

/// The answers of a drive with a CD of 1000 sectors.
fn ask(packet: &[u8]) -> Result<Vec<u8>, (u8, u8, u8)> {
    let bench = Bench::new();
    fetch(&mut rig(&bench, &disc(1000)), packet)
}

const INVALID_FIELD: Result<Vec<u8>, (u8, u8, u8)> = Err((5, 0x24, 0x00));

#[test]
fn inquiry_is_cut_to_the_allocation_length() {
    let data = ask(&[0x12, 0, 0, 0, 36]).unwrap();
    assert_eq!((data.len(), data[0], data[1], data[3], data[4]), (36, 5, 0x80, 0x21, 31));
    assert_eq!(&data[8..32], b"GlassboxDVD-ROM         ");
    assert_eq!(ask(&[0x12, 0, 0, 0, 5]).unwrap().len(), 5, "an odd length");
    assert_eq!(ask(&[0x12, 0, 0, 0, 0]).unwrap(), []);
    assert_eq!(ask(&[0x12, 1, 0x80, 0, 64]).unwrap()[4..10], *b"GB0002");
    assert_eq!(ask(&[0x12, 1, 0x55, 0, 64]), INVALID_FIELD);
}

#[test]
fn toc_has_one_data_track_and_the_lead_out() {
    let toc = ask(&[0x43, 0, 0, 0, 0, 0, 0, 0, 255]).unwrap();
    assert_eq!(toc, [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 3, 0xe8]);
    let toc = ask(&[0x43, 2, 0, 0, 0, 0, 0xaa, 0, 255]).unwrap();
    assert_eq!(toc, [0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 15, 25]);
    assert_eq!(ask(&[0x43, 0, 0, 0, 0, 0, 2, 0, 255]), INVALID_FIELD);
    let sessions = ask(&[0x43, 0, 1, 0, 0, 0, 0, 0, 255]).unwrap();
    assert_eq!(sessions, [0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
    assert_eq!(
        ask(&[0x43, 0, 0, 0, 0, 0, 0, 0, 255, 0x40]).unwrap(),
        sessions,
        "the old place of the format"
    );
    let full = ask(&[0x43, 2, 2, 0, 0, 0, 0, 0, 255]).unwrap();
    assert_eq!((full.len(), full[1], full[4 + 3], full[4 + 22 + 3]), (48, 46, 0xa0, 0xa2));
    assert_eq!(full[4 + 22 + 8..4 + 33], [0, 15, 25]);
    assert_eq!(ask(&[0x43, 2, 4, 0, 0, 0, 0, 0, 255]), INVALID_FIELD, "ATIP is for recordable discs");
}

#[test]
fn addresses_beyond_the_disc_are_out_of_range() {
    for packet in [
        &[0x28, 0, 0, 0, 3, 0xe8, 0, 0, 1, 0][..],
        &[0x28, 0, 0, 0, 3, 0xe7, 0, 0, 2, 0],
        &[0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x2b, 0, 0, 0, 3, 0xe8],
        &[0xbe, 0, 0, 0, 3, 0xe8, 0, 0, 1, 0x10],
    ] {
        assert_eq!(ask(packet), Err((5, 0x21, 0x00)), "{:#x}", packet[0]);
    }
    assert_eq!(ask(&[0x28, 0, 0, 0, 3, 0xe8, 0, 0, 0, 0]).unwrap(), [], "no sectors");
    assert_eq!(ask(&[0x2b, 0, 0, 0, 3, 0xe7]).unwrap(), []);
}

#[test]
fn read_cd_fetches_the_chosen_fields() {
    let raw = ask(&[0xbe, 0, 0, 0, 0, 16, 0, 0, 2, 0xf8]).unwrap();
    assert_eq!(raw.len(), 2 * 2352);
    assert_eq!((&raw[12..20], raw[2352 + 19]), (&[0, 2, 0x16, 1, 0, 0, 0, 16][..], 17));
    assert_eq!(ask(&[0xbe, 8, 0, 0, 0, 16, 0, 0, 1, 0x10]).unwrap()[3], 16);
    assert_eq!(ask(&[0xb9, 0, 0, 0, 2, 16, 0, 2, 18, 0x10]).unwrap().len(), 4096);
    assert_eq!(ask(&[0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0]).unwrap(), []);
    assert_eq!(ask(&[0xbe, 4, 0, 0, 0, 16, 0, 0, 1, 0x10]), Err((5, 0x64, 0x00)), "no audio track");
    assert_eq!(ask(&[0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0x10, 1]), INVALID_FIELD, "no sub-channels");
}

#[test]
fn configuration_names_the_profile_of_the_medium() {
    let all = ask(&[0x46, 0, 0, 0, 0, 0, 0, 1, 0]).unwrap();
    assert_eq!(u32::from_be_bytes(all[..4].try_into().unwrap()) as usize, all.len() - 4);
    assert_eq!((all[6], all[7]), (0, 8));
    assert_eq!(all[8..20], [0, 0, 3, 8, 0, 0x10, 0, 0, 0, 8, 1, 0]);
    let one = ask(&[0x46, 2, 0, 0x1e, 0, 0, 0, 0, 64]).unwrap();
    assert_eq!((one.len(), &one[8..12]), (16, &[0, 0x1e, 5, 4][..]));
    let current = ask(&[0x46, 1, 0, 0, 0, 0, 0, 1, 0]).unwrap();
    assert!(current.len() < all.len(), "DVD read is not current");
    let bench = Bench::new();
    let none = fetch(&mut rig(&bench, &MemoryDisk::empty()), &[0x46, 0, 0, 0, 0, 0, 0, 0, 8]).unwrap();
    assert_eq!((none.len(), none[7]), (8, 0));
}

#[test]
fn mode_pages_are_told_and_those_that_can_be_are_set() {
    let bench = Bench::new();
    let mut rig = rig(&bench, &disc(10));
    let capabilities = fetch(&mut rig, &[0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128]).unwrap();
    assert_eq!((capabilities.len(), capabilities[1], &capabilities[8..10]), (28, 26, &[0x2a, 18][..]));
    assert_eq!(fetch(&mut rig, &[0x1a, 0, 0x2a, 0, 128]).unwrap()[4..], capabilities[8..]);
    assert_eq!(fetch(&mut rig, &[0x5a, 0, 0xea, 0, 0, 0, 0, 0, 128]), Err((5, 0x39, 0)));
    assert_eq!(fetch(&mut rig, &[0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128]), INVALID_FIELD);
    let select = |rig: &mut crate::ide::tests::rig::Rig, list: &[u8]| {
        send(rig, &[0x55, 0x10, 0, 0, 0, 0, 0, 0, list.len() as u8], false, 64);
        assert_eq!(outcome(rig), (0x58, 0, list.len() as u16));
        rig.write_block(list);
        (outcome(rig).0, rig.in8(1))
    };
    assert_eq!(select(&mut rig, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 0x20, 9, 0, 0, 0, 0]), (0x50, 0));
    let recovery = fetch(&mut rig, &[0x5a, 0, 1, 0, 0, 0, 0, 0, 128]).unwrap();
    assert_eq!(recovery[8..12], [1, 6, 0x20, 9]);
    assert_eq!(select(&mut rig, &[0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0, 0]), (0x51, 0x54));
    assert_eq!(select(&mut rig, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 60]), (0x51, 0x54));
    assert_eq!(fetch(&mut rig, &[0x5a, 0, 1, 0, 0, 0, 0, 0, 128]).unwrap(), recovery);
}

#[test]
fn disc_and_track_are_finished_data() {
    let info = ask(&[0x51, 0, 0, 0, 0, 0, 0, 0, 64]).unwrap();
    assert_eq!((info.len(), info[1], info[2], info[4]), (34, 32, 0x0e, 1));
    let track = ask(&[0x52, 1, 0, 0, 0, 1, 0, 0, 64]).unwrap();
    assert_eq!((track.len(), track[5], &track[24..28]), (36, 4, &[0, 0, 3, 0xe8][..]));
    assert_eq!(ask(&[0x52, 1, 0, 0, 0, 2, 0, 0, 64]), INVALID_FIELD);
    let q = ask(&[0x42, 2, 0x40, 1, 0, 0, 0, 0, 64]).unwrap();
    assert_eq!((q.len(), q[1], q[3], q[5]), (16, 0x15, 12, 0x14));
    assert_eq!(ask(&[0x44, 0, 0, 0, 0, 5, 0, 0, 8]).unwrap(), [1, 0, 0, 0, 0, 0, 0, 5]);
}

#[test]
fn dvd_structures_are_those_of_a_dvd() {
    assert_eq!(ask(&[0xad, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Err((5, 0x30, 0x02)));
}

#[test]
fn what_the_drive_does_not_know_is_an_illegal_request() {
    for code in [0x04, 0x2a, 0x45, 0x5b, 0xa1, 0xa4, 0xff] {
        assert_eq!(ask(&[code]), Err((5, 0x20, 0x00)), "{code:#x}");
    }
    assert_eq!(ask(&[0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8]), INVALID_FIELD, "events are polled only");
    assert_eq!(ask(&[0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8]).unwrap(), [0, 2, 0x80, 0x10]);
}
