//! No image, however damaged, makes the loader panic or load what it refuses.

mod common;

use common::{Pc, bzimage, elf32, elf64, load_at, multiboot_header, note, pvh_note};
use proptest::prelude::*;

fn images() -> Vec<Vec<u8>> {
    let entry_note = pvh_note(0x10_0000);
    let header = multiboot_header(7, &[0x10_0000, 0x10_0000, 0, 0, 0x10_0000]);
    let code = [multiboot_header(3, &[]), vec![0x90; 64]].concat();
    vec![
        bzimage(&[0x90; 0x1000]),
        elf64(0, &[load_at(0x10_0000, &[0x90; 64], 0x1000), note(&entry_note)]),
        elf32(0, &[note(&entry_note), load_at(0x10_0000, &[0x90; 64], 0x1000)]),
        elf32(0x10_000C, &[load_at(0x10_0000, &code, 0x100)]),
        [header, vec![0; 256]].concat(),
    ]
}

/// Where headers lie in any of the images.
fn header_offset() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..0x100, 0x1F0usize..0x270, 0x1000usize..0x1080]
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), Just(0xFFFF_FFFF), Just(1 << 63), 0u64..0x200_0000]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_images_are_loaded_or_refused(
        which in 0usize..5,
        patches in prop::collection::vec((header_offset(), value(), 1usize..=8), 0..6),
        keep in prop_oneof![Just(usize::MAX), 0usize..0x1100],
    ) {
        let mut image = images().swap_remove(which);
        for (at, value, len) in patches {
            if at + len <= image.len() {
                image[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
            }
        }
        image.truncate(keep);
        let pc = Pc::new(32 << 20);
        if let Ok(state) = pc.boot(&image, Some(&[1; 100]), "quiet") {
            prop_assert!(pc.memory.lookup(glassbox_memory::Gpa(state.entry)).is_some());
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(Pc::new(1 << 20).boot(&bytes, None, "").is_err());
    }
}
