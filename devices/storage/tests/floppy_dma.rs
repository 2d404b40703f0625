//! The floppy controller on channel 2 of the DMA controllers, driven through ports
//! as a BIOS drives them.

use glassbox_chipset::Dma;
use glassbox_device_api::VmTime;
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_storage::floppy::{Floppy, FloppyDrive};
use glassbox_testkit::{Bench, MemoryDisk, PortBus};

const IRQ: u32 = 6;
const BUFFER: u64 = 0x1_0200;
/// Offsets of the floppy controller's registers.
const DOR: u16 = 2;
const FIFO: u16 = 5;
const CCR: u16 = 7;

struct Pc {
    bench: Bench,
    memory: GuestMemory,
    dma: Dma,
    floppy: Floppy,
    disk: MemoryDisk,
}

impl Pc {
    fn new() -> Self {
        let bench = Bench::new();
        let memory = GuestMemory::new(1 << 20).unwrap();
        let mut dma = Dma::new(memory.clone());
        // What SeaBIOS does: clear both, cascade, unmask channel 4.
        for (offset, value) in [(0x0d, 0), (0x20 + 0x1a, 0), (0x20 + 0x16, 0xc0), (0x20 + 0x14, 0)] {
            dma.out8(offset, value);
        }
        let disk = MemoryDisk::new((0..1440 * 1024).map(|i| (i / 512) as u8).collect());
        let drive = FloppyDrive::new(Box::new(disk.clone()));
        let channel = dma.channel(2).unwrap();
        let mut floppy = Floppy::new(bench.vm_clock(), bench.line(IRQ), channel, [Some(drive), None]);
        floppy.out8(DOR, 0x1c);
        floppy.out8(CCR, 0);
        let mut pc = Self { bench, memory, dma, floppy, disk };
        pc.wait();
        for _ in 0..4 {
            pc.command(&[0x08]);
            pc.result(2);
        }
        pc.command(&[0x03, 0xaf, 0x02]);
        pc
    }

    fn program_dma(&mut self, mode: u8, bytes: u16) {
        let count = (bytes - 1).to_le_bytes();
        let steps = [
            (0x0a, 0x06),
            (0x0c, 0xff),
            (0x04, BUFFER as u8),
            (0x04, (BUFFER >> 8) as u8),
            (0x0c, 0xff),
            (0x05, count[0]),
            (0x05, count[1]),
            (0x0b, mode),
            // The page register, port 81h.
            (0x11, (BUFFER >> 16) as u8),
            (0x0a, 0x02),
        ];
        for (offset, value) in steps {
            self.dma.out8(offset, value);
        }
    }

    fn command(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.floppy.out8(FIFO, *byte));
    }

    fn result(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.floppy.in8(FIFO)).collect()
    }

    fn wait(&mut self) {
        while !self.bench.level(IRQ) {
            self.bench.run_to_deadline(&mut self.floppy).expect("something under way");
        }
    }

    fn run(&mut self, command: &[u8]) -> Vec<u8> {
        self.command(command);
        self.wait();
        self.result(7)
    }

    fn memory(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_bytes(Gpa(BUFFER), &mut bytes).unwrap();
        bytes
    }
}

#[test]
fn a_track_is_read_into_memory_and_ends_with_the_terminal_count() {
    let mut pc = Pc::new();
    pc.program_dma(0x46, 36 * 512);
    let start = pc.bench.now();
    assert_eq!(pc.run(&[0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff]), [0x04, 0, 0, 1, 0, 1, 2]);
    assert_eq!(pc.memory(36 * 512), pc.disk.bytes()[..36 * 512]);
    assert_eq!(pc.dma.in8(8) & 0x44, 0x04, "terminal count, no request");
    let took = pc.bench.now() - start;
    assert!((VmTime(1_000_000)..VmTime(20_000_000)).contains(&took), "{took:?}");
}

#[test]
fn sectors_are_written_from_memory() {
    let mut pc = Pc::new();
    pc.memory.write_bytes(Gpa(BUFFER), &[0x77; 1024]).unwrap();
    pc.program_dma(0x4a, 1024);
    assert_eq!(pc.run(&[0xc5, 0, 0, 0, 3, 2, 18, 0x1b, 0xff]), [0, 0, 0, 0, 0, 5, 2]);
    assert_eq!(pc.disk.bytes()[1024..2048], [0x77; 1024]);
    assert_eq!(pc.disk.bytes()[2048..2560], [4; 512]);
}

#[test]
fn verifying_by_the_dma_mode_moves_nothing() {
    let mut pc = Pc::new();
    pc.program_dma(0x42, 1024);
    assert_eq!(pc.run(&[0xe6, 0, 0, 0, 5, 2, 18, 0x1b, 0xff]), [0, 0, 0, 0, 0, 7, 2]);
    assert_eq!(pc.memory(1024), [0; 1024]);
}
