use super::*;

/// Writes all characters, and a line in every colour.
fn draw(pc: &mut Pc, name: &str) -> Frame {
    let columns = pc.bda_u16(0x4a);
    for code in 0..=255u16 {
        let at = (code / 32 + 2) << 8 | (code % 32 + (columns - 32) / 2);
        pc.int10(0x0200, 0, 0, at);
        pc.int10(0x0900 | code, 7 | (code % 8), 1, 0);
    }
    pc.int10(0x0200, 0, 0, 0x0c00);
    pc.print(b"The quick brown fox jumps over the lazy dog.");
    for color in 0..16u16 {
        pc.int10(0x0200, 0, 0, 0x0e00 + (color / 8 * 0x100) + color % 8 * 4);
        pc.int10(0x09db, color, 3, 0);
    }
    pc.show(name)
}

#[test]
fn every_mode_shows_text() {
    for (mode, size) in [
        (0x01, (720, 400)),
        (0x03, (720, 400)),
        (0x04, (640, 400)),
        (0x06, (640, 400)),
        (0x07, (720, 400)),
        (0x0d, (640, 400)),
        (0x0e, (640, 400)),
        (0x0f, (640, 350)),
        (0x10, (640, 350)),
        (0x11, (640, 480)),
        (0x12, (640, 480)),
        (0x13, (640, 400)),
    ] {
        let mut pc = Pc::new();
        pc.set_mode(mode);
        assert_eq!(pc.int10(0x0f00, 0, 0, 0) as u8, mode);
        let frame = draw(&mut pc, &format!("mode-{mode:02x}"));
        assert_eq!((frame.width(), frame.height()), size, "mode {mode:#x}");
        let lit = frame.pixels().iter().filter(|pixel| **pixel != 0).count();
        assert!(lit > 5_000, "mode {mode:#x}: {lit}");
    }
}

#[test]
fn characters_drawn_in_graphics_are_read_back() {
    for mode in [4, 6, 0x0d, 0x10, 0x12, 0x13] {
        let mut pc = Pc::new();
        pc.set_mode(mode);
        for (column, code) in [(0u16, b'A'), (1, b'z'), (7, 0xdb), (20, 0xe3)] {
            pc.int10(0x0200, 0, 0, 0x0300 | column);
            pc.int10(0x0900 | u16::from(code), 3, 1, 0);
            assert_eq!(pc.int10(0x0800, 0, 0, 0) as u8, code, "mode {mode:#x}");
        }
    }
}

#[test]
fn graphics_scroll_by_rows_of_characters() {
    for mode in [4, 6, 0x0d, 0x12, 0x13] {
        let mut pc = Pc::new();
        pc.set_mode(mode);
        pc.int10(0x0200, 0, 0, 0x0302);
        pc.int10(0x0941, 1, 1, 0);
        pc.int10(0x0601, 0, 0, 0x184f);
        pc.int10(0x0200, 0, 0, 0x0202);
        assert_eq!(pc.int10(0x0800, 0, 0, 0) as u8, b'A', "mode {mode:#x}");
        pc.int10(0x0702, 0, 0, 0x184f);
        pc.int10(0x0200, 0, 0, 0x0402);
        assert_eq!(pc.int10(0x0800, 0, 0, 0) as u8, b'A', "mode {mode:#x}");
        pc.int10(0x0600, 0, 0, 0x1d4f);
        assert_eq!(pc.int10(0x0800, 0, 0, 0) as u8, 0, "mode {mode:#x}: a blank cell is character 0");
    }
}

#[test]
fn pixels_are_set_combined_and_read() {
    for (mode, x, y, most) in [
        (4, 319, 199, 3),
        (6, 639, 199, 1),
        (0x0d, 319, 199, 15),
        (0x10, 639, 349, 15),
        (0x12, 639, 479, 15),
        (0x13, 319, 199, 255u16),
    ] {
        let mut pc = Pc::new();
        pc.set_mode(mode);
        for (x, y, color) in [(0, 0, 1), (x, y, most), (5, 101, most & 0x6)] {
            pc.int10(0x0c00 | color, 0, x, y);
            assert_eq!(pc.int10(0x0d00, 0, x, y) as u8, color as u8, "mode {mode:#x}");
        }
        if mode != 0x13 {
            pc.int10(0x0c80 | most, 0, x, y);
            assert_eq!(pc.int10(0x0d00, 0, x, y) as u8, 0, "exclusive or");
        }
        pc.int10(0x0c01, 0, 2000, 3000);
        assert_eq!(pc.int10(0x0d00, 0, 1, 0) as u8, 0);
    }
}

#[test]
fn memory_is_kept_on_request() {
    let mut pc = Pc::new();
    pc.print(b"kept");
    pc.set_mode(0x83);
    assert_eq!(pc.lines()[0].trim_end(), "kept");
    assert_eq!(pc.int10(0x0f00, 0, 0, 0) as u8, 0x83);
    pc.set_mode(3);
    assert_eq!(pc.lines()[0].trim_end(), "");
    pc.set_mode(0x55);
    assert_eq!(pc.int10(0x0f00, 0, 0, 0) as u8, 3, "there is no such mode");
}

#[test]
fn text_has_200_350_or_400_lines_by_option() {
    for (option, lines, height) in [(0, 400, 8), (1, 350, 14), (2, 400, 16)] {
        let mut pc = Pc::new();
        assert_eq!(pc.int10(0x1200 | option, 0x30, 0, 0) as u8, 0x12);
        pc.set_mode(3);
        assert_eq!(pc.board.vga.dimensions().1, lines);
        assert_eq!(pc.bda_u16(0x85), height);
        draw(&mut pc, &format!("mode-03-{height}"));
    }
    let mut pc = Pc::new();
    pc.int10(0x1201, 0x30, 0, 0);
    pc.set_mode(3);
    pc.int10(0x1112, 0, 0, 0);
    assert_eq!((pc.board.vga.text_screen().unwrap().rows, pc.bda_u8(0x84)), (43, 42));
}

#[test]
fn the_eighty_by_fifty_screen_is_drawn() {
    let mut pc = Pc::new();
    pc.int10(0x1112, 0, 0, 0);
    draw(&mut pc, "mode-03-50");
}
