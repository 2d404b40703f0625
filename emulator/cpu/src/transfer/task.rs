//! Hardware task switches (Intel SDM Vol. 3A ch. 9). Long mode has none.

use super::tss::{Context, least_limit};
use crate::segment::{Descriptor, index_error, is_null, rpl};
use crate::state::{SegReg, Segment};
use crate::{Cpu, Exception};
use glassbox_x86_spec::control::{Cr0, Flags, dr6};
use glassbox_x86_spec::segment::system;

/// How a task is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskEntry {
    /// JMP: the old task ends.
    Jump,
    /// CALL, an interrupt or exception: the old task waits.
    Nested,
    /// IRET with NT set: back to the task that waited.
    Return,
}

/// How the new task begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum TaskStart {
    /// At its EIP.
    Clean,
    /// With a fault: a segment of its could not be loaded.
    Faulted(Exception),
    /// With #DB: its TSS has the T bit.
    Trapped,
}

/// L0 to L3 and LE in DR7.
const LOCAL_BREAKPOINTS: u64 = 0x155;

/// The type bit that marks a TSS busy.
const BUSY: u8 = 2;

impl Cpu {
    /// Switches tasks for JMP, CALL or IRET and raises what the new task begins with.
    pub(super) fn switch_task_by_instruction(
        &mut self,
        selector: u16,
        entry: TaskEntry,
        flags: u64,
    ) -> Result<(), Exception> {
        match self.switch_task(selector, entry, flags, self.state.rip)? {
            TaskStart::Clean => {}
            TaskStart::Faulted(fault) => self.raise(fault),
            TaskStart::Trapped => {
                self.state.dr[6] |= dr6::BT;
                self.raise_trap(Exception::DB);
            }
        }
        Ok(())
    }

    /// IRET with NT set: the back link names the task to return to.
    pub(super) fn return_from_task(&mut self) -> Result<(), Exception> {
        let link: u16 = self.load_system(self.state.tr.base)?;
        let flags = u64::from((self.state.rflags() - Flags::NT).bits());
        self.switch_task_by_instruction(link, TaskEntry::Return, flags)
    }

    /// Saves the running task with `flags` and `rip` and starts the one that
    /// `selector` names.
    ///
    /// # Errors
    /// #GP, #NP, #TS or #PF before anything has changed.
    pub(crate) fn switch_task(
        &mut self,
        selector: u16,
        entry: TaskEntry,
        flags: u64,
        rip: u64,
    ) -> Result<TaskStart, Exception> {
        let blame = index_error(selector);
        let fault = if entry == TaskEntry::Return { Exception::ts } else { Exception::gp };
        if selector & 4 != 0 || is_null(selector) {
            return Err(fault(blame));
        }
        let descriptor = self.descriptor(selector, fault)?;
        let wide = match (descriptor.system_kind(), entry) {
            (Some(system::TSS), TaskEntry::Jump | TaskEntry::Nested) => true,
            (Some(system::TSS_BUSY), TaskEntry::Return) => true,
            (Some(system::TSS16), TaskEntry::Jump | TaskEntry::Nested) => false,
            (Some(system::TSS16_BUSY), TaskEntry::Return) => false,
            _ => return Err(fault(blame)),
        };
        if !descriptor.present() {
            return Err(Exception::np(blame));
        }
        if descriptor.limit() < least_limit(wide) {
            return Err(Exception::ts(blame));
        }
        let old = self.state.tr;
        let old_wide = old.kind() & 8 != 0;
        if old.limit < least_limit(old_wide) {
            return Err(Exception::ts(index_error(old.selector)));
        }

        // Saved first: a task may return to itself.
        self.write_context(old.base, old_wide, rip, flags)?;
        let context = self.read_context(descriptor.base(), wide)?;
        if entry == TaskEntry::Nested {
            self.store_system(descriptor.base(), old.selector)?;
        } else {
            self.set_busy(old.selector, false)?;
        }
        if entry != TaskEntry::Return {
            self.set_busy(selector, true)?;
        }
        Ok(self.begin_task(descriptor, selector, wide, entry, context))
    }

