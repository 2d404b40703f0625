//! The devices that cannot be enumerated: DSDT (ACPI 6.5, 5.2.11.1).

mod isa;
mod pci;

use crate::TablesConfig;
use crate::aml::{Code, code, crs, device, hid, memory, method, name, scope};
use crate::platform::{HPET_BASE, SLEEP_TYPE_S5};
use crate::processors::processors;
use crate::root::{HEADER_LENGTH, table};
use acpi_tables::aml::{Arg, PackageBuilder, Path, Store, ZERO};

/// From revision 2 on integers have 64 bits.
const REVISION: u8 = 2;
const HPET_LENGTH: u32 = 0x400;
/// 0 in PIC mode, 1 in APIC mode; the operating system tells by `\_PIC`.
const INTERRUPT_MODE: &str = "PICF";

/// The DSDT of a board with this many processors.
pub fn dsdt(config: &TablesConfig) -> Vec<u8> {
    let mut bus = processors(config.processors.len());
    // The links come first: the routing table refers to them.
    bus.extend(pci::interrupt_links());
    bus.push(pci::host_bridge(config));
    if config.hpet.is_some() {
        bus.push(device("HPET", &[hid("PNP0103"), crs(&[memory(HPET_BASE, HPET_LENGTH)])]));
    }
    let terms = [
        name(INTERRUPT_MODE, &ZERO),
        method("_PIC", 1, &[code(&Store::new(&Path::new(INTERRUPT_MODE), &Arg(0)))]),
        soft_off(),
        scope("\\_SB_", &bus),
    ];
    let mut dsdt = table(*b"DSDT", HEADER_LENGTH, REVISION);
    let body: Vec<u8> = terms.into_iter().flat_map(|Code(bytes)| bytes).collect();
    dsdt.append_slice(&body);
    dsdt.as_slice().to_vec()
}

/// `_S5`: SLP_TYP for PM1a and PM1b, and two reserved elements.
fn soft_off() -> Code {
    let mut package = PackageBuilder::new();
    for value in [SLEEP_TYPE_S5, SLEEP_TYPE_S5, 0, 0] {
        package.add_element(&value);
    }
    name("_S5_", &package)
}
