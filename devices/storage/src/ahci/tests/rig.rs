//! An adapter on a bench with its first port running.

use glassbox_device_api::{AccessSize, Device, Mmio, PciFunction, ResetKind, RestoreError, SaveRestore};
use glassbox_memory::{Gpa, GuestMemory};
use glassbox_pci::PciDevice;
use glassbox_testkit::{Bench, MmioBus};

use crate::ahci::{AhciController, AhciControllerSavedV1, PORTS};
use crate::ata::DriveConfig;

/// The wire of the interrupt pin.
pub const INTX: u32 = 5;
/// Where the rig has its structures.
pub const LIST: u64 = 0x1_0000;
pub const FIS: u64 = 0x1_1000;
pub const TABLES: u64 = 0x2_0000;
pub const DATA: u64 = 0x10_0000;
/// Registers.
pub const GHC: u64 = 0x04;
pub const IS: u64 = 0x08;
pub const PORT: u64 = 0x100;
pub const PX_IS: u64 = 0x110;
pub const PX_IE: u64 = 0x114;
pub const PX_CMD: u64 = 0x118;
pub const PX_TFD: u64 = 0x120;
pub const PX_SIG: u64 = 0x124;
pub const PX_SSTS: u64 = 0x128;
pub const PX_SCTL: u64 = 0x12c;
pub const PX_SERR: u64 = 0x130;
pub const PX_SACT: u64 = 0x134;
pub const PX_CI: u64 = 0x138;

pub struct Rig {
    pub ahci: AhciController,
    pub memory: GuestMemory,
}

impl Mmio for Rig {
    fn mmio_read(&mut self, offset: u64, size: AccessSize) -> u64 {
        self.ahci.bar_read(5, offset, size)
    }

    fn mmio_write(&mut self, offset: u64, size: AccessSize, value: u64) {
        self.ahci.bar_write(5, offset, size, value);
    }
}

impl Device for Rig {
    fn name(&self) -> &'static str {
        "ahci"
    }

    fn reset(&mut self, kind: ResetKind) {
        self.ahci.reset(kind);
        self.ahci.config_write(4, 6, 3);
    }

    fn poll_host(&mut self) {
        self.ahci.poll_host();
    }
}

impl SaveRestore for Rig {
    type Saved = AhciControllerSavedV1;

    fn save(&self) -> AhciControllerSavedV1 {
        self.ahci.save()
    }

    fn restore(&mut self, saved: AhciControllerSavedV1) -> Result<(), RestoreError> {
        self.ahci.restore(saved)
    }
}

/// A command of the list.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    pub slot: u8,
    pub code: u8,
    pub lba: u64,
    pub count: u16,
    pub features: u16,
    /// Address and bytes.
    pub regions: &'a [(u64, u32)],
    pub packet: Option<[u8; 12]>,
}

pub const COMMAND: Command<'static> =
    Command { slot: 0, code: 0, lba: 0, count: 0, features: 0, regions: &[], packet: None };

impl Rig {
    /// The adapter, not yet touched by a driver.
    pub fn bare(bench: &Bench, drives: [Option<DriveConfig>; PORTS]) -> Self {
        let memory = GuestMemory::new(16 << 20).unwrap();
        let mut ahci = AhciController::new(&memory, bench.line(INTX), bench.msi(), drives);
        ahci.config_write(4, 6, 3);
        Self { ahci, memory }
    }

    /// The adapter with one drive, running, all interrupts enabled.
    pub fn new(bench: &Bench, drive: Option<DriveConfig>) -> Self {
        let mut rig = Self::bare(bench, [drive, None, None, None, None, None]);
        rig.start_port();
        rig
    }

    pub fn start_port(&mut self) {
        for (register, value) in [
            (GHC, 1 << 31 | 2),
            (PORT, LIST as u32),
            (PORT + 8, FIS as u32),
            (PX_SERR, u32::MAX),
            (PX_IS, u32::MAX),
            (IS, u32::MAX),
            (PX_IE, 0xfdc0_00ff),
            (PX_CMD, 0x10),
            (PX_CMD, 0x11),
        ] {
            self.write32(register, value);
        }
    }

    /// Writes a slot of the list and its table.
    pub fn prepare(&mut self, command: Command<'_>) {
        let Command { slot, code, lba, count, features, regions, packet } = command;
        let table = TABLES + 0x1000 * u64::from(slot);
        let [a, b, c, d, e, f, ..] = lba.to_le_bytes();
        let (features, count) = (features.to_le_bytes(), count.to_le_bytes());
        let fis = [
            0x27,
            0x80,
            code,
            features[0],
            a,
            b,
            c,
            0x40,
            d,
            e,
            f,
            features[1],
            count[0],
            count[1],
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        self.put(table, &fis);
        if let Some(packet) = packet {
            self.put(table + 0x40, &packet);
        }
        for (i, (address, bytes)) in regions.iter().enumerate() {
            let entry = u128::from(*address) | u128::from(bytes - 1) << 96;
            self.put(table + 0x80 + 16 * i as u64, &entry.to_le_bytes());
        }
        let flags = 5 | u32::from(packet.is_some()) << 5 | (regions.len() as u32) << 16;
        self.header(slot, flags, table);
    }

    pub fn header(&mut self, slot: u8, flags: u32, table: u64) {
        let at = LIST + 32 * u64::from(slot);
        self.put(at, &flags.to_le_bytes());
        self.put(at + 8, &table.to_le_bytes());
    }

    /// Prepares and issues a command.
    pub fn issue(&mut self, command: Command<'_>) {
        self.prepare(command);
        self.write32(PX_CI, 1 << command.slot);
    }

    /// Issues a queued command.
    pub fn enqueue(&mut self, slot: u8, code: u8, lba: u64, sectors: u16, at: u64) {
        self.write32(PX_SACT, 1 << slot);
        let regions = [(at, u32::from(sectors) * 512)];
        let count = u16::from(slot) << 3;
        self.issue(Command { slot, code, lba, count, features: sectors, regions: &regions, ..COMMAND });
    }

    /// Reads and clears the port's interrupts.
    pub fn take_interrupts(&mut self) -> u32 {
        let is = self.read32(PX_IS);
        self.write32(PX_IS, is);
        self.write32(IS, u32::MAX);
        is
    }

    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        self.memory.write_bytes(Gpa(at), bytes).unwrap();
    }

    pub fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_bytes(Gpa(at), &mut bytes).unwrap();
        bytes
    }

    /// The count of bytes in a slot's header.
    pub fn moved(&self, slot: u8) -> u32 {
        let bytes = self.bytes(LIST + 32 * u64::from(slot) + 4, 4);
        u32::from_le_bytes(bytes.try_into().unwrap())
    }
}
