use super::*;

#[test]
fn colours_are_set_and_read() {
    let mut pc = Pc::new();
    pc.int10(0x1000, 0x2a05, 0, 0);
    pc.int10(0x1007, 0x05, 0, 0);
    assert_eq!(pc.regs.bx.high(), 0x2a);
    pc.int10(0x1001, 0x0700, 0, 0);
    pc.int10(0x1008, 0, 0, 0);
    assert_eq!(pc.regs.bx.high(), 7);
    pc.int10(0x1010, 200, 0x1122, 0x3300);
    pc.int10(0x1015, 200, 0, 0);
    assert_eq!((pc.regs.dx.high(), pc.regs.cx.word()), (0x33, 0x1122));
    pc.regs.es = SegmentRegister::real(0x2000);
    pc.board.memory[0x2_0000..0x2_0006].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
    pc.int10(0x1012, 16, 2, 0);
    pc.int10(0x1017, 16, 2, 0x100);
    assert_eq!(pc.board.memory[0x2_0100..0x2_0106], [1, 2, 3, 4, 5, 6]);
    pc.int10(0x101b, 16, 1, 0);
    pc.int10(0x1015, 16, 0, 0);
    assert_eq!((pc.regs.dx.high(), pc.regs.cx.word()), (2, 0x0202), "grey");
    pc.int10(0x1018, 0x0f, 0, 0);
    pc.int10(0x1019, 0, 0, 0);
    assert_eq!(pc.regs.bx.low(), 0x0f);
    assert!(pc.board.vga.text_screen().is_some());
}

#[test]
fn blinking_and_pages_of_colours_are_chosen() {
    let mut pc = Pc::new();
    pc.int10(0x1003, 0, 0, 0);
    assert!(!pc.board.vga.text_screen().unwrap().blinks);
    pc.int10(0x1003, 1, 0, 0);
    assert!(pc.board.vga.text_screen().unwrap().blinks);
    pc.int10(0x1013, 0x0100, 0, 0);
    pc.int10(0x1013, 0x0301, 0, 0);
    pc.int10(0x101a, 0, 0, 0);
    assert_eq!(pc.regs.bx.word(), 0x0301);
    // The palette of all registers and the border, there and back.
    pc.regs.es = SegmentRegister::real(0x2000);
    let values: Vec<u8> = (0..17).map(|i| i + 1).collect();
    pc.board.memory[0x2_0000..0x2_0011].copy_from_slice(&values);
    pc.int10(0x1002, 0, 0, 0);
    pc.int10(0x1009, 0, 0, 0x40);
    assert_eq!(pc.board.memory[0x2_0040..0x2_0051], values);
}

#[test]
fn the_adapter_says_what_it_is() {
    let mut pc = Pc::new();
    assert_eq!(pc.int10(0x1a00, 0, 0, 0) as u8, 0x1a);
    assert_eq!(pc.regs.bx.word(), 8);
    pc.int10(0x12ff, 0x5510, 0, 0);
    assert_eq!((pc.regs.bx.word(), pc.regs.cx.low()), (0x0003, 9));
    pc.regs.es = SegmentRegister::real(0x2000);
    pc.regs.di.set_word(0);
    pc.set_mode(0x12);
    assert_eq!(pc.int10(0x1b00, 0, 0, 0) as u8, 0x1b);
    let table = &pc.board.memory[0x2_0000..0x2_0040];
    assert_eq!((table[4], table[5], table[0x22], table[0x23]), (0x12, 80, 30, 16));
    assert_eq!((table[0x25], table[0x27], table[0x2a], table[0x31]), (8, 16, 3, 3));
    let functions = u32::from_le_bytes([table[0], table[1], table[2], table[3]]);
    let at = ((functions >> 16 << 4) + (functions & 0xffff)) as usize;
    assert_eq!(pc.board.memory[at..at + 3], [0xff, 0xe0, 0x0f]);
    // 40:A8h leads to the parameters of modes.
    let save = usize::from(pc.bda_u16(0xa8)) + 0xf_0000;
    let pointer = u32::from_le_bytes(pc.board.memory[save..save + 4].try_into().unwrap());
    let table = ((pointer >> 16 << 4) + (pointer & 0xffff)) as usize;
    assert_eq!(pc.board.memory[table + 0x1c * 64], 40, "the last entry is mode 13h");
}

