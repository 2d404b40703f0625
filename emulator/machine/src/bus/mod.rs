//! Who answers at which port and address, and the processor's way there.

mod mmio;
mod ports;
pub(crate) mod processor;

pub(crate) use mmio::MmioMap;
pub(crate) use ports::{PortMap, PortRoute};
