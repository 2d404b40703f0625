//! Drives and the display of a machine.

use glassbox_device_api::DriveSource;
use std::fmt;
use std::sync::Arc;

/// Where a drive is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriveInterface {
    /// The PIIX's IDE function.
    Ide {
        /// 0 for the primary channel, 1 for the secondary.
        channel: u8,
        /// 0 for device 0 ("master"), 1 for device 1.
        unit: u8,
    },
    /// A SATA port of the AHCI controller.
    Ahci {
        /// 0 to 5.
        port: u8,
    },
    /// A virtio block device of its own.
    VirtioBlk,
    /// An NVMe controller of its own.
    Nvme,
    /// The floppy disk controller.
    Floppy {
        /// 0 for A, 1 for B.
        unit: u8,
    },
}

impl fmt::Display for DriveInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ide { channel, unit } => write!(f, "IDE channel {channel}, device {unit}"),
            Self::Ahci { port } => write!(f, "AHCI port {port}"),
            Self::VirtioBlk => f.write_str("virtio"),
            Self::Nvme => f.write_str("NVMe"),
            Self::Floppy { unit } => write!(f, "floppy drive {}", char::from(b'A' + (*unit).min(25))),
        }
    }
}

/// What goes into a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveMedia {
    /// A fixed disk.
    Disk,
    /// CD-ROM or DVD-ROM.
    Cdrom,
    /// A floppy disk.
    Floppy,
}

/// A drive.
#[derive(Clone)]
pub struct DriveConfig {
    /// Where it is connected.
    pub interface: DriveInterface,
    /// What goes into it.
    pub media: DriveMedia,
    /// Gives device and firmware their back ends. With a clock of instructions
    /// these have to answer at once.
    pub source: Arc<dyn DriveSource>,
    /// Serial number; up to 20 ASCII characters count.
    pub serial: String,
    /// Place in the order in which firmware tries to boot, from 0; drives with one
    /// come before those without.
    pub boot_index: Option<u32>,
    /// What the user calls it, for messages and boot menus.
    pub name: String,
}

impl fmt::Debug for DriveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriveConfig")
            .field("interface", &self.interface)
            .field("media", &self.media)
            .field("serial", &self.serial)
            .field("boot_index", &self.boot_index)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The display adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayConfig {
    /// Bytes of video memory: a power of two from 1 to 64 MiB.
    pub memory: u32,
    /// The expansion ROM; none where empty. The built-in BIOS needs none.
    pub option_rom: Vec<u8>,
}

impl Default for DisplayConfig {
    fn default() -> Self {
        Self { memory: 16 << 20, option_rom: Vec::new() }
    }
}
