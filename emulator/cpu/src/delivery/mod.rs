//! Delivery of exceptions and interrupts through the IVT or IDT
//! (Intel SDM Vol. 3A ch. 7; AMD APM Vol. 2 ch. 8).
//!
//! Every path reads and checks all it needs and pushes its frame before it
//! changes a register: a fault on the way leaves the processor as it was.

mod long;
mod protected;
mod real;
#[cfg(test)]
mod tests;
mod v86;

use crate::event::Source;
use crate::{Cpu, Exception};
use glassbox_x86_spec::control::{Cr0, Flags, dr6};
use glassbox_x86_spec::vector;

/// Error code bit: the selector index is a vector, the table the IDT.
const IDT: u32 = 1 << 1;
/// Error code bit: the fault happened while an event from outside the program
/// was delivered.
const EXT: u32 = 1;

/// One event on its way in.
#[derive(Clone, Copy)]
struct Event {
    vector: u8,
    error: Option<u32>,
    source: Source,
}

impl Event {
    /// The error code that blames the vector's IDT entry.
    fn table_error(self) -> u32 {
        u32::from(self.vector) << 3 | IDT
    }

    /// INT n, INT3 and INTO may only use gates that their level may call.
    fn is_guarded(self) -> bool {
        self.source == Source::Software
    }
}

impl Cpu {
    /// Delivers one event.
    ///
    /// # Errors
    /// The fault that delivery ran into, EXT bit included; state is as before
    /// then, unless the event had switched tasks.
    pub(crate) fn deliver_through_table(
        &mut self,
        vector: u8,
        error: Option<u32>,
        source: Source,
    ) -> Result<(), Exception> {
        let event = Event { vector, error, source };
        let delivered = if self.state.long_mode() {
            self.deliver_long(event)
        } else if self.state.cr0.contains(Cr0::PE) {
            self.deliver_protected(event)
        } else {
            self.deliver_real(event)
        };
        if delivered.is_ok()
            && source != Source::Software
            && let Some(observer) = &mut self.observer
        {
            observer.delivered(&self.state);
        }
        delivered.map_err(|fault| with_ext(fault, source))
    }

    /// INT n, INT3, INTO and INT1: delivers `vector` with RIP behind the
    /// instruction.
    ///
    /// # Errors
    /// The fault of the instruction.
    pub(crate) fn software_interrupt(&mut self, vector: u8, source: Source) -> Result<(), Exception> {
        self.note_event(vector, None, source);
        self.deliver_through_table(vector, None, source)?;
        // The trap flag was cleared on the way in: no single-step trap follows.
        self.pending_db &= !dr6::BS;
        Ok(())
    }

    /// RFLAGS as an event's frame holds them (Intel SDM Vol. 3B 18.3.1.1):
    /// faults set RF, so that their instruction may pass its own breakpoint.
    fn saved_flags(&self, event: Event) -> u64 {
        let mut flags = self.state.rflags();
        // A fault-class #DB is an instruction breakpoint: its handler sets RF.
        let restarts = event.source == Source::Fault && event.vector != vector::DB;
        flags.set(Flags::RF, restarts || flags.contains(Flags::RF));
        u64::from(flags.bits())
    }

    /// Clears what every handler begins without, and IF where the gate says so.
    fn enter_handler(&mut self, masks_interrupts: bool) {
        let mut cleared = Flags::TF | Flags::NT | Flags::RF | Flags::VM;
        if masks_interrupts {
            cleared |= Flags::IF;
        }
        self.state.system_flags -= cleared;
        self.state.interrupt_shadow = false;
        self.state.debug_shadow = false;
        self.sync();
    }
}

/// Adds EXT to a selector error code unless a program asked for the event.
fn with_ext(fault: Exception, source: Source) -> Exception {
    let has_selector = matches!(fault.vector, vector::TS | vector::NP | vector::SS | vector::GP);
    match fault.error {
        Some(error) if has_selector && source != Source::Software => {
            Exception { error: Some(error | EXT as u16), ..fault }
        }
        _ => fault,
    }
}
