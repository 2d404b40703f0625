//! IDE function of the Intel 82371SB ("PIIX3") and 82371AB ("PIIX4"), with bus mastering.
//!
//! [`IdeController`] is the PCI function with its legacy ports, [`Channel`] one
//! cable with its two drives, [`BusMaster`] the registers and the table walk of one
//! channel's DMA. Data moves on the thread that calls the controller: at once when
//! the back end has answered, from `poll_host` otherwise.

mod bus_master;
mod channel;
mod controller;
#[cfg(test)]
pub(crate) mod tests;

pub use bus_master::BusMaster;
pub use channel::{Channel, ChannelSavedV1};
pub use controller::{IdeController, IdeControllerSavedV1, IdeModel};
