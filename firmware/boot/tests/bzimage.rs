//! The Linux/x86 boot protocol on handmade images: exact memory and registers.

mod common;

use common::{Pc, RAM, bzimage, patch};
use glassbox_boot::{BootError, EntryMode, SegmentKind, gpr};
use glassbox_memory::Gpa;

const KERNEL: u64 = 0x100_0000;

fn body() -> Vec<u8> {
    (0..0x1000u32).map(|i| (i % 251) as u8).collect()
}

#[test]
fn a_64_bit_kernel_is_entered_in_long_mode_with_rsi_at_the_zero_page() {
    let pc = Pc::new(RAM);
    let state = pc.boot(&bzimage(&body()), None, "console=ttyS0").unwrap();

    assert_eq!(state.entry, KERNEL + 0x200);
    assert_eq!(pc.bytes(KERNEL, 0x1000), body());
    let EntryMode::Long { cr3 } = state.mode else { panic!("{:?}", state.mode) };
    assert_eq!(pc.u64(cr3.0), (cr3.0 + 0x1000) | 3);
    assert_eq!((state.cr0, state.cr4, state.efer, state.rflags), (0x8000_0011, 0x20, 0x500, 2));

    let mut gprs = [0; 16];
    gprs[gpr::RSI] = 0x1000;
    assert_eq!(state.gprs, gprs);
    assert_eq!((state.cs.selector, state.cs.kind), (0x10, SegmentKind::Code64));
    assert_eq!((state.data.selector, state.data.kind), (0x18, SegmentKind::Data));
    assert_eq!(pc.u64(state.gdt.base + 0x10), 0x00AF_9B00_0000_FFFF);
    assert_eq!(pc.u64(state.gdt.base + 0x18), 0x00CF_9300_0000_FFFF);
    assert_eq!(state.gdt.limit, 47);
}

#[test]
fn the_zero_page_holds_the_header_and_what_the_loader_adds_and_nothing_else() {
    let pc = Pc::new(RAM);
    let image = bzimage(&body());
    let initrd = [0x5A; 5000];
    let state = pc.boot(&image, Some(&initrd), "root=/dev/ram").unwrap();
    let page = state.gprs[gpr::RSI];

    let cmdline = pc.u32(page + 0x228);
    assert_eq!(pc.text(u64::from(cmdline)), "root=/dev/ram");
    let ramdisk = RAM - 0x2000;
    assert_eq!(pc.bytes(ramdisk, 5000), initrd);

    let mut expected = vec![0; 4096];
    // The header ends at 202h + 6Ah.
    expected[0x1F1..0x26C].copy_from_slice(&image[0x1F1..0x26C]);
    patch(&mut expected, 0x070, &0xE_0000u64.to_le_bytes());
    patch(&mut expected, 0x1E8, &[pc.e820.len() as u8]);
    patch(&mut expected, 0x210, &[0xFF]);
    patch(&mut expected, 0x214, &(KERNEL as u32).to_le_bytes());
    patch(&mut expected, 0x218, &(ramdisk as u32).to_le_bytes());
    patch(&mut expected, 0x21C, &5000u32.to_le_bytes());
    patch(&mut expected, 0x228, &cmdline.to_le_bytes());
    for (i, entry) in pc.e820.iter().enumerate() {
        patch(&mut expected, 0x2D0 + 20 * i, &entry.to_bytes());
    }
    assert_eq!(pc.bytes(page, 4096), expected);
}

#[test]
fn a_kernel_hears_of_a_screen_where_there_is_one() {
    let pc = Pc { text_screen: true, ..Pc::new(RAM) };
    let page = pc.boot(&bzimage(&body()), None, "").unwrap().gprs[gpr::RSI];
    let [mode, columns, lines, vga] = [0x06, 0x07, 0x0E, 0x0F].map(|at| pc.bytes(page + at, 1)[0]);
    assert_eq!([mode, columns, lines, vga], [3, 80, 25, 1]);
    assert_eq!(pc.bytes(page + 0x10, 2), [16, 0], "lines of a character");
}

