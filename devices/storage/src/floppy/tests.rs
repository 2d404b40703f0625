//! The controller as its data sheet describes it, driven as drivers drive it.

mod commands;
mod data;
mod media;

use std::sync::{Arc, Mutex};

use glassbox_device_api::DmaBurst;
use glassbox_testkit::{Bench, MemoryDisk, PortBus, check_save_restore_ports, fuzz_port_device};

use super::*;

const IRQ: u32 = 6;
const KIB: usize = 1024;
const DSR: u16 = 4;
const MSR: u16 = 4;
const DIR: u16 = 7;
const CCR: u16 = 7;

/// A DMA channel over a few bytes.
#[derive(Clone, Debug, Default)]
struct Channel(Arc<Mutex<ChannelState>>);

#[derive(Debug, Default)]
struct ChannelState {
    memory: Vec<u8>,
    position: usize,
    masked: bool,
    request: bool,
}

impl Channel {
    /// Programs the channel for `memory.len()` bytes.
    fn program(&self, memory: Vec<u8>) {
        *self.0.lock().unwrap() = ChannelState { memory, ..ChannelState::default() };
    }

    fn mask(&self, masked: bool) {
        self.0.lock().unwrap().masked = masked;
    }

    fn memory(&self) -> Vec<u8> {
        self.0.lock().unwrap().memory.clone()
    }

    fn position(&self) -> usize {
        self.0.lock().unwrap().position
    }
}

impl ChannelState {
    fn burst(&mut self, len: usize) -> (std::ops::Range<usize>, DmaBurst) {
        let start = self.position;
        let bytes = if self.masked { 0 } else { len.min(self.memory.len() - start) };
        self.position += bytes;
        let terminal_count = bytes > 0 && self.position == self.memory.len();
        (start..start + bytes, DmaBurst { bytes, terminal_count })
    }
}

impl DmaChannel for Channel {
    fn set_request(&mut self, active: bool) {
        self.0.lock().unwrap().request = active;
    }
    fn is_ready(&self) -> bool {
        !self.0.lock().unwrap().masked
    }
    fn device_to_memory(&mut self, data: &[u8]) -> DmaBurst {
        let mut state = self.0.lock().unwrap();
        let (range, burst) = state.burst(data.len());
        let len = range.len();
        state.memory[range].copy_from_slice(&data[..len]);
        burst
    }
    fn memory_to_device(&mut self, data: &mut [u8]) -> DmaBurst {
        let mut state = self.0.lock().unwrap();
        let (range, burst) = state.burst(data.len());
        let len = range.len();
        data[..len].copy_from_slice(&state.memory[range]);
        burst
    }
}

/// Every sector's bytes tell which one it is.
fn image(kib: usize) -> Vec<u8> {
    (0..kib * 2).flat_map(|sector| [sector as u8 ^ (sector >> 8) as u8; 512]).collect()
}

struct Pc {
    bench: Bench,
    floppy: Floppy,
    dma: Channel,
    disk: MemoryDisk,
}

impl Pc {
    /// A controller with one drive, out of reset, with the motor on, the right data
    /// rate for 1.44M, and its head at track 0.
    fn new(image: Vec<u8>) -> Self {
        let disk = MemoryDisk::new(image);
        let mut pc = Self::untouched(disk);
        pc.wake();
        pc.command(&[0x03, 0xdf, 0x02]);
        pc
    }

    fn untouched(disk: MemoryDisk) -> Self {
        let bench = Bench::new();
        let dma = Channel::default();
        let drive = FloppyDrive::new(Box::new(disk.clone()));
        let floppy =
            Floppy::new(bench.vm_clock(), bench.line(IRQ), Box::new(dma.clone()), [Some(drive), None]);
        Self { bench, floppy, dma, disk }
    }

    /// Ends the reset and takes the interrupts of the polling.
    fn wake(&mut self) {
        self.floppy.out8(DIGITAL_OUTPUT, 0x1c);
        self.floppy.out8(CCR, 0);
        self.wait();
        for drive in 0..4 {
            assert_eq!(self.sense(), [0xc0 | drive, 0]);
        }
    }

    /// Writes the bytes of a command.
    fn command(&mut self, bytes: &[u8]) {
        for byte in bytes {
            assert_eq!(self.floppy.in8(MSR) & 0xc0, 0x80, "ready for a command byte of {bytes:x?}");
            self.floppy.out8(DATA, *byte);
        }
    }

    /// Reads the bytes of a result.
    fn result(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.floppy.in8(MSR) & 0xd0 == 0xd0 {
            bytes.push(self.floppy.in8(DATA));
        }
        bytes
    }

    /// Waits for the interrupt.
    fn wait(&mut self) {
        for _ in 0..10_000 {
            if self.bench.level(IRQ) {
                return;
            }
            if self.bench.run_to_deadline(&mut self.floppy).is_none() {
                break;
            }
        }
        panic!("no interrupt; {:?}", self.floppy);
    }

    /// A command that ends with an interrupt and a result.
    fn run(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.command(bytes);
        self.wait();
        let result = self.result();
        assert!(!self.bench.level(IRQ), "the result phase ends the interrupt");
        result
    }

    fn sense(&mut self) -> Vec<u8> {
        self.command(&[0x08]);
        self.result()
    }

    fn seek(&mut self, cylinder: u8) -> Vec<u8> {
        self.command(&[0x0f, 0, cylinder]);
        self.wait();
        self.sense()
    }

    /// Bytes of the image from a sector on, in the order of the tracks.
    fn sectors(&self, first: usize, count: usize) -> Vec<u8> {
        self.disk.bytes()[first * 512..(first + count) * 512].to_vec()
    }
}

#[test]
fn generic_checks() {
    let build = |bench: &Bench| {
        let drive = |kib| Some(FloppyDrive::new(Box::new(MemoryDisk::new(image(kib)))));
        let dma = Channel::default();
        dma.program(vec![0; 40_000]);
        Floppy::new(bench.vm_clock(), bench.line(IRQ), Box::new(dma), [drive(1440), drive(360)])
    };
    fuzz_port_device(8, build);
    check_save_restore_ports(8, build);
}

/// Random commands rather than random bytes, so that the fuzz gets somewhere.
#[test]
fn random_commands_always_come_to_an_end() {
    let mut rng = glassbox_testkit::Rng::new(1);
    let mut pc = Pc::new(image(1440));
    for round in 0..3000 {
        let opcode =
            [0x46, 0xe6, 0x4c, 0xc5, 0x49, 0x42, 0x56, 0x51, 0x59, 0x5d, 0x4d, 0x4a, 0x0f, 0x07, 0x13]
                [rng.below(15) as usize];
        pc.dma.program(vec![round as u8; rng.below(5000) as usize + 1]);
        pc.floppy.out8(DIGITAL_OUTPUT, 0x1c);
        pc.floppy.out8(DATA, opcode);
        for _ in 0..8 {
            if pc.floppy.in8(MSR) & 0xf0 == 0x90 {
                let byte = if rng.one_in(3) { rng.value() } else { rng.below(20) };
                pc.floppy.out8(DATA, byte as u8);
            }
        }
        let deadlines = pc.bench.run(&mut pc.floppy, VmTime::SECOND);
        assert!(deadlines < 1000, "{deadlines} deadlines");
        assert_eq!(pc.floppy.in8(MSR) & 0x3f & !0x10, 0, "command {opcode:#x} is over");
        assert!(pc.result().len() <= 10);
        pc.sense();
    }
}
