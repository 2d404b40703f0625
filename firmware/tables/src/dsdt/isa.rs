//! The ISA bridge and the devices behind it.

use crate::TablesConfig;
use crate::aml::{Code, code, crs, device, hid, isa_dma, isa_irq, name, ports, uid};
use crate::platform::{
    ISA_BRIDGE_SLOT, PIRQ_ROUTE, PM_BASE, PM_LENGTH, SMBUS_BASE, SMBUS_LENGTH, SMI_COMMAND,
};
use acpi_tables::aml::{
    Field, FieldAccessType, FieldEntry, FieldLockRule, FieldUpdateRule, OpRegion, OpRegionSpace, Path,
};

/// The fields over the bridge's four PIRQ route registers, as paths.
pub const PIRQ_FIELDS: [&str; 4] =
    ["\\_SB_.PCI0.ISA_.PRQA", "\\_SB_.PCI0.ISA_.PRQB", "\\_SB_.PCI0.ISA_.PRQC", "\\_SB_.PCI0.ISA_.PRQD"];

const PIRQ_COUNT: u8 = PIRQ_FIELDS.len() as u8;

/// The bridge as a device of the PCI bus, with what of it the board has.
pub fn bridge(config: &TablesConfig) -> Code {
    let route_registers =
        OpRegion::new(Path::new("PIRQ"), OpRegionSpace::PCIConfig, &PIRQ_ROUTE, &PIRQ_COUNT);
    let route_fields = Field::new(
        Path::new("PIRQ"),
        FieldAccessType::Byte,
        FieldLockRule::NoLock,
        FieldUpdateRule::Preserve,
        [*b"PRQA", *b"PRQB", *b"PRQC", *b"PRQD"].map(|name| FieldEntry::Named(name, 8)).to_vec(),
    );
    let mut body =
        vec![name("_ADR", &(u32::from(ISA_BRIDGE_SLOT) << 16)), code(&route_registers), code(&route_fields)];
    body.extend(devices());
    let serial = [("COM1", 1, 0x3F8, 4), ("COM2", 2, 0x2F8, 3)];
    for ((path, unit, port, irq), _) in serial.into_iter().zip(config.serial).filter(|(_, there)| *there) {
        body.push(isa(path, "PNP0501", unit, &[ports(port, 8), isa_irq(irq)]));
    }
    if config.floppy {
        let resources = [ports(0x3F0, 6), ports(0x3F7, 1), isa_irq(6), isa_dma(2)];
        body.push(isa("FDC0", "PNP0700", 0, &resources));
    }
    device("ISA_", &body)
}

fn devices() -> [Code; 8] {
    [
        isa("PIC_", "PNP0000", 0, &[ports(0x20, 2), ports(0xA0, 2), ports(0x4D0, 2), isa_irq(2)]),
        isa("DMAC", "PNP0200", 0, &[ports(0, 16), ports(0x81, 15), ports(0xC0, 32), isa_dma(4)]),
        isa("TMR_", "PNP0100", 0, &[ports(0x40, 4), isa_irq(0)]),
        isa("RTC_", "PNP0B00", 0, &[ports(0x70, 2), isa_irq(8)]),
        isa("SPKR", "PNP0800", 0, &[ports(0x61, 1)]),
        isa("PS2K", "PNP0303", 0, &[ports(0x60, 1), ports(0x64, 1), isa_irq(1)]),
        isa("PS2M", "PNP0F13", 0, &[isa_irq(12)]),
        // Ports of the board that no driver claims.
        isa(
            "MBRD",
            "PNP0C02",
            0,
            &[
                ports(0x80, 1),
                ports(0x92, 1),
                ports(SMI_COMMAND, 2),
                ports(PM_BASE, PM_LENGTH as u8),
                ports(SMBUS_BASE, SMBUS_LENGTH as u8),
            ],
        ),
    ]
}

fn isa(path: &str, id: &str, unit: u32, resources: &[Code]) -> Code {
    device(path, &[hid(id), uid(unit), crs(resources)])
}
