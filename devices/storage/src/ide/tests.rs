//! The controller as a driver sees it, with disks in memory.

mod channel;
mod dma;
mod hostile;
pub mod rig;
