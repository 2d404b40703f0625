//! Acceptance, priority and acknowledgement (Intel SDM Vol. 3A 11.8).

use serde::{Deserialize, Serialize};

use super::regs::{self, Lvt};
use super::{LocalApic, MAX_OUTGOING};
use crate::message::{DeliveryMode, TriggerMode};

/// What the processor got from an interrupt acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Take this vector.
    Vector(u8),
    /// The 8259A is the source: its acknowledge cycle gives the vector.
    ExtInt,
    /// Nothing was pending: take the spurious vector. No EOI will follow.
    Spurious(u8),
}

/// Events for the processor that do not pass through the IRR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessorSignals {
    /// Non-maskable interrupt.
    pub nmi: bool,
    /// System management interrupt.
    pub smi: bool,
    /// INIT; to be taken before `startup`.
    pub init: bool,
    /// Start-up with this vector; counts only for a processor that waits for it.
    pub startup: Option<u8>,
}

impl ProcessorSignals {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl LocalApic {
    /// The task priority register.
    pub fn tpr(&self) -> u8 {
        self.tpr
    }

    /// Sets the task priority register.
    pub fn set_tpr(&mut self, tpr: u8) {
        self.tpr = tpr;
    }

    /// CR8: bits 7:4 of the task priority register.
    pub fn cr8(&self) -> u8 {
        self.tpr >> 4
    }

    /// A move to CR8 (the low four bits): clears bits 3:0 of the task priority
    /// register (Intel SDM Vol. 3A 11.8.6).
    pub fn set_cr8(&mut self, priority: u8) {
        self.tpr = priority << 4;
    }

    /// The processor priority register.
    pub fn ppr(&self) -> u8 {
        let in_service = self.isr.highest().unwrap_or(0);
        if self.tpr >> 4 >= in_service >> 4 { self.tpr } else { in_service & 0xf0 }
    }

    /// The arbitration priority register.
    pub fn apr(&self) -> u8 {
        let class = |vector: Option<u8>| vector.unwrap_or(0) >> 4;
        let (task, requested, in_service) =
            (self.tpr >> 4, class(self.irr.highest()), class(self.isr.highest()));
        if task >= requested && task > in_service {
            self.tpr
        } else {
            (task & in_service).max(requested) << 4
        }
    }

    /// The vector that the processor would be given now.
    pub fn pending_vector(&self) -> Option<u8> {
        self.irr.highest().filter(|vector| self.globally_enabled() && vector >> 4 > self.ppr() >> 4)
    }

    /// Whether the 8259A asks through this APIC.
    fn ext_int_requested(&self) -> bool {
        if !self.globally_enabled() {
            // LINT0 and LINT1 are INTR and NMI then (Intel SDM Vol. 3A 11.4.3).
            return self.lint[0];
        }
        let lint = |entry: Lvt, pin: usize| {
            let lvt = self.lvt[entry as usize];
            lvt & regs::LVT_MASKED == 0
                && DeliveryMode::from_message_bits(lvt >> 8) == Some(DeliveryMode::ExtInt)
                && self.lint[pin]
        };
        self.ext_int || lint(Lvt::Lint0, 0) || lint(Lvt::Lint1, 1)
    }

    /// Whether the processor's INTR is asserted.
    pub fn interrupt_requested(&self) -> bool {
        self.ext_int_requested() || self.pending_vector().is_some()
    }

    /// The processor acknowledges an interrupt.
    pub fn acknowledge(&mut self) -> Ack {
        if self.ext_int_requested() {
            self.ext_int = false;
            return Ack::ExtInt;
        }
        match self.pending_vector() {
            Some(vector) => {
                self.irr.remove(vector);
                self.isr.insert(vector);
                Ack::Vector(vector)
            }
            None => Ack::Spurious(self.svr as u8),
        }
    }

    /// A message for this APIC, by its parts; tells whether it was accepted.
    pub fn accept(&mut self, vector: u8, trigger: TriggerMode, mode: DeliveryMode) -> bool {
        if !self.globally_enabled() {
            // INIT and start-up still reach the processor.
            return match mode {
                DeliveryMode::Init | DeliveryMode::StartUp => self.signal(vector, mode),
                _ => false,
            };
        }
        match mode {
            DeliveryMode::Fixed | DeliveryMode::LowestPriority => self.accept_vector(vector, trigger),
            DeliveryMode::ExtInt => {
                self.ext_int |= self.software_enabled();
                self.software_enabled()
            }
            _ => self.signal(vector, mode),
        }
    }

    fn signal(&mut self, vector: u8, mode: DeliveryMode) -> bool {
        match mode {
            DeliveryMode::Nmi => self.signals.nmi = true,
            DeliveryMode::Smi => self.signals.smi = true,
            DeliveryMode::Init => {
                self.signals.init = true;
                self.signals.startup = None;
            }
            DeliveryMode::StartUp => self.signals.startup = Some(vector),
            _ => return false,
        }
        true
    }

    fn accept_vector(&mut self, vector: u8, trigger: TriggerMode) -> bool {
        if vector < 16 {
            self.error(regs::ESR_RECEIVE_VECTOR);
            return false;
        }
        if !self.software_enabled() {
            return false;
        }
        self.irr.insert(vector);
        match trigger {
            TriggerMode::Edge => self.tmr.remove(vector),
            TriggerMode::Level => {
                self.tmr.insert(vector);
            }
        }
        true
    }

