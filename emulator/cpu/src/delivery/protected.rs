//! The 8-byte gates of protected and virtual-8086 mode (Intel SDM Vol. 3A 7.11, 7.12).

use super::Event;
use crate::event::Source;
use crate::segment::{Descriptor, Gate, index_error, is_null};
use crate::state::{SegReg, Segment, gpr};
use crate::transfer::{Frame, TaskEntry, TaskStart};
use crate::{Cpu, Exception};
use glassbox_x86_spec::control::{Flags, dr6};
use glassbox_x86_spec::segment::system;
use glassbox_x86_spec::vector;

impl Cpu {
    pub(super) fn deliver_protected(&mut self, event: Event) -> Result<(), Exception> {
        let offset = u64::from(event.vector) * 8;
        let blame_gate = event.table_error();
        if offset + 7 > u64::from(self.state.idtr.limit) {
            return Err(Exception::gp(blame_gate));
        }
        let at = self.state.idtr.base.wrapping_add(offset) & 0xFFFF_FFFF;
        let gate = Gate::new(self.load_system(at)?, 0);
        let is_gate = matches!(
            gate.kind,
            system::TASK_GATE
                | system::INT_GATE16
                | system::TRAP_GATE16
                | system::INT_GATE
                | system::TRAP_GATE
        );
        if !is_gate || event.is_guarded() && gate.dpl < self.state.cpl {
            return Err(Exception::gp(blame_gate));
        }
        if !gate.present {
            return Err(Exception::np(blame_gate));
        }
        if gate.kind == system::TASK_GATE {
            return self.deliver_to_task(event, gate.selector);
        }

        if is_null(gate.selector) {
            return Err(Exception::GP0);
        }
        let blame_code = index_error(gate.selector);
        let code = self.descriptor(gate.selector, Exception::gp)?;
        let cpl = self.state.cpl;
        if !code.is_code() || code.dpl() > cpl {
            return Err(Exception::gp(blame_code));
        }
        if !code.present() {
            return Err(Exception::np(blame_code));
        }
        let new_cpl = if code.is_conforming() { cpl } else { code.dpl() };
        // Virtual-8086 mode can only be left for ring 0.
        if self.state.v86() && new_cpl != 0 {
            return Err(Exception::gp(blame_code));
        }
        self.check_entry(code, gate.entry())?;
        if new_cpl < cpl {
            self.deliver_inwards(event, gate, code, new_cpl)
        } else {
            self.deliver_level(event, gate, code)
        }
    }

    /// The handler runs at the interrupted level, on the same stack.
    fn deliver_level(&mut self, event: Event, gate: Gate, code: Descriptor) -> Result<(), Exception> {
        let mut frame = Frame::current(self);
        self.push_return(&mut frame, event, gate)?;
        let code = self.mark_accessed(code)?;
        self.state.regs[gpr::RSP] = frame.rsp();
        self.enter_code(code, gate.selector, self.state.cpl, gate.entry());
        self.enter_handler(matches!(gate.kind, system::INT_GATE | system::INT_GATE16));
        Ok(())
    }

    /// The handler runs at a more privileged level, on the stack the TSS names.
    fn deliver_inwards(
        &mut self,
        event: Event,
        gate: Gate,
        code: Descriptor,
        cpl: u8,
    ) -> Result<(), Exception> {
        let (stack, pointer) = self.inner_stack(cpl)?;
        let mut frame = Frame::inner(stack, pointer, cpl);
        let size = if gate.is_wide() { 4 } else { 2 };
        let from_v86 = self.state.v86();
        if from_v86 {
            for seg in [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es] {
                frame.push(self, size, u64::from(self.state.seg(seg).selector))?;
            }
        }
        frame.push(self, size, u64::from(self.state.seg(SegReg::Ss).selector))?;
        frame.push(self, size, self.state.regs[gpr::RSP])?;
        self.push_return(&mut frame, event, gate)?;
        let code = self.mark_accessed(code)?;

        if from_v86 {
            for seg in [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es] {
                self.state.segs[seg as usize] = Segment::default();
            }
            self.state.system_flags -= Flags::VM;
        }
        self.state.segs[SegReg::Ss as usize] = stack;
        self.state.regs[gpr::RSP] = frame.rsp();
        self.enter_code(code, gate.selector, cpl, gate.entry());
        self.enter_handler(matches!(gate.kind, system::INT_GATE | system::INT_GATE16));
        Ok(())
    }

    /// EFLAGS, CS, EIP and the error code in the width of the gate.
    fn push_return(&mut self, frame: &mut Frame, event: Event, gate: Gate) -> Result<(), Exception> {
        let size = if gate.is_wide() { 4 } else { 2 };
        frame.push(self, size, self.saved_flags(event))?;
        frame.push(self, size, u64::from(self.state.seg(SegReg::Cs).selector))?;
        frame.push(self, size, self.state.rip)?;
        match event.error {
            Some(error) => frame.push(self, size, u64::from(error)),
            None => Ok(()),
        }
    }

    /// The stack that the TSS holds for level `cpl`, checked (Intel SDM Vol. 3A 6.8.5).
    ///
    /// # Errors
    /// #TS, #SS with a selector, #PF.
    pub(crate) fn inner_stack(&mut self, cpl: u8) -> Result<(Segment, u64), Exception> {
        let tr = self.state.tr;
        let wide = tr.kind() & 8 != 0;
        let level = u64::from(cpl);
        let (offset, size) = if wide { (4 + 8 * level, 6) } else { (2 + 4 * level, 4) };
        if offset + size - 1 > u64::from(tr.limit) {
            return Err(Exception::ts(index_error(tr.selector)));
        }
        let at = tr.base.wrapping_add(offset);
        let (pointer, selector) = if wide {
            (u64::from(self.load_system::<u32>(at)?), self.load_system::<u16>(at.wrapping_add(4))?)
        } else {
            (u64::from(self.load_system::<u16>(at)?), self.load_system::<u16>(at.wrapping_add(2))?)
        };
        Ok((self.stack_segment(selector, cpl, Exception::ts)?, pointer))
    }

    /// A task gate: the handler is a task of its own.
    fn deliver_to_task(&mut self, event: Event, selector: u16) -> Result<(), Exception> {
        let start = self.switch_task(selector, TaskEntry::Nested, self.saved_flags(event), self.state.rip)?;
        // An instruction cannot fault any more once the task has changed: RIP is
        // the new task's. Other events are part of what may double-fault.
        let by_instruction = matches!(event.source, Source::Software | Source::Icebp);
        match start {
            TaskStart::Faulted(fault) if !by_instruction => return Err(fault),
            TaskStart::Faulted(fault) => {
                self.raise(fault);
                return Ok(());
            }
            TaskStart::Clean | TaskStart::Trapped => {}
        }
        if let Some(error) = event.error {
            let size = if self.state.tr.kind() & 8 != 0 { 4 } else { 2 };
            let mut frame = Frame::current(self);
            frame.push(self, size, u64::from(error))?;
            self.state.regs[gpr::RSP] = frame.rsp();
        }
        if start == TaskStart::Trapped && event.vector != vector::DB {
            self.state.dr[6] |= dr6::BT;
            return Err(Exception::DB);
        }
        Ok(())
    }
}
