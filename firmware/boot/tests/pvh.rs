//! PVH on handmade ELF files.

mod common;

use common::{Pc, RAM, elf32, elf64, load_at, note, pvh_note};
use glassbox_boot::{BootError, EntryMode, ImageKind, SegmentKind, detect, gpr};
use glassbox_memory::Gpa;

#[test]
fn ebx_points_to_a_version_1_start_info() {
    let pc = Pc::new(RAM);
    let entry_note = pvh_note(0x10_0010);
    let image = elf64(0xFFFF_FFFF_8010_0000, &[load_at(0x10_0000, &[0x90; 64], 64), note(&entry_note)]);
    assert_eq!(detect(&image), ImageKind::Pvh);
    let state = pc.boot(&image, Some(b"module"), "hello").unwrap();

    assert_eq!((state.mode, state.entry), (EntryMode::Protected32, 0x10_0010));
    assert_eq!((state.cr0, state.cr4, state.efer, state.rflags), (0x11, 0, 0, 2));
    assert_eq!((state.cs.kind, state.cs.base, state.cs.limit), (SegmentKind::Code32, 0, u32::MAX));
    assert_eq!((state.tr.kind, state.tr.base, state.tr.limit), (SegmentKind::BusyTss, 0, 0x67));
    let info = state.gprs[gpr::RBX];
    let mut gprs = [0; 16];
    gprs[gpr::RBX] = info;
    assert_eq!(state.gprs, gprs);

    let words: Vec<u32> = (0..4).map(|i| pc.u32(info + 4 * i)).collect();
    assert_eq!(words, [0x336E_C578, 1, 0, 1]);
    let module = pc.u64(info + 16);
    assert_eq!((pc.u64(module), pc.u64(module + 8)), (RAM - 0x1000, 6));
    assert_eq!((pc.u64(module + 16), pc.u64(module + 24)), (0, 0));
    assert_eq!(pc.bytes(RAM - 0x1000, 6), b"module");
    assert_eq!(pc.text(pc.u64(info + 24)), "hello");
    assert_eq!(pc.u64(info + 32), 0xE_0000);
    let memmap = pc.u64(info + 40);
    assert_eq!(pc.u64(info + 48), pc.e820.len() as u64);
    for (i, entry) in pc.e820.iter().enumerate() {
        let at = memmap + 24 * i as u64;
        assert_eq!((pc.bytes(at, 20), pc.u32(at + 20)), (entry.to_bytes().to_vec(), 0));
    }
}

#[test]
fn segments_go_to_their_physical_addresses_and_their_tails_are_zeroed() {
    let pc = Pc::new(RAM);
    pc.memory.write_bytes(Gpa(0x20_0000), &[0xFF; 0x3000]).unwrap();
    let entry_note = pvh_note(0x20_0000);
    let image = elf32(0, &[load_at(0x20_0000, &[1, 2, 3], 0x2001), note(&entry_note)]);
    pc.boot(&image, None, "").unwrap();
    assert_eq!(pc.bytes(0x20_0000, 4), [1, 2, 3, 0]);
    assert_eq!(pc.bytes(0x20_2000, 2), [0, 0xFF]);
}

#[test]
fn a_note_may_follow_others_and_hold_eight_bytes() {
    let pc = Pc::new(RAM);
    let other = [&[4u32, 3, 6].map(u32::to_le_bytes).concat()[..], b"Xen\0", b"abc\0"].concat();
    let wide =
        [&[4u32, 8, 18].map(u32::to_le_bytes).concat()[..], b"Xen\0", &0x10_0000u64.to_le_bytes()].concat();
    let notes = [other, wide].concat();
    let image = elf64(0, &[load_at(0x10_0000, &[0xF4], 1), note(&notes)]);
    assert_eq!(pc.boot(&image, None, "").unwrap().entry, 0x10_0000);
}

#[test]
fn bad_segments_and_entries_are_named() {
    let pc = Pc::new(RAM);
    let boot = |segments: &[common::Segment<'_>]| {
        let entry_note = pvh_note(0x10_0000);
        let mut all = vec![note(&entry_note)];
        all.extend(segments.iter().map(|s| common::Segment { ..*s }));
        pc.boot(&elf64(0, &all), None, "").unwrap_err()
    };
    assert!(matches!(boot(&[load_at(0x20_0000, &[1], 1)]), BootError::EntryOutside(0x10_0000)));
    let good = || load_at(0x10_0000, &[1; 16], 16);
    assert!(matches!(boot(&[good(), load_at(0x10_000F, &[1], 1)]), BootError::Overlap { .. }));
    assert!(matches!(boot(&[good(), load_at(RAM, &[1], 1)]), BootError::OutsideRam { .. }));
    assert!(matches!(boot(&[good(), load_at(0xA_0000, &[1], 1)]), BootError::OutsideRam { .. }));
    assert!(matches!(boot(&[good(), load_at(u64::MAX, &[1], 2)]), BootError::OutsideRam { .. }));
    assert!(matches!(boot(&[good(), load_at(0x20_0000, &[], u64::MAX)]), BootError::OutsideRam { .. }));
    assert!(matches!(boot(&[good(), load_at(0x20_0000, &[1; 9], 8)]), BootError::BadHeader(_)));

    let entry_note = pvh_note(0x10_0000);
    let mut cut = elf64(0, &[note(&entry_note), good()]);
    cut.truncate(cut.len() - 1);
    assert!(matches!(pc.boot(&cut, None, ""), Err(BootError::Truncated { .. })));
    let plain = elf64(0x10_0000, &[good()]);
    assert!(matches!(pc.boot(&plain, None, ""), Err(BootError::ElfWithoutEntry)));
}
