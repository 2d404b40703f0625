//! Pictures of each family of modes.
//!
//! Each golden is the FNV-1a hash of a picture that a person has looked at. With
//! `GLASSBOX_PICTURES=DIR` the tests write the pictures there as PNG, and print the
//! hashes instead of comparing them.

use glassbox_device_api::{Device, VmTime};
use glassbox_testkit::{Bench, MmioBus, PortBus};

use super::modes::{
    CGA_320, CGA_640, EGA_320, Mode, TEXT_40, TEXT_80, TEXT_MONO, VGA_320, VGA_640, set_mode,
};
use super::{at, load_font, load_palette, set, set_attribute, set_dispi, set_dispi_mode, vga};
use crate::{Frame, Vga, VgaConfig, VideoMemory};

fn ready(bench: &Bench, mode: &Mode) -> Vga {
    let mut vga = vga(bench);
    load_palette(&mut vga);
    set_mode(&mut vga, &TEXT_80);
    load_font(&mut vga);
    set_mode(&mut vga, mode);
    vga
}

fn picture(vga: &mut Vga) -> Frame {
    let mut frame = Frame::new();
    vga.frame(&mut frame);
    frame
}

fn hash(frame: &Frame) -> u64 {
    let bytes = frame.pixels().iter().flat_map(|pixel| pixel.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[track_caller]
fn check(name: &str, vga: &mut Vga, size: (u32, u32), golden: u64) {
    let frame = picture(vga);
    if let Some(dir) = std::env::var_os("GLASSBOX_PICTURES") {
        let path = std::path::Path::new(&dir).join(name).with_extension("png");
        let file = std::fs::File::create(path).unwrap();
        let mut encoder = png::Encoder::new(file, frame.width(), frame.height());
        encoder.set_color(png::ColorType::Rgb);
        let bytes: Vec<u8> =
            frame.pixels().iter().flat_map(|p| [(p >> 16) as u8, (p >> 8) as u8, *p as u8]).collect();
        encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
        println!("{name}: {:#018x}", hash(&frame));
        return;
    }
    assert_eq!((frame.width(), frame.height()), size);
    assert_eq!(hash(&frame), golden, "{name}: {:#018x}", hash(&frame));
}

/// Fills the text window at `base` with all characters in all attributes.
fn write_text(vga: &mut Vga, base: u64, cells: u64) {
    for cell in 0..cells {
        let attribute = cell / 8 % 256;
        vga.write16(base + 2 * cell, (cell & 0xff | attribute << 8) as u16);
    }
}

#[test]
fn text_of_80_columns() {
    let mut vga = ready(&Bench::new(), &TEXT_80);
    write_text(&mut vga, 0x1_8000, 2000);
    set(&mut vga, 0x3d4, 0x0f, 200);
    check("text-80", &mut vga, (720, 400), 0xc752_4212_fec8_707a);
}

#[test]
fn text_of_40_columns_has_dots_twice_as_wide() {
    let mut vga = ready(&Bench::new(), &TEXT_40);
    write_text(&mut vga, 0x1_8000, 1000);
    check("text-40", &mut vga, (720, 400), 0xdf4f_b801_70c0_dea5);
}

#[test]
fn monochrome_text_underlines() {
    let mut vga = ready(&Bench::new(), &TEXT_MONO);
    write_text(&mut vga, 0x1_0000, 2000);
    check("text-mono", &mut vga, (720, 400), 0x583b_0431_615e_2315);
    let frame = picture(&mut vga);
    // Cell 8 has attribute 1: its line 13 is drawn through.
    let lit = |y: u32| frame.row(y)[72..81].iter().filter(|pixel| **pixel != 0).count();
    assert_eq!((lit(13), lit(12)), (9, 1));
}

#[test]
fn cga_graphics() {
    let mut vga = ready(&Bench::new(), &CGA_320);
    for y in 0..200u64 {
        for x in 0..80 {
            vga.write8(0x1_8000 + (y & 1) * 0x2000 + y / 2 * 80 + x, 0x1b ^ (y as u8 / 8).wrapping_mul(0x55));
        }
    }
    check("cga-320", &mut vga, (640, 400), 0x9038_a4bb_8dd2_2725);
    let mut vga = ready(&Bench::new(), &CGA_640);
    for y in 0..200u64 {
        for x in 0..80 {
            let byte = if y % 20 == 0 { 0xff } else { 0x80 >> (y % 8) };
            vga.write8(0x1_8000 + (y & 1) * 0x2000 + y / 2 * 80 + x, byte);
        }
    }
    check("cga-640", &mut vga, (640, 400), 0x86e9_c608_f614_b525);
}

/// Bars of the 16 colours and a diagonal, by write mode 2.
fn draw_planar(vga: &mut Vga, bytes: u64, lines: u64) {
    set(vga, 0x3ce, 5, 2);
    for y in 0..lines {
        for x in 0..bytes {
            set(vga, 0x3ce, 8, 0xff);
            vga.write8(y * bytes + x, (x * 16 / bytes) as u8);
        }
        set(vga, 0x3ce, 8, 0x80 >> (y % 8));
        let at = y * bytes + y / 8 % bytes;
        vga.read8(at);
        vga.write8(at, 15);
    }
    set(vga, 0x3ce, 8, 0xff);
    set(vga, 0x3ce, 5, 0);
}

#[test]
fn planar_graphics() {
    let mut vga = ready(&Bench::new(), &EGA_320);
    draw_planar(&mut vga, 40, 200);
    check("ega-320", &mut vga, (640, 400), 0x10cf_82ac_5a16_78a5);
    let mut vga = ready(&Bench::new(), &VGA_640);
    draw_planar(&mut vga, 80, 480);
    check("vga-640", &mut vga, (640, 480), 0x5e8e_733f_1b46_1c75);
    // Panning by three dots, and a split screen from line 240 on that is not panned.
    set_attribute(&mut vga, 0x13, 3);
    set_attribute(&mut vga, 0x10, 0x21);
    set(&mut vga, 0x3d4, 0x07, 0x2e);
    set(&mut vga, 0x3d4, 0x09, 0x00);
    set(&mut vga, 0x3d4, 0x18, 239);
    set(&mut vga, 0x3d4, 0x0c, 0x10);
    check("vga-640-split", &mut vga, (640, 480), 0xafa0_6d21_0adb_0056);
}

#[test]
fn two_hundred_and_fifty_six_colours() {
    let mut vga = ready(&Bench::new(), &VGA_320);
    for y in 0..200u64 {
        for x in 0..320 {
            vga.write8(y * 320 + x, (x / 20 + y / 12 * 16) as u8);
        }
    }
    check("vga-320", &mut vga, (640, 400), 0xbaa6_82fe_157a_8525);
    // Unchained, at twice the lines and with the second page shown (mode X).
    set(&mut vga, 0x3c4, 4, 0x06);
    set(&mut vga, 0x3d4, 0x14, 0x00);
    set(&mut vga, 0x3d4, 0x17, 0xe3);
    set(&mut vga, 0x3d4, 0x09, 0x40);
    set(&mut vga, 0x3d4, 0x0c, 0x80);
    for plane in 0..4u64 {
        set(&mut vga, 0x3c4, 2, 1 << plane);
        for y in 0..400u64 {
            for x in 0..80 {
                vga.write8(0x8000 + y * 80 + x, ((x * 4 + plane) * y / 400) as u8);
            }
        }
    }
    check("vga-unchained", &mut vga, (640, 400), 0x6dcd_b707_3f65_7d35);
}

#[test]
fn linear_modes_of_every_depth() {
    let golden = [
        0x0736_074f_3b68_d2a5,
        0x1e45_9583_180a_c8a5,
        0xfd30_7246_b99e_5cc5,
        0xbdbe_46ea_4c6c_c855,
        0x9653_f7e1_008c_d9e5,
        0x9653_f7e1_008c_d9e5,
    ];
    for (bits, golden) in [4u16, 8, 15, 16, 24, 32].into_iter().zip(golden) {
        let mut vga = ready(&Bench::new(), &TEXT_80);
        set_dispi_mode(&mut vga, 320, 200, bits);
        set_dispi(&mut vga, 6, 400);
        set_dispi(&mut vga, 8, 16);
        set_dispi(&mut vga, 9, 10);
        let bytes = usize::from(bits.div_ceil(8));
        for y in 0..200u32 {
            for x in 0..320u32 {
                let (red, green, blue) = (x * 255 / 319, y * 255 / 199, 255 - x * 255 / 319);
                let pixel = match bits {
                    8 => x / 20 + y / 13 * 16,
                    15 => red >> 3 << 10 | green >> 3 << 5 | blue >> 3,
                    16 => red >> 3 << 11 | green >> 2 << 5 | blue >> 3,
                    _ => red << 16 | green << 8 | blue,
                };
                let at = (y + 10) * 400 + x + 16;
                if bits == 4 {
                    let group = at / 8;
                    vga.memory().write(group * 4, &[x as u8, y as u8, 0xf0, 0x0f]);
                } else {
                    vga.memory().write(at * bytes as u32, &pixel.to_le_bytes()[..bytes]);
                }
            }
        }
        check(&format!("linear-{bits}"), &mut vga, (320, 200), golden);
    }
}

#[test]
fn only_what_changed_is_converted() {
    let bench = Bench::new();
    let mut vga = ready(&bench, &TEXT_80);
    write_text(&mut vga, 0x1_8000, 2000);
    set(&mut vga, 0x3d4, 0x0a, 0x20);
    let mut frame = Frame::new();
    let first = vga.frame(&mut frame);
    assert!(first.resized);
    assert_eq!(first.rows.as_slice(), std::slice::from_ref(&(0..400)));
    assert!(vga.frame(&mut frame).is_empty());
    vga.write8(0x1_8000 + 160 * 3, b'!');
    let rows = vga.frame(&mut frame).rows;
    assert!(rows.iter().all(|run| run.start >= 48 && run.end <= 64), "{rows:?}");
    assert!(!rows.is_empty());
    assert_eq!(frame.pixels(), picture(&mut vga).pixels(), "an update is as good as a new frame");
    vga.out8(at(0x3c8), 7);
    [0, 63, 0].into_iter().for_each(|level| vga.out8(at(0x3c9), level));
    assert_eq!(
        vga.frame(&mut frame).rows.as_slice(),
        std::slice::from_ref(&(0..400)),
        "a colour may be anywhere"
    );
    set_dispi_mode(&mut vga, 64, 64, 32);
    assert!(vga.frame(&mut frame).resized);
    vga.memory().write(64 * 4 * 9, &[1]);
    vga.memory().write(64 * 4 * 10 + 8, &[1]);
    vga.memory().write(64 * 4 * 20, &[1]);
    assert_eq!(vga.frame(&mut frame).rows, [9..11, 20..21]);
}

#[test]
fn cursor_and_characters_blink_in_their_own_time() {
    let bench = Bench::new();
    let mut vga = ready(&bench, &TEXT_80);
    vga.write16(0x1_8000, 0x0720);
    vga.write16(0x1_8002, 0x87ff);
    let frame_ns = 14_269_000;
    let mut states = Vec::new();
    for _ in 0..4 {
        let frame = picture(&mut vga);
        states.push((frame.row(13)[0] != 0, frame.row(0)[9] != 0));
        bench.pass(VmTime(8 * frame_ns));
    }
    assert_eq!(states, [(true, true), (false, true), (true, false), (false, false)]);
    set_attribute(&mut vga, 0x10, 0x04);
    assert_ne!(picture(&mut vga).row(0)[9 + 8], 0, "bit 7 brightens the background now");
}

#[test]
fn the_ninth_dot_repeats_the_eighth_of_line_graphics_only() {
    let mut vga = ready(&Bench::new(), &TEXT_80);
    set(&mut vga, 0x3d4, 0x0a, 0x20);
    for (cell, code) in [(0u64, 0xc1u16), (1, 0xe1)] {
        vga.write16(0x1_8000 + 2 * cell, 0x0700 | code);
    }
    let frame = picture(&mut vga);
    assert_ne!((frame.row(0)[7], frame.row(0)[8]), (0, 0));
    assert_eq!((frame.row(0)[16] != 0, frame.row(0)[17]), (true, 0));
    set_attribute(&mut vga, 0x10, 0x08);
    assert_eq!(picture(&mut vga).row(0)[8], 0);
    set(&mut vga, 0x3c4, 1, 1);
    assert_eq!(vga.dimensions(), (640, 400));
}

#[test]
fn two_character_maps_make_512_characters() {
    let mut vga = ready(&Bench::new(), &TEXT_80);
    set(&mut vga, 0x3d4, 0x0a, 0x20);
    // The font is in map 0; map 4 (at 2000h) is empty.
    set(&mut vga, 0x3c4, 3, 0x20);
    vga.write16(0x1_8000, 0x0fff);
    vga.write16(0x1_8002, 0x07ff);
    let frame = picture(&mut vga);
    assert_eq!(frame.row(0)[0], 0, "attribute bit 3 chooses map A");
    assert_ne!(frame.row(0)[9], 0);
}

#[test]
fn smooth_scrolling_begins_inside_a_row() {
    let mut vga = ready(&Bench::new(), &TEXT_80);
    write_text(&mut vga, 0x1_8000, 2100);
    set(&mut vga, 0x3d4, 0x0a, 0x20);
    let before = picture(&mut vga);
    set(&mut vga, 0x3d4, 0x08, 5);
    let after = picture(&mut vga);
    assert_eq!(after.row(0), before.row(5));
    assert_eq!(after.row(394), before.row(399));
    // Byte panning by one, and dots by two: 9-dot characters code 0 as 1.
    set(&mut vga, 0x3d4, 0x08, 0x20);
    set_attribute(&mut vga, 0x13, 1);
    assert_eq!(picture(&mut vga).row(0)[..700], before.row(0)[11..711]);
}

#[test]
fn a_blank_screen_is_black() {
    let mut vga = vga(&Bench::new());
    let frame = picture(&mut vga);
    assert_eq!((frame.width(), frame.height()), (640, 480));
    let mut vga = ready(&Bench::new(), &TEXT_80);
    write_text(&mut vga, 0x1_8000, 2000);
    vga.in8(at(0x3da));
    vga.out8(at(0x3c0), 0);
    assert!(picture(&mut vga).pixels().iter().all(|pixel| *pixel == 0), "the palette is the processor's");
    vga.out8(at(0x3c0), 0);
    vga.out8(at(0x3c0), 0x20);
    assert!(picture(&mut vga).pixels().iter().any(|pixel| *pixel != 0));
    set(&mut vga, 0x3c4, 1, 0x20);
    assert!(picture(&mut vga).pixels().iter().all(|pixel| *pixel == 0), "the screen is off");
}

#[test]
fn the_color_select_register_chooses_among_four_palettes() {
    let mut vga = ready(&Bench::new(), &VGA_640);
    draw_planar(&mut vga, 80, 1);
    let color = |vga: &mut Vga| picture(vga).row(0)[640 / 16 + 8];
    let blue = color(&mut vga);
    assert_eq!(blue, 0x0000_aaaa & 0xff);
    set_attribute(&mut vga, 0x14, 0x0c);
    assert_eq!(color(&mut vga), 0xc3_04_3c, "entry C1h");
    set_attribute(&mut vga, 0x10, 0x81);
    set_attribute(&mut vga, 0x14, 0x0f);
    assert_eq!(color(&mut vga), 0xf3_c7_0c, "entry F1h");
    set_attribute(&mut vga, 0x12, 0x0e);
    assert_ne!(color(&mut vga), 0xf3_c7_0c, "plane 0 is disabled");
}

#[test]
fn of_watched_memory_only_pages_that_were_written_are_looked_at() {
    let bench = Bench::new();
    let memory = glassbox_memory::GuestMemory::new(1 << 20).unwrap();
    let block = memory.allocate(1 << 20).unwrap();
    let mut vga =
        Vga::new(bench.vm_clock(), VideoMemory::watched(memory.clone(), block), VgaConfig::default());
    set_dispi_mode(&mut vga, 256, 64, 32);
    let mut frame = Frame::new();
    vga.frame(&mut frame);
    // The processor writes by RAM offset and tells, once for each page and collection.
    let write = |line: u64, tell: bool| {
        memory.write(block.offset() + line * 1024, 0x00ff_ffffu32);
        if tell {
            memory.mark_dirty(block.offset() + line * 1024, 4);
        }
    };
    vga.poll_host();
    vga.frame(&mut frame);
    write(8, true);
    write(20, false);
    assert!(vga.frame(&mut frame).is_empty(), "nobody has asked yet");
    vga.poll_host();
    assert_eq!(vga.frame(&mut frame).rows, std::slice::from_ref(&(8..9)), "line 20 was not told of");
    // A new frame sees everything.
    assert_eq!(picture(&mut vga).row(20)[0], 0x00ff_ffff);
    // The display's own ways of writing tell by themselves.
    use glassbox_pci::PciDevice;
    vga.bar_write(0, 40 * 1024, glassbox_device_api::AccessSize::Byte, 0x55);
    vga.poll_host();
    assert_eq!(vga.frame(&mut frame).rows, std::slice::from_ref(&(40..41)));
    // Text comes through the window at A0000h and needs no telling.
    set_dispi(&mut vga, 4, 0);
    set_mode(&mut vga, &TEXT_80);
    vga.frame(&mut frame);
    set(&mut vga, 0x3d4, 0x0a, 0x20);
    vga.write16(0x1_8000, 0x1f20);
    assert_eq!(vga.frame(&mut frame).rows, std::slice::from_ref(&(0..16)));
    assert!(vga.frame(&mut frame).is_empty());
}
