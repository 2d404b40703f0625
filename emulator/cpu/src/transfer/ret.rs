//! Far RET, and what it shares with IRET.

use super::Frame;
use crate::segment::{Descriptor, index_error, is_null, null_stack, rpl};
use crate::state::{SegReg, Segment, gpr};
use crate::{Cpu, Exception};

/// A code segment to return to, checked.
pub(super) struct Target {
    pub code: Descriptor,
    pub selector: u16,
    pub rip: u64,
}

impl Target {
    /// The level that the return goes to.
    pub fn cpl(&self) -> u8 {
        rpl(self.selector)
    }
}

impl Cpu {
    /// Far RET with an operand size of `size` bytes that drops `extra` bytes
    /// of parameters.
    ///
    /// # Errors
    /// What the checks raise; nothing has changed then.
    pub(crate) fn far_return(&mut self, size: u8, extra: u16) -> Result<(), Exception> {
        let mut frame = Frame::current(self);
        let rip = frame.pop(self, size)?;
        let selector = frame.pop_selector(self, size)?;
        if !self.state.protected() {
            let segment = self.real_segment(SegReg::Cs, selector);
            if rip > u64::from(segment.limit) {
                return Err(Exception::GP0);
            }
            frame.skip(i64::from(extra));
            self.state.regs[gpr::RSP] = frame.rsp();
            self.state.segs[SegReg::Cs as usize] = segment;
            self.state.rip = rip;
            self.sync();
            return Ok(());
        }
        let target = self.return_target(selector, rip)?;
        frame.skip(i64::from(extra));
        if target.cpl() == self.state.cpl {
            let code = self.mark_accessed(target.code)?;
            self.state.regs[gpr::RSP] = frame.rsp();
            self.enter_code(code, selector, target.cpl(), rip);
            self.sync();
            return Ok(());
        }
        let rsp = frame.pop(self, size)?;
        let ss = frame.pop_selector(self, size)?;
        self.return_outwards(target, ss, rsp, extra)
    }

    /// Checks the code segment that RET or IRET popped.
    ///
    /// # Errors
    /// #GP or #NP with the selector, #GP(0), #PF.
    pub(super) fn return_target(&mut self, selector: u16, rip: u64) -> Result<Target, Exception> {
        if is_null(selector) {
            return Err(Exception::GP0);
        }
        let code = self.descriptor(selector, Exception::gp)?;
        let level = rpl(selector);
        let allowed = if code.is_conforming() { code.dpl() <= level } else { code.dpl() == level };
        if level < self.state.cpl || !self.is_valid_code(code) || !allowed {
            return Err(Exception::gp(index_error(selector)));
        }
        if !code.present() {
            return Err(Exception::np(index_error(selector)));
        }
        self.check_entry(code, rip)?;
        Ok(Target { code, selector, rip })
    }

    /// Checks the stack segment of a return to `target`. A null selector will
    /// do for 64-bit code above ring 3 (AMD APM Vol. 2 8.9.5).
    pub(super) fn return_stack(&mut self, target: &Target, ss: u16) -> Result<Segment, Exception> {
        let cpl = target.cpl();
        if is_null(ss) {
            let allowed = self.is_code64(target.code) && cpl != 3 && rpl(ss) == cpl;
            return if allowed { Ok(null_stack(cpl)) } else { Err(Exception::GP0) };
        }
        self.stack_segment(ss, cpl, Exception::gp)
    }

    /// Goes to an outer level on its own stack; `extra` bytes are dropped there.
    fn return_outwards(&mut self, target: Target, ss: u16, rsp: u64, extra: u16) -> Result<(), Exception> {
        let stack = self.return_stack(&target, ss)?;
        let code = self.mark_accessed(target.code)?;
        self.enter_code(code, target.selector, target.cpl(), target.rip);
        self.state.segs[SegReg::Ss as usize] = stack;
        self.drop_inner_segments();
        self.sync();
        self.load_returned_stack(rsp);
        self.release_stack(u64::from(extra));
        Ok(())
    }

    /// Writes the stack pointer that a return popped, in the width of the new
    /// stack: a 16-bit one keeps the upper half of ESP. Call after `sync`.
    pub(super) fn load_returned_stack(&mut self, rsp: u64) {
        self.set_stack_pointer(rsp);
    }
}
