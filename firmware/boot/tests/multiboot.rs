//! Multiboot 1 on handmade images.

mod common;

use common::{Pc, RAM, Segment, elf32, elf64, load_at, multiboot_header};
use glassbox_boot::{BootError, BootRequest, EntryMode, ImageKind, Module, detect, gpr};
use glassbox_memory::Gpa;

/// A flat image: the header at 10h, loaded to 1 MiB.
fn flat(flags: u32, addresses: [u32; 5], len: usize) -> Vec<u8> {
    let mut image = vec![0x90; len];
    common::patch(&mut image, 0x10, &multiboot_header(flags | 1 << 16, &addresses));
    image
}

#[test]
fn a_flat_kernel_gets_the_boot_information() {
    let pc = Pc::new(RAM);
    let image = flat(7, [0x10_0010, 0x10_0000, 0, 0x10_2000, 0x10_0040], 0x1000);
    assert_eq!(detect(&image), ImageKind::Multiboot);
    let state = pc.boot(&image, Some(b"disk"), "kernel -x").unwrap();

    assert_eq!((state.mode, state.entry), (EntryMode::Protected32, 0x10_0040));
    assert_eq!((state.cr0, state.rflags), (0x11, 2));
    let info = state.gprs[gpr::RBX];
    let mut gprs = [0; 16];
    (gprs[gpr::RAX], gprs[gpr::RBX]) = (0x2BAD_B002, info);
    assert_eq!(state.gprs, gprs);
    assert_eq!(pc.bytes(0x10_0000, 0x1000), image);

    let field = |at| u64::from(pc.u32(info + at));
    // Memory, command line, modules, map and loader name; no video.
    assert_eq!(field(0), 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
    assert_eq!((field(4), field(8)), (639, 63 * 1024));
    assert_eq!(pc.text(field(16)), "kernel -x");
    assert_eq!(field(20), 1);
    let module = field(24);
    assert_eq!((pc.u32(module), pc.u32(module + 4)), (0x10_2000, 0x10_2004), "a page above the bss");
    assert_eq!(pc.bytes(0x10_2000, 4), b"disk");
    assert_eq!(pc.text(u64::from(pc.u32(module + 8))), "");
    assert_eq!(field(44), 24 * pc.e820.len() as u64);
    for (i, entry) in pc.e820.iter().enumerate() {
        let at = field(48) + 24 * i as u64;
        assert_eq!((pc.u32(at), pc.bytes(at + 4, 20)), (20, entry.to_bytes().to_vec()));
    }
    assert_eq!(pc.text(field(64)), "glassbox");
    assert_eq!(pc.bytes(info + 72, 44), [0; 44], "no VBE and no frame buffer");
}

#[test]
fn kernels_without_a_gdt_of_their_own_find_the_usual_selectors() {
    let pc = Pc::new(RAM);
    let state = pc.boot(&flat(0, [0x10_0000, 0x10_0000, 0, 0, 0x10_0000], 0x1000), None, "").unwrap();
    assert_eq!((state.cs.selector, state.data.selector, state.tr.selector), (0x08, 0x10, 0x28));
    let descriptor = |selector: u16| {
        let at = state.gdt.base + u64::from(selector);
        (pc.u32(at), pc.u32(at + 4))
    };
    assert_eq!(descriptor(0x08), (0xFFFF, 0x00CF_9B00));
    assert_eq!(descriptor(0x10), (0xFFFF, 0x00CF_9300));
    assert_eq!(u64::from(state.gdt.limit), 0x38 - 1);
}

#[test]
fn modules_follow_the_initrd_each_with_its_string() {
    let pc = Pc::new(RAM);
    let image = flat(0, [0x10_0000, 0x10_0000, 0x10_0100, 0x10_0200, 0x10_0000], 0x1000);
    let request = BootRequest {
        kernel: &image,
        name: "xen",
        initrd: Some(b"first"),
        modules: &[
            Module { image: b"second", cmdline: "vmlinuz console=hvc0" },
            Module { image: b"third", cmdline: "initrd" },
        ],
        cmdline: "console=com1",
        rsdp: None,
        e820: &pc.e820,
        text_screen: false,
    };
    let info = glassbox_boot::load(&pc.memory, &request).unwrap().gprs[gpr::RBX];
    assert_eq!(pc.text(u64::from(pc.u32(info + 16))), "xen console=com1");
    let (count, list) = (pc.u32(info + 20), u64::from(pc.u32(info + 24)));
    let found = (0..u64::from(count)).map(|n| list + 16 * n).map(|entry| {
        let (start, end) = (u64::from(pc.u32(entry)), u64::from(pc.u32(entry + 4)));
        (pc.bytes(start, (end - start) as usize), pc.text(u64::from(pc.u32(entry + 8))))
    });
    let wanted = [("first", ""), ("second", "vmlinuz console=hvc0"), ("third", "initrd")];
    assert_eq!(found.collect::<Vec<_>>(), wanted.map(|(a, b)| (a.as_bytes().to_vec(), b.to_owned())));
}

#[test]
fn load_end_and_bss_end_bound_what_is_loaded_and_zeroed() {
    let pc = Pc::new(RAM);
    pc.memory.write_bytes(Gpa(0x10_0000), &[0xFF; 0x400]).unwrap();
    let image = flat(0, [0x10_0000, 0x10_0000, 0x10_0100, 0x10_0200, 0x10_0000], 0x1000);
    let state = pc.boot(&image, None, "").unwrap();
    assert_eq!(pc.bytes(0x10_0000, 0x100), image[0x10..0x110], "loading starts at the header");
    assert_eq!(pc.bytes(0x10_0100, 0x100), [0; 0x100]);
    assert_eq!(pc.bytes(0x10_0200, 1), [0xFF]);
    assert_eq!(pc.u32(state.gprs[gpr::RBX]) & 1 << 3, 0, "no modules");
}

#[test]
fn elf_kernels_of_both_sizes_are_loaded_by_their_segments() {
    let pc = Pc::new(RAM);
    let code = [multiboot_header(3, &[]), vec![0x90; 20]].concat();
    for image in [
        elf32(0x10_000C, &[load_at(0x10_0000, &code, 0x1000)]),
        elf64(0x10_000C, &[load_at(0x10_0000, &code, 0x1000)]),
        // Linked high: the entry point is virtual.
        elf64(
            0xFFFF_8000_0000_000C,
            &[Segment {
                kind: 1,
                vaddr: 0xFFFF_8000_0000_0000,
                paddr: 0x10_0000,
                bytes: &code,
                memsz: 0x1000,
            }],
        ),
    ] {
        assert_eq!(detect(&image), ImageKind::Multiboot);
        let state = pc.boot(&image, None, "").unwrap();
        assert_eq!(state.entry, 0x10_000C);
        assert_eq!(pc.bytes(0x10_0000, code.len()), code);
    }
}

#[test]
fn a_kernel_in_low_memory_keeps_the_boot_information_off_itself() {
    let pc = Pc::new(RAM);
    let image = flat(0, [0x1010, 0x1000, 0, 0, 0x1040], 0x5000);
    let state = pc.boot(&image, None, "").unwrap();
    assert_eq!(state.gprs[gpr::RBX], 0x6000);
    assert_eq!(pc.bytes(0x1000, 0x5000), image);
}

#[test]
fn the_header_must_be_aligned_whole_and_in_the_first_8_kib() {
    let header = multiboot_header(0, &[]);
    let at = |offset: usize| {
        let mut image = vec![0; 0x3000];
        common::patch(&mut image, offset, &header);
        detect(&image)
    };
    assert_eq!(at(8192 - 12), ImageKind::Multiboot);
    assert_eq!(at(8192 - 8), ImageKind::Unknown);
    assert_eq!(at(2), ImageKind::Unknown);
    assert_eq!(detect(&header), ImageKind::Multiboot);
    let mut bad = header;
    bad[8] ^= 1;
    assert_eq!(detect(&bad), ImageKind::Unknown);
}

#[test]
fn what_cannot_be_done_is_refused() {
    let pc = Pc::new(RAM);
    let refused = |flags, addresses| pc.boot(&flat(flags, addresses, 0x1000), None, "").unwrap_err();
    let good = [0x10_0010, 0x10_0000, 0, 0, 0x10_0000];
    assert!(matches!(refused(1 << 3, good), BootError::MultibootFeatures(8)));
    assert!(matches!(refused(0, [0x10_0010, 0x10_0020, 0, 0, 0]), BootError::BadHeader(_)));
    assert!(matches!(refused(0, [0x10_0010, 0x0F_0000, 0, 0, 0]), BootError::BadHeader(_)));
    assert!(matches!(refused(0, [0x10_0010, 0x10_0000, 0x20_0000, 0, 0]), BootError::Truncated { .. }));
    assert!(matches!(refused(0, [0x10_0010, 0x10_0000, 1, 0, 0]), BootError::BadHeader(_)));
    assert!(matches!(refused(0, [0x10_0010, 0x10_0000, 0, 1, 0]), BootError::BadHeader(_)));
    assert!(matches!(refused(0, [0x10_0010, 0x10_0000, 0, u32::MAX, 0]), BootError::OutsideRam { .. }));
    assert!(matches!(refused(0, [0x10_0010, 0x10_0000, 0, 0, 0x20_0000]), BootError::EntryOutside(_)));
    let no_elf = multiboot_header(0, &[]);
    assert!(matches!(pc.boot(&no_elf, None, ""), Err(BootError::BadHeader(_))));
}
