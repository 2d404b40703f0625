//! The tables of the Intel MultiProcessor Specification 1.4: the floating
//! pointer and, behind it, the configuration table.

use crate::platform::{INTX_GSI_BASE, IOAPIC_BASE, LOCAL_APIC_BASE, SCI_IRQ, intx_route};

const POINTER: usize = 16;
const HEADER: usize = 44;
const SPEC: u8 = 4;
const APIC_VERSION: u8 = 0x14;
const IOAPIC_VERSION: u8 = 0x20;
const PCI: u8 = 0;
const ISA: u8 = 1;
/// Interrupt types.
const INT: u8 = 0;
const NMI: u8 = 1;
const EXT_INT: u8 = 3;
/// Active high, level triggered.
const HIGH_LEVEL: u16 = 0x000D;
/// As the bus has it.
const CONFORMS: u16 = 0;

/// The processors and the I/O APIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MpConfig {
    /// Local APIC IDs, the boot processor first.
    pub processors: Vec<u8>,
    /// CPUID leaf 1, EAX.
    pub signature: u32,
    /// CPUID leaf 1, EDX.
    pub features: u32,
    /// ID of the I/O APIC.
    pub ioapic_id: u8,
}

fn seal(bytes: &mut [u8], at: usize) {
    bytes[at] = 0;
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[at] = sum.wrapping_neg();
}

/// Both tables, to be put at the physical address `at`, a multiple of 16.
pub fn mp_tables(at: u32, config: &MpConfig) -> Vec<u8> {
    let mut pointer = vec![0; POINTER];
    pointer[..4].copy_from_slice(b"_MP_");
    pointer[4..8].copy_from_slice(&(at + POINTER as u32).to_le_bytes());
    pointer[8] = 1;
    pointer[9] = SPEC;
    seal(&mut pointer, 10);

    let (entries, count) = entries(config);
    let mut table = vec![0; HEADER];
    table[..4].copy_from_slice(b"PCMP");
    table[4..6].copy_from_slice(&((HEADER + entries.len()) as u16).to_le_bytes());
    table[6] = SPEC;
    table[8..16].copy_from_slice(b"GLASSBOX");
    table[16..28].copy_from_slice(b"PC          ");
    table[34..36].copy_from_slice(&count.to_le_bytes());
    table[36..40].copy_from_slice(&LOCAL_APIC_BASE.to_le_bytes());
    table.extend_from_slice(&entries);
    seal(&mut table, 7);
    pointer.extend_from_slice(&table);
    pointer
}

fn entries(config: &MpConfig) -> (Vec<u8>, u16) {
    let mut bytes = Vec::new();
    let mut count = 0;
    let mut add = |entry: &[u8]| {
        bytes.extend_from_slice(entry);
        count += 1;
    };
    for (n, &id) in config.processors.iter().enumerate() {
        let mut entry = [0; 20];
        // Enabled; the boot processor.
        entry[..4].copy_from_slice(&[0, id, APIC_VERSION, 1 | u8::from(n == 0) << 1]);
        entry[4..8].copy_from_slice(&config.signature.to_le_bytes());
        entry[8..12].copy_from_slice(&config.features.to_le_bytes());
        add(&entry);
    }
    add(b"\x01\x00PCI   ");
    add(b"\x01\x01ISA   ");
    let mut ioapic = [2, config.ioapic_id, IOAPIC_VERSION, 1, 0, 0, 0, 0];
    ioapic[4..].copy_from_slice(&IOAPIC_BASE.to_le_bytes());
    add(&ioapic);
    let mut interrupt = |kind: u8, flags: u16, bus: u8, source: u8, pin: u8| {
        let flags = flags.to_le_bytes();
        add(&[3, kind, flags[0], flags[1], bus, source, config.ioapic_id, pin]);
    };
    for slot in 1..32u8 {
        for pin in 0..4 {
            let input = INTX_GSI_BASE as u8 + intx_route(slot, pin);
            interrupt(INT, CONFORMS, PCI, slot << 2 | pin, input);
        }
    }
    interrupt(EXT_INT, CONFORMS, ISA, 0, 0);
    for irq in (0..16u8).filter(|irq| *irq != 2) {
        let flags = if irq == SCI_IRQ { HIGH_LEVEL } else { CONFORMS };
        interrupt(INT, flags, ISA, irq, if irq == 0 { 2 } else { irq });
    }
    add(&[4, EXT_INT, 0, 0, ISA, 0, 0xFF, 0]);
    add(&[4, NMI, 0, 0, ISA, 0, 0xFF, 1]);
    (bytes, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointer_and_table_are_sealed_and_count_their_entries() {
        let config = MpConfig { processors: vec![0, 1], signature: 0x6F1, features: 0x201, ioapic_id: 2 };
        let bytes = mp_tables(0xF_0010, &config);
        let (pointer, table) = bytes.split_at(16);
        assert_eq!(pointer[4..8], 0xF_0020u32.to_le_bytes());
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |s, b| s.wrapping_add(*b));
        assert_eq!((sum(pointer), sum(table)), (0, 0));
        assert_eq!(usize::from(u16::from_le_bytes([table[4], table[5]])), table.len());
        let (mut at, mut count) = (44, 0);
        while at < table.len() {
            at += if table[at] == 0 { 20 } else { 8 };
            count += 1;
        }
        assert_eq!((at, count), (table.len(), u16::from_le_bytes([table[34], table[35]])));
        // Slot 3, INTA#: PIRQ C.
        let entry = table.windows(8).find(|w| w[..2] == [3, 0] && w[4..7] == [0, 3 << 2, 2]).unwrap();
        assert_eq!(entry[7], 18);
    }
}
