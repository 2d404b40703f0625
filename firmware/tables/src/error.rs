//! Why the tables could not be installed.

use glassbox_memory::{Gpa, MemoryError};
use thiserror::Error;

/// Why [`install`](crate::install) refused.
#[derive(Debug, Error)]
pub enum TablesError {
    /// There is nothing to describe.
    #[error("ACPI tables need at least one processor: give the machine one")]
    NoProcessors,
    /// Two processors would answer to one APIC ID.
    #[error("two processors have the APIC ID {0:#x}: number them apart")]
    DuplicateApicId(u32),
    /// FFFFFFFFh addresses all processors.
    #[error("the APIC ID 0xffffffff is reserved for broadcasts: number the processors otherwise")]
    BroadcastApicId,
    /// The tables have outgrown their area.
    #[error("the ACPI tables take {need} bytes, their area has {room}: give the machine fewer processors")]
    TooLarge {
        /// Bytes needed.
        need: usize,
        /// Bytes there are.
        room: usize,
    },
    /// Something read-only lies over the area.
    #[error("the ACPI tables at {0} cannot be written: map ROM images elsewhere")]
    ReadOnly(Gpa),
    /// The area is not RAM.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}
