//! The capabilities that say where the structures are (Virtio 1.2, 4.1.4).

use glassbox_pci::ConfigSpace;

/// The base address register of legacy I/O ports.
pub(super) const LEGACY_BAR: usize = 0;
/// The one of the MSI-X table.
pub(super) const MSIX_BAR: u8 = 1;
/// The one of the structures.
pub(super) const MODERN_BAR: u8 = 4;
/// Bytes of [`MODERN_BAR`].
pub(super) const MODERN_SIZE: u64 = 0x4000;
/// Bytes of [`MSIX_BAR`], and where in it the pending bits are.
pub(super) const MSIX_SIZE: u64 = 0x1000;
pub(super) const MSIX_PENDING: u32 = 0x800;
/// Vectors that fit before the pending bits.
pub(super) const MAX_VECTORS: u16 = 128;

/// Offsets in [`MODERN_BAR`].
pub(super) const COMMON: u64 = 0;
pub(super) const ISR: u64 = 0x1000;
pub(super) const DEVICE: u64 = 0x2000;
pub(super) const NOTIFY: u64 = 0x3000;
/// Bytes from one queue's notification address to the next one's.
pub(super) const NOTIFY_STEP: u64 = 4;
/// So many queues have an address.
pub(super) const MAX_QUEUES: usize = 1024;

const VENDOR_SPECIFIC: u8 = 9;
const CFG_COMMON: u8 = 1;
const CFG_NOTIFY: u8 = 2;
const CFG_ISR: u8 = 3;
const CFG_DEVICE: u8 = 4;
const CFG_PCI: u8 = 5;

/// Adds the capabilities; returns where the one for access through configuration
/// space is.
pub(super) fn add(config: &mut ConfigSpace) -> Option<u8> {
    let body = |kind, bar, offset: u64, length: u64, more: &[u32]| {
        let mut bytes = vec![VENDOR_SPECIFIC, 0, 16 + 4 * more.len() as u8, kind, bar, 0, 0, 0];
        bytes.extend((offset as u32).to_le_bytes());
        bytes.extend((length as u32).to_le_bytes());
        more.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes
    };
    config.add_capability(&body(CFG_COMMON, MODERN_BAR, COMMON, ISR - COMMON, &[]), &[])?;
    config.add_capability(&body(CFG_ISR, MODERN_BAR, ISR, DEVICE - ISR, &[]), &[])?;
    config.add_capability(&body(CFG_DEVICE, MODERN_BAR, DEVICE, NOTIFY - DEVICE, &[]), &[])?;
    let notify = body(CFG_NOTIFY, MODERN_BAR, NOTIFY, MODERN_SIZE - NOTIFY, &[NOTIFY_STEP as u32]);
    config.add_capability(&notify, &[])?;
    let mut writable = [0; 20];
    writable[4] = 0xff;
    writable[8..].fill(0xff);
    config.add_capability(&body(CFG_PCI, 0, 0, 0, &[0]), &writable)
}
