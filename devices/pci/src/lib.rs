//! PCI: configuration access, configuration space, and the chipset's own functions.
//!
//! [`PciBus`] is configuration mechanism 1 over bus 0. A function keeps its 256
//! bytes in a [`ConfigSpace`], which knows identity, writable bits, BARs, the
//! interrupt pin and capabilities. The bus tells the board when a BAR moved
//! ([`PciBus::take_mapping_changes`]).
//!
//! Interrupt pins: [`pirq_of`] says which of the four PCI wires (PIRQA to PIRQD)
//! a slot's pin drives. With the I/O APICs in use the wires are GSI 16 to 19
//! ([`Pirq::gsi`]); with the 8259A they go where the ISA bridge's routing registers
//! say ([`IsaBridge::pirq_route`]).

mod bus;
mod config;
mod host_bridge;
mod intx;
mod isa_bridge;
mod msi;
mod msix;
mod pm;
mod shared;

pub use bus::{FunctionAddress, MappingChange, PciBus, PciBusSavedV1, PciDevice};
pub use config::{Bar, BarKind, BarMapping, ConfigSpace, ConfigSpaceSavedV1, Identity, offset};
pub use host_bridge::{HostBridge, HostBridgeSavedV1, ShadowAccess};
pub use intx::{IntxWires, Pirq, pirq_of};
pub use isa_bridge::{IsaBridge, IsaBridgeSavedV1};
pub use msi::MsiCapability;
pub use msix::{Msix, MsixSavedV1};
pub use pm::{PmFunction, PmFunctionSavedV1};
pub use shared::Shared;
