//! The text screen as text.

use glassbox_testkit::{Bench, MmioBus, PortBus};

use super::modes::{TEXT_40, TEXT_80, VGA_320, set_mode};
use super::{at, set, vga};
use crate::Vga;

fn print(vga: &mut Vga, cell: u64, text: &[u8]) {
    for (i, byte) in (cell..).zip(text) {
        vga.write16(0x1_8000 + 2 * i, 0x0700 | u16::from(*byte));
    }
}

#[test]
fn rows_cursor_and_attributes_are_told() {
    let mut vga = vga(&Bench::new());
    set_mode(&mut vga, &TEXT_80);
    print(&mut vga, 80 * 24, b"C:\\> \xda\xc4\x01");
    set(&mut vga, 0x3d4, 0x0e, 0x07);
    set(&mut vga, 0x3d4, 0x0f, 0x85);
    let screen = vga.text_screen().unwrap();
    assert_eq!((screen.columns, screen.rows, screen.blinks), (80, 25, true));
    assert_eq!(screen.lines()[24].trim_end(), "C:\\> ┌─☺");
    assert_eq!(screen.row(24)[0].attribute, 7);
    let cursor = screen.cursor.unwrap();
    assert_eq!((cursor.column, cursor.row, cursor.lines), (5, 24, (13, 14)));
    set(&mut vga, 0x3d4, 0x0a, 0x20);
    assert_eq!(vga.text_screen().unwrap().cursor, None);
    assert_eq!(screen.row(25), []);
}

#[test]
fn the_start_address_scrolls_and_the_line_compare_splits() {
    let mut vga = vga(&Bench::new());
    set_mode(&mut vga, &TEXT_40);
    print(&mut vga, 0, b"status");
    print(&mut vga, 400, b"scrolled");
    set(&mut vga, 0x3d4, 0x0c, 400u16.to_be_bytes()[0]);
    set(&mut vga, 0x3d4, 0x0d, 400u16.to_be_bytes()[1]);
    // Line 383 is the last above the split: bit 8 is set already, bit 9 has to go.
    set(&mut vga, 0x3d4, 0x09, 0x0f);
    set(&mut vga, 0x3d4, 0x18, 0x7f);
    let screen = vga.text_screen().unwrap();
    assert_eq!((screen.columns, screen.rows), (40, 25));
    let lines = screen.lines();
    assert_eq!((lines[0].trim_end(), lines[24].trim_end()), ("scrolled", "status"));
}

#[test]
fn graphics_have_no_text() {
    let mut vga = vga(&Bench::new());
    assert_eq!(vga.text_screen(), None, "there is no mode after a reset");
    set_mode(&mut vga, &VGA_320);
    assert_eq!(vga.text_screen(), None);
    assert_eq!(vga.dimensions(), (640, 400));
    vga.out8(at(0x3ce), 6);
}
