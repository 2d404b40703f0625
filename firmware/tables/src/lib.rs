//! Tables that firmware leaves in memory for an operating system: the E820
//! map, ACPI, SMBIOS, and the interrupt tables of the MP specification and of the PCI BIOS.

mod aml;
mod dsdt;
mod e820;
mod error;
mod fadt;
mod hpet;
mod install;
mod loader;
mod madt;
mod mp;
mod pir;
mod platform;
mod processors;
mod root;
mod smbios;

pub use e820::{E820Entry, E820Kind, E820Map, EBDA_START, ONE_MIB, pc_memory_map};
pub use error::TablesError;
pub use install::{Installed, TablesConfig, install};
pub use loader::{LoaderFiles, loader_files};
pub use mp::{MpConfig, mp_tables};
pub use pir::{irq_routing_slots, irq_routing_table};
pub use platform::{
    ACPI_DISABLE, ACPI_ENABLE, GPE0_BLOCK, GPE0_LENGTH, HPET_BASE, INTX_GSI_BASE, IOAPIC_BASE,
    ISA_BRIDGE_SLOT, LOCAL_APIC_BASE, PCI_MMIO_END, PCI_MMIO_START, PIRQ_ROUTE, PM_BASE, PM_LENGTH, PM_TIMER,
    PM1_CONTROL, PM1_EVENT, RESET_PORT, RESET_VALUE, SCI_IRQ, SLEEP_TYPE_S5, SMI_COMMAND, intx_route,
};
pub use smbios::{SmbiosConfig, smbios, smbios_files};
