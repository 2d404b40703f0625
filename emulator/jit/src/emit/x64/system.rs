//! System instructions that are a few moves: what the way into a kernel and back
//! is full of.

use super::{Emitter, Outline};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::Op;
use glassbox_cpu::compiled::layout;
use glassbox_x86_spec::control::Flags;
use iced_x86::Code;

impl Emitter<'_> {
    /// Emits the running op in place of a call to the interpreter, if it is one of
    /// these; all is stored. Anything but privilege level 0 is the interpreter's.
    pub fn system_op(&mut self) -> bool {
        let op = self.source.ops[self.index];
        let known = matches!(op.code, Code::Swapgs | Code::Cli);
        if !known || !self.source.ends_with(self.index) || self.source.shadowed() {
            return false;
        }
        let from = self.asm.new_dynamic_label();
        dynasm!(self.asm; .arch x64; cmp BYTE [r15 + layout::CPL as i32], 0; jne =>from);
        self.outlines.push(Outline::Interpret { from, part: self.part, index: self.index });
        self.privileged(&op);
        let next = self.source.rip.wrapping_add(u64::from(op.end));
        self.leave_to(self.source.mode.wrap(next));
        true
    }

    fn privileged(&mut self, op: &Op) {
        if op.code == Code::Cli {
            let keep = !Flags::IF.bits() as i32;
            dynasm!(self.asm; .arch x64; and DWORD [r15 + layout::SYSTEM_FLAGS as i32], keep);
            return;
        }
        const GS: u8 = 5;
        let base = layout::segment_base(GS) as i32;
        dynasm!(self.asm
            ; .arch x64
            ; mov rax, [r15 + base]
            ; mov rcx, [r15 + layout::KERNEL_GS_BASE as i32]
            ; mov [r15 + base], rcx
            ; mov [r15 + layout::KERNEL_GS_BASE as i32], rax
        );
    }
}
