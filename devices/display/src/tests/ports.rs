//! Register files by their ports, and the beam.

use glassbox_device_api::VmTime;
use glassbox_testkit::{Bench, PortBus};

use super::modes::{TEXT_80, TEXT_MONO, VGA_640, set_mode};
use super::{at, get, set, set_attribute, vga};

#[test]
fn index_and_data_are_bytes_of_a_word() {
    let mut vga = vga(&Bench::new());
    set(&mut vga, 0x3c4, 2, 0xff);
    assert_eq!(vga.in16(at(0x3c4)), 0x0f02, "reserved bits do not hold");
    set(&mut vga, 0x3ce, 8, 0x5a);
    assert_eq!(get(&mut vga, 0x3ce, 8), 0x5a);
    set(&mut vga, 0x3ce, 9, 0xff);
    assert_eq!(get(&mut vga, 0x3ce, 9), 0, "there is no register 9");
}

#[test]
fn the_attribute_controller_takes_index_and_data_in_turn() {
    let mut vga = vga(&Bench::new());
    vga.out8(at(0x3c2), 1);
    vga.in8(at(0x3da));
    vga.out8(at(0x3c0), 0x31);
    vga.out8(at(0x3c0), 0x2a);
    assert_eq!((vga.in8(at(0x3c0)), vga.in8(at(0x3c1))), (0x31, 0x2a));
    vga.out8(at(0x3c0), 0x12);
    vga.in8(at(0x3da));
    vga.out8(at(0x3c0), 0x13);
    assert_eq!(vga.in8(at(0x3c0)), 0x13, "status 1 makes the next write an index");
    assert_eq!(get(&mut vga, 0x3d4, 0x24), 0x93, "undocumented register shows the flip-flop");
}

#[test]
fn the_miscellaneous_output_moves_the_crt_controller() {
    let mut vga = vga(&Bench::new());
    set(&mut vga, 0x3b4, 0x0e, 0x12);
    assert_eq!(get(&mut vga, 0x3b4, 0x0e), 0x12);
    assert_eq!((vga.in8(at(0x3d4)), vga.in8(at(0x3da))), (0xff, 0xff));
    vga.out8(at(0x3c2), 0x67);
    assert_eq!((vga.in8(at(0x3cc)), vga.in8(at(0x3b5))), (0x67, 0xff));
    assert_eq!(get(&mut vga, 0x3d4, 0x0e), 0x12);
    vga.out8(at(0x3da), 0x03);
    assert_eq!(vga.in8(at(0x3ca)), 0x03, "feature control");
}

#[test]
fn the_crt_controller_protects_its_timing() {
    let mut vga = vga(&Bench::new());
    set_mode(&mut vga, &TEXT_80);
    set(&mut vga, 0x3d4, 0, 0x11);
    set(&mut vga, 0x3d4, 7, 0x00);
    assert_eq!(get(&mut vga, 0x3d4, 0), 0x5f);
    assert_eq!(get(&mut vga, 0x3d4, 7), 0x0f, "only the line compare bit changes");
    set(&mut vga, 0x3d4, 0x11, 0x0e);
    set(&mut vga, 0x3d4, 0, 0x11);
    assert_eq!(get(&mut vga, 0x3d4, 0), 0x11);
}

#[test]
fn the_dac_counts_colours_and_entries() {
    let mut vga = vga(&Bench::new());
    vga.out8(at(0x3c8), 0xff);
    for value in [1, 2, 0xff, 4, 5, 6, 7] {
        vga.out8(at(0x3c9), value);
    }
    assert_eq!((vga.in8(at(0x3c7)), vga.in8(at(0x3c8))), (0, 1));
    vga.out8(at(0x3c7), 0xff);
    assert_eq!(vga.in8(at(0x3c7)), 3);
    let read = [(); 7].map(|()| vga.in8(at(0x3c9)));
    assert_eq!(read, [1, 2, 0x3f, 4, 5, 6, 0], "six bits; an entry changes with its blue");
    vga.out8(at(0x3c6), 0x0f);
    assert_eq!(vga.in8(at(0x3c6)), 0x0f);
}

/// How long a bit of status 1 stays set, in nanoseconds, from its next rise.
fn measure(bench: &Bench, vga: &mut crate::Vga, bit: u8) -> (u64, u64) {
    let mut wait = |level: bool| {
        while (vga.in8(at(0x3da)) & bit != 0) != level {
            bench.pass(VmTime(100));
        }
        bench.now().0
    };
    wait(false);
    let rise = wait(true);
    let fall = wait(false);
    (fall - rise, wait(true) - rise)
}

#[test]
fn status_1_follows_the_beam() {
    let bench = Bench::new();
    let mut vga = vga(&bench);
    set_mode(&mut vga, &VGA_640);
    let (retrace, frame) = measure(&bench, &mut vga, 8);
    // 640x480: 800 dots by 525 lines at 25.175 MHz; two lines of retrace.
    assert!((16_682_000..16_685_000).contains(&frame), "{frame}");
    assert!((63_000..64_500).contains(&retrace), "{retrace}");
    bench.set_time(VmTime(20 * frame));
    let (blank, line) = measure(&bench, &mut vga, 1);
    assert!((31_600..32_000).contains(&line), "{line}");
    assert!((6_200..6_600).contains(&blank), "{blank}");
}

#[test]
fn text_runs_at_seventy_hertz() {
    let bench = Bench::new();
    let mut vga = vga(&bench);
    set_mode(&mut vga, &TEXT_80);
    let (_, frame) = measure(&bench, &mut vga, 8);
    assert!((14_266_000..14_270_000).contains(&frame), "{frame}");
}

#[test]
fn the_vertical_interrupt_is_latched_until_cleared() {
    let bench = Bench::new();
    let mut vga = vga(&bench);
    set_mode(&mut vga, &TEXT_80);
    set(&mut vga, 0x3d4, 0x11, 0x0e);
    set(&mut vga, 0x3d4, 0x11, 0x1e);
    assert_eq!(vga.in8(at(0x3c2)) & 0x80, 0);
    bench.pass(VmTime(15_000_000));
    assert_eq!(vga.in8(at(0x3c2)) & 0x80, 0x80);
    set(&mut vga, 0x3d4, 0x11, 0x0e);
    set(&mut vga, 0x3d4, 0x11, 0x1e);
    assert_eq!(vga.in8(at(0x3c2)) & 0x80, 0);
}

#[test]
fn a_monochrome_mode_has_its_own_status() {
    let bench = Bench::new();
    let mut vga = vga(&bench);
    set_mode(&mut vga, &TEXT_MONO);
    assert_eq!(vga.in8(at(0x3da)), 0xff);
    let first = vga.in8(at(0x3ba));
    assert_eq!(vga.in8(at(0x3ba)) ^ first, 0x30, "the diagnostic bits toggle");
    set_attribute(&mut vga, 0, 0);
}