    /// Sets or clears the busy bit in a TSS descriptor.
    fn set_busy(&mut self, selector: u16, busy: bool) -> Result<(), Exception> {
        let Some(at) = self.descriptor_address(selector, 8) else { return Ok(()) };
        let at = at.wrapping_add(5);
        let byte: u8 = self.load_system(at)?;
        self.store_system(at, if busy { byte | BUSY } else { byte & !BUSY })
    }

    /// The point of no return: loads the new task's state.
    fn begin_task(
        &mut self,
        tss: Descriptor,
        selector: u16,
        wide: bool,
        entry: TaskEntry,
        context: Context,
    ) -> TaskStart {
        self.state.tr = tss.segment(selector);
        self.state.tr.attr |= u16::from(BUSY);
        self.state.cr0 |= Cr0::TS;
        // Local breakpoints belong to the task that ends.
        self.state.dr[7] &= !LOCAL_BREAKPOINTS;
        if wide && self.state.cr0.contains(Cr0::PG) {
            self.state.cr3 = u64::from(context.cr3);
            self.tlb.flush_pcid(self.tlb.pcid());
        }
        for (reg, value) in self.state.regs.iter_mut().zip(context.regs) {
            *reg = u64::from(value);
        }
        self.state.rip = u64::from(context.eip);
        let mut flags = Flags::from_bits_truncate(context.eflags);
        if entry == TaskEntry::Nested {
            flags |= Flags::NT;
        }
        self.state.set_rflags(flags);
        if flags.contains(Flags::IF) {
            self.interrupts_may_be_open();
        }
        // Until its descriptor has been looked at, a segment cannot be used.
        for (segment, selector) in self.state.segs.iter_mut().zip(context.selectors) {
            *segment = Segment { selector, ..Segment::default() };
        }
        self.state.ldtr = Segment { selector: context.ldt, ..Segment::default() };
        let loaded = self.load_task_segments(&context, flags.contains(Flags::VM));
        self.sync();
        match loaded {
            Err(fault) => TaskStart::Faulted(fault),
            Ok(()) if context.trap => TaskStart::Trapped,
            Ok(()) => TaskStart::Clean,
        }
    }

    fn load_task_segments(&mut self, context: &Context, v86: bool) -> Result<(), Exception> {
        let [_, cs, ss, ..] = context.selectors;
        self.set_cpl(if v86 { 3 } else { rpl(cs) });
        self.state.ldtr = self.local_table(context.ldt, Exception::ts, Exception::ts)?;
        if v86 {
            for (segment, selector) in self.state.segs.iter_mut().zip(context.selectors) {
                *segment = Segment::real(selector, 3);
            }
            return Ok(());
        }
        let cpl = self.state.cpl;
        let blame = index_error(cs);
        if is_null(cs) {
            return Err(Exception::ts(blame));
        }
        let code = self.descriptor(cs, Exception::ts)?;
        let allowed = if code.is_conforming() { code.dpl() <= cpl } else { code.dpl() == cpl };
        if !code.is_code() || !allowed {
            return Err(Exception::ts(blame));
        }
        if !code.present() {
            return Err(Exception::np(blame));
        }
        self.state.segs[SegReg::Cs as usize] = self.mark_accessed(code)?.segment(cs);
        self.state.segs[SegReg::Ss as usize] = self.stack_segment(ss, cpl, Exception::ts)?;
        for seg in [SegReg::Ds, SegReg::Es, SegReg::Fs, SegReg::Gs] {
            let selector = context.selectors[seg as usize];
            self.state.segs[seg as usize] = self.data_segment(selector, cpl, Exception::ts)?;
        }
        Ok(())
    }
}
