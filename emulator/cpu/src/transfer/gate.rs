//! Call gates (Intel SDM Vol. 3A 6.8.3 to 6.8.5).

use super::{Far, Frame};
use crate::segment::{Descriptor, Gate, index_error, is_null, null_stack};
use crate::state::{SegReg, gpr};
use crate::{Cpu, Exception};

impl Cpu {
    /// Goes where a call gate leads. Its own privilege and presence are checked.
    pub(super) fn through_call_gate(&mut self, kind: Far, gate: Gate) -> Result<(), Exception> {
        if is_null(gate.selector) {
            return Err(Exception::GP0);
        }
        let long = self.state.long_mode();
        let cpl = self.state.cpl;
        let blame = index_error(gate.selector);
        let code = self.descriptor(gate.selector, Exception::gp)?;
        let inwards = kind == Far::Call && !code.is_conforming() && code.dpl() < cpl;
        let allowed = inwards || code.dpl() == cpl || code.is_conforming() && code.dpl() < cpl;
        if !self.is_valid_code(code) || long && !self.is_code64(code) || !allowed {
            return Err(Exception::gp(blame));
        }
        if !code.present() {
            return Err(Exception::np(blame));
        }
        self.check_entry(code, gate.entry())?;
        if !inwards {
            return self.gate_level(kind, gate, code);
        }
        if long { self.gate_inwards_long(gate, code) } else { self.gate_inwards(gate, code) }
    }

    /// The size of what the gate pushes.
    fn gate_size(&self, gate: Gate) -> u8 {
        match (self.state.long_mode(), gate.is_wide()) {
            (true, _) => 8,
            (_, true) => 4,
            _ => 2,
        }
    }

    /// Through a gate to the same level.
    fn gate_level(&mut self, kind: Far, gate: Gate, code: Descriptor) -> Result<(), Exception> {
        let size = self.gate_size(gate);
        let code = self.mark_accessed(code)?;
        if kind == Far::Call {
            let mut frame = if size == 8 {
                let rsp = self.state.regs[gpr::RSP];
                Frame::flat(self, rsp, false)
            } else {
                Frame::current(self)
            };
            self.push_caller(&mut frame, size)?;
            self.state.regs[gpr::RSP] = frame.rsp();
        }
        self.enter_code(code, gate.selector, self.state.cpl, gate.entry());
        self.sync();
        Ok(())
    }

    fn push_caller(&mut self, frame: &mut Frame, size: u8) -> Result<(), Exception> {
        frame.push(self, size, u64::from(self.state.seg(SegReg::Cs).selector))?;
        frame.push(self, size, self.state.rip)
    }

    fn push_old_stack(&mut self, frame: &mut Frame, size: u8) -> Result<(), Exception> {
        frame.push(self, size, u64::from(self.state.seg(SegReg::Ss).selector))?;
        frame.push(self, size, self.state.regs[gpr::RSP])
    }

    /// To an inner level, copying parameters to its stack.
    fn gate_inwards(&mut self, gate: Gate, code: Descriptor) -> Result<(), Exception> {
        let cpl = code.dpl();
        let size = self.gate_size(gate);
        let (stack, pointer) = self.inner_stack(cpl)?;
        let mut frame = Frame::inner(stack, pointer, cpl);
        self.push_old_stack(&mut frame, size)?;
        let mut parameters = [0; 31];
        let parameters = &mut parameters[..usize::from(gate.parameters & 31)];
        let mut old = Frame::current(self);
        for value in parameters.iter_mut() {
            *value = old.pop(self, size)?;
        }
        for &value in parameters.iter().rev() {
            frame.push(self, size, value)?;
        }
        self.push_caller(&mut frame, size)?;
        let code = self.mark_accessed(code)?;
        self.state.segs[SegReg::Ss as usize] = stack;
        self.state.regs[gpr::RSP] = frame.rsp();
        self.enter_code(code, gate.selector, cpl, gate.entry());
        self.sync();
        Ok(())
    }

    /// To an inner level in long mode: no parameters, SS becomes null.
    fn gate_inwards_long(&mut self, gate: Gate, code: Descriptor) -> Result<(), Exception> {
        let cpl = code.dpl();
        let rsp = self.ring_stack(cpl)?;
        let mut frame = Frame::flat(self, rsp, true);
        self.push_old_stack(&mut frame, 8)?;
        self.push_caller(&mut frame, 8)?;
        let code = self.mark_accessed(code)?;
        self.state.segs[SegReg::Ss as usize] = null_stack(cpl);
        self.state.regs[gpr::RSP] = frame.rsp();
        self.enter_code(code, gate.selector, cpl, gate.entry());
        self.sync();
        Ok(())
    }
}
