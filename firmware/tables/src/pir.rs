//! The PCI interrupt routing table (`$PIR`; Microsoft PCI IRQ Routing Table
//! Specification 1.0).

use crate::platform::{ISA_BRIDGE_SLOT, PIRQ_ROUTE, intx_route};

/// Slots that are described: device numbers on bus 0.
const SLOTS: std::ops::Range<u8> = 1..32;
const HEADER: usize = 32;
/// PCI ID of the router that the registers are compatible with: PIIX.
const ROUTER: u32 = 0x122E_8086;

/// The slot entries alone, as the PCI BIOS returns them (AH=B1h AL=0Eh): for each
/// pin the register that routes it and the interrupts that it may be routed to.
pub fn irq_routing_slots(irqs: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for slot in SLOTS {
        bytes.extend_from_slice(&[0, slot << 3]);
        for pin in 0..4 {
            bytes.push(PIRQ_ROUTE + intx_route(slot, pin));
            bytes.extend_from_slice(&irqs.to_le_bytes());
        }
        // Soldered on, as far as anybody can tell.
        bytes.extend_from_slice(&[0, 0]);
    }
    bytes
}

/// The whole table; `irqs` are those that PCI interrupts may use, and
/// `exclusive` those that nothing else has.
pub fn irq_routing_table(irqs: u16, exclusive: u16) -> Vec<u8> {
    let slots = irq_routing_slots(irqs);
    let mut bytes = vec![0; HEADER];
    bytes[..4].copy_from_slice(b"$PIR");
    bytes[4..6].copy_from_slice(&0x0100u16.to_le_bytes());
    bytes[6..8].copy_from_slice(&((HEADER + slots.len()) as u16).to_le_bytes());
    bytes[9] = ISA_BRIDGE_SLOT << 3;
    bytes[10..12].copy_from_slice(&exclusive.to_le_bytes());
    bytes[12..16].copy_from_slice(&ROUTER.to_le_bytes());
    bytes.extend_from_slice(&slots);
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[31] = sum.wrapping_neg();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_where_each_pin_of_each_slot_is_routed() {
        let table = irq_routing_table(0x0C00, 0x0C00);
        assert_eq!(table.len(), usize::from(u16::from_le_bytes([table[6], table[7]])));
        assert_eq!(table.iter().fold(0u8, |s, b| s.wrapping_add(*b)), 0);
        let slot3 = &table[32 + 2 * 16..][..16];
        assert_eq!((slot3[0], slot3[1]), (0, 3 << 3));
        assert_eq!([slot3[2], slot3[5], slot3[8], slot3[11]], [0x62, 0x63, 0x60, 0x61]);
        assert_eq!(slot3[3..5], [0x00, 0x0C]);
    }
}
