//! The controller as drivers use it: queues in memory, doorbells, phase tags.

mod admin;
mod controller;
mod fuzz;
mod io;

use glassbox_device_api::{Mmio, RestoreError, SaveRestore, Signal};
use glassbox_memory::Gpa;
use glassbox_testkit::{Bench, MemoryDisk, MmioBus};

use super::*;

const PIN: u32 = 11;
const MESSAGE: u64 = 0xfee0_0000;
const RAM: u64 = 4 << 20;
/// Where the test's driver puts things.
const ASQ: u64 = 0x1_0000;
const ACQ: u64 = 0x1_4000;
const DATA: u64 = 0x10_0000;
const LIST: u64 = 0x8_0000;
const ADMIN_ENTRIES: u16 = 16;
const IO_ENTRIES: u16 = 8;
const DISK_BLOCKS: u64 = 4096;

/// BAR 0 as the bus sees it.
struct Bar(Nvme);

impl Device for Bar {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn reset(&mut self, kind: ResetKind) {
        self.0.reset(kind);
    }
    fn next_deadline(&self) -> Option<VmTime> {
        self.0.next_deadline()
    }
    fn advance(&mut self, now: VmTime) {
        self.0.advance(now);
    }
}

impl Mmio for Bar {
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        self.0.bar_read(0, offset, size)
    }
    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        self.0.bar_write(0, offset, size, value);
    }
}

impl SaveRestore for Bar {
    type Saved = NvmeSavedV1;
    fn save(&self) -> NvmeSavedV1 {
        self.0.save()
    }
    fn restore(&mut self, saved: NvmeSavedV1) -> Result<(), RestoreError> {
        self.0.restore(saved)
    }
}

fn device(bench: &Bench, memory: &GuestMemory, disk: &MemoryDisk) -> Bar {
    let connect = NvmeConfig {
        clock: bench.vm_clock(),
        memory: memory.clone(),
        line: bench.line(PIN),
        msi: bench.msi(),
        serial: "GB0001".into(),
    };
    let mut nvme = Nvme::new(Box::new(disk.clone()), connect).unwrap();
    // Memory space and bus mastering.
    nvme.config_write(4, 6, 1);
    Bar(nvme)
}

fn disk() -> MemoryDisk {
    MemoryDisk::new((0..DISK_BLOCKS * 512).map(|i| (i / 512 * 7 + i % 512) as u8).collect())
}

/// A driver's end of a pair of queues.
#[derive(Clone, Copy, Debug)]
struct Pair {
    id: u16,
    sq: u64,
    cq: u64,
    entries: u16,
    tail: u16,
    head: u16,
    phase: bool,
}

impl Pair {
    fn new(id: u16, sq: u64, cq: u64, entries: u16) -> Self {
        Self { id, sq, cq, entries, tail: 0, head: 0, phase: true }
    }
}

/// A completion as a driver sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    id: u16,
    /// Status code type and code.
    status: u16,
    result: u32,
    queue: u16,
    sq_head: u16,
}

/// A submission queue entry in the making.
#[derive(Clone, Copy, Debug, Default)]
struct Sqe([u32; 16]);

