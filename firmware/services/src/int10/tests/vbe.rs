use super::*;
use crate::rom::Rom;

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn dword(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) | u32::from(word(bytes, at + 2)) << 16
}

/// A call with ES:DI at 2000:0000h.
fn vbe(pc: &mut Pc, ax: u16, bx: u16, cx: u16, dx: u16) -> u16 {
    pc.regs.es = SegmentRegister::real(0x2000);
    pc.regs.di.set_word(0);
    pc.int10(ax, bx, cx, dx)
}

fn buffer(pc: &Pc) -> Vec<u8> {
    pc.board.memory[0x2_0000..0x2_0200].to_vec()
}

fn string(pc: &Pc, pointer: u32) -> String {
    let at = ((pointer >> 16 << 4) + (pointer & 0xffff)) as usize;
    pc.board.memory[at..].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
}

#[test]
fn the_controller_lists_modes_that_exist() {
    let mut pc = Pc::new();
    pc.board.memory[0x2_0000..0x2_0004].copy_from_slice(b"VBE2");
    pc.board.memory[0x2_01ff] = 0xee;
    assert_eq!(vbe(&mut pc, 0x4f00, 0, 0, 0), 0x004f);
    let block = buffer(&pc);
    assert_eq!((&block[..4], word(&block, 4), word(&block, 18)), (b"VESA".as_slice(), 0x300, 256));
    assert_eq!(block[0x1ff], 0, "512 bytes are the caller's");
    assert!(string(&pc, dword(&block, 6)).contains("Glassbox"));
    assert_eq!(string(&pc, dword(&block, 22)), "Glassbox");
    let list = dword(&block, 14);
    let mut at = ((list >> 16 << 4) + (list & 0xffff)) as usize;
    let mut modes = Vec::new();
    while word(&pc.board.memory, at) != 0xffff {
        modes.push(word(&pc.board.memory, at));
        at += 2;
    }
    assert!(modes.contains(&0x101) && modes.contains(&0x118) && modes.contains(&0x192));
    for mode in modes {
        assert_eq!(vbe(&mut pc, 0x4f01, 0, mode, 0), 0x004f, "mode {mode:#x}");
        assert_eq!(buffer(&pc)[0] & 1, 1);
    }
    assert_eq!(vbe(&mut pc, 0x4f01, 0, 0x130, 0), 0x014f);
    pc.board.memory[0x2_0000..0x2_0200].fill(0xee);
    vbe(&mut pc, 0x4f00, 0, 0, 0);
    assert_eq!(buffer(&pc)[256..], [0xee; 256], "callers of VBE 1 have 256 bytes");
}

#[test]
fn linear_modes_show_the_framebuffer() {
    for (mode, width, height, bits) in [
        (0x101, 640, 480, 8),
        (0x111, 640, 480, 16),
        (0x115, 800, 600, 24),
        (0x144, 1024, 768, 32),
        (0x192, 1920, 1080, 32),
    ] {
        let mut pc = Pc::new();
        vbe(&mut pc, 0x4f01, 0, mode, 0);
        let block = buffer(&pc);
        assert_eq!((word(&block, 18), word(&block, 20), block[25]), (width, height, bits));
        assert_eq!((word(&block, 0) & 0x80, dword(&block, 40)), (0x80, FRAMEBUFFER));
        assert_eq!(vbe(&mut pc, 0x4f02, mode | 0x4000, 0, 0), 0x004f);
        assert_eq!(pc.board.vga.dimensions(), (width.into(), height.into()));
        vbe(&mut pc, 0x4f03, 0, 0, 0);
        assert_eq!(pc.regs.bx.word(), mode | 0x4000);
        let stride = u32::from(word(&block, 50));
        pc.board.vga.memory().write(stride, &[0x0f; 4]);
        assert_ne!(pc.picture().row(1)[0], 0);
        pc.set_mode(3);
        assert_eq!(pc.board.vga.text_screen().map(|s| s.columns), Some(80));
    }
}

#[test]
fn text_is_written_in_modes_of_every_depth() {
    for mode in [0x102u16, 0x101, 0x110, 0x111, 0x112, 0x142, 0x140] {
        let mut pc = Pc::new();
        assert_eq!(vbe(&mut pc, 0x4f02, mode, 0, 0), 0x004f);
        pc.print(b"Text in a mode of VBE\r\n");
        for color in 0..16 {
            pc.int10(0x0200, 0, 0, 0x0300 + color * 2);
            pc.int10(0x09db, color, 2, 0);
        }
        pc.int10(0x0200, 0, 0, 0x0500);
        pc.int10(0x0958, 3, 1, 0);
        assert_eq!(pc.int10(0x0800, 0, 0, 0) as u8, b'X', "mode {mode:#x}");
        pc.print(&b"\n".repeat(usize::from(pc.bda_u8(0x84)) - 3));
        pc.show(&format!("vbe-{mode:x}"));
    }
}

