//! Delivery of exceptions and interrupts through the IVT or IDT.

use crate::event::Source;
use crate::{Cpu, Exception};

impl Cpu {
    /// Delivers one event.
    ///
    /// # Errors
    /// The fault that delivery ran into; state is as before then.
    pub(crate) fn deliver_through_table(
        &mut self,
        vector: u8,
        error: Option<u32>,
        source: Source,
    ) -> Result<(), Exception> {
        let _ = (error, source);
        log::error!("vector {vector} cannot be delivered yet");
        Err(Exception::GP0)
    }
}
