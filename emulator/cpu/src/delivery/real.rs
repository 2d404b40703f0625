//! The interrupt vector table of real mode (Intel SDM Vol. 3A 21.1.4).

use super::Event;
use crate::state::{SegReg, gpr};
use crate::transfer::Frame;
use crate::{Cpu, Exception};
use glassbox_x86_spec::control::Flags;

impl Cpu {
    /// Real mode: a far pointer at four times the vector; no error codes.
    pub(super) fn deliver_real(&mut self, event: Event) -> Result<(), Exception> {
        let offset = u64::from(event.vector) * 4;
        if offset + 3 > u64::from(self.state.idtr.limit) {
            return Err(Exception::gp(event.table_error()));
        }
        let entry: u32 = self.load_system(self.state.idtr.base.wrapping_add(offset) & 0xFFFF_FFFF)?;
        let flags = self.state.rflags() - Flags::RF;
        let mut frame = Frame::current(self);
        frame.push(self, 2, u64::from(flags.bits()))?;
        frame.push(self, 2, u64::from(self.state.seg(SegReg::Cs).selector))?;
        frame.push(self, 2, self.state.rip)?;

        self.state.regs[gpr::RSP] = frame.rsp();
        self.state.segs[SegReg::Cs as usize] = self.real_segment(SegReg::Cs, (entry >> 16) as u16);
        self.state.rip = u64::from(entry & 0xFFFF);
        self.state.system_flags -= Flags::AC;
        self.enter_handler(true);
        Ok(())
    }
}
