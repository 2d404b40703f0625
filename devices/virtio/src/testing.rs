//! A driver for tests: rings in guest memory and the function's registers.

use glassbox_device_api::{AccessSize, PciFunction};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_pci::PciDevice;
use glassbox_testkit::{Bench, MemoryDisk};

use crate::pci::{Interface, VirtioPci, VirtioPciConfig};
use crate::{VirtioBlock, VirtioBlockConfig, VirtioDevice, feature};

pub(crate) const LINE: u32 = 5;
/// Where queue `n` has its rings, how large it is, and where buffers are.
pub(crate) const RINGS: u64 = 0x1_0000;
const RINGS_STEP: u64 = 0x4000;
pub(crate) const SIZE: u16 = 16;
pub(crate) const BUFFERS: u64 = 0x4_0000;

const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;
pub(crate) const INDIRECT: u16 = 4;

/// A device, and the driver's own state.
pub(crate) struct Driver<D = VirtioBlock> {
    pub bench: Bench,
    pub memory: GuestMemory,
    /// What a block device is over.
    pub disk: MemoryDisk,
    pub pci: VirtioPci<D>,
    pub available: [u16; 2],
    pub used: [u16; 2],
    pub features: u64,
}

pub(crate) fn disk_bytes(sectors: usize) -> Vec<u8> {
    (0..sectors * 512).map(|i| (i / 512) as u8 ^ i as u8).collect()
}

impl Driver {
    /// A machine with a disk of 64 sectors, bus mastering on.
    pub fn new() -> Self {
        Self::with(MemoryDisk::new(disk_bytes(64)), 2, Interface::Transitional)
    }

    pub fn with(disk: MemoryDisk, queues: u16, interface: Interface) -> Self {
        let config = VirtioBlockConfig { serial: "glass-0001".into(), queues, ..Default::default() };
        let device = VirtioBlock::new(Box::new(disk.clone()), config);
        let mut driver = Driver::of(device, interface);
        driver.disk = disk;
        driver
    }
}

impl<D: VirtioDevice> Driver<D> {
    /// A machine with this device, bus mastering on.
    pub fn of(device: D, interface: Interface) -> Self {
        let bench = Bench::new();
        let memory = GuestMemory::new(4 << 20).unwrap();
        let connect =
            VirtioPciConfig { memory: memory.clone(), line: bench.line(LINE), msi: bench.msi(), interface };
        let mut pci = VirtioPci::new(device, connect).unwrap();
        pci.config_write(4, 7, 3);
        let disk = MemoryDisk::new(Vec::new());
        Self { bench, memory, disk, pci, available: [0; 2], used: [0; 2], features: 0 }
    }

    pub fn read(&mut self, offset: u64, bytes: u64) -> u64 {
        self.pci.bar_read(4, offset, AccessSize::from_bytes(bytes as usize).unwrap())
    }

    pub fn write(&mut self, offset: u64, bytes: u64, value: u64) {
        self.pci.bar_write(4, offset, AccessSize::from_bytes(bytes as usize).unwrap(), value);
    }

    pub fn port_read(&mut self, offset: u64, bytes: u64) -> u64 {
        self.pci.bar_read(0, offset, AccessSize::from_bytes(bytes as usize).unwrap())
    }

    pub fn port_write(&mut self, offset: u64, bytes: u64, value: u64) {
        self.pci.bar_write(0, offset, AccessSize::from_bytes(bytes as usize).unwrap(), value);
    }

    pub fn status(&mut self) -> u8 {
        self.read(0x14, 1) as u8
    }

    /// What the device offers.
    pub fn offered(&mut self) -> u64 {
        self.write(0, 4, 0);
        let low = self.read(4, 4);
        self.write(0, 4, 1);
        low | self.read(4, 4) << 32
    }

    /// Reset, negotiation and queue setup by the modern interface (Virtio 1.2, 3.1.1).
    pub fn start(&mut self, features: u64) {
        self.negotiate(features | feature::VERSION_1);
        assert_eq!(self.status(), 11);
        self.enable_queue(0);
        self.enable_queue(1);
        self.write(0x14, 1, 15);
        assert_eq!(self.status(), 15);
    }

    pub fn negotiate(&mut self, features: u64) {
        self.features = features;
        self.available = [0; 2];
        self.used = [0; 2];
        self.write(0x14, 1, 0);
        self.write(0x14, 1, 1);
        self.write(0x14, 1, 3);
        for half in 0..2 {
            self.write(8, 4, half);
            self.write(0xc, 4, features >> (32 * half) & 0xffff_ffff);
        }
        self.write(0x14, 1, 11);
    }

