//! The PCI host bridge: its windows, and how INTx pins reach the interrupt
//! controllers.

use super::INTERRUPT_MODE;
use super::isa::{self, PIRQ_FIELDS};
use crate::TablesConfig;
use crate::aml::{
    Code, PCI_IRQ_OFFSET, code, crs, device, hid, method, name, pci_irqs, ports, resources, uid,
};
use crate::platform::{INTX_GSI_BASE, PCI_MMIO_END, intx_route};
use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, And, Arg, CreateDWordField, If, LessThan, Or, Package,
    PackageBuilder, Path, Return, Store, ZERO,
};

const LINKS: [&str; 4] = ["LNKA", "LNKB", "LNKC", "LNKD"];
const SLOTS: u8 = 32;
const PINS: u8 = 4;
/// Interrupts of the 8259s that nothing on the board uses.
const LINK_IRQS: [u32; 3] = [5, 10, 11];
/// In a PIRQ route register: the pin is not routed to the 8259s.
const NOT_ROUTED: u8 = 0x80;

const STATUS_DISABLED: u8 = 0x09;
const STATUS_ENABLED: u8 = 0x0B;

/// The host bridge with everything on its bus.
pub fn host_bridge(config: &TablesConfig) -> Code {
    device(
        "PCI0",
        &[
            hid("PNP0A03"),
            uid(0),
            name("_BBN", &ZERO),
            windows(config.pci_memory_start, config.pci_memory_64),
            name("PRTA", &routing_table(|line| (code(&ZERO), INTX_GSI_BASE + u32::from(line)))),
            name("PRTP", &routing_table(|line| (link(line), 0))),
            method(
                "_PRT",
                0,
                &[
                    code(&If::new(&Path::new(INTERRUPT_MODE), vec![&Return::new(&Path::new("PRTA"))])),
                    code(&Return::new(&Path::new("PRTP"))),
                ],
            ),
            isa::bridge(config),
        ],
    )
}

/// What the bridge decodes: bus numbers, the configuration ports, the other
/// ports, the VGA window and the window for memory BARs.
fn windows(memory_start: u32, above: Option<(u64, u64)>) -> Code {
    use AddressSpaceCacheable::{Cacheable, NotCacheable};
    let mut windows = vec![
        code(&AddressSpace::new_bus_number(0u16, 0xFF)),
        ports(0xCF8, 8),
        code(&AddressSpace::new_io(0u16, 0xCF7, None)),
        code(&AddressSpace::new_io(0xD00u16, 0xFFFF, None)),
        code(&AddressSpace::new_memory(Cacheable, true, 0xA_0000u32, 0xB_FFFF, None)),
        code(&AddressSpace::new_memory(NotCacheable, true, memory_start, PCI_MMIO_END, None)),
    ];
    windows.extend(
        above.map(|(first, last)| code(&AddressSpace::new_memory(NotCacheable, true, first, last, None))),
    );
    crs(&windows)
}

fn link(line: u8) -> Code {
    code(&Path::new(&format!("\\_SB_.{}", LINKS[usize::from(line)])))
}

/// A `_PRT` package (ACPI 6.5, 6.2.13): address, pin, source and source index
/// of each pin of each slot.
fn routing_table(source: impl Fn(u8) -> (Code, u32)) -> PackageBuilder {
    let mut table = PackageBuilder::new();
    for slot in 0..SLOTS {
        for pin in 0..PINS {
            let all_functions = u32::from(slot) << 16 | 0xFFFF;
            let (link, index) = source(intx_route(slot, pin));
            table.add_element(&Package::new(vec![&all_functions, &pin, &link, &index]));
        }
    }
    table
}

/// The link devices: an operating system in PIC mode reads and sets the
/// bridge's PIRQ route registers through them.
pub fn interrupt_links() -> Vec<Code> {
    let register = |line: usize| Path::new(PIRQ_FIELDS[line]);
    let number = Path::new("IRQN");
    let buffer = Path::new("RBUF");
    let links = LINKS.iter().enumerate().map(|(line, path)| {
        let status = method(
            "_STA",
            0,
            &[
                code(&If::new(
                    &And::new(&ZERO, &register(line), &NOT_ROUTED),
                    vec![&Return::new(&STATUS_DISABLED)],
                )),
                code(&Return::new(&STATUS_ENABLED)),
            ],
        );
        let disable = method("_DIS", 0, &[code(&Or::new(&register(line), &register(line), &NOT_ROUTED))]);
        let current = method(
            "_CRS",
            0,
            &[
                name("RBUF", &resources(&[pci_irqs(&[0])])),
                code(&CreateDWordField::new(&number, &buffer, &PCI_IRQ_OFFSET)),
                code(&If::new(
                    &LessThan::new(&register(line), &NOT_ROUTED),
                    vec![&Store::new(&number, &register(line))],
                )),
                code(&Return::new(&buffer)),
            ],
        );
        let set = method(
            "_SRS",
            1,
            &[
                code(&CreateDWordField::new(&number, &Arg(0), &PCI_IRQ_OFFSET)),
                code(&Store::new(&register(line), &number)),
            ],
        );
        let possible = name("_PRS", &resources(&[pci_irqs(&LINK_IRQS)]));
        device(path, &[hid("PNP0C0F"), uid(line as u32), possible, status, disable, current, set])
    });
    links.collect()
}
