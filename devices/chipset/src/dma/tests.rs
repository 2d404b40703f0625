use glassbox_device_api::DmaBurst;
use glassbox_testkit::{PortBus, check_save_restore_ports, fuzz_port_device};

use super::*;

const PAGE_2: u16 = 0x11;
const PAGE_5: u16 = 0x1b;
const MODE_WRITE_SINGLE: u8 = 0x44;
const MODE_READ_SINGLE: u8 = 0x48;

struct Board {
    memory: GuestMemory,
    dma: Dma,
}

fn board() -> Board {
    let memory = GuestMemory::new(1 << 20).unwrap();
    let mut dma = Dma::new(memory.clone());
    dma.set_up_cascade();
    Board { memory, dma }
}

impl Board {
    /// Programs channel 2 as a BIOS does for the floppy.
    fn program(&mut self, mode: u8, address: u32, count: u16) {
        self.dma.out8(0xa, 0x06);
        self.dma.out8(0xc, 0);
        self.dma.out8(0xb, mode | 2);
        self.dma.out8(4, address as u8);
        self.dma.out8(4, (address >> 8) as u8);
        self.dma.out8(PAGE_2, (address >> 16) as u8);
        self.dma.out8(5, count as u8);
        self.dma.out8(5, (count >> 8) as u8);
        self.dma.out8(0xa, 0x02);
    }

    fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_bytes(Gpa(at), &mut bytes).unwrap();
        bytes
    }

    fn channel(&self, number: usize) -> Box<dyn DmaChannel> {
        self.dma.channel(number).unwrap()
    }

    fn current(&mut self, offset: u16) -> u16 {
        self.dma.out8(0xc, 0);
        u16::from(self.dma.in8(offset)) | u16::from(self.dma.in8(offset)) << 8
    }
}

fn burst(bytes: usize, terminal_count: bool) -> DmaBurst {
    DmaBurst { bytes, terminal_count }
}

#[test]
fn a_write_transfer_stores_until_the_terminal_count_and_masks_the_channel() {
    let mut b = board();
    b.program(MODE_WRITE_SINGLE, 0x1_2345, 5);
    let mut floppy = b.channel(2);
    assert!(floppy.is_ready());
    assert_eq!(floppy.device_to_memory(&[1, 2, 3, 4]), burst(4, false));
    assert_eq!((b.current(4), b.current(5)), (0x2349, 1));
    assert_eq!(floppy.device_to_memory(&[5, 6, 7, 8]), burst(2, true));
    assert_eq!(b.read(0x1_2345, 7), [1, 2, 3, 4, 5, 6, 0]);
    assert_eq!(b.current(5), 0xffff);
    assert!(!floppy.is_ready());
    assert_eq!(floppy.device_to_memory(&[9]), burst(0, false));
    assert_eq!(b.dma.in8(0xf) & 0xf, 0xf);
}

#[test]
fn a_read_transfer_fetches() {
    let mut b = board();
    b.memory.write_bytes(Gpa(0x8000), &[9, 8, 7]).unwrap();
    b.program(MODE_READ_SINGLE, 0x8000, 2);
    let mut data = [0; 4];
    assert_eq!(b.channel(2).memory_to_device(&mut data), burst(3, true));
    assert_eq!(data, [9, 8, 7, 0]);
}

#[test]
fn status_tells_terminal_counts_once_and_requests_while_they_last() {
    let mut b = board();
    b.program(MODE_WRITE_SINGLE, 0, 0);
    let mut floppy = b.channel(2);
    floppy.set_request(true);
    assert_eq!(b.dma.in8(8), 0x40);
    floppy.device_to_memory(&[1]);
    floppy.set_request(false);
    assert_eq!(b.dma.in8(8), 0x04);
    assert_eq!(b.dma.in8(8), 0x00);
}

#[test]
fn autoinit_starts_over_and_stays_unmasked() {
    let mut b = board();
    b.program(MODE_WRITE_SINGLE | 0x10, 0x9000, 1);
    let mut floppy = b.channel(2);
    assert_eq!(floppy.device_to_memory(&[1, 2, 3]), burst(2, true));
    assert!(floppy.is_ready());
    assert_eq!((b.current(4), b.current(5)), (0x9000, 1));
    assert_eq!(floppy.device_to_memory(&[3]), burst(1, false));
    assert_eq!(b.read(0x9000, 2), [3, 2]);
}

