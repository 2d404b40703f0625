//! Far JMP and CALL.

use super::{Far, Frame, TaskEntry};
use crate::segment::{Descriptor, Gate, index_error, is_null, rpl};
use crate::state::{SegReg, gpr};
use crate::{Cpu, Exception};
use glassbox_x86_spec::segment::system;

impl Cpu {
    /// JMP or CALL to `selector`:`offset` with an operand size of `size` bytes.
    ///
    /// # Errors
    /// What the checks raise; nothing has changed then.
    pub(crate) fn far_transfer(
        &mut self,
        kind: Far,
        selector: u16,
        offset: u64,
        size: u8,
    ) -> Result<(), Exception> {
        if !self.state.protected() {
            return self.far_real(kind, selector, offset, size);
        }
        if is_null(selector) {
            return Err(Exception::GP0);
        }
        let descriptor = self.descriptor(selector, Exception::gp)?;
        if descriptor.is_application() {
            return self.far_to_code(kind, descriptor, selector, offset, size);
        }
        // Long mode keeps only the call gate.
        let long = self.state.long_mode();
        let usable = rpl(selector).max(self.state.cpl) <= descriptor.dpl();
        let blame = index_error(selector);
        match descriptor.system_kind() {
            Some(system::CALL_GATE16) if !long && usable => {}
            Some(system::CALL_GATE) if usable => {}
            Some(system::TASK_GATE | system::TSS16 | system::TSS) if !long && usable => {}
            _ => return Err(Exception::gp(blame)),
        }
        if !descriptor.present() {
            return Err(Exception::np(blame));
        }
        match descriptor.system_kind() {
            Some(system::CALL_GATE16 | system::CALL_GATE) => {
                let high = if long { self.descriptor_high(selector, Exception::gp)? } else { 0 };
                self.through_call_gate(kind, Gate::new(descriptor.raw, high))
            }
            Some(system::TASK_GATE) => {
                let gate = Gate::new(descriptor.raw, 0);
                self.far_to_task(kind, gate.selector)
            }
            _ => self.far_to_task(kind, selector),
        }
    }

    fn far_to_task(&mut self, kind: Far, selector: u16) -> Result<(), Exception> {
        let entry = match kind {
            Far::Jump => TaskEntry::Jump,
            Far::Call => TaskEntry::Nested,
        };
        let flags = u64::from(self.state.rflags().bits());
        self.switch_task_by_instruction(selector, entry, flags)
    }

    /// Real and virtual-8086 mode.
    fn far_real(&mut self, kind: Far, selector: u16, offset: u64, size: u8) -> Result<(), Exception> {
        let segment = self.real_segment(SegReg::Cs, selector);
        if offset > u64::from(segment.limit) {
            return Err(Exception::GP0);
        }
        if kind == Far::Call {
            self.push_far_return(size)?;
        }
        self.state.segs[SegReg::Cs as usize] = segment;
        self.state.rip = offset;
        self.sync();
        Ok(())
    }

    /// Pushes CS and RIP on the current stack.
    fn push_far_return(&mut self, size: u8) -> Result<(), Exception> {
        let mut frame = Frame::current(self);
        frame.push(self, size, u64::from(self.state.seg(SegReg::Cs).selector))?;
        frame.push(self, size, self.state.rip)?;
        self.state.regs[gpr::RSP] = frame.rsp();
        Ok(())
    }

    /// Straight to a code segment: the level does not change.
    fn far_to_code(
        &mut self,
        kind: Far,
        code: Descriptor,
        selector: u16,
        offset: u64,
        size: u8,
    ) -> Result<(), Exception> {
        let cpl = self.state.cpl;
        let allowed =
            if code.is_conforming() { code.dpl() <= cpl } else { code.dpl() == cpl && rpl(selector) <= cpl };
        if !self.is_valid_code(code) || !allowed {
            return Err(Exception::gp(index_error(selector)));
        }
        if !code.present() {
            return Err(Exception::np(index_error(selector)));
        }
        self.check_entry(code, offset)?;
        let code = self.mark_accessed(code)?;
        if kind == Far::Call {
            self.push_far_return(size)?;
        }
        self.enter_code(code, selector, cpl, offset);
        self.sync();
        Ok(())
    }
}
