//! LDTR and TR.

use super::{Descriptor, index_error, is_null};
use crate::state::Segment;
use crate::{Cpu, Exception};
use glassbox_x86_spec::segment::system;

impl Cpu {
    /// What LLDT or a task switch loads from `selector`. `fault` makes the
    /// exception of a selector that names no LDT, `absent` that of an LDT that
    /// is not present.
    ///
    /// # Errors
    /// `fault` or `absent` with the selector; #PF.
    pub(crate) fn local_table(
        &mut self,
        selector: u16,
        fault: fn(u32) -> Exception,
        absent: fn(u32) -> Exception,
    ) -> Result<Segment, Exception> {
        if is_null(selector) {
            return Ok(Segment { selector, ..Segment::default() });
        }
        let blame = index_error(selector);
        if selector & 4 != 0 {
            return Err(fault(blame));
        }
        let descriptor = self.descriptor(selector, fault)?;
        if descriptor.system_kind() != Some(system::LDT) {
            return Err(fault(blame));
        }
        if !descriptor.present() {
            return Err(absent(blame));
        }
        self.system_segment(descriptor, selector, fault)
    }

    /// Loads LDTR as LLDT does.
    ///
    /// # Errors
    /// #GP or #NP with the selector, #PF.
    pub(crate) fn load_ldtr(&mut self, selector: u16) -> Result<(), Exception> {
        self.state.ldtr = self.local_table(selector, Exception::gp, Exception::np)?;
        Ok(())
    }

    /// Loads TR as LTR does and marks the TSS busy.
    ///
    /// # Errors
    /// #GP or #NP with the selector, #PF.
    pub(crate) fn load_tr(&mut self, selector: u16) -> Result<(), Exception> {
        let error = Exception::gp(index_error(selector));
        if is_null(selector) || selector & 4 != 0 {
            return Err(error);
        }
        let descriptor = self.descriptor(selector, Exception::gp)?;
        match descriptor.system_kind() {
            Some(system::TSS) => {}
            Some(system::TSS16) if !self.state.long_mode() => {}
            _ => return Err(error),
        }
        if !descriptor.present() {
            return Err(Exception::np(index_error(selector)));
        }
        let mut segment = self.system_segment(descriptor, selector, Exception::gp)?;
        segment.attr |= 2;
        self.store_system(descriptor.at.wrapping_add(5), segment.attr as u8)?;
        self.state.tr = segment;
        Ok(())
    }

    /// The segment register of a system descriptor: 16 bytes in long mode.
    fn system_segment(
        &mut self,
        descriptor: Descriptor,
        selector: u16,
        fault: fn(u32) -> Exception,
    ) -> Result<Segment, Exception> {
        let mut segment = descriptor.segment(selector);
        if self.state.long_mode() {
            segment.base |= self.descriptor_high(selector, fault)? << 32;
            if !self.is_canonical(segment.base) {
                return Err(fault(index_error(selector)));
            }
        }
        Ok(segment)
    }
}