#[test]
fn addresses_wrap_within_the_page() {
    let mut b = board();
    b.program(MODE_WRITE_SINGLE, 0x2_fffe, 3);
    b.channel(2).device_to_memory(&[1, 2, 3, 4]);
    assert_eq!((b.read(0x2_fffe, 2), b.read(0x2_0000, 2)), (vec![1, 2], vec![3, 4]));
    assert_eq!(b.read(0x3_0000, 2), [0, 0]);
}

#[test]
fn decrement_goes_down_and_wraps() {
    let mut b = board();
    b.program(MODE_WRITE_SINGLE | 0x20, 0x2_0001, 2);
    b.channel(2).device_to_memory(&[1, 2, 3]);
    assert_eq!((b.read(0x2_0000, 2), b.read(0x2_ffff, 1)), (vec![2, 1], vec![3]));
    assert_eq!(b.current(4), 0xfffe);
}

#[test]
fn verify_counts_and_moves_nothing() {
    let mut b = board();
    b.program(0x40, 0x5000, 1);
    assert_eq!(b.channel(2).device_to_memory(&[1, 2]), burst(2, true));
    assert_eq!(b.read(0x5000, 2), [0, 0]);
}

#[test]
fn a_transfer_in_the_wrong_direction_counts_but_harms_nothing() {
    let mut b = board();
    b.program(MODE_READ_SINGLE, 0x5000, 1);
    assert_eq!(b.channel(2).device_to_memory(&[1, 2]), burst(2, true));
    assert_eq!(b.read(0x5000, 2), [0, 0]);
    b.program(MODE_WRITE_SINGLE, 0x5000, 1);
    let mut data = [0; 2];
    b.channel(2).memory_to_device(&mut data);
    assert_eq!(data, [0xff, 0xff]);
}

#[test]
fn word_channels_count_words_in_pages_of_128_kib() {
    let mut b = board();
    // Channel 5 at 3_FFFEh: page bit 0 does not count.
    b.dma.out8(0x20 + 0x16, 0x45);
    b.dma.out8(0x20 + 0x18, 0);
    for byte in [0xff, 0xff] {
        b.dma.out8(0x20 + 4, byte);
    }
    for byte in [1, 0] {
        b.dma.out8(0x20 + 6, byte);
    }
    b.dma.out8(PAGE_5, 3);
    b.dma.out8(0x20 + 0x14, 1);
    let mut sound = b.channel(5);
    assert_eq!(sound.device_to_memory(&[1, 2, 3]), burst(2, false), "an odd byte is no word");
    assert_eq!(sound.device_to_memory(&[3, 4, 5, 6]), burst(2, true));
    assert_eq!((b.read(0x3_fffe, 2), b.read(0x2_0000, 2)), (vec![1, 2], vec![3, 4]));
    assert_eq!(b.dma.in8(0x20 + 0x10), 0x02);
}

#[test]
fn controller_1_gets_through_the_cascade_only() {
    let mut b = board();
    b.program(MODE_WRITE_SINGLE, 0, 9);
    let floppy = b.channel(2);
    b.dma.out8(0x20 + 0x14, 4);
    assert!(!floppy.is_ready(), "channel 4 masked");
    b.dma.out8(0x20 + 0x14, 0);
    b.dma.out8(0x20 + 0x10, 4);
    assert!(!floppy.is_ready(), "controller 2 disabled");
    b.dma.out8(0x20 + 0x10, 0);
    b.dma.out8(8, 4);
    assert!(!floppy.is_ready(), "controller 1 disabled");
    b.dma.out8(8, 0);
    assert!(floppy.is_ready());
    b.dma.out8(0xb, 0xc2);
    assert!(!floppy.is_ready(), "a bus master's channel moves no data");
    assert!(b.dma.channel(4).is_none() && b.dma.channel(8).is_none());
}

