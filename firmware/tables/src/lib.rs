//! Tables that firmware leaves in memory for an operating system: the E820
//! map.

mod e820;

pub use e820::{E820Entry, E820Kind, E820Map, pc_memory_map};
