//! Sending interprocessor interrupts (Intel SDM Vol. 3A 11.6).

use super::{LocalApic, MAX_OUTGOING, regs};
use crate::message::{DeliveryMode, InterruptMessage, Shorthand, TriggerMode};

impl LocalApic {
    /// Sends what the interrupt command register holds.
    pub(super) fn send_command(&mut self) {
        let low = self.icr as u32;
        let wide = self.x2apic();
        let dest = (self.icr >> 32) as u32;
        let Some(mode) = DeliveryMode::from_icr_bits(low >> 8) else {
            self.warn_once(format_args!("command {low:#x} has a reserved delivery mode"));
            return;
        };
        let shorthand = match low >> 18 & 3 {
            0 => Shorthand::None,
            1 => Shorthand::Myself,
            2 => Shorthand::AllIncludingSelf,
            _ => Shorthand::AllExcludingSelf,
        };
        let level = low & (1 << 14) != 0;
        let trigger_level = low & (1 << 15) != 0;
        if mode == DeliveryMode::Init && !level && trigger_level {
            // INIT level de-assert only set arbitration IDs, before the Pentium 4.
            return;
        }
        let to_self_too = matches!(shorthand, Shorthand::Myself | Shorthand::AllIncludingSelf);
        let restart = matches!(mode, DeliveryMode::Init | DeliveryMode::StartUp);
        if to_self_too && restart || shorthand == Shorthand::Myself && mode != DeliveryMode::Fixed {
            // Invalid combinations (Intel SDM Vol. 3A table 11-3).
            self.warn_once(format_args!("command {low:#x} mixes shorthand and delivery mode"));
            return;
        }
        let vector = low as u8;
        if mode.is_vectored() && vector < 16 {
            self.error(regs::ESR_SEND_VECTOR);
            return;
        }
        if shorthand == Shorthand::Myself {
            self.accept(vector, TriggerMode::Edge, mode);
            return;
        }
        // Level-triggered IPIs exist for INIT de-assert only; others are sent as edges.
        self.send(InterruptMessage {
            dest: if wide { dest } else { dest >> 24 },
            wide,
            logical: low & (1 << 11) != 0,
            shorthand,
            mode,
            vector,
            level: true,
            trigger: TriggerMode::Edge,
        });
    }

    /// A write to the SELF IPI register (Intel SDM Vol. 3A 11.12.11).
    pub(super) fn send_self(&mut self, vector: u8) {
        if vector < 16 {
            self.error(regs::ESR_SEND_VECTOR);
        } else {
            self.accept(vector, TriggerMode::Edge, DeliveryMode::Fixed);
        }
    }

    fn send(&mut self, message: InterruptMessage) {
        if self.outgoing.messages.len() < MAX_OUTGOING {
            self.outgoing.messages.push(message);
        }
    }
}
