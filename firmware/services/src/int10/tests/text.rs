use super::*;

#[test]
fn post_leaves_80_by_25_with_a_cursor_at_home() {
    let mut pc = Pc::new();
    let screen = pc.board.vga.text_screen().unwrap();
    assert_eq!((screen.columns, screen.rows), (80, 25));
    assert_eq!(screen.cursor.map(|c| (c.row, c.column, c.lines)), Some((0, 0, (13, 14))));
    assert!(screen.cells.iter().all(|cell| (cell.code, cell.attribute) == (b' ', 7)));
    assert_eq!(pc.int10(0x0f00, 0, 0, 0), 80 << 8 | 3);
    assert_eq!(
        (pc.bda_u16(0x4c), pc.bda_u16(0x63), pc.bda_u8(0x84), pc.bda_u16(0x85)),
        (0x1000, 0x3d4, 24, 16)
    );
    assert_eq!(pc.bda_u16(0x10) & 0x30, 0x20);
}

#[test]
fn teletype_wraps_scrolls_and_obeys_controls() {
    let mut pc = Pc::new();
    pc.print(b"first\r\nsecond\x08D");
    pc.print(&[b'x'; 81]);
    let lines = pc.lines();
    assert_eq!(lines[0].trim_end(), "first");
    assert!(lines[1].starts_with("seconDxxx"));
    assert_eq!(lines[2].trim_end(), "xxxxxxx");
    pc.print(&b"\n".repeat(23));
    assert_eq!(pc.lines()[0].trim_end().len(), 80, "one row has left");
    assert_eq!(pc.int10(0x0300, 0, 0, 0), 0x0300);
    assert_eq!((pc.regs.dx.word(), pc.regs.cx.word()), (24 << 8 | 7, 0x0d0e));
}

#[test]
fn the_bell_rings_while_the_caller_waits() {
    let mut pc = Pc::new();
    pc.regs.ax.set_word(0x0e07);
    assert_eq!(pc.call(), Flow::Wait);
    assert_eq!(pc.board.port_b & 3, 3);
    pc.board.clock.advance(VmTime(100_000_000));
    assert_eq!(pc.call(), Flow::Wait);
    pc.board.clock.advance(VmTime(150_000_000));
    assert_eq!(pc.call(), Flow::Done);
    assert_eq!(pc.board.port_b & 3, 0);
}

#[test]
fn windows_scroll_up_and_down() {
    let mut pc = Pc::new();
    for row in 0..25u8 {
        pc.int10(0x0200, 0, 0, u16::from(row) << 8);
        pc.int10(0x0900 | u16::from(b'a' + row), 7, 80, 0);
    }
    let column = |pc: &Pc, column: usize| -> String {
        pc.lines().iter().filter_map(|line| line.chars().nth(column)).collect()
    };
    // Rows 2 to 6, columns 10 to 12, by two up, with attribute 1Eh.
    pc.int10(0x0602, 0x1e00, 0x020a, 0x060c);
    assert_eq!(column(&pc, 10), "abefg  hijklmnopqrstuvwxy");
    assert_eq!(column(&pc, 13), "abcdefghijklmnopqrstuvwxy");
    assert_eq!(pc.board.vga.text_screen().unwrap().row(5)[12].attribute, 0x1e);
    pc.int10(0x0701, 0x0700, 0x0000, 0x184f);
    assert_eq!(column(&pc, 0), " abcdefghijklmnopqrstuvwx");
    pc.int10(0x0600, 0x0700, 0x0000, 0xffff);
    assert!(pc.lines().iter().all(|line| line.trim().is_empty()), "corners are bounded by the screen");
    // Upside down and out of the screen: nothing happens.
    pc.int10(0x0600, 0x0700, 0x1000, 0x0500);
    pc.int10(0x0600, 0x0700, 0xff00, 0xff50);
}

#[test]
fn characters_are_written_and_read_with_attributes() {
    let mut pc = Pc::new();
    pc.int10(0x0200, 0, 0, 0x0510);
    pc.int10(0x0900 | 0x41, 0x1f, 3, 0);
    assert_eq!(pc.int10(0x0800, 0, 0, 0), 0x1f41);
    pc.int10(0x0a42, 0x99, 1, 0);
    assert_eq!(pc.int10(0x0800, 0, 0, 0), 0x1f42, "AH=0Ah keeps the attribute");
    assert_eq!(&pc.lines()[5][16..20], "BAA ");
    // A count beyond the page's end is cut.
    pc.int10(0x0200, 0, 0, 0x184f);
    pc.int10(0x0943, 7, 0xffff, 0);
    assert_eq!(&pc.lines()[24][78..], " C");
    assert_eq!(pc.lines()[0].trim_end(), "");
}

