//! Serial ATA host bus adapter of the Intel ICH9 (AHCI 1.2, with six ports).
//!
//! [`AhciController`] is the PCI function with the generic registers; each port has
//! its registers and the state machine between the command list in guest memory and
//! its drive. Drives are those of [`ata`](crate::ata), attached serially: disks
//! queue up to 32 commands (NCQ) and complete them in any order.

mod controller;
mod fis;
mod port;
mod registers;
mod slot;
#[cfg(test)]
mod tests;

pub use controller::{AhciController, AhciControllerSavedV1, PORTS, PortSavedV1};