#[test]
fn master_clear_masks_all_and_keeps_addresses() {
    let mut b = board();
    b.program(MODE_WRITE_SINGLE, 0x1234, 9);
    b.dma.in8(4);
    b.dma.out8(0xd, 0);
    assert_eq!((b.dma.in8(0xf), b.dma.in8(8)), (0xff, 0));
    assert_eq!((b.dma.in8(4), b.dma.in8(4)), (0x34, 0x12), "the flip-flop is cleared");
    b.dma.out8(0xe, 0);
    assert_eq!(b.dma.in8(0xf), 0xf0);
    b.dma.out8(0xf, 5);
    assert_eq!(b.dma.in8(0xf), 0xf5);
}

#[test]
fn memory_to_memory_copies_and_can_fill() {
    let mut b = board();
    b.memory.write_bytes(Gpa(0x1000), &[1, 2, 3]).unwrap();
    let mut start = |command: u8| {
        b.dma.out8(0xc, 0);
        for (port, value) in [(0, 0x1000u16), (2, 0x2000), (3, 2)] {
            b.dma.out8(port, value as u8);
            b.dma.out8(port, (value >> 8) as u8);
        }
        b.dma.out8(0xb, 0x88);
        b.dma.out8(0xb, 0x85);
        b.dma.out8(8, command);
        b.dma.out8(9, 4);
    };
    start(1);
    assert_eq!(b.read(0x2000, 4), [1, 2, 3, 0]);
    let mut start_held = || {
        b.dma.out8(0xc, 0);
        for (port, value) in [(0, 0x1001u16), (2, 0x3000), (3, 2)] {
            b.dma.out8(port, value as u8);
            b.dma.out8(port, (value >> 8) as u8);
        }
        b.dma.out8(8, 3);
        b.dma.out8(9, 4);
    };
    start_held();
    assert_eq!(b.read(0x3000, 4), [2, 2, 2, 0]);
    assert_eq!(b.dma.in8(0xd), 2, "the temporary register");
    assert_eq!(b.dma.in8(8), 2);
}

#[test]
fn a_software_request_runs_a_block_transfer_to_its_end() {
    let mut b = board();
    b.dma.out8(0xb, 0x81);
    b.dma.out8(3, 0xff);
    b.dma.out8(3, 0xff);
    b.dma.out8(9, 5);
    assert_eq!(b.dma.in8(8), 2);
    b.dma.out8(0xb, 0x41);
    b.dma.out8(9, 5);
    assert_eq!(b.dma.in8(8), 0x20, "single mode does not serve it");
}

#[test]
fn memory_that_is_not_there_reads_as_an_open_bus() {
    let mut b = board();
    b.program(MODE_READ_SINGLE, 0x9_fffe, 3);
    let mut data = [0; 4];
    b.channel(2).memory_to_device(&mut data);
    assert_eq!(data[..2], [0, 0]);
    b.program(MODE_READ_SINGLE, 0xff_0000, 3);
    assert_eq!(b.channel(2).memory_to_device(&mut data), burst(4, true));
    assert_eq!(data, [0xff; 4]);
}

#[test]
fn page_registers_are_latches_and_port_80_is_not_among_them() {
    let mut b = board();
    for offset in 0x11..0x20 {
        b.dma.out8(offset, offset as u8);
    }
    assert!((0x11..0x20).all(|offset| b.dma.in8(offset) == offset as u8));
    assert!(Dma::WINDOWS.iter().all(|w| !(w.port..w.port + w.len).contains(&0x80)));
}

#[test]
fn generic_checks() {
    // Memory is no part of the saved state: it holds what an open bus reads, so
    // that copies within it change nothing.
    let build = |_: &glassbox_testkit::Bench| {
        let b = board();
        for start in (0..16).map(|i| i << 16).filter(|start| b.memory.lookup(Gpa(*start)).is_some()) {
            b.memory.write_bytes(Gpa(start), &[OPEN_BUS; 0x1_0000]).unwrap();
        }
        b.dma
    };
    fuzz_port_device(END, build);
    check_save_restore_ports(END, build);
}
