//! Virtio 1.2 (OASIS, "Virtual I/O Device Version 1.2").
//!
//! A kind of device implements [`VirtioDevice`]: what it offers, its
//! configuration, and what it does when a queue has something for it. It reaches
//! its queues through [`Rings`]. [`VirtioPci`] puts any of them on the PCI bus, with
//! the modern interface and, for a transitional device, the legacy one.
//!
//! | module | what |
//! | --- | --- |
//! | `queue` | split virtqueues: rings, descriptor chains, event suppression |
//! | `device` | [`VirtioDevice`] and [`Rings`] |
//! | `pci` | the PCI transport: registers, capabilities, interrupts |
//! | `block` | the block device |
//! | `input` | keyboard and tablet |
//!
//! The driver is hostile. What breaks the rules of a queue (an index that runs
//! away, a descriptor chain that loops or leaves memory) puts the device into
//! DEVICE_NEEDS_RESET: it touches guest memory no more until it is reset.

mod block;
mod device;
mod input;
mod pci;
mod queue;
#[cfg(test)]
mod testing;

pub use block::{VirtioBlock, VirtioBlockConfig, VirtioBlockSavedV1};
pub use device::{DeviceKind, Rings, VirtioDevice};
pub use input::{InputKind, VirtioInput, VirtioInputSavedV1};
pub use pci::{Interface, VirtioPci, VirtioPciConfig, VirtioPciSavedV1};
pub use queue::{Chain, QueueError, QueueSavedV1, Segment};

/// Feature bits of transport and queues (Virtio 1.2, chapter 6). Those of a device
/// are 0 to 23, and its own.
pub mod feature {
    /// A legacy driver may lay out a message over descriptors as it likes.
    pub const ANY_LAYOUT: u64 = 1 << 27;
    /// A descriptor may point to a table of descriptors.
    pub const INDIRECT_DESC: u64 = 1 << 28;
    /// Notifications are suppressed by index.
    pub const EVENT_IDX: u64 = 1 << 29;
    /// The driver speaks Virtio 1.0 or later.
    pub const VERSION_1: u64 = 1 << 32;
    /// Queues are reset one by one.
    pub const RING_RESET: u64 = 1 << 40;
}

/// Device status bits (Virtio 1.2, 2.1).
pub mod status {
    /// The driver is ready.
    pub const DRIVER_OK: u8 = 4;
    /// The driver has chosen features, and the device agrees.
    pub const FEATURES_OK: u8 = 8;
    /// The device is in an error from which only a reset leads out.
    pub const NEEDS_RESET: u8 = 64;
}
