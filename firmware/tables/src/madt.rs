//! The interrupt controllers: MADT (ACPI 6.5, 5.2.12).

use crate::platform::{IOAPIC_BASE, LOCAL_APIC_BASE, SCI_IRQ};
use crate::root::table;

const LENGTH: u32 = 44;
const REVISION: u8 = 5;
/// There is a pair of 8259s beside the APICs.
const PCAT_COMPAT: u32 = 1;
const ENABLED: u32 = 1;
/// An xAPIC ID has eight bits, and FFh means all.
const LAST_XAPIC_ID: u32 = 254;

/// MPS INTI flags: active high, level triggered.
const HIGH_LEVEL: u16 = 0b1101;
/// As the ISA bus has it: active high, edge triggered.
const CONFORMS: u16 = 0;

/// The table for these local APIC IDs, in the order of their processor UIDs.
pub fn madt(apic_ids: &[u32], ioapic_id: u8) -> Vec<u8> {
    let mut entries = Vec::new();
    for (uid, &id) in (0u32..).zip(apic_ids) {
        if id <= LAST_XAPIC_ID && uid < 255 {
            entries.extend_from_slice(&[0, 8, uid as u8, id as u8]);
            entries.extend_from_slice(&ENABLED.to_le_bytes());
        } else {
            entries.extend_from_slice(&[9, 16, 0, 0]);
            entries.extend([id, ENABLED, uid].iter().flat_map(|w| w.to_le_bytes()));
        }
    }
    entries.extend_from_slice(&[1, 12, ioapic_id, 0]);
    entries.extend([IOAPIC_BASE, 0].iter().flat_map(|w| w.to_le_bytes()));

    // The timer takes the input that the cascade leaves free.
    interrupt_override(&mut entries, 0, 2, CONFORMS);
    interrupt_override(&mut entries, SCI_IRQ, u32::from(SCI_IRQ), HIGH_LEVEL);

    // NMI on LINT1 of all processors.
    entries.extend_from_slice(&[4, 6, 0xFF, 0, 0, 1]);
    if apic_ids.iter().any(|&id| id > LAST_XAPIC_ID) {
        entries.extend_from_slice(&[10, 12, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0]);
    }

    let mut madt = table(*b"APIC", LENGTH, REVISION);
    madt.write_u32(36, LOCAL_APIC_BASE);
    madt.write_u32(40, PCAT_COMPAT);
    madt.append_slice(&entries);
    madt.as_slice().to_vec()
}

fn interrupt_override(entries: &mut Vec<u8>, irq: u8, gsi: u32, flags: u16) {
    entries.extend_from_slice(&[2, 10, 0, irq]);
    entries.extend_from_slice(&gsi.to_le_bytes());
    entries.extend_from_slice(&flags.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(madt: &[u8]) -> Vec<&[u8]> {
        let mut rest = &madt[LENGTH as usize..];
        let mut entries = Vec::new();
        while let Some(&len) = rest.get(1) {
            let (entry, tail) = rest.split_at(usize::from(len));
            entries.push(entry);
            rest = tail;
        }
        entries
    }

    #[test]
    fn a_two_processor_board() {
        let madt = madt(&[0, 2], 3);
        assert_eq!(madt[36..44], [0, 0, 0xE0, 0xFE, 1, 0, 0, 0]);
        assert_eq!(
            entries(&madt),
            [
                &[0, 8, 0, 0, 1, 0, 0, 0][..],
                &[0, 8, 1, 2, 1, 0, 0, 0],
                &[1, 12, 3, 0, 0, 0, 0xC0, 0xFE, 0, 0, 0, 0],
                &[2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
                &[2, 10, 0, 9, 9, 0, 0, 0, 13, 0],
                &[4, 6, 0xFF, 0, 0, 1],
            ]
        );
    }

    #[test]
    fn ids_above_254_are_x2apic_entries() {
        let madt = madt(&[254, 256], 0);
        let entries = entries(&madt);
        assert_eq!(entries[0], [0, 8, 0, 254, 1, 0, 0, 0]);
        assert_eq!(entries[1], [9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(entries.last().unwrap()[..2], [10, 12]);
    }
}