    pub fn enable_queue(&mut self, n: u16) {
        let base = ring(n);
        self.memory.write_bytes(Gpa(base), &[0; RINGS_STEP as usize]).unwrap();
        self.write(0x16, 2, n.into());
        self.write(0x18, 2, SIZE.into());
        self.write(0x20, 8, base);
        self.write(0x28, 4, base + 0x1000);
        self.write(0x30, 4, base + 0x2000);
        self.write(0x1c, 2, 1);
    }

    pub fn put(&self, at: u64, bytes: &[u8]) {
        self.memory.write_bytes(Gpa(at), bytes).unwrap();
    }

    pub fn get<const N: usize>(&self, at: u64) -> [u8; N] {
        self.memory.read_at(Gpa(at)).unwrap()
    }

    /// Writes a descriptor of queue `n`'s table.
    pub fn descriptor(&self, n: u16, index: u16, at: u64, len: u32, flags: u16, next: u16) {
        self.put(ring(n) + u64::from(index) * 16, &descriptor(at, len, flags, next));
    }

    /// Makes the chain at `head` available, without telling the device.
    pub fn offer(&mut self, n: u16, head: u16) {
        let index = &mut self.available[usize::from(n)];
        let (slot, next) = (*index % SIZE, index.wrapping_add(1));
        *index = next;
        self.put(ring(n) + 0x1004 + u64::from(slot) * 2, &head.to_le_bytes());
        self.put(ring(n) + 0x1002, &next.to_le_bytes());
    }

    pub fn kick(&mut self, n: u16) {
        self.write(0x3000 + u64::from(n) * 4, 2, n.into());
    }

    /// The next buffer that came back: head and bytes written.
    pub fn take(&mut self, n: u16) -> Option<(u32, u32)> {
        let index = u16::from_le_bytes(self.get(ring(n) + 0x2002));
        let mine = &mut self.used[usize::from(n)];
        if *mine == index {
            return None;
        }
        let slot = u64::from(*mine % SIZE);
        *mine = mine.wrapping_add(1);
        let entry = u64::from_le_bytes(self.get(ring(n) + 0x2004 + slot * 8));
        Some((entry as u32, (entry >> 32) as u32))
    }

    /// Lays out a request at descriptors `3 * slot`: header, data, status.
    pub fn request(&self, n: u16, slot: u16, kind: u32, sector: u64, data: Data<'_>) -> Places {
        let at = BUFFERS + u64::from(slot) * 0x2000;
        let head = slot * 3;
        let mut header = [0; 16];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        self.put(at, &header);
        self.descriptor(n, head, at, 16, NEXT, head + 1);
        let status = at + 0x1800;
        self.put(status, &[0xee]);
        match data {
            Data::None => self.descriptor(n, head, at, 16, NEXT, head + 2),
            Data::In(len) => self.descriptor(n, head + 1, at + 16, len, NEXT | WRITE, head + 2),
            Data::Out(bytes) => {
                self.put(at + 16, bytes);
                self.descriptor(n, head + 1, at + 16, bytes.len() as u32, NEXT, head + 2);
            }
        }
        self.descriptor(n, head + 2, status, 1, WRITE, 0);
        Places { head, data: at + 16, status }
    }

    /// Carries out one request on queue 0; returns the status and the bytes written.
    pub fn call(&mut self, kind: u32, sector: u64, data: Data<'_>) -> (u8, u32) {
        let places = self.request(0, 0, kind, sector, data);
        self.offer(0, places.head);
        self.kick(0);
        let (head, written) = self.take(0).expect("an answer");
        assert_eq!(head, u32::from(places.head));
        (self.get::<1>(places.status)[0], written)
    }
}

pub(crate) fn ring(n: u16) -> u64 {
    RINGS + u64::from(n) * RINGS_STEP
}

pub(crate) fn descriptor(at: u64, len: u32, flags: u16, next: u16) -> [u8; 16] {
    (u128::from(at) | u128::from(len) << 64 | u128::from(flags) << 96 | u128::from(next) << 112).to_le_bytes()
}

pub(crate) enum Data<'a> {
    None,
    In(u32),
    Out(&'a [u8]),
}

pub(crate) struct Places {
    pub head: u16,
    pub data: u64,
    pub status: u64,
}
