//! Interrupt controllers, and how lines and messages reach a processor.
//!
//! ```text
//! ISA line n ──┬─► 8259A pair ──INTR──► LINT0 ┐
//!              └─► I/O APIC pin n (0 → 2) ──► messages ─► local APIC ─► INTR, NMI, INIT
//! PIRQ A..D  ──┬─► I/O APIC pins 16..19                ▲
//!              └─► ISA line that the ISA bridge routes to
//! MSI, IPI   ──────────────────────────────────────────┘
//! ```
//!
//! Source: Intel MP specification 3.6.2 (virtual wire mode), ACPI 6.5 5.2.12.

use crate::board::{Input, Wires};
use glassbox_chipset::lapic::{self, Ack};
use glassbox_chipset::{InterruptMessage, IoApic, LocalApic, Pic};
use glassbox_cpu::CpuSignals;
use glassbox_device_api::{InterruptQueue, Signal};
use std::sync::Arc;

pub(crate) const TIMER_IRQ: u8 = 0;
pub(crate) const RTC_IRQ: u8 = 8;
/// The I/O APIC input of the timer, whose own is taken by the 8259A's INTR.
const TIMER_PIN: usize = 2;
/// The I/O APIC input of PIRQ A.
const PIRQ_PIN: usize = 16;
/// Messages may cause messages; a guest that makes them go round is cut off here.
const MAX_ROUNDS: usize = 64;

/// What the run loop has to do to the processors and the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BoardRequests {
    /// Reset the machine.
    pub reset: bool,
    /// The A20 gate changed to this.
    pub a20: Option<bool>,
    /// The boot processor got an INIT.
    pub init: Option<Init>,
}

/// The way that an INIT came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// INIT#: a port, or the chipset's answer to a shutdown.
    Pin,
    /// A message from a local APIC or the I/O APIC.
    Message,
}

/// The controllers and the wires into them and out of them.
pub(crate) struct Interrupts {
    queue: Arc<InterruptQueue>,
    pub wires: Wires,
    pub pic: Pic,
    pub ioapic: IoApic,
    /// One a processor.
    pub lapics: Vec<LocalApic>,
    processors: Vec<Arc<CpuSignals>>,
    /// ISA interrupt that each PIRQ is routed to by the ISA bridge.
    pirq_routes: [Option<u8>; 4],
    nmi_masked: bool,
    pub requests: BoardRequests,
    /// Interrupts that processors acknowledged.
    pub acknowledged: u64,
    smi_reported: bool,
}

impl Interrupts {
    pub fn new(queue: Arc<InterruptQueue>, lapics: Vec<LocalApic>, processors: Vec<Arc<CpuSignals>>) -> Self {
        Self {
            wires: Wires::new(Arc::clone(&queue)),
            queue,
            pic: Pic::new(),
            ioapic: IoApic::new(),
            lapics,
            processors,
            pirq_routes: [None; 4],
            nmi_masked: false,
            requests: BoardRequests::default(),
            acknowledged: 0,
            smi_reported: false,
        }
    }

    /// Carries everything that is under way to where it goes.
    pub fn settle(&mut self) {
        while let Some(signal) = self.queue.pop() {
            match signal {
                Signal::Line { line, level } => {
                    if let Some((input, level)) = self.wires.drive(line, level) {
                        self.drive(input, level);
                    }
                }
                Signal::Msi { address, data } => self.message_write(address, data),
            }
        }
        self.exchange_messages();
        self.drive_processors();
    }

    fn drive(&mut self, input: Input, level: bool) {
        match input {
            Input::Isa(irq) => {
                if irq == TIMER_IRQ {
                    self.ioapic.set_pin(TIMER_PIN, level);
                }
                self.drive_pic(irq);
            }
            Input::Pirq(n) => {
                self.ioapic.set_pin(PIRQ_PIN + usize::from(n & 3), level);
                if let Some(irq) = self.pirq_routes[usize::from(n & 3)] {
                    self.drive_pic(irq);
                }
            }
            Input::IoApic(pin) => self.ioapic.set_pin(pin.into(), level),
            Input::Nmi => self.wire_nmi(),
            Input::A20 => self.requests.a20 = Some(level),
            Input::Init if level => self.requests.init = Some(Init::Pin),
            Input::Init => {}
            Input::Reset => self.requests.reset |= level,
        }
    }

