//! Carrying a message to the local APICs of a machine.

use super::LocalApic;
use crate::message::{DeliveryMode, InterruptMessage};

/// The APIC that a lowest-priority message goes to: of those addressed that are
/// enabled, the one with the lowest arbitration priority, the first of equals.
/// `sender` is the index of the APIC that sent the message, if one did.
pub fn lowest_priority<'a>(
    apics: impl IntoIterator<Item = &'a LocalApic>,
    sender: Option<usize>,
    message: &InterruptMessage,
) -> Option<usize> {
    apics
        .into_iter()
        .enumerate()
        .filter(|(i, apic)| apic.accepts_fixed() && message.matches(&apic.address(), sender == Some(*i)))
        .min_by_key(|(_, apic)| apic.apr())
        .map(|(i, _)| i)
}

/// Delivers a message to all APICs that it addresses. `sender` is the index of
/// the APIC that sent it; `None` for an I/O APIC or an MSI.
///
/// Returns whether any APIC accepted it.
pub fn deliver(apics: &mut [LocalApic], sender: Option<usize>, message: &InterruptMessage) -> bool {
    if message.mode == DeliveryMode::LowestPriority {
        return lowest_priority(apics.iter(), sender, message)
            .and_then(|i| apics.get_mut(i))
            .is_some_and(|apic| apic.accept(message.vector, message.trigger, message.mode));
    }
    let mut accepted = false;
    for (i, apic) in apics.iter_mut().enumerate() {
        if message.matches(&apic.address(), sender == Some(i)) {
            accepted |= apic.accept(message.vector, message.trigger, message.mode);
        }
    }
    accepted
}
