//! The board's wires: which interrupt line leads where.
//!
//! Several devices may drive one input; each has a wire of its own, and the
//! input sees any of them.

use glassbox_device_api::{InterruptQueue, IrqLine};
use std::sync::Arc;

/// What a wire ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// ISA interrupt 0 to 15: a pin of the 8259A pair, and the I/O APIC's input
    /// of the same number (2 for the timer).
    Isa(u8),
    /// PCI interrupt A to D (0 to 3): I/O APIC inputs 16 to 19, and the ISA
    /// interrupt that the ISA bridge routes it to.
    Pirq(u8),
    /// An I/O APIC input by its number, and nothing else.
    IoApic(u8),
    /// The NMI inputs of the processors, by way of LINT1.
    Nmi,
    /// Address bit 20 is not masked.
    A20,
    /// INIT# of the processors.
    Init,
    /// The reset line.
    Reset,
}

#[derive(Debug)]
struct Wire {
    input: Input,
    level: bool,
    /// Cut off while the HPET takes the place of the PIT and the RTC.
    legacy: bool,
}

/// All wires of the board, numbered as their lines are.
#[derive(Debug)]
pub(crate) struct Wires {
    queue: Arc<InterruptQueue>,
    wires: Vec<Wire>,
    hpet_replaces_legacy: bool,
}

impl Wires {
    pub fn new(queue: Arc<InterruptQueue>) -> Self {
        Self { queue, wires: Vec::new(), hpet_replaces_legacy: false }
    }

    /// A new wire to `input`, low.
    pub fn connect(&mut self, input: Input) -> IrqLine {
        self.add(input, false)
    }

    /// As [`connect`](Self::connect), for the interrupts of PIT and RTC: the HPET
    /// can take their place (IA-PC HPET 1.0a, 2.3.3, LEG_RT_CNF).
    pub fn connect_legacy(&mut self, input: Input) -> IrqLine {
        self.add(input, true)
    }

    fn add(&mut self, input: Input, legacy: bool) -> IrqLine {
        self.wires.push(Wire { input, level: false, legacy });
        self.queue.line(self.wires.len() as u32 - 1)
    }

    /// A wire changed: the input that it leads to and that input's level now.
    pub fn drive(&mut self, line: u32, level: bool) -> Option<(Input, bool)> {
        let wire = self.wires.get_mut(line as usize)?;
        wire.level = level;
        let input = wire.input;
        Some((input, self.level(input)))
    }

    /// Whether any wire asserts `input`.
    pub fn level(&self, input: Input) -> bool {
        let cut = |wire: &Wire| wire.legacy && self.hpet_replaces_legacy;
        self.wires.iter().any(|wire| wire.input == input && wire.level && !cut(wire))
    }

    /// Cuts the legacy wires off or connects them again; tells whether that was a change.
    pub fn set_hpet_replaces_legacy(&mut self, on: bool) -> bool {
        std::mem::replace(&mut self.hpet_replaces_legacy, on) != on
    }

    /// Whether anything leads to `input` at all.
    pub fn is_connected(&self, input: Input) -> bool {
        self.wires.iter().any(|wire| wire.input == input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_asserted_while_any_of_its_wires_is() {
        let mut wires = Wires::new(InterruptQueue::new());
        let _first = wires.connect(Input::Isa(9));
        let _second = wires.connect(Input::Isa(9));
        assert_eq!(wires.drive(0, true), Some((Input::Isa(9), true)));
        assert_eq!(wires.drive(1, true), Some((Input::Isa(9), true)));
        assert_eq!(wires.drive(0, false), Some((Input::Isa(9), true)), "the second still holds it");
        assert_eq!(wires.drive(1, false), Some((Input::Isa(9), false)));
        assert_eq!(wires.drive(99, true), None);
    }

    #[test]
    fn the_hpet_takes_the_place_of_legacy_wires_only() {
        let mut wires = Wires::new(InterruptQueue::new());
        let _pit = wires.connect_legacy(Input::Isa(0));
        let _hpet = wires.connect(Input::Isa(0));
        wires.drive(0, true);
        assert!(wires.set_hpet_replaces_legacy(true));
        assert!(!wires.level(Input::Isa(0)));
        assert_eq!(wires.drive(1, true), Some((Input::Isa(0), true)));
        wires.drive(1, false);
        assert!(wires.set_hpet_replaces_legacy(false) && wires.level(Input::Isa(0)));
    }
}
