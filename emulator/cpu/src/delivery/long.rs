//! The 64-bit IDT (Intel SDM Vol. 3A 7.14; AMD APM Vol. 2 8.9).

use super::Event;
use crate::segment::{Gate, index_error, is_null, null_stack};
use crate::state::{SegReg, gpr};
use crate::transfer::Frame;
use crate::{Cpu, Exception};
use glassbox_x86_spec::segment::system;

impl Cpu {
    pub(super) fn deliver_long(&mut self, event: Event) -> Result<(), Exception> {
        let offset = u64::from(event.vector) * 16;
        let blame_gate = event.table_error();
        if offset + 15 > u64::from(self.state.idtr.limit) {
            return Err(Exception::gp(blame_gate));
        }
        let at = self.state.idtr.base.wrapping_add(offset);
        let gate = Gate::new(self.load_system(at)?, self.load_system(at.wrapping_add(8))?);
        let is_gate = matches!(gate.kind, system::INT_GATE | system::TRAP_GATE);
        if !is_gate || event.is_guarded() && gate.dpl < self.state.cpl {
            return Err(Exception::gp(blame_gate));
        }
        if !gate.present {
            return Err(Exception::np(blame_gate));
        }

        if is_null(gate.selector) {
            return Err(Exception::GP0);
        }
        let code = self.descriptor(gate.selector, Exception::gp)?;
        let cpl = self.state.cpl;
        if !self.is_valid_code(code) || !self.is_code64(code) || code.dpl() > cpl {
            return Err(Exception::gp(index_error(gate.selector)));
        }
        if !code.present() {
            return Err(Exception::np(index_error(gate.selector)));
        }
        let new_cpl = if code.is_conforming() { cpl } else { code.dpl() };
        let inner = new_cpl < cpl;
        let rsp = if gate.ist != 0 {
            self.interrupt_stack(gate.ist)?
        } else if inner {
            self.ring_stack(new_cpl)?
        } else {
            self.state.regs[gpr::RSP]
        };
        if !self.is_canonical(gate.offset) {
            return Err(Exception::GP0);
        }

        let mut frame = Frame::flat(self, rsp & !0xF, inner);
        frame.push(self, 8, u64::from(self.state.seg(SegReg::Ss).selector))?;
        frame.push(self, 8, self.state.regs[gpr::RSP])?;
        frame.push(self, 8, self.saved_flags(event))?;
        frame.push(self, 8, u64::from(self.state.seg(SegReg::Cs).selector))?;
        frame.push(self, 8, self.state.rip)?;
        if let Some(error) = event.error {
            frame.push(self, 8, u64::from(error))?;
        }
        let code = self.mark_accessed(code)?;

        self.state.regs[gpr::RSP] = frame.rsp();
        if inner {
            self.state.segs[SegReg::Ss as usize] = null_stack(new_cpl);
        }
        self.enter_code(code, gate.selector, new_cpl, gate.offset);
        self.enter_handler(gate.kind == system::INT_GATE);
        Ok(())
    }

    /// RSP0 to RSP2 of the 64-bit TSS.
    ///
    /// # Errors
    /// #TS with TR's selector past its limit, #SS(0) where not canonical, #PF.
    pub(crate) fn ring_stack(&mut self, cpl: u8) -> Result<u64, Exception> {
        self.tss_pointer(4 + 8 * u64::from(cpl))
    }

    /// IST1 to IST7.
    fn interrupt_stack(&mut self, index: u8) -> Result<u64, Exception> {
        self.tss_pointer(0x24 + 8 * u64::from(index - 1))
    }

    fn tss_pointer(&mut self, offset: u64) -> Result<u64, Exception> {
        let tr = self.state.tr;
        if offset + 7 > u64::from(tr.limit) {
            return Err(Exception::ts(index_error(tr.selector)));
        }
        let rsp: u64 = self.load_system(tr.base.wrapping_add(offset))?;
        if self.is_canonical(rsp) { Ok(rsp) } else { Err(Exception::SS0) }
    }
}
