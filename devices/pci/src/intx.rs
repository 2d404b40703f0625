//! Interrupt pins of slots and the four wires of the chipset.

/// One of the chipset's PCI interrupt wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pirq {
    /// PIRQA#.
    A,
    /// PIRQB#.
    B,
    /// PIRQC#.
    C,
    /// PIRQD#.
    D,
}

impl Pirq {
    /// All four, in order.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// 0 to 3.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The wire's I/O APIC input: GSI 16 to 19.
    pub const fn gsi(self) -> u32 {
        16 + self as u32
    }
}

/// The wire that a slot's interrupt pin (1 for INTA# to 4 for INTD#) drives:
/// each slot is turned by one, so that slots share the wires evenly. Slot 0's
/// INTA# is PIRQA#. The DSDT has the same table.
pub const fn pirq_of(slot: u8, pin: u8) -> Pirq {
    Pirq::ALL[(slot.wrapping_add(pin).wrapping_sub(1) & 3) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_slots_use_neighbouring_wires() {
        assert_eq!(pirq_of(0, 1), Pirq::A);
        assert_eq!(pirq_of(1, 1), Pirq::B);
        assert_eq!(pirq_of(3, 2), Pirq::A);
        assert_eq!(pirq_of(31, 4), Pirq::C);
        assert_eq!(Pirq::D.gsi(), 19);
    }
}
