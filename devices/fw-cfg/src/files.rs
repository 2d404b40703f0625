//! What the interface offers: items by key, and files with a directory.

use std::collections::BTreeMap;

/// Keys of items (QEMU, `include/standard-headers/linux/qemu_fw_cfg.h` and `include/hw/nvram/fw_cfg.h`).
pub mod key {
    /// `QEMU`.
    pub const SIGNATURE: u16 = 0x00;
    /// Which interfaces there are.
    pub const ID: u16 = 0x01;
    /// Bytes of RAM, 64 bits.
    pub const RAM_SIZE: u16 = 0x03;
    /// Processors now, 16 bits.
    pub const CPUS: u16 = 0x05;
    /// Whether firmware offers a boot menu, 16 bits.
    pub const BOOT_MENU: u16 = 0x0e;
    /// The most processors, by which firmware sizes its tables, 16 bits.
    pub const MAX_CPUS: u16 = 0x0f;
    /// The directory of files.
    pub const FILE_DIRECTORY: u16 = 0x19;
    /// The first file.
    pub const FIRST_FILE: u16 = 0x20;
    /// The timer's interrupt is the I/O APIC's input 2, 32 bits.
    pub const IRQ0_OVERRIDE: u16 = 0x8002;
}

/// The traditional interface and DMA.
const ID_BOTH: u32 = 3;
/// Bytes of a file's name with its terminator.
const NAME: usize = 56;
/// Keys that files can have.
const MAX_FILES: usize = 0x3f00;

/// A range of the memory map as firmware reads it from `etc/e820`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct E820Range {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// Type: 1 RAM, 2 reserved.
    pub kind: u32,
}

/// The items of a device.
#[derive(Clone, Debug, Default)]
pub struct Items {
    items: BTreeMap<u16, Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Items {
    /// What every machine has: `ram` bytes of memory and `processors`.
    pub fn new(ram: u64, processors: u16) -> Self {
        let mut items = Self::default();
        items.set(key::SIGNATURE, b"QEMU".to_vec());
        items.set(key::ID, ID_BOTH.to_le_bytes().to_vec());
        items.set(key::RAM_SIZE, ram.to_le_bytes().to_vec());
        items.set(key::CPUS, processors.to_le_bytes().to_vec());
        items.set(key::MAX_CPUS, processors.to_le_bytes().to_vec());
        items.set(key::IRQ0_OVERRIDE, 1u32.to_le_bytes().to_vec());
        items
    }

    /// Sets the item with this key; keys of files are given out by the directory.
    pub fn set(&mut self, key: u16, bytes: Vec<u8>) {
        self.items.insert(key, bytes);
    }

    /// Adds a file, in place of one of the same name. False where the name is
    /// longer than 55 bytes or there are too many files.
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> bool {
        let fits = name.len() < NAME && self.files.len() < MAX_FILES && u32::try_from(bytes.len()).is_ok();
        if fits {
            self.files.insert(name.into(), bytes);
        }
        fits
    }

    /// Adds `etc/e820`, the memory map.
    pub fn add_memory_map(&mut self, ranges: &[E820Range]) {
        let mut bytes = Vec::new();
        for range in ranges {
            bytes.extend(range.start.to_le_bytes());
            bytes.extend(range.len.to_le_bytes());
            bytes.extend(range.kind.to_le_bytes());
        }
        self.add_file("etc/e820", bytes);
    }

    /// All items, with the directory and its files.
    pub(crate) fn finish(self) -> BTreeMap<u16, Vec<u8>> {
        let Self { mut items, files } = self;
        let mut directory = (files.len() as u32).to_be_bytes().to_vec();
        for ((name, bytes), key) in files.into_iter().zip(key::FIRST_FILE..) {
            directory.extend((bytes.len() as u32).to_be_bytes());
            directory.extend(key.to_be_bytes());
            directory.extend([0, 0]);
            let mut field = [0; NAME];
            field.iter_mut().zip(name.bytes()).for_each(|(to, byte)| *to = byte);
            directory.extend(field);
            items.insert(key, bytes);
        }
        items.insert(key::FILE_DIRECTORY, directory);
        items
    }
}
