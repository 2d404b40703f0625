//! The window at A0000h.

use glassbox_testkit::{Bench, MmioBus, PortBus};

use super::modes::{CGA_320, TEXT_80, TEXT_MONO, VGA_320, VGA_640, set_mode};
use super::{at, set, set_dispi, set_dispi_mode, vga};
use crate::{DirectWindow, Vga};

fn plane(vga: &mut Vga, plane: u8, offset: u64) -> u8 {
    set(vga, 0x3ce, 4, plane);
    vga.read8(offset)
}

fn planes(vga: &mut Vga, offset: u64) -> [u8; 4] {
    [0, 1, 2, 3].map(|i| plane(vga, i, offset))
}

fn planar(bench: &Bench) -> Vga {
    let mut vga = vga(bench);
    set_mode(&mut vga, &VGA_640);
    vga
}

/// Fills the four planes at an offset, and the latches with them.
fn fill(vga: &mut Vga, offset: u64, bytes: [u8; 4]) {
    for (plane, byte) in bytes.into_iter().enumerate() {
        set(vga, 0x3c4, 2, 1 << plane);
        vga.write8(offset, byte);
    }
    set(vga, 0x3c4, 2, 0xf);
    vga.read8(offset);
}

#[test]
fn write_mode_0_rotates_sets_combines_and_masks() {
    let mut vga = planar(&Bench::new());
    fill(&mut vga, 5, [0x0f, 0xf0, 0xaa, 0x55]);
    set(&mut vga, 0x3ce, 0, 0b0001);
    set(&mut vga, 0x3ce, 1, 0b0011);
    set(&mut vga, 0x3ce, 3, 4);
    set(&mut vga, 0x3ce, 8, 0x3c);
    vga.write8(5, 0x21);
    // Planes 0 and 1 take set/reset, 2 and 3 the byte rotated: 12h.
    assert_eq!(planes(&mut vga, 5), [0x3f, 0xc0, 0x92, 0x51]);
    for (operation, expected) in [(1, [0x0c, 0x30]), (2, [0x3f, 0xfc]), (3, [0x33, 0xcc])] {
        set(&mut vga, 0x3ce, 1, 0);
        set(&mut vga, 0x3ce, 3, 0);
        set(&mut vga, 0x3ce, 8, 0xff);
        fill(&mut vga, 5, [0x0f, 0xf0, 0, 0]);
        set(&mut vga, 0x3ce, 3, operation << 3);
        vga.write8(5, 0x3c);
        let read = planes(&mut vga, 5);
        assert_eq!(read[..2], expected, "operation {operation}");
    }
}

#[test]
fn write_mode_1_copies_the_latches() {
    let mut vga = planar(&Bench::new());
    fill(&mut vga, 7, [1, 2, 3, 4]);
    set(&mut vga, 0x3ce, 5, 1);
    set(&mut vga, 0x3c4, 2, 0b1011);
    vga.read8(7);
    vga.write8(0xffff, 0x99);
    assert_eq!(planes(&mut vga, 0xffff), [1, 2, 0, 4]);
}

#[test]
fn write_mode_2_paints_a_colour_and_mode_3_a_pattern() {
    let mut vga = planar(&Bench::new());
    fill(&mut vga, 0, [0; 4]);
    set(&mut vga, 0x3ce, 5, 2);
    set(&mut vga, 0x3ce, 8, 0x81);
    vga.write8(0, 0b0110);
    assert_eq!(planes(&mut vga, 0), [0, 0x81, 0x81, 0]);
    set(&mut vga, 0x3ce, 5, 3);
    set(&mut vga, 0x3ce, 0, 0b1001);
    set(&mut vga, 0x3ce, 8, 0xf0);
    fill_latch(&mut vga, 0);
    vga.write8(0, 0x99);
    assert_eq!(planes(&mut vga, 0), [0x90, 0x01, 0x01, 0x90]);
}

fn fill_latch(vga: &mut Vga, offset: u64) {
    vga.read8(offset);
}

#[test]
fn read_mode_1_compares_colours() {
    let mut vga = planar(&Bench::new());
    fill(&mut vga, 3, [0xf0, 0xcc, 0, 0]);
    set(&mut vga, 0x3ce, 5, 8);
    set(&mut vga, 0x3ce, 7, 0xf);
    for (color, expected) in [(0, 0x03), (1, 0x30), (2, 0x0c), (3, 0xc0), (4, 0)] {
        set(&mut vga, 0x3ce, 2, color);
        assert_eq!(vga.read8(3), expected, "colour {color}");
    }
    set(&mut vga, 0x3ce, 7, 1);
    set(&mut vga, 0x3ce, 2, 1);
    assert_eq!(vga.read8(3), 0xf0);
    set(&mut vga, 0x3ce, 7, 0);
    assert_eq!(vga.read8(3), 0xff, "no plane is compared");
}