#[test]
fn pages_have_their_own_text_and_cursor() {
    let mut pc = Pc::new();
    pc.int10(0x0200, 0x0100, 0, 0x0203);
    pc.int10(0x0958, 0x0107, 1, 0);
    assert_eq!(pc.lines()[2].trim_end(), "");
    pc.int10(0x0501, 0, 0, 0);
    assert_eq!(pc.lines()[2].trim_end(), "   X");
    assert_eq!((pc.bda_u8(0x62), pc.bda_u16(0x4e)), (1, 0x1000));
    let cursor = pc.board.vga.text_screen().unwrap().cursor.unwrap();
    assert_eq!((cursor.row, cursor.column), (2, 3));
    pc.int10(0x0509, 0, 0, 0);
    assert_eq!(pc.bda_u8(0x62), 1, "there is no page 9");
}

#[test]
fn strings_carry_attributes_or_not() {
    let mut pc = Pc::new();
    pc.board.memory[0x2_0000..0x2_0006].copy_from_slice(b"H\x1fi\x2e\r\n");
    pc.regs.es = SegmentRegister::real(0x2000);
    pc.regs.bp.set_word(0);
    pc.int10(0x1303, 0, 2, 0x0405);
    let screen = pc.board.vga.text_screen().unwrap();
    assert_eq!(
        screen.row(4)[5..7].iter().map(|c| (c.code, c.attribute)).collect::<Vec<_>>(),
        [(b'H', 0x1f), (b'i', 0x2e)]
    );
    pc.int10(0x0300, 0, 0, 0);
    assert_eq!(pc.regs.dx.word(), 0x0407);
    pc.regs.bp.set_word(4);
    pc.int10(0x1301, 7, 2, 0xff00);
    pc.int10(0x0300, 0, 0, 0);
    assert_eq!(pc.regs.dx.word(), 0x0500);
}

#[test]
fn the_font_of_eight_rows_gives_fifty() {
    let mut pc = Pc::new();
    pc.int10(0x1112, 0, 0, 0);
    let screen = pc.board.vga.text_screen().unwrap();
    assert_eq!((screen.columns, screen.rows), (80, 50));
    assert_eq!((pc.bda_u8(0x84), pc.bda_u16(0x85), pc.bda_u16(0x4c)), (49, 8, 0x2000));
    pc.print(&b"\n".repeat(60));
    pc.print(b"bottom");
    assert_eq!(pc.lines()[49].trim(), "bottom");
    pc.regs.es = SegmentRegister::real(0);
    pc.int10(0x1130, 0x0300, 0, 0);
    assert_eq!((pc.regs.es.selector, pc.regs.bp.word()), (0xf000, 0xfa6e));
    assert_eq!((pc.regs.cx.word(), pc.regs.dx.low()), (8, 49));
}

#[test]
fn the_cursor_is_shaped_and_hidden() {
    let mut pc = Pc::new();
    let cursor = |pc: &Pc| pc.board.vga.text_screen().unwrap().cursor.map(|c| c.lines);
    pc.int10(0x0100, 0, 0x0607, 0);
    assert_eq!(cursor(&pc), Some((13, 14)), "lines of a CGA's characters are scaled");
    pc.int10(0x0100, 0, 0x0d0e, 0);
    assert_eq!(cursor(&pc), Some((13, 14)));
    pc.int10(0x0100, 0, 0x0007, 0);
    assert_eq!(cursor(&pc), Some((0, 15)));
    pc.int10(0x0100, 0, 0x2000, 0);
    assert_eq!(cursor(&pc), None);
    pc.int10(0x1201, 0x34, 0, 0);
    pc.int10(0x0100, 0, 0x0607, 0);
    assert_eq!(cursor(&pc), Some((6, 7)), "without emulation they are meant as they are");
}

#[test]
fn a_hostile_data_area_does_no_harm() {
    for fill in [0u8, 0x7f, 0x80, 0xff] {
        for ax in [
            0x0e41u16, 0x0e0a, 0x0601, 0x0700, 0x0941, 0x0a41, 0x0800, 0x0501, 0x1112, 0x0c01, 0x0d00, 0x1b00,
        ] {
            for mode in [3, 4, 0x12, 0x13] {
                let mut pc = Pc::new();
                pc.set_mode(mode);
                pc.board.memory[0x44a..0x490].fill(fill);
                pc.regs.es = SegmentRegister::real(0x2000);
                pc.int10(ax, u16::from(fill) << 8, 0xffff, 0xffff);
            }
        }
    }
}
