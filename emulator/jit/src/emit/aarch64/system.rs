//! System instructions that are a few moves: what the way into a kernel and back
//! is full of.

use super::encode::op;
use super::map::{OTHER, VALUE};
use super::{Emitter, Outline};
use crate::ir::Size;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;
use glassbox_x86_spec::control::Flags;
use iced_x86::Code;

/// GS, as instructions encode it.
const GS: u8 = 5;

impl Emitter<'_> {
    /// Emits the running op in place of a call to the interpreter, if it is one of
    /// these; flags are stored. Anything but privilege level 0 is the interpreter's.
    pub fn system_op(&mut self) -> bool {
        let running = self.source.ops[self.index];
        let known = matches!(running.code, Code::Swapgs | Code::Cli);
        if !known || !self.source.ends_with(self.index) || self.source.shadowed() {
            return false;
        }
        let from = self.asm.new_dynamic_label();
        self.load_field(Size::B8, VALUE, layout::CPL);
        dynasm!(self.asm; .arch aarch64; cbnz W(VALUE), =>from);
        self.outlines.push(Outline::Interpret { from, index: self.index });
        if running.code == Code::Cli {
            self.load_field(Size::B32, VALUE, layout::SYSTEM_FLAGS);
            self.logic_constant(op::AND, false, VALUE, VALUE, u64::from(!Flags::IF.bits()));
            self.store_field(Size::B32, VALUE, layout::SYSTEM_FLAGS);
        } else {
            self.load_field(Size::B64, VALUE, layout::segment_base(GS));
            self.load_field(Size::B64, OTHER, layout::KERNEL_GS_BASE);
            self.store_field(Size::B64, OTHER, layout::segment_base(GS));
            self.store_field(Size::B64, VALUE, layout::KERNEL_GS_BASE);
        }
        let next = self.source.rip.wrapping_add(u64::from(running.end));
        self.leave_to(self.source.mode.wrap(next));
        true
    }
}