#[test]
fn a_video_mode_is_left_to_the_setup_code_where_there_is_a_screen() {
    let image = bzimage(&body());
    let blind = Pc::new(RAM).boot(&image, None, "vga=0x317").unwrap();
    assert!(matches!(blind.mode, EntryMode::Long { .. }));

    let pc = Pc { text_screen: true, ..Pc::new(RAM) };
    let state = pc.boot(&image, Some(&[0x5A; 5000]), "vga=0x317").unwrap();
    assert_eq!((state.mode, state.entry, state.cr0), (EntryMode::Real, 0, 0x10));
    assert_eq!((state.cs.selector, state.cs.base, state.cs.kind), (0x1020, 0x1_0200, SegmentKind::Code16));
    assert_eq!((state.data.selector, state.data.kind), (0x1000, SegmentKind::Data16));
    assert_eq!((state.gprs[gpr::RSP], state.idt.limit), (0xE000, 0x3FF));
    let mut expected = image[..1024].to_vec();
    patch(&mut expected, 0x1FA, &[0x17, 0x03]);
    patch(&mut expected, 0x210, &[0xFF, 0x81]);
    patch(&mut expected, 0x214, &(KERNEL as u32).to_le_bytes());
    patch(&mut expected, 0x218, &(RAM as u32 - 0x2000).to_le_bytes());
    patch(&mut expected, 0x21C, &5000u32.to_le_bytes());
    patch(&mut expected, 0x224, &[0x00, 0xDE]);
    patch(&mut expected, 0x228, &0x1_E000u32.to_le_bytes());
    assert_eq!(pc.bytes(0x1_0000, 1024), expected);
    assert_eq!(pc.text(0x1_E000), "vga=0x317");
    assert_eq!(pc.bytes(KERNEL, 0x1000), body());
}

#[test]
fn without_the_64_bit_flag_the_kernel_is_entered_at_its_start_with_paging_off() {
    let pc = Pc::new(RAM);
    let mut image = bzimage(&body());
    patch(&mut image, 0x236, &[0]);
    let state = pc.boot(&image, None, "").unwrap();
    assert_eq!((state.mode, state.entry), (EntryMode::Protected32, KERNEL));
    assert_eq!((state.cr0, state.cr4, state.efer), (0x11, 0, 0));
    assert_eq!(state.gprs[gpr::RSI], 0x1000);
    assert_eq!((state.cs.selector, state.cs.kind), (0x10, SegmentKind::Code32));
    assert_eq!(pc.u64(state.gdt.base + 0x10), 0x00CF_9B00_0000_FFFF);
}

#[test]
fn a_kernel_that_is_not_relocatable_goes_to_one_mib_before_protocol_2_10() {
    let pc = Pc::new(RAM);
    let mut image = bzimage(&body());
    patch(&mut image, 0x206, &0x0204u16.to_le_bytes());
    let state = pc.boot(&image, None, "").unwrap();
    assert_eq!((state.mode, state.entry), (EntryMode::Protected32, 0x10_0000));
    assert_eq!(pc.bytes(0x10_0000, 16), body()[..16]);
}

#[test]
fn a_relocatable_kernel_moves_up_when_its_preferred_place_is_not_ram() {
    let mut pc = Pc::new(RAM);
    let mut map = glassbox_tables::E820Map::new();
    map.add(Gpa(0), RAM, glassbox_tables::E820Kind::Ram);
    map.add(Gpa(0x100_0000), 0x1000, glassbox_tables::E820Kind::Reserved);
    pc.e820 = map.build();
    let state = pc.boot(&bzimage(&body()), None, "").unwrap();
    assert_eq!(state.entry, 0x120_0200, "the lowest multiple of kernel_alignment behind the hole");
    assert_eq!(pc.u32(state.gprs[gpr::RSI] + 0x214), 0x120_0000);
    let mut fixed = bzimage(&body());
    patch(&mut fixed, 0x234, &[0]);
    assert!(matches!(pc.boot(&fixed, None, ""), Err(BootError::MemoryTooSmall { .. })));
}

#[test]
fn no_kernel_is_put_below_its_preferred_place() {
    // It would move itself back up, to where there is no RAM.
    let refused = Pc::new(16 << 20).boot(&bzimage(&body()), None, "");
    assert!(matches!(refused, Err(BootError::MemoryTooSmall { .. })), "{refused:?}");
}

