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
    /// The NMI inputs of the processors, by way of LINT1.
    Nmi,
    /// Address bit 20 is not masked.
    A20,
    /// INIT# of the processors and with it, on this board, the reset line.
    Init,
    /// The reset line.
    Reset,
}

#[derive(Debug)]
struct Wire {
    input: Input,
    level: bool,
}

/// All wires of the board, numbered as their lines are.
#[derive(Debug)]
pub(crate) struct Wires {
    queue: Arc<InterruptQueue>,
    wires: Vec<Wire>,
}

impl Wires {
    pub fn new(queue: Arc<InterruptQueue>) -> Self {
        Self { queue, wires: Vec::new() }
    }

    /// A new wire to `input`, low.
    pub fn connect(&mut self, input: Input) -> IrqLine {
        self.wires.push(Wire { input, level: false });
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
        self.wires.iter().any(|wire| wire.input == input && wire.level)
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
}
