//! A controller on a bench, set up as firmware leaves it.

use glassbox_device_api::{AccessSize, Device, PciFunction, PortIo, ResetKind, RestoreError, SaveRestore};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_pci::PciDevice;
use glassbox_testkit::{Bench, MemoryDisk, PortBus};

use crate::ata::{DriveConfig, DriveKind};
use crate::ide::{IdeController, IdeControllerSavedV1, IdeModel};

/// Offsets: primary and secondary command block and control, bus master.
pub const SECONDARY: u16 = 0x10;
pub const CONTROL: u16 = 8;
pub const BUS_MASTER: u16 = 0x20;
/// Wires.
pub const IRQ14: u32 = 14;
pub const IRQ15: u32 = 15;

/// Ports of the rig, for fuzz.
pub const WINDOW: u16 = 0x38;

/// The controller, with the bus master's registers behind the legacy ones and the
/// command register and IDETIM behind those.
pub struct Rig {
    pub ide: IdeController,
    pub memory: GuestMemory,
}

impl PortIo for Rig {
    fn port_read(&mut self, offset: u16, size: AccessSize) -> u32 {
        match offset {
            0..BUS_MASTER => self.ide.port_read(offset, size),
            BUS_MASTER..0x30 => self.ide.bar_read(4, (offset - BUS_MASTER).into(), size) as u32,
            _ => self.ide.config_read(4) & size.mask() as u32,
        }
    }

    fn port_write(&mut self, offset: u16, size: AccessSize, value: u32) {
        match offset {
            0..BUS_MASTER => self.ide.port_write(offset, size, value),
            BUS_MASTER..0x30 => self.ide.bar_write(4, (offset - BUS_MASTER).into(), size, value.into()),
            0x30..0x34 => self.ide.config_write(4, value, 0xf),
            _ => self.ide.config_write(0x40, value | 0x8000_8000, 0xf),
        }
    }

    fn port_read_run(&mut self, offset: u16, size: AccessSize, to: &mut [u8]) -> usize {
        self.ide.port_read_run(offset, size, to)
    }

    fn port_write_run(&mut self, offset: u16, size: AccessSize, from: &[u8]) -> usize {
        self.ide.port_write_run(offset, size, from)
    }
}

impl Device for Rig {
    fn name(&self) -> &'static str {
        "ide"
    }

    fn reset(&mut self, kind: ResetKind) {
        self.ide.reset(kind);
        self.enable();
    }

    fn poll_host(&mut self) {
        self.ide.poll_host();
    }
}

impl SaveRestore for Rig {
    type Saved = IdeControllerSavedV1;

    fn save(&self) -> IdeControllerSavedV1 {
        self.ide.save()
    }

    fn restore(&mut self, saved: IdeControllerSavedV1) -> Result<(), RestoreError> {
        self.ide.restore(saved)
    }
}

pub fn disk(disk: &MemoryDisk) -> Option<DriveConfig> {
    let backend = Box::new(disk.clone());
    Some(DriveConfig { kind: DriveKind::Disk, backend, serial: "GB0001".into() })
}

pub fn cdrom(disk: &MemoryDisk) -> Option<DriveConfig> {
    let backend = Box::new(disk.clone());
    Some(DriveConfig { kind: DriveKind::Cdrom, backend, serial: "GB0002".into() })
}

/// A disk whose sectors each begin with their number.
pub fn numbered(sectors: u32) -> MemoryDisk {
    let mut bytes = vec![0x5a; sectors as usize * 512];
    for (i, sector) in bytes.chunks_mut(512).enumerate() {
        sector[..4].copy_from_slice(&(i as u32).to_le_bytes());
    }
    MemoryDisk::new(bytes)
}

impl Rig {
    pub fn new(bench: &Bench, drives: [Option<DriveConfig>; 4]) -> Self {
        let memory = GuestMemory::new(8 << 20).unwrap();
        let lines = [bench.line(IRQ14), bench.line(IRQ15)];
        let ide = IdeController::new(IdeModel::Piix3, &memory, lines, drives);
        let mut rig = Self { ide, memory };
        rig.enable();
        rig
    }

    /// One disk as primary device 0.
    pub fn with_disk(bench: &Bench, backend: &MemoryDisk) -> Self {
        Self::new(bench, [disk(backend), None, None, None])
    }

    fn enable(&mut self) {
        self.ide.config_write(0x04, 0x05, 0x3);
        self.ide.config_write(0x40, 0x8000_8000, 0xf);
    }

    /// Issues a 28-bit command on primary device 0 by LBA.
    pub fn command(&mut self, code: u8, lba: u32, count: u8) {
        self.out8(6, 0xe0 | (lba >> 24) as u8);
        self.out8(2, count);
        self.out8(3, lba as u8);
        self.out8(4, (lba >> 8) as u8);
        self.out8(5, (lba >> 16) as u8);
        self.out8(7, code);
    }

    /// Issues a 48-bit command on primary device 0.
    pub fn command_ext(&mut self, code: u8, lba: u64, count: u16) {
        self.out8(6, 0xe0);
        for (register, low, high) in [
            (2, count as u8, (count >> 8) as u8),
            (3, lba as u8, (lba >> 24) as u8),
            (4, (lba >> 8) as u8, (lba >> 32) as u8),
            (5, (lba >> 16) as u8, (lba >> 40) as u8),
        ] {
            self.out8(register, high);
            self.out8(register, low);
        }
        self.out8(7, code);
    }

    pub fn status(&mut self) -> u8 {
        self.in8(7)
    }

    pub fn alternate_status(&mut self) -> u8 {
        self.in8(CONTROL)
    }

    /// Reads a block by words.
    pub fn read_block(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes / 2).flat_map(|_| self.in16(0).to_le_bytes()).collect()
    }

    /// Writes a block by words.
    pub fn write_block(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(2) {
            self.out16(0, u16::from_le_bytes([word[0], word[1]]));
        }
    }

    /// The word `at` of IDENTIFY DEVICE of primary device 0.
    pub fn identify(&mut self) -> Vec<u16> {
        self.command(0xec, 0, 0);
        assert_eq!(self.status(), 0x58);
        let bytes = self.read_block(512);
        bytes.chunks(2).map(|w| u16::from_le_bytes([w[0], w[1]])).collect()
    }

    /// Writes a table of regions (address, bytes) at `at`; the last one ends it.
    pub fn prd_table(&mut self, at: u64, regions: &[(u32, u16)]) {
        for (i, (address, count)) in regions.iter().enumerate() {
            let flags: u16 = if i + 1 == regions.len() { 0x8000 } else { 0 };
            let entry = u64::from(*address) | u64::from(*count) << 32 | u64::from(flags) << 48;
            self.memory.write_bytes(Gpa(at + 8 * i as u64), &entry.to_le_bytes()).unwrap();
        }
        self.out32(BUS_MASTER + 4, at as u32);
    }

    pub fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_bytes(Gpa(at), &mut bytes).unwrap();
        bytes
    }
}