fn sqe(opcode: u8) -> Sqe {
    Sqe([opcode.into(), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

impl Sqe {
    fn with(mut self, at: usize, value: u32) -> Self {
        self.0[at] = value;
        self
    }
    fn namespace(self, id: u32) -> Self {
        self.with(1, id)
    }
    fn prp(self, first: u64, second: u64) -> Self {
        let words = [first as u32, (first >> 32) as u32, second as u32, (second >> 32) as u32];
        words.into_iter().enumerate().fold(self, |sqe, (i, word)| sqe.with(6 + i, word))
    }
    fn blocks(self, first: u64, count: u32) -> Self {
        self.with(10, first as u32).with(11, (first >> 32) as u32).with(12, count - 1)
    }
    fn bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// Success of a command that says nothing more.
const OK: u16 = 0;

struct Pc {
    bench: Bench,
    memory: GuestMemory,
    disk: MemoryDisk,
    bar: Bar,
    admin: Pair,
    next_id: u16,
}

impl Pc {
    fn untouched() -> Self {
        let bench = Bench::new();
        let memory = GuestMemory::new(RAM).unwrap();
        let disk = disk();
        let bar = device(&bench, &memory, &disk);
        let admin = Pair::new(0, ASQ, ACQ, ADMIN_ENTRIES);
        Self { bench, memory, disk, bar, admin, next_id: 1 }
    }

    /// A controller that is enabled.
    fn new() -> Self {
        let mut pc = Self::untouched();
        pc.enable();
        pc
    }

    fn enable(&mut self) {
        let last = u32::from(ADMIN_ENTRIES) - 1;
        self.bar.write32(0x24, last << 16 | last);
        self.bar.write64(0x28, ASQ);
        self.bar.write64(0x30, ACQ);
        self.bar.write32(0x14, 0x0046_0001);
        self.admin = Pair::new(0, ASQ, ACQ, ADMIN_ENTRIES);
        self.memory.write_bytes(Gpa(ACQ), &[0; 16 * ADMIN_ENTRIES as usize]).unwrap();
        assert_eq!(self.bar.read32(0x1c), 1, "ready");
    }

    fn enable_messages(&mut self) {
        for vector in 0..4u64 {
            let at = 0x2000 + 16 * vector;
            self.bar.write64(at, MESSAGE);
            self.bar.write32(at + 8, 0x40 + vector as u32);
            self.bar.write32(at + 12, 0);
        }
        // The capability is the only one.
        assert_eq!(self.bar.0.config_read(0x40) & 0xff, 0x11);
        self.bar.0.config_write(0x40, 0x8000_0000, 0xc);
    }

    /// Puts a command into a queue without ringing; its identifier.
    fn put(&mut self, pair: &mut Pair, sqe: Sqe) -> u16 {
        let id = self.next_id;
        self.next_id += 1;
        let sqe = sqe.with(0, sqe.0[0] | u32::from(id) << 16);
        self.memory.write_bytes(Gpa(pair.sq + 64 * u64::from(pair.tail)), &sqe.bytes()).unwrap();
        pair.tail = (pair.tail + 1) % pair.entries;
        id
    }

    fn ring(&mut self, pair: &Pair) {
        self.bar.write32(0x1000 + 8 * u64::from(pair.id), pair.tail.into());
    }

    /// The next completion, if it is there; rings the doorbell.
    fn next(&mut self, pair: &mut Pair) -> Option<Seen> {
        let entry = self.memory.read_at::<16>(Gpa(pair.cq + 16 * u64::from(pair.head))).unwrap();
        let word = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        if (word(14) & 1 != 0) != pair.phase {
            return None;
        }
        pair.head = (pair.head + 1) % pair.entries;
        pair.phase ^= pair.head == 0;
        self.bar.write32(0x1004 + 8 * u64::from(pair.id), pair.head.into());
        Some(Seen {
            id: word(12),
            status: word(14) >> 1 & 0x7ff,
            result: u32::from(word(0)) | u32::from(word(2)) << 16,
            queue: word(10),
            sq_head: word(8),
        })
    }

    /// One command, which is done at once.
    fn run(&mut self, pair: &mut Pair, sqe: Sqe) -> Seen {
        let id = self.put(pair, sqe);
        self.ring(pair);
        let seen = self.next(pair).expect("a completion");
        assert_eq!((seen.id, seen.queue), (id, pair.id));
        seen
    }

    /// One admin command: status and dword 0.
    fn admin(&mut self, sqe: Sqe) -> (u16, u32) {
        let mut pair = self.admin;
        let seen = self.run(&mut pair, sqe);
        self.admin = pair;
        (seen.status, seen.result)
    }

    /// Makes a pair of I/O queues with interrupt vector `id`, or 0 without messages.
    fn pair(&mut self, id: u16) -> Pair {
        let at = 0x2_0000 + 0x4000 * u64::from(id);
        let pair = Pair::new(id, at, at + 0x2000, IO_ENTRIES);
        self.memory.write_bytes(Gpa(pair.cq), &[0; 16 * IO_ENTRIES as usize]).unwrap();
        let size = u32::from(id) | (u32::from(IO_ENTRIES) - 1) << 16;
        let messages = self.bar.0.msix.is_enabled(&self.bar.0.config);
        let vector = if messages { u32::from(id) } else { 0 };
        let cq = sqe(0x05).namespace(0).prp(pair.cq, 0).with(10, size).with(11, vector << 16 | 3);
        assert_eq!(self.admin(cq), (OK, 0));
        let sq = sqe(0x01).namespace(0).prp(pair.sq, 0).with(10, size).with(11, u32::from(id) << 16 | 1);
        assert_eq!(self.admin(sq), (OK, 0));
        pair
    }

    fn data(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_bytes(Gpa(at), &mut bytes).unwrap();
        bytes
    }

    fn blocks(&self, first: usize, count: usize) -> Vec<u8> {
        self.disk.bytes()[first * 512..(first + count) * 512].to_vec()
    }
}
