//! Guest physical memory: address types, RAM and ROM in one host mapping, and
//! the map of lines that hold cached code.
//!
//! This is one of the crates in which `unsafe` is allowed: every access to the
//! host mapping goes through `ram`, which checks bounds first.

mod address;
mod address_map;
mod code_map;
mod dirty;
mod error;
mod guest;
mod map;
mod ram;

pub use address::{Gpa, Gva, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE};
pub use address_map::AddressMap;
pub use code_map::CodeWatcher;
pub use error::MemoryError;
pub use guest::{Backing, BackingKind, GuestMemory, LOW_RAM_LIMIT, RamBlock};
pub use map::{MappingId, Shadow, WriteTarget};
pub use ram::{Atomic, Pod};