    /// Whether a fixed interrupt would be accepted at all.
    pub(super) fn accepts_fixed(&self) -> bool {
        self.globally_enabled() && self.software_enabled()
    }

    /// The events for the processor, which has to act on each that is set.
    pub fn take_signals(&mut self) -> ProcessorSignals {
        std::mem::take(&mut self.signals)
    }

    /// The events that wait, without taking them.
    pub fn signals(&self) -> ProcessorSignals {
        self.signals
    }

    /// Raises the interrupt of a local vector table entry, if it is not masked.
    pub(super) fn deliver_local(&mut self, entry: Lvt) {
        let lvt = self.lvt[entry as usize];
        if lvt & regs::LVT_MASKED != 0 || !self.globally_enabled() {
            return;
        }
        let mode = match entry {
            // These have no delivery mode field.
            Lvt::Timer | Lvt::Error => Some(DeliveryMode::Fixed),
            _ => DeliveryMode::from_message_bits(lvt >> 8),
        };
        match mode {
            Some(DeliveryMode::Fixed) => {
                let level = lvt & regs::LVT_LEVEL != 0 && matches!(entry, Lvt::Lint0 | Lvt::Lint1);
                let trigger = if level { TriggerMode::Level } else { TriggerMode::Edge };
                if self.accept_vector(lvt as u8, trigger) && level {
                    self.lvt[entry as usize] |= regs::LVT_REMOTE_IRR;
                }
            }
            Some(mode @ (DeliveryMode::Nmi | DeliveryMode::Smi | DeliveryMode::Init)) => {
                self.signal(lvt as u8, mode);
            }
            // ExtINT is a level that `interrupt_requested` looks at; the rest is reserved.
            _ => {}
        }
    }

    /// Drives LINT0 (pin 0: the 8259A's INTR) or LINT1 (pin 1: NMI).
    ///
    /// `level` is true for an asserted pin. The polarity bit turns it around for
    /// Fixed delivery only: INTR and NMI are active high by definition.
    pub fn set_lint(&mut self, pin: usize, level: bool) {
        let (Some(old), Some(entry)) = (self.lint.get(pin).copied(), [Lvt::Lint0, Lvt::Lint1].get(pin))
        else {
            return;
        };
        let entry = *entry;
        let was_active = self.lint_active(entry, old);
        self.lint[pin] = level;
        if !self.globally_enabled() {
            self.signals.nmi |= pin == 1 && level && !old;
            return;
        }
        let active = self.lint_active(entry, level);
        if self.lint_is_level(entry) {
            self.service_level_lint(entry);
        } else if active && !was_active {
            self.deliver_local(entry);
        }
    }

    fn lint_is_fixed(&self, entry: Lvt) -> bool {
        self.lvt[entry as usize] >> 8 & 7 == 0
    }

    pub(super) fn lint_is_level(&self, entry: Lvt) -> bool {
        self.lint_is_fixed(entry) && self.lvt[entry as usize] & regs::LVT_LEVEL != 0
    }

    fn lint_active(&self, entry: Lvt, level: bool) -> bool {
        let inverted = self.lint_is_fixed(entry) && self.lvt[entry as usize] & regs::LVT_ACTIVE_LOW != 0;
        level != inverted
    }

    /// A level-triggered Fixed LINT pin interrupts while active, once per EOI.
    pub(super) fn service_level_lint(&mut self, entry: Lvt) {
        let pin = usize::from(entry == Lvt::Lint1);
        if self.lint_is_level(entry)
            && self.lint_active(entry, self.lint[pin])
            && self.lvt[entry as usize] & regs::LVT_REMOTE_IRR == 0
        {
            self.deliver_local(entry);
        }
    }

    /// A thermal event of the processor.
    pub fn signal_thermal(&mut self) {
        self.deliver_local(Lvt::Thermal);
    }

    /// A performance counter overflowed. Delivery masks the entry (Intel SDM Vol. 3A 11.5.1).
    pub fn signal_performance_counter(&mut self) {
        self.deliver_local(Lvt::Performance);
        self.lvt[Lvt::Performance as usize] |= regs::LVT_MASKED;
    }

    /// A write to the EOI register (Intel SDM Vol. 3A 11.8.5).
    pub(super) fn end_of_interrupt(&mut self) {
        let Some(vector) = self.isr.highest() else { return };
        self.isr.remove(vector);
        if !self.tmr.contains(vector) {
            return;
        }
        if self.outgoing.eoi_broadcasts.len() < MAX_OUTGOING {
            self.outgoing.eoi_broadcasts.push(vector);
        }
        for entry in [Lvt::Lint0, Lvt::Lint1] {
            let lvt = &mut self.lvt[entry as usize];
            if *lvt & regs::LVT_REMOTE_IRR != 0 && *lvt as u8 == vector {
                *lvt &= !regs::LVT_REMOTE_IRR;
                self.service_level_lint(entry);
            }
        }
    }

    /// Notes an error and raises the error interrupt, which the next write to the ESR rearms.
    pub(super) fn error(&mut self, bits: u32) {
        let armed = self.errors == 0;
        self.errors |= bits;
        if armed {
            self.deliver_local(Lvt::Error);
        }
    }
}