#[test]
fn the_protected_mode_interface_is_in_the_rom() {
    let mut pc = Pc::new();
    assert_eq!(vbe(&mut pc, 0x4f0a, 0, 0, 0), 0x004f);
    let (segment, offset) = (pc.regs.es.selector, usize::from(pc.regs.di.word()));
    let len = usize::from(pc.regs.cx.word());
    assert_eq!(segment, 0xf000);
    let rom = Rom::new();
    let code = &rom.image()[offset..offset + len];
    assert_eq!(usize::from(word(code, 0)), 24, "behind the table and the list of ports");
    assert_eq!(code.last(), Some(&0xc3), "it ends with a return");
    assert_eq!(vbe(&mut pc, 0x4f0a, 1, 0, 0), 0x014f);
}

#[test]
fn text_modes_have_132_columns() {
    for (mode, columns, rows) in
        [(0x108, 80, 60), (0x109, 132, 25), (0x10a, 132, 43), (0x10b, 132, 50), (0x10c, 132, 60)]
    {
        let mut pc = Pc::new();
        assert_eq!(vbe(&mut pc, 0x4f02, mode, 0, 0), 0x004f);
        let screen = pc.board.vga.text_screen().unwrap();
        assert_eq!((screen.columns, screen.rows), (columns, rows));
        pc.print(&b"\n".repeat(rows as usize));
        pc.print(b"last");
        assert_eq!(pc.lines()[rows as usize - 1].trim(), "last");
        pc.show(&format!("vbe-{mode:x}"));
        vbe(&mut pc, 0x4f03, 0, 0, 0);
        assert_eq!(pc.regs.bx.word(), mode);
    }
}

#[test]
fn banks_move_the_window() {
    let mut pc = Pc::new();
    vbe(&mut pc, 0x4f02, 0x101, 0, 0);
    assert_eq!(vbe(&mut pc, 0x4f05, 0, 0, 3), 0x004f);
    pc.board.write(0xa_0010, &[0x77]).unwrap();
    let mut byte = [0];
    pc.board.vga.memory().read(0x3_0010, &mut byte);
    assert_eq!(byte, [0x77]);
    vbe(&mut pc, 0x4f05, 0x0100, 0, 0);
    assert_eq!(pc.regs.dx.word(), 3);
    assert_eq!(vbe(&mut pc, 0x4f05, 0, 0, 256), 0x014f, "beyond the memory");
    assert_eq!(vbe(&mut pc, 0x4f05, 1, 0, 0), 0x014f, "there is no window B");
    pc.set_mode(3);
    assert_eq!(vbe(&mut pc, 0x4f05, 0, 0, 0), 0x034f);
}

#[test]
fn lines_and_the_start_of_the_picture_are_moved() {
    let mut pc = Pc::new();
    vbe(&mut pc, 0x4f02, 0x4111, 0, 0);
    assert_eq!(vbe(&mut pc, 0x4f06, 0, 1000, 0), 0x004f);
    assert_eq!((pc.regs.bx.word(), pc.regs.cx.word(), pc.regs.dx.word()), (2000, 1000, 8388));
    assert_eq!(vbe(&mut pc, 0x4f06, 2, 4096, 0), 0x004f);
    assert_eq!((pc.regs.bx.word(), pc.regs.cx.word()), (4096, 2048));
    assert_eq!(vbe(&mut pc, 0x4f06, 0, 320, 0), 0x024f);
    vbe(&mut pc, 0x4f06, 3, 0, 0);
    assert_eq!(pc.regs.cx.word(), 16_000);
    assert_eq!(vbe(&mut pc, 0x4f07, 0, 100, 200), 0x004f);
    vbe(&mut pc, 0x4f07, 1, 0, 0);
    assert_eq!((pc.regs.cx.word(), pc.regs.dx.word()), (100, 200));
    pc.board.vga.memory().write(200 * 4096 + 200, &[0xff; 2]);
    assert_eq!(pc.picture().row(0)[0], 0xff_ff_ff);
    assert_eq!(vbe(&mut pc, 0x4f07, 0, 2000, 0), 0x014f);
}

