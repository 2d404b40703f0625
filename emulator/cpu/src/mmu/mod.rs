//! The memory management unit: page walks, the software TLB, and the access
//! paths that instructions use.

mod access;
mod device_pages;
mod outside;
mod segmented;
mod slow;
mod tlb;
mod walk;

pub(crate) use device_pages::DevicePages;
pub(crate) use tlb::BESIDE_CODE;
pub use tlb::{ENTRIES as TLB_ENTRIES, Entry as TlbEntry, STRIDE as TLB_STRIDE, Table, Tlb};
pub use walk::Access;
