use glassbox_device_api::SaveRestore;
use glassbox_testkit::{Bench, Rng};

use super::*;

const IDENTITY: Identity = Identity {
    vendor: 0x1af4,
    device: 0x1042,
    class: 0x01_0000,
    revision: 1,
    subsystem_vendor: 0x1af4,
    subsystem: 2,
};

fn function(bench: &Bench) -> ConfigSpace {
    let mut space = ConfigSpace::new(IDENTITY);
    assert!(space.add_bar(0, BarKind::Io, 0x20));
    assert!(space.add_bar(1, BarKind::Memory32 { prefetchable: false }, 0x1000));
    assert!(space.add_bar(2, BarKind::Memory64 { prefetchable: true }, 1 << 33));
    assert!(space.add_bar(6, BarKind::Rom, 0x8000));
    space.set_interrupt_pin(1, bench.line(5));
    space
}

#[test]
fn identity_is_read_only() {
    let bench = Bench::new();
    let mut space = function(&bench);
    for at in [0, 8, 0x2c] {
        space.write(at, u32::MAX, 0xf);
    }
    assert_eq!(space.read(0), 0x1042_1af4);
    assert_eq!(space.read(8), 0x0100_0001);
    assert_eq!(space.read(0x2c), 0x0002_1af4);
}

#[test]
fn sizing_reads_back_the_size_and_the_type() {
    let bench = Bench::new();
    let mut space = function(&bench);
    for at in [0x10, 0x14, 0x18, 0x1c, 0x20, 0x30] {
        space.write(at, u32::MAX, 0xf);
    }
    assert_eq!(space.read(0x10), 0xffff_ffe1);
    assert_eq!(space.read(0x14), 0xffff_f000);
    assert_eq!((space.read(0x1c), space.read(0x18)), (0xffff_fffe, 0x0000_000c));
    assert_eq!(space.read(0x20), 0, "no register");
    assert_eq!(space.read(0x30), 0xffff_8001);
}

#[test]
fn windows_appear_with_their_enable_bits_and_move() {
    let bench = Bench::new();
    let mut space = function(&bench);
    space.write(0x10, 0xc000, 0xf);
    space.write(0x14, 0xfebf_1000, 0xf);
    assert!(space.mappings().is_empty(), "decoding is off");
    let version = space.mapping_version();
    space.write(4, 1, 0x3);
    assert_eq!(space.mapping(0), Some(0xc000));
    assert_eq!(space.mapping(1), None);
    assert_ne!(space.mapping_version(), version);
    space.write(4, 3, 0x3);
    assert_eq!(space.mapping(1), Some(0xfebf_1000));
    assert_eq!(space.mapping(2), None, "never placed");
    space.write(0x1c, 8, 0xf);
    assert_eq!(space.mapping(2), Some(8 << 32));
    space.write(0x30, 0xfeb0_0000, 0xf);
    assert_eq!(space.mapping(6), None, "the ROM has its own enable bit");
    space.write(0x30, 0xfeb0_0001, 0xf);
    assert_eq!(space.mapping(6), Some(0xfeb0_0000));
    let version = space.mapping_version();
    space.write(0x3c, 11, 1);
    assert_eq!(space.mapping_version(), version);
    space.reset();
    assert!(space.mappings().is_empty());
}

#[test]
fn io_windows_beyond_the_ports_of_the_processor_are_not_mapped() {
    let bench = Bench::new();
    let mut space = function(&bench);
    space.write(4, 1, 3);
    space.write(0x10, 0x1_0000, 0xf);
    assert_eq!(space.mapping(0), None);
}

#[test]
fn byte_enables_select_bytes() {
    let bench = Bench::new();
    let mut space = function(&bench);
    space.write(0x14, 0xaabb_ccdd, 0b0100);
    assert_eq!(space.read(0x14), 0x00bb_0000);
    space.write(4, 0xffff_ffff, 0b0001);
    assert_eq!(space.u16(4), 0x47);
}

#[test]
fn bars_must_exist_be_free_and_fit() {
    let bench = Bench::new();
    let mut space = function(&bench);
    assert!(!space.add_bar(3, BarKind::Io, 4), "upper half of a 64-bit register");
    assert!(!space.add_bar(5, BarKind::Memory64 { prefetchable: false }, 16));
    assert!(!space.add_bar(4, BarKind::Io, 512));
    assert!(!space.add_bar(7, BarKind::Rom, 4096));
    assert!(space.add_bar(5, BarKind::Memory32 { prefetchable: false }, 1));
}

#[test]
fn interrupt_status_shows_the_pin_and_the_disable_bit_holds_the_wire() {
    let bench = Bench::new();
    let mut space = function(&bench);
    space.set_interrupt(true);
    assert!(bench.level(5));
    assert_eq!(space.u16(6) & 8, 8);
    space.write(4, 1 << 10, 3);
    assert!(!bench.level(5));
    assert_eq!(space.u16(6) & 8, 8);
    space.write(4, 0, 3);
    assert!(bench.level(5));
    space.write(4, u32::MAX, 0xf);
    assert_eq!(space.u16(6) & 8, 8, "not cleared by a write");
    space.reset();
    assert!(!bench.level(5));
}

#[test]
fn capabilities_are_linked_in_order() {
    let mut space = ConfigSpace::new(IDENTITY);
    assert_eq!(space.u16(6) & 0x10, 0);
    let first = space.add_capability(&[9, 0, 0x10, 1, 2], &[0xff; 5]).unwrap();
    let second = space.add_capability(&[5, 0], &[]).unwrap();
    assert_eq!((first, second), (0x40, 0x48));
    assert_eq!((space.u8(0x34), space.u8(0x41), space.u8(0x49)), (0x40, 0x48, 0));
    assert_eq!(space.u16(6) & 0x10, 0x10);
    space.write(0x40, u32::MAX, 0xf);
    assert_eq!(space.read(0x40), 0xffff_4809, "ID and link are read-only");
    assert_eq!(space.add_capability(&[0; 200], &[]), None, "no room");
}

#[test]
fn saved_state_of_another_function_is_refused() {
    let bench = Bench::new();
    let mut space = function(&bench);
    let mut saved = space.save();
    saved.bytes[0] ^= 1;
    assert!(space.restore(saved).is_err());
    let mut short = space.save();
    short.bytes.pop();
    assert!(space.restore(short).is_err());
}

#[test]
fn random_writes_save_and_restore() {
    for seed in 0..32 {
        let (bench, other_bench) = (Bench::new(), Bench::new());
        let (mut space, mut other) = (function(&bench), function(&other_bench));
        let mut rng = Rng::new(seed);
        for _ in 0..200 {
            space.write(rng.next_u64() as u8, rng.next_u64() as u32, rng.next_u64() as u8);
            space.set_interrupt(rng.one_in(2));
        }
        other.restore(space.save()).unwrap();
        assert_eq!(other.save(), space.save());
        assert_eq!(other.mappings(), space.mappings());
        assert_eq!(other_bench.level(5), bench.level(5));
    }
}