#[test]
fn palettes_have_six_or_eight_bits() {
    let mut pc = Pc::new();
    vbe(&mut pc, 0x4f02, 0x4101, 0, 0);
    assert_eq!(vbe(&mut pc, 0x4f08, 0x0800, 0, 0), 0x004f);
    assert_eq!(pc.regs.bx.high(), 8);
    pc.board.memory[0x2_0000..0x2_0008].copy_from_slice(&[0xf1, 0xf2, 0xf3, 0, 1, 2, 3, 0]);
    assert_eq!(vbe(&mut pc, 0x4f09, 0, 2, 10), 0x004f);
    pc.board.vga.memory().write(0, &[10]);
    assert_eq!(pc.picture().row(0)[0], 0xf3_f2_f1);
    pc.board.memory[0x2_0000..0x2_0008].fill(0);
    vbe(&mut pc, 0x4f09, 1, 2, 10);
    assert_eq!(buffer(&pc)[..8], [0xf1, 0xf2, 0xf3, 0, 1, 2, 3, 0]);
    assert_eq!(vbe(&mut pc, 0x4f09, 0, 2, 255), 0x014f);
    vbe(&mut pc, 0x4f02, 0x4111, 0, 0);
    assert_eq!(vbe(&mut pc, 0x4f08, 0x0800, 0, 0), 0x034f, "direct colour has no palette");
}

#[test]
fn modes_are_refused_and_memory_kept() {
    let mut pc = Pc::new();
    for mode in [0x4102, 0x130, 0x4109, 0x00ff] {
        assert_eq!(vbe(&mut pc, 0x4f02, mode, 0, 0), 0x014f, "{mode:#x}");
        assert_eq!(pc.bda_u8(0x49), 3);
    }
    assert_eq!(vbe(&mut pc, 0x4f02, 0x0013, 0, 0), 0x004f);
    assert_eq!(pc.bda_u8(0x49), 0x13);
    pc.board.vga.memory().write(0x2_0000, &[5]);
    vbe(&mut pc, 0x4f02, 0xc101, 0, 0);
    let mut byte = [0];
    pc.board.vga.memory().read(0x2_0000, &mut byte);
    assert_eq!(byte, [5]);
    vbe(&mut pc, 0x4f03, 0, 0, 0);
    assert_eq!(pc.regs.bx.word(), 0xc101);
}

#[test]
fn state_power_and_edid() {
    let mut pc = Pc::new();
    assert_eq!(vbe(&mut pc, 0x4f15, 0, 0, 0), 0x004f);
    assert_eq!(pc.regs.bx.low() & 2, 2);
    assert_eq!(vbe(&mut pc, 0x4f15, 1, 0, 0), 0x004f);
    assert_eq!(buffer(&pc)[..8], [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    assert_eq!(vbe(&mut pc, 0x4f15, 1, 0, 1), 0x014f);
    assert_eq!(vbe(&mut pc, 0x4f0b, 0, 0, 0), 0x0100, "no such function");
    vbe(&mut pc, 0x4f02, 0x4144, 0, 0);
    pc.board.vga.memory().write(0, &[0xff; 64]);
    vbe(&mut pc, 0x4f04, 0, 0xf, 0);
    assert!((13..32).contains(&pc.regs.bx.word()));
    pc.regs.dx.set_word(1);
    assert_eq!(vbe(&mut pc, 0x4f04, 0x100, 0xf, 1), 0x004f);
    pc.set_mode(0x83);
    assert_eq!(vbe(&mut pc, 0x4f04, 0x100, 0xf, 2), 0x004f);
    assert_eq!(pc.board.vga.dimensions(), (1024, 768));
    assert_ne!(pc.picture().row(0)[0], 0);
    assert_eq!(vbe(&mut pc, 0x4f10, 0x0401, 0, 0), 0x004f);
    assert!(pc.picture().pixels().iter().all(|pixel| *pixel == 0));
    vbe(&mut pc, 0x4f10, 2, 0, 0);
    assert_eq!(pc.regs.bx.high(), 4);
}

#[test]
fn the_window_function_is_code() {
    let mut pc = Pc::new();
    vbe(&mut pc, 0x4f01, 0, 0x101, 0);
    let pointer = dword(&buffer(&pc), 12);
    let at = ((pointer >> 16 << 4) + (pointer & 0xffff)) as usize;
    assert_eq!(pc.board.memory[at..at + 6], [0xb8, 0x05, 0x4f, 0xcd, 0x10, 0xcb]);
}