#[test]
fn the_initrd_stays_below_initrd_addr_max_and_off_the_kernel() {
    let pc = Pc::new(RAM);
    let mut image = bzimage(&body());
    patch(&mut image, 0x22C, &0x1FF_FFFFu32.to_le_bytes());
    let state = pc.boot(&image, Some(&[1; 0x1000]), "").unwrap();
    assert_eq!(pc.u32(state.gprs[gpr::RSI] + 0x218), 0x1FF_F000);

    // The kernel uses 16 to 24 MiB: 8 MiB are left above it, 15 below.
    let size = |n: usize| pc.boot(&image, Some(&vec![1; n]), "");
    assert!(size(8 << 20).is_ok());
    let state = size(15 << 20).unwrap();
    assert_eq!(pc.u32(state.gprs[gpr::RSI] + 0x218), 0x10_0000);
    assert!(matches!(size((15 << 20) + 1), Err(BootError::InitrdTooLarge { below: 0x200_0000, .. })));
}

#[test]
fn the_command_line_may_be_as_long_as_the_kernel_says() {
    let pc = Pc::new(RAM);
    let image = bzimage(&body());
    let state = pc.boot(&image, None, &"x".repeat(2047)).unwrap();
    let at = u64::from(pc.u32(state.gprs[gpr::RSI] + 0x228));
    assert_eq!(pc.text(at).len(), 2047);
    let refused = pc.boot(&image, None, &"x".repeat(2048));
    assert!(matches!(refused, Err(BootError::CommandLineTooLong { len: 2048, limit: 2047 })));
    assert!(matches!(pc.boot(&image, None, "a\0b"), Err(BootError::CommandLineNul)));
}

#[test]
fn damaged_headers_are_named() {
    let pc = Pc::new(RAM);
    let boot = |change: fn(&mut Vec<u8>)| {
        let mut image = bzimage(&body());
        change(&mut image);
        pc.boot(&image, None, "").unwrap_err()
    };
    assert!(matches!(boot(|i| i.truncate(0x240)), BootError::Truncated { .. }));
    assert!(matches!(boot(|i| i.truncate(0x800)), BootError::Truncated { need: 0x1400, have: 0x800, .. }));
    assert!(matches!(boot(|i| patch(i, 0x1F1, &[255])), BootError::Truncated { .. }));
    assert!(matches!(boot(|i| patch(i, 0x1F4, &[0xFF; 4])), BootError::Truncated { .. }));
    assert!(matches!(boot(|i| patch(i, 0x1F4, &[0; 4])), BootError::BadHeader(_)));
    assert!(matches!(boot(|i| patch(i, 0x230, &[3, 0, 0, 0])), BootError::BadHeader(_)));
    assert!(matches!(boot(|i| patch(i, 0x211, &[0])), BootError::OldProtocol { major: 2, minor: 15 }));
    assert!(matches!(boot(|i| patch(i, 0x260, &[0xFF; 4])), BootError::MemoryTooSmall { .. }));
    assert!(matches!(boot(|i| patch(i, 0x1F4, &[0x10, 0, 0, 0])), BootError::EntryOutside(_)));
}

#[test]
fn a_boot_over_an_earlier_one_leaves_no_stale_zero_page() {
    let pc = Pc::new(RAM);
    let first = pc.boot(&bzimage(&body()), Some(&[1; 64]), "one").unwrap();
    let second = pc.boot(&bzimage(&body()), None, "two").unwrap();
    assert_eq!(first, second);
    assert_eq!(pc.u64(second.gprs[gpr::RSI] + 0x218), 0, "no initrd");
    pc.memory.write_bytes(Gpa(0x1000), &[0]).unwrap();
}

#[test]
fn the_memory_map_is_believed_but_checked() {
    let image = bzimage(&body());
    let mut pc = Pc::new(RAM);
    pc.e820.clear();
    assert!(matches!(pc.boot(&image, None, ""), Err(BootError::MemoryTooSmall { .. })));

    let mut pc = Pc::new(8 << 20);
    pc.e820 = glassbox_tables::pc_memory_map(RAM, 0, &[]);
    assert!(matches!(pc.boot(&image, None, ""), Err(BootError::Memory(_))), "RAM that is not there");

    let mut pc = Pc::new(RAM);
    let holes = (0..64).map(|i| (0x100_0000 + 0x80_0000 + i * 0x2000, 0x1000));
    let mut map = glassbox_tables::E820Map::new();
    map.add(Gpa(0), RAM, glassbox_tables::E820Kind::Ram);
    for (start, len) in holes {
        map.add(Gpa(start), len, glassbox_tables::E820Kind::Reserved);
    }
    pc.e820 = map.build();
    assert!(matches!(pc.boot(&image, None, ""), Err(BootError::TooManyRanges(129, 128))));
}
