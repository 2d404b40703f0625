//! IRET (Intel SDM Vol. 2A "IRET"; AMD APM Vol. 3 "IRET").

use super::Frame;
use crate::state::{SegReg, Segment, gpr};
use crate::{Cpu, Exception};
use glassbox_x86_spec::control::{Cr4, Flags, dr7};

/// What IRET may change at any level, in the low 16 bits.
const LOW: Flags = Flags::STATUS.union(Flags::TF).union(Flags::DF).union(Flags::NT);
/// What the 32- and 64-bit forms may change beyond those.
const HIGH: Flags = Flags::RF.union(Flags::AC).union(Flags::ID);

impl Cpu {
    /// IRET with an operand size of `size` bytes. NMIs are open afterwards.
    ///
    /// # Errors
    /// What the checks raise; nothing but NMI blocking has changed then.
    pub(crate) fn interrupt_return(&mut self, size: u8) -> Result<(), Exception> {
        let done = if self.state.v86() {
            self.iret_v86(size)
        } else if !self.state.protected() {
            self.iret_real(size)
        } else if self.state.system_flags.contains(Flags::NT) {
            if self.state.long_mode() { Err(Exception::GP0) } else { self.return_from_task() }
        } else {
            self.iret_protected(size)
        };
        // A faulting IRET unblocks NMIs, too (Intel SDM Vol. 3A 7.7.1).
        if std::mem::take(&mut self.state.nmi_blocked) {
            self.interrupts_may_be_open();
        }
        done
    }

    /// Pops IP, CS and FLAGS for real and virtual-8086 mode.
    fn pop_real_frame(&mut self, size: u8) -> Result<(Frame, u64, u16, Flags), Exception> {
        let mut frame = Frame::current(self);
        let rip = frame.pop(self, size)?;
        let selector = frame.pop_selector(self, size)?;
        let flags = Flags::from_bits_truncate(frame.pop(self, size)? as u32);
        if rip > u64::from(self.real_segment(SegReg::Cs, selector).limit) {
            return Err(Exception::GP0);
        }
        Ok((frame, rip, selector, flags))
    }

    fn enter_real(&mut self, frame: Frame, rip: u64, selector: u16) {
        self.state.regs[gpr::RSP] = frame.rsp();
        self.state.segs[SegReg::Cs as usize] = self.real_segment(SegReg::Cs, selector);
        self.state.rip = rip;
    }

    fn iret_real(&mut self, size: u8) -> Result<(), Exception> {
        let (frame, rip, selector, flags) = self.pop_real_frame(size)?;
        self.enter_real(frame, rip, selector);
        let high = if size == 2 { Flags::empty() } else { HIGH };
        self.change_flags(LOW | Flags::IF | Flags::IOPL | high, flags);
        Ok(())
    }

    fn iret_v86(&mut self, size: u8) -> Result<(), Exception> {
        let high = if size == 2 { Flags::empty() } else { HIGH };
        if self.state.iopl() == 3 {
            let (frame, rip, selector, flags) = self.pop_real_frame(size)?;
            self.enter_real(frame, rip, selector);
            self.change_flags(LOW | Flags::IF | high, flags);
            return Ok(());
        }
        if size != 2 || !self.state.cr4.contains(Cr4::VME) {
            return Err(Exception::GP0);
        }
        let (frame, rip, selector, mut flags) = self.pop_real_frame(size)?;
        let opens = flags.contains(Flags::IF) && self.state.system_flags.contains(Flags::VIP);
        if opens || flags.contains(Flags::TF) {
            return Err(Exception::GP0);
        }
        flags.set(Flags::VIF, flags.contains(Flags::IF));
        self.enter_real(frame, rip, selector);
        self.change_flags(LOW | Flags::VIF, flags);
        Ok(())
    }

    fn iret_protected(&mut self, size: u8) -> Result<(), Exception> {
        let mut frame = Frame::current(self);
        let rip = frame.pop(self, size)?;
        let selector = frame.pop_selector(self, size)?;
        let flags = Flags::from_bits_truncate(frame.pop(self, size)? as u32);
        let cpl = self.state.cpl;
        let to_v86 = size == 4 && cpl == 0 && flags.contains(Flags::VM) && !self.state.long_mode();
        if to_v86 {
            return self.enter_v86(frame, rip, selector, flags);
        }
        let target = self.return_target(selector, rip)?;
        let mut change = LOW;
        if size != 2 {
            change |= HIGH;
        }
        if cpl <= self.state.iopl() {
            change |= Flags::IF;
        }
        if cpl == 0 {
            change |= Flags::IOPL;
            if size != 2 {
                change |= Flags::VIF | Flags::VIP;
            }
        }
        let new_cpl = target.cpl();
        // 64-bit code always returns to the stack in the frame.
        if new_cpl == cpl && !self.state.is_64bit() {
            let code = self.mark_accessed(target.code)?;
            self.state.regs[gpr::RSP] = frame.rsp();
            self.enter_code(code, selector, cpl, rip);
            self.change_flags(change, flags);
            return Ok(());
        }
        let rsp = frame.pop(self, size)?;
        let ss = frame.pop_selector(self, size)?;
        let stack = self.return_stack(&target, ss)?;
        let code = self.mark_accessed(target.code)?;
        self.enter_code(code, selector, new_cpl, rip);
        self.state.segs[SegReg::Ss as usize] = stack;
        if new_cpl != cpl {
            self.drop_inner_segments();
        }
        self.change_flags(change, flags);
        self.load_returned_stack(rsp);
        Ok(())
    }

    /// From ring 0 to virtual-8086 mode.
    fn enter_v86(
        &mut self,
        mut frame: Frame,
        rip: u64,
        selector: u16,
        flags: Flags,
    ) -> Result<(), Exception> {
        let rsp = frame.pop(self, 4)?;
        let mut selectors = [0; 5];
        for selector in &mut selectors {
            *selector = frame.pop_selector(self, 4)?;
        }
        if rip > 0xFFFF {
            return Err(Exception::GP0);
        }
        let targets = [SegReg::Ss, SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs];
        for (seg, selector) in targets.into_iter().zip(selectors) {
            self.state.segs[seg as usize] = Segment::real(selector, 3);
        }
        self.state.segs[SegReg::Cs as usize] = Segment::real(selector, 3);
        self.set_cpl(3);
        self.state.rip = rip;
        self.state.regs[gpr::RSP] = rsp & 0xFFFF_FFFF;
        self.change_flags(Flags::all(), flags);
        Ok(())
    }

    /// Whether anybody could tell that RF is set for the next instruction: breakpoints, which
    /// it holds off, or an interrupt before it, which would save it. If not, it is as good
    /// as over: each page fault's handler returns with RF.
    fn sees_resume(&self) -> bool {
        self.state.system_flags.contains(Flags::TF)
            || self.state.dr[7] & dr7::ENABLES != 0
            || self.observer.is_some()
            || self.signals.intr()
            || self.signals.nmi()
    }

    /// Replaces the flags in `mask` by those of `values`, and does what follows
    /// from it: derived state, interrupts that waited for IF.
    pub(crate) fn change_flags(&mut self, mask: Flags, values: Flags) {
        let old = self.state.rflags();
        self.state.set_rflags((old - mask) | (values & mask));
        if !self.sees_resume() {
            self.state.system_flags -= Flags::RF;
        }
        if !old.contains(Flags::IF) && self.state.system_flags.contains(Flags::IF) {
            self.interrupts_may_be_open();
        }
        self.sync();
    }
}
