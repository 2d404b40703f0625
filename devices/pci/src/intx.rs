//! Interrupt pins of slots and the four wires of the chipset.

use std::collections::BTreeSet;

use crate::{FunctionAddress, IsaBridge};

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
/// each slot is turned by one, so that slots share the wires evenly. Slot 1's
/// INTA# is PIRQA#, as firmware made for QEMU takes for granted. The DSDT has the
/// same table.
pub const fn pirq_of(slot: u8, pin: u8) -> Pirq {
    Pirq::ALL[(slot.wrapping_add(pin).wrapping_sub(2) & 3) as usize]
}

/// The four wires, each the OR of the pins that drive it.
///
/// Not part of the saved state: a function that is restored drives its pin again.
#[derive(Clone, Debug, Default)]
pub struct IntxWires {
    asserted: [BTreeSet<FunctionAddress>; 4],
}

impl IntxWires {
    /// Four released wires.
    pub fn new() -> Self {
        Self::default()
    }

    /// A function drives its pin (1 to 4); tells the wire when its level changed.
    pub fn set(&mut self, at: FunctionAddress, pin: u8, level: bool) -> Option<Pirq> {
        let wire = pirq_of(at.slot(), pin);
        let before = self.level(wire);
        let asserted = &mut self.asserted[wire.index()];
        if level {
            asserted.insert(at);
        } else {
            asserted.remove(&at);
        }
        (self.level(wire) != before).then_some(wire)
    }

    /// Whether the wire is asserted.
    pub fn level(&self, wire: Pirq) -> bool {
        !self.asserted[wire.index()].is_empty()
    }

    /// The 8259A inputs that the wires assert through the routing registers, as a
    /// bit mask. To be asked again when a wire or a routing register changed.
    pub fn pic_inputs(&self, bridge: &IsaBridge) -> u16 {
        Pirq::ALL
            .into_iter()
            .filter(|wire| self.level(*wire))
            .filter_map(|wire| bridge.pirq_route(wire))
            .fold(0, |mask, irq| mask | 1 << irq)
    }
}

#[cfg(test)]
mod tests {
    use glassbox_device_api::PciFunction;

    use super::*;

    #[test]
    fn a_wire_is_asserted_while_any_pin_on_it_is() {
        let mut wires = IntxWires::new();
        let (one, other) = (FunctionAddress::new(4, 0), FunctionAddress::new(4, 1));
        assert_eq!(wires.set(one, 1, true), Some(Pirq::D));
        assert_eq!(wires.set(other, 1, true), None);
        assert_eq!(wires.set(one, 1, false), None);
        assert!(wires.level(Pirq::D));
        assert_eq!(wires.set(other, 1, false), Some(Pirq::D));
        assert!(!wires.level(Pirq::D));
    }

    #[test]
    fn wires_reach_the_8259_as_the_bridge_routes_them() {
        let mut bridge = IsaBridge::new();
        let mut wires = IntxWires::new();
        wires.set(FunctionAddress::new(5, 0), 1, true);
        wires.set(FunctionAddress::new(6, 0), 1, true);
        assert_eq!(wires.pic_inputs(&bridge), 0);
        bridge.config_write(0x60, 0x0b0b_0b0a, 0xf);
        assert_eq!(wires.pic_inputs(&bridge), 1 << 10 | 1 << 11);
    }

    #[test]
    fn neighbouring_slots_use_neighbouring_wires() {
        assert_eq!(pirq_of(0, 1), Pirq::D);
        assert_eq!(pirq_of(1, 1), Pirq::A);
        assert_eq!(pirq_of(3, 2), Pirq::D);
        assert_eq!(pirq_of(31, 4), Pirq::B);
        assert_eq!(Pirq::D.gsi(), 19);
    }
}
