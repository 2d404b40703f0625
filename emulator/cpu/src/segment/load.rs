//! Loading ES, SS, DS, FS and GS, and the segments of control transfers
//! (Intel SDM Vol. 2B "MOV", Vol. 3A 6.6; AMD APM Vol. 2 ch. 4).

use super::{Descriptor, index_error, is_null, rpl};
use crate::state::{SegReg, Segment};
use crate::{Cpu, Exception};
use glassbox_x86_spec::segment as attr;

impl Cpu {
    /// Sets the current privilege level. Whoever does calls `sync` when done.
    pub(crate) fn set_cpl(&mut self, cpl: u8) {
        self.state.cpl = cpl & 3;
    }

    /// What loading `selector` into `seg` gives in real and virtual-8086 mode.
    ///
    /// In real mode the hidden limit and attributes stay as they were: what
    /// "unreal mode" rests on.
    pub(crate) fn real_segment(&self, seg: SegReg, selector: u16) -> Segment {
        let old = self.state.seg(seg);
        if self.state.v86() {
            Segment::real(selector, 3)
        } else if !old.present() {
            Segment::real(selector, 0)
        } else {
            Segment { base: u64::from(selector) << 4, selector, ..*old }
        }
    }

    /// Loads ES, SS, DS, FS or GS as MOV, POP and LDS do.
    ///
    /// # Errors
    /// #GP, #NP or #SS with the selector, #PF; nothing has changed then.
    pub(crate) fn load_segment(&mut self, seg: SegReg, selector: u16) -> Result<(), Exception> {
        let new = if !self.state.protected() {
            self.real_segment(seg, selector)
        } else if seg == SegReg::Ss {
            self.stack_segment(selector, self.state.cpl, Exception::gp)?
        } else {
            self.data_segment(selector, self.state.cpl, Exception::gp)?
        };
        self.state.segs[seg as usize] = new;
        self.sync();
        Ok(())
    }

    /// Checks a selector for ES, DS, FS or GS at privilege `cpl`. `fault` makes
    /// the exception of a selector that may not be loaded (#GP, or #TS in a
    /// task switch).
    ///
    /// # Errors
    /// `fault` or #NP with the selector; #PF.
    pub(crate) fn data_segment(
        &mut self,
        selector: u16,
        cpl: u8,
        fault: fn(u32) -> Exception,
    ) -> Result<Segment, Exception> {
        if is_null(selector) {
            return Ok(Segment { selector, ..Segment::default() });
        }
        let descriptor = self.descriptor(selector, fault)?;
        let guarded = !descriptor.is_conforming();
        if !descriptor.is_readable() || guarded && (rpl(selector).max(cpl) > descriptor.dpl()) {
            return Err(fault(index_error(selector)));
        }
        if !descriptor.present() {
            return Err(Exception::np(index_error(selector)));
        }
        Ok(self.mark_accessed(descriptor)?.segment(selector))
    }

    /// Checks a selector for SS at privilege `cpl`. `fault` makes the exception
    /// of a selector that may not be loaded.
    ///
    /// # Errors
    /// `fault` with the selector (0 for null ones), #SS for one that is not
    /// present; #PF.
    pub(crate) fn stack_segment(
        &mut self,
        selector: u16,
        cpl: u8,
        fault: fn(u32) -> Exception,
    ) -> Result<Segment, Exception> {
        if is_null(selector) {
            // 64-bit code does without a stack segment except in ring 3.
            if self.state.is_64bit() && cpl != 3 && rpl(selector) == cpl {
                return Ok(null_stack(cpl));
            }
            return Err(fault(0));
        }
        let descriptor = self.descriptor(selector, fault)?;
        if rpl(selector) != cpl || !descriptor.is_writable_data() || descriptor.dpl() != cpl {
            return Err(fault(index_error(selector)));
        }
        if !descriptor.present() {
            return Err(Exception::ss(index_error(selector)));
        }
        Ok(self.mark_accessed(descriptor)?.segment(selector))
    }

    /// Checks that `offset` may be executed in the code segment of `descriptor`:
    /// inside the limit, or canonical where the code is 64-bit.
    ///
    /// # Errors
    /// #GP(0).
    pub(crate) fn check_entry(&self, descriptor: Descriptor, offset: u64) -> Result<(), Exception> {
        let ok = if self.is_code64(descriptor) {
            self.is_canonical(offset)
        } else {
            offset <= u64::from(descriptor.limit())
        };
        if ok { Ok(()) } else { Err(Exception::GP0) }
    }

    /// Whether the code of `descriptor` would run in 64-bit mode.
    pub(crate) fn is_code64(&self, descriptor: Descriptor) -> bool {
        self.state.long_mode() && descriptor.has(attr::L)
    }

    /// Long mode refuses code segments with both L and D set.
    pub(crate) fn is_valid_code(&self, descriptor: Descriptor) -> bool {
        descriptor.is_code() && !(self.state.long_mode() && descriptor.has(attr::L | attr::DB))
    }

    /// Enters a code segment: CS, CPL and RIP at once.
    pub(crate) fn enter_code(&mut self, descriptor: Descriptor, selector: u16, cpl: u8, rip: u64) {
        self.state.segs[SegReg::Cs as usize] = descriptor.segment(selector & !3 | u16::from(cpl));
        self.set_cpl(cpl);
        self.state.rip = rip;
    }

    /// After a return to an outer level: data segments that the new level may
    /// not use become null (Intel SDM Vol. 3A 6.8.6).
    pub(crate) fn drop_inner_segments(&mut self) {
        let cpl = self.state.cpl;
        for seg in [SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs] {
            let segment = &mut self.state.segs[seg as usize];
            let conforming = segment.attr & (attr::CODE | attr::DC) == attr::CODE | attr::DC;
            if segment.present() && segment.dpl() < cpl && !conforming {
                *segment = Segment::default();
            }
        }
    }
}

/// SS as a 64-bit interrupt or call to level `cpl` leaves it: null, RPL = CPL.
pub(crate) fn null_stack(cpl: u8) -> Segment {
    Segment { attr: u16::from(cpl) << 5, selector: u16::from(cpl), ..Segment::default() }
}