    /// An 8259A input sees the ISA line and the PCI lines routed to it; so does the
    /// I/O APIC input of the same number, where SeaBIOS's MP table has the PCI lines.
    fn drive_pic(&mut self, irq: u8) {
        let routed = (0..4u8)
            .any(|n| self.pirq_routes[usize::from(n)] == Some(irq) && self.wires.level(Input::Pirq(n)));
        let level = routed || self.wires.level(Input::Isa(irq));
        self.pic.set_irq(irq.into(), level);
        if irq != TIMER_IRQ {
            self.ioapic.set_pin(irq.into(), level);
        }
        self.wire_intr();
    }

    /// The 8259A's INTR leads to LINT0 and to I/O APIC input 0.
    fn wire_intr(&mut self) {
        let intr = self.pic.intr();
        self.ioapic.set_pin(0, intr);
        for apic in &mut self.lapics {
            apic.set_lint(0, intr);
        }
    }

    /// The NMI sources lead to LINT1, unless the RTC's index port holds them back.
    fn wire_nmi(&mut self) {
        let nmi = self.wires.level(Input::Nmi) && !self.nmi_masked;
        for apic in &mut self.lapics {
            apic.set_lint(1, nmi);
        }
    }

    /// Bit 7 of the RTC's index port.
    pub fn set_nmi_masked(&mut self, masked: bool) {
        if std::mem::replace(&mut self.nmi_masked, masked) != masked {
            self.wire_nmi();
        }
    }

    /// The HPET takes over, or gives back, the interrupts of PIT and RTC.
    pub fn set_hpet_replaces_legacy(&mut self, on: bool) {
        if self.wires.set_hpet_replaces_legacy(on) {
            for irq in [TIMER_IRQ, RTC_IRQ] {
                self.drive(Input::Isa(irq), self.wires.level(Input::Isa(irq)));
            }
        }
    }

    /// A write into the message window from anywhere but a processor's own page.
    pub fn message_write(&mut self, address: u64, data: u32) {
        match InterruptMessage::from_msi(address, data) {
            Some(message) => {
                lapic::deliver(&mut self.lapics, None, &message);
            }
            None => log::debug!("message {data:#x} to {address:#x} is none"),
        }
    }

    /// Carries messages and EOIs between the APICs until there are none.
    fn exchange_messages(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let mut any = false;
            if self.ioapic.has_outgoing() {
                any = true;
                for message in self.ioapic.take_outgoing() {
                    lapic::deliver(&mut self.lapics, None, &message);
                }
            }
            for sender in 0..self.lapics.len() {
                if !self.lapics[sender].has_outgoing() {
                    continue;
                }
                any = true;
                let outgoing = self.lapics[sender].take_outgoing();
                for message in &outgoing.messages {
                    lapic::deliver(&mut self.lapics, Some(sender), message);
                }
                for vector in outgoing.eoi_broadcasts {
                    self.ioapic.eoi(vector);
                }
            }
            if !any {
                return;
            }
        }
    }

    fn drive_processors(&mut self) {
        self.wire_intr();
        for (index, (apic, processor)) in self.lapics.iter_mut().zip(&self.processors).enumerate() {
            let intr = apic.interrupt_requested();
            if processor.intr() != intr {
                processor.set_intr(intr);
            }
            if !apic.signals().any() {
                continue;
            }
            let signals = apic.take_signals();
            if signals.nmi {
                processor.raise_nmi();
            }
            if signals.smi && !std::mem::replace(&mut self.smi_reported, true) {
                log::warn!("SMI to processor {index}: there is no system management mode, it is dropped");
            }
            if signals.init {
                self.requests.init.get_or_insert(Init::Message);
            }
            // A start-up counts only for a processor that waits for one; the
            // boot processor, the only one so far, never does.
        }
    }

    /// Interrupt acknowledge of a processor; `None` where the request is gone.
    pub fn acknowledge(&mut self, processor: usize) -> Option<u8> {
        let apic = self.lapics.get_mut(processor)?;
        let vector = match apic.acknowledge() {
            Ack::Vector(vector) => vector,
            Ack::ExtInt => self.pic.acknowledge(),
            Ack::Spurious(_) => return None,
        };
        self.acknowledged += 1;
        Some(vector)
    }

    /// The ISA bridge routes its PIRQs anew.
    pub fn set_pirq_routes(&mut self, routes: [Option<u8>; 4]) {
        let old = std::mem::replace(&mut self.pirq_routes, routes);
        if old != routes {
            for irq in old.into_iter().chain(routes).flatten() {
                self.drive_pic(irq);
            }
        }
    }
}
