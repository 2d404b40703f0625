//! What LAR, LSL, VERR and VERW ask of a descriptor
//! (Intel SDM Vol. 2A "LAR", "LSL", Vol. 2B "VERR").

use super::{Descriptor, is_null, rpl};
use crate::{Cpu, Exception};
use glassbox_x86_spec::segment::system;

impl Cpu {
    /// The descriptor that `selector` names, if the current level and the RPL
    /// may look at it.
    ///
    /// # Errors
    /// #PF.
    fn visible_descriptor(&mut self, selector: u16) -> Result<Option<Descriptor>, Exception> {
        if is_null(selector) {
            return Ok(None);
        }
        let Some(at) = self.descriptor_address(selector, 8) else { return Ok(None) };
        let descriptor = Descriptor { raw: self.load_system(at)?, at };
        let visible = descriptor.is_conforming() || rpl(selector).max(self.state.cpl) <= descriptor.dpl();
        Ok(visible.then_some(descriptor))
    }

    /// LAR: bytes 5 and 6 of the descriptor and the limit bits between them.
    ///
    /// # Errors
    /// #PF.
    pub(crate) fn access_rights(&mut self, selector: u16) -> Result<Option<u32>, Exception> {
        let long = self.state.long_mode();
        Ok(self.visible_descriptor(selector)?.and_then(|descriptor| {
            let known = match descriptor.system_kind() {
                None | Some(system::LDT | system::TSS | system::TSS_BUSY | system::CALL_GATE) => true,
                Some(system::TSS16 | system::TSS16_BUSY | system::CALL_GATE16 | system::TASK_GATE) => !long,
                _ => false,
            };
            known.then_some((descriptor.raw >> 32) as u32 & 0x00FF_FF00)
        }))
    }

    /// LSL: the limit in bytes.
    ///
    /// # Errors
    /// #PF.
    pub(crate) fn segment_limit(&mut self, selector: u16) -> Result<Option<u32>, Exception> {
        let long = self.state.long_mode();
        Ok(self.visible_descriptor(selector)?.and_then(|descriptor| {
            let known = match descriptor.system_kind() {
                None | Some(system::LDT | system::TSS | system::TSS_BUSY) => true,
                Some(system::TSS16 | system::TSS16_BUSY) => !long,
                _ => false,
            };
            known.then_some(descriptor.limit())
        }))
    }

    /// VERR.
    ///
    /// # Errors
    /// #PF.
    pub(crate) fn may_read(&mut self, selector: u16) -> Result<bool, Exception> {
        Ok(self.visible_descriptor(selector)?.is_some_and(Descriptor::is_readable))
    }

    /// VERW.
    ///
    /// # Errors
    /// #PF.
    pub(crate) fn may_write(&mut self, selector: u16) -> Result<bool, Exception> {
        Ok(self.visible_descriptor(selector)?.is_some_and(Descriptor::is_writable_data))
    }
}
