//! Owned pieces of AML. The terms of `acpi_tables` borrow their children, which
//! suits expressions; a tree of devices is easier to build from finished code.

use acpi_tables::aml::{Device, EISAName, IO, Memory32Fixed, Method, Name, Path, ResourceTemplate, Scope};
use acpi_tables::{Aml, AmlSink};

/// Finished AML.
#[derive(Clone, Debug, Default)]
pub struct Code(pub Vec<u8>);

impl Aml for Code {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}

/// The code of a term.
pub fn code(term: &dyn Aml) -> Code {
    let mut bytes = Vec::new();
    term.to_aml_bytes(&mut bytes);
    Code(bytes)
}

fn children(body: &[Code]) -> Vec<&dyn Aml> {
    body.iter().map(|c| c as &dyn Aml).collect()
}

pub fn scope(name: &str, body: &[Code]) -> Code {
    code(&Scope::new(Path::new(name), children(body)))
}

pub fn device(name: &str, body: &[Code]) -> Code {
    code(&Device::new(Path::new(name), children(body)))
}

/// A serialized method: those here create named objects.
pub fn method(name: &str, args: u8, body: &[Code]) -> Code {
    code(&Method::new(Path::new(name), args, true, children(body)))
}

pub fn name(name: &str, value: &dyn Aml) -> Code {
    code(&Name::new(Path::new(name), value))
}

/// `_HID` as a compressed EISA ID such as `PNP0A03`.
pub fn hid(id: &str) -> Code {
    name("_HID", &EISAName::new(id))
}

pub fn uid(id: u32) -> Code {
    name("_UID", &id)
}

/// `_CRS` with these descriptors.
pub fn crs(descriptors: &[Code]) -> Code {
    name("_CRS", &resources(descriptors))
}

pub fn resources(descriptors: &[Code]) -> Code {
    code(&ResourceTemplate::new(children(descriptors)))
}

/// Fixed I/O ports.
pub fn ports(first: u16, count: u8) -> Code {
    code(&IO::new(first, first, 1, count))
}

pub fn memory(base: u32, len: u32) -> Code {
    code(&Memory32Fixed::new(true, base, len))
}

/// An ISA interrupt, edge triggered and active high (small resource item 4
/// without its flags byte, ACPI 6.5, 6.4.2.1).
pub fn isa_irq(irq: u8) -> Code {
    let mask = 1u16 << (irq & 15);
    Code([&[0x22][..], &mask.to_le_bytes()].concat())
}

/// An ISA DMA channel: 0 to 3 move bytes, 5 to 7 words (small resource item 5,
/// ACPI 6.5, 6.4.2.2).
pub fn isa_dma(channel: u8) -> Code {
    const WORDS: u8 = 2;
    Code(vec![0x2A, 1 << (channel & 7), if channel < 4 { 0 } else { WORDS }])
}

/// Interrupts to choose from, level triggered, active low, shared (large
/// resource item 9, 6.4.3.6).
pub fn pci_irqs(irqs: &[u32]) -> Code {
    const CONSUMER_LEVEL_LOW_SHARED: u8 = 0b1101;
    let len = 2 + 4 * irqs.len() as u16;
    let mut bytes = vec![0x89];
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&[CONSUMER_LEVEL_LOW_SHARED, irqs.len() as u8]);
    bytes.extend(irqs.iter().flat_map(|irq| irq.to_le_bytes()));
    Code(bytes)
}
/// Where the interrupt number lies in a template with one [`pci_irqs`] of one.
pub const PCI_IRQ_OFFSET: u8 = 5;