#[test]
fn state_is_saved_and_restored() {
    let mut pc = Pc::new();
    pc.print(b"saved");
    pc.int10(0x1010, 1, 0x1112, 0x1300);
    pc.int10(0x1c00, 0, 7, 0);
    let blocks = pc.regs.bx.word();
    assert!((13..20).contains(&blocks), "{blocks}");
    pc.regs.es = SegmentRegister::real(0x2000);
    assert_eq!(pc.int10(0x1c01, 0, 7, 0) as u8, 0x1c);
    let before = pc.picture();
    pc.set_mode(0x13);
    pc.int10(0x1c02, 0, 7, 0);
    assert_eq!(pc.int10(0x0f00, 0, 0, 0), 80 << 8 | 3);
    pc.int10(0x0300, 0, 0, 0);
    assert_eq!(pc.regs.dx.word(), 5);
    pc.int10(0x1015, 1, 0, 0);
    assert_eq!((pc.regs.dx.high(), pc.regs.cx.word()), (0x13, 0x1112));
    let after = pc.picture();
    assert_eq!((after.width(), after.height()), (before.width(), before.height()));
}

#[test]
fn the_screen_and_memory_are_switched_off_and_on() {
    let mut pc = Pc::new();
    pc.print(b"here");
    pc.int10(0x1201, 0x36, 0, 0);
    assert!(pc.picture().pixels().iter().all(|pixel| *pixel == 0));
    pc.int10(0x1200, 0x36, 0, 0);
    assert!(pc.picture().pixels().iter().any(|pixel| *pixel != 0));
    pc.int10(0x1201, 0x32, 0, 0);
    pc.print(b"lost");
    pc.int10(0x1200, 0x32, 0, 0);
    assert_eq!(pc.lines()[0].trim_end(), "here");
}

#[test]
fn fonts_of_a_program_are_loaded() {
    let mut pc = Pc::new();
    pc.regs.es = SegmentRegister::real(0x2000);
    pc.regs.bp.set_word(0);
    pc.board.memory[0x2_0000..0x2_0010].fill(0xff);
    // Character 41h only, 16 rows, block 0.
    pc.int10(0x1100, 0x1000, 1, 0x41);
    pc.print(b"AB");
    let frame = pc.picture();
    assert!(frame.row(0)[..8].iter().all(|pixel| *pixel != 0));
    assert!(frame.row(0)[9..17].iter().all(|pixel| *pixel == 0));
    // Blocks 0 and 4 (B and A) make 512 characters.
    pc.int10(0x1103, 0x10, 0, 0);
    assert_eq!(pc.register(0x3c4, 3), 0x10);
    pc.int10(0x1121, 0, 8, 0);
    assert_eq!(u32::from_le_bytes(pc.board.memory[0x10c..0x110].try_into().unwrap()), 0x2000_0000);
}

#[test]
fn cga_colours_are_chosen() {
    let mut pc = Pc::new();
    pc.set_mode(4);
    pc.int10(0x0c01, 0, 0, 0);
    let color = |pc: &mut Pc| pc.picture().row(0)[0];
    assert_eq!(color(&mut pc), 0x55_ff_ff, "the bright palette of cyan, magenta and white");
    pc.int10(0x0b00, 0x0100, 0, 0);
    assert_eq!(color(&mut pc), 0x55_ff_55);
    pc.int10(0x0b00, 0x0004, 0, 0);
    assert_eq!(pc.picture().row(0)[2], 0xaa_00_00, "the background is red");
    assert_eq!(color(&mut pc), 0x00_aa_00, "without intensity");
}

#[test]
fn without_an_adapter_nothing_is_touched() {
    let mut bench = crate::testing::Bench::new();
    bench.regs.ax.set_word(0x4f00);
    let before = bench.regs;
    assert_eq!(bench.run_with(super::super::service), Ok(Flow::Done));
    assert_eq!(bench.regs, before);
}