#[test]
fn wide_accesses_are_bytes_in_order() {
    let mut vga = planar(&Bench::new());
    vga.write64(0, 0x0807_0605_0403_0201);
    assert_eq!(vga.read32(2), 0x0605_0403);
    assert_eq!((vga.read16(6), vga.read64(0)), (0x0807, 0x0807_0605_0403_0201));
    // A byte copy by latches works in wide steps as well, but only byte by byte.
    set(&mut vga, 0x3ce, 5, 1);
    vga.read32(0);
    vga.write16(8, 0);
    assert_eq!(vga.read16(8), 0x0404);
}

#[test]
fn chain_4_spreads_bytes_over_planes() {
    let mut vga = vga(&Bench::new());
    set_mode(&mut vga, &VGA_320);
    vga.write32(4, 0x0403_0201);
    assert_eq!(vga.read32(4), 0x0403_0201);
    set(&mut vga, 0x3c4, 4, 6);
    assert_eq!(planes(&mut vga, 4), [1, 2, 3, 4], "address bits 0 and 1 are clear in the plane");
    assert_eq!(planes(&mut vga, 1), [0; 4]);
    set(&mut vga, 0x3c4, 2, 0b0100);
    vga.write8(4, 9);
    set(&mut vga, 0x3c4, 4, 0x0e);
    assert_eq!(vga.read32(4), 0x0409_0201);
}

#[test]
fn odd_and_even_addresses_are_planes_of_text() {
    let mut vga = vga(&Bench::new());
    set_mode(&mut vga, &TEXT_80);
    vga.write16(0x1_8002, 0x1f41);
    assert_eq!((vga.read8(0x1_8002), vga.read8(0x1_8003)), (0x41, 0x1f));
    assert_eq!((vga.read8(0x2), vga.read8(0x1_0002)), (0xff, 0xff), "only B8000h responds");
    set(&mut vga, 0x3c4, 4, 6);
    set(&mut vga, 0x3ce, 5, 0);
    set(&mut vga, 0x3ce, 6, 4);
    assert_eq!(planes(&mut vga, 2), [0x41, 0x1f, 0, 0]);
    assert_eq!(planes(&mut vga, 3), [0; 4]);
}

#[test]
fn windows_are_where_the_graphics_controller_says() {
    let mut vga = vga(&Bench::new());
    for (mode, inside, outside) in [
        (&TEXT_MONO, 0x1_7fffu64, 0x1_8000u64),
        (&TEXT_80, 0x1_ffff, 0x1_7fff),
        (&VGA_320, 0xffff, 0x1_0000),
        (&CGA_320, 0x1_8000, 0),
    ] {
        set_mode(&mut vga, mode);
        vga.write8(inside, 0x5a);
        vga.write8(outside, 0x5a);
        assert_eq!((vga.read8(inside), vga.read8(outside)), (0x5a, 0xff));
    }
    vga.out8(at(0x3c2), 0x61);
    assert_eq!(vga.read8(0x1_8000), 0xff, "memory is disabled");
}

#[test]
fn plain_chain_4_can_be_mapped_and_anything_else_not() {
    let mut vga = vga(&Bench::new());
    assert_eq!(vga.direct_window(), None);
    set_mode(&mut vga, &VGA_320);
    let window = DirectWindow { offset: 0, len: 0x1_0000, memory_offset: 0 };
    assert_eq!(vga.direct_window(), Some(window));
    vga.write32(0x1234, 0x0403_0201);
    let mut bytes = [0; 4];
    vga.memory().read(0x1234, &mut bytes);
    assert_eq!(bytes, [1, 2, 3, 4], "the mapping and the slow way lead to the same bytes");
    let version = vga.direct_version();
    for (port, index, value, usual) in
        [(0x3c4, 2, 7, 0xf), (0x3ce, 8, 0xfe, 0xff), (0x3ce, 5, 0x41, 0x40), (0x3c4, 4, 6, 0xe)]
    {
        set(&mut vga, port, index, value);
        assert_eq!(vga.direct_window(), None, "{port:#x} {index}");
        set(&mut vga, port, index, usual);
        assert_eq!(vga.direct_window(), Some(window));
    }
    assert_eq!(vga.direct_version(), version + 8);
    set_mode(&mut vga, &VGA_640);
    assert_eq!(vga.direct_window(), None);
    set_dispi_mode(&mut vga, 640, 480, 8);
    set_dispi(&mut vga, 5, 3);
    assert_eq!(vga.direct_window(), Some(DirectWindow { memory_offset: 0x3_0000, ..window }));
}

#[test]
fn planes_of_dispi_go_on_into_the_next_bank() {
    let mut vga = vga(&Bench::new());
    set_dispi_mode(&mut vga, 800, 600, 4);
    vga.out8(at(0x3c2), 0x63);
    set(&mut vga, 0x3c4, 2, 0xf);
    set(&mut vga, 0x3c4, 4, 6);
    set(&mut vga, 0x3ce, 8, 0xff);
    vga.write8(9, 0x77);
    set_dispi(&mut vga, 5, 1);
    assert_eq!(vga.read8(9), 0);
    vga.write8(9, 0x88);
    let mut group = [0; 4];
    vga.memory().read((0x1_0000 + 9) * 4, &mut group);
    assert_eq!(group, [0x88; 4]);
    set_dispi(&mut vga, 5, 0);
    assert_eq!(vga.read8(9), 0x77);
}
