//! INT n in virtual-8086 mode (Intel SDM Vol. 3A 21.3, Table 21-2).

use crate::event::Source;
use crate::state::{SegReg, Segment, gpr};
use crate::transfer::Frame;
use crate::{Cpu, Exception};
use glassbox_x86_spec::control::{Cr4, Flags, dr6};

impl Cpu {
    /// INT n in virtual-8086 mode: the redirection bitmap of VME sends it to
    /// the 8086 program's own table, otherwise IOPL decides.
    ///
    /// # Errors
    /// #GP(0) for the monitor to look at, or what delivery raises.
    pub(crate) fn v86_software_interrupt(&mut self, vector: u8) -> Result<(), Exception> {
        if self.state.cr4.contains(Cr4::VME) && !self.is_intercepted(vector)? {
            return self.redirect(vector);
        }
        if self.state.iopl() < 3 {
            return Err(Exception::GP0);
        }
        self.software_interrupt(vector, Source::Software)
    }

    /// The vector's bit in the 32 bytes below the I/O permission bitmap.
    fn is_intercepted(&mut self, vector: u8) -> Result<bool, Exception> {
        let tr = self.state.tr;
        if tr.kind() & 8 == 0 || tr.limit < 0x67 {
            return Err(Exception::GP0);
        }
        let io_map: u16 = self.load_system(tr.base.wrapping_add(0x66))?;
        let offset = (u64::from(io_map) + u64::from(vector >> 3)).checked_sub(32).ok_or(Exception::GP0)?;
        if offset > u64::from(tr.limit) {
            return Err(Exception::GP0);
        }
        let bits: u8 = self.load_system(tr.base.wrapping_add(offset))?;
        Ok(bits >> (vector & 7) & 1 != 0)
    }

    /// Delivers through the table at linear address 0, as real mode does.
    fn redirect(&mut self, vector: u8) -> Result<(), Exception> {
        let entry: u32 = self.load(crate::SEG_FLAT, u64::from(vector) * 4)?;
        let mut flags = self.state.rflags();
        let virtual_if = self.state.iopl() < 3;
        if virtual_if {
            flags.set(Flags::IF, flags.contains(Flags::VIF));
            flags |= Flags::IOPL;
        }
        let mut frame = Frame::current(self);
        frame.push(self, 2, u64::from(flags.bits()))?;
        frame.push(self, 2, u64::from(self.state.seg(SegReg::Cs).selector))?;
        frame.push(self, 2, self.state.rip)?;

        self.note_event(vector, None, Source::Software);
        self.state.regs[gpr::RSP] = frame.rsp();
        self.state.segs[SegReg::Cs as usize] = Segment::real((entry >> 16) as u16, 3);
        self.state.rip = u64::from(entry & 0xFFFF);
        self.state.system_flags -= Flags::TF | Flags::NT | Flags::RF;
        self.state.system_flags -= if virtual_if { Flags::VIF } else { Flags::IF };
        self.pending_db &= !dr6::BS;
        self.sync();
        Ok(())
    }
}
