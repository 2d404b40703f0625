//! Segments: how far an access may reach, loads of segment registers in real mode,
//! and the code segment's limit.

use super::encode::Rm;
use super::map::{RAX, RDX};
use super::memory::Wanted;
use super::{Emitter, Outline, slot};
use crate::ir::{ACC, Address, CS, Reg, Size, Value};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;
use glassbox_x86_spec::segment as attr;

/// DF's bit in the second byte of the flags.
const DOWNWARDS: i8 = 1 << 2;

impl Emitter<'_> {
    /// One probe in a segment, whose reach it has to lie in.
    pub fn probe_segment(&mut self, at: &Address, aligned: bool, wanted: Wanted) {
        let slow = self.slow_path();
        self.address(RAX, at);
        dynasm!(self.asm
            ; .arch x64
            ; lea rdx, [rax + wanted.high]
            ; cmp rdx, [r15 + layout::reach(at.seg, wanted.write) as i32]
            ; ja =>slow
            ; add eax, [r15 + layout::segment_base(at.seg) as i32]
        );
        let linear = Address::at(ACC, 0, false);
        if !wanted.write {
            return self.probe_page(&linear, aligned, wanted, slow);
        }
        let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        self.probe_page(&linear, aligned, wanted, from);
        dynasm!(self.asm; .arch x64; =>back);
        self.outlines.push(Outline::BesideCode { from, back, slow, bytes: wanted.high });
    }

    /// Behind the block: a store that found no entry for RDX at RCX may be one beside the
    /// code that its page holds, as variables and stacks of small programs are.
    pub fn beside_code(&mut self, from: DynamicLabel, back: DynamicLabel, slow: DynamicLabel, bytes: i32) {
        dynasm!(self.asm
            ; .arch x64
            ; =>from
            ; btc rdx, BYTE layout::BESIDE_CODE_BIT as i8
            ; cmp rdx, [rcx + layout::ENTRY_WRITE as i32]
            ; jne =>slow
            ; mov rcx, [rcx + layout::ENTRY_ADDEND as i32]
            ; push rbx
            ; mov rbx, [r15 + layout::CODE_LINES as i32]
            ; lea rdx, [rax + rcx]
            ; shr rdx, 6
            ; bt [rbx], rdx
            ; jc BYTE >code
            ; lea rdx, [rax + rcx + (bytes - 1)]
            ; shr rdx, 6
            ; bt [rbx], rdx
            ; code:
            ; pop rbx
            ; jc =>slow
            ; jmp =>back
        );
    }

    /// Where a block begins that the code segment may not hold whole.
    pub fn check_code_limit(&mut self) {
        let last = self.source.ops.last().map_or(0, |op| u64::from(op.end) - 1);
        let last = self.source.rip.wrapping_add(last) as i32;
        let limit = layout::segment_limit(CS) as i32;
        dynasm!(self.asm; .arch x64; cmp DWORD [r15 + limit], last; jb =>self.refused);
    }

    /// Goes to the slow path unless a branch target lies in the code segment.
    pub fn in_code(&mut self, target: Value) {
        self.before_clobber();
        let slow = self.slow_path();
        let limit = layout::segment_limit(CS) as i32;
        match target {
            Value::Imm(to) => dynasm!(self.asm; .arch x64; cmp DWORD [r15 + limit], to; jb =>slow),
            Value::Reg(n) => {
                let host = self.get(n, RDX);
                dynasm!(self.asm; .arch x64; cmp Rd(host), [r15 + limit]; ja =>slow);
            }
            Value::Cell => {}
        }
    }

    /// Goes to the slow path if string instructions go downwards.
    pub fn upwards(&mut self) {
        self.before_clobber();
        let slow = self.slow_path();
        let flags = layout::SYSTEM_FLAGS as i32 + 1;
        dynasm!(self.asm; .arch x64; test BYTE [r15 + flags], DOWNWARDS; jne =>slow);
    }

    /// Loads a segment register by shifting the selector, if it has attributes.
    pub fn load_segment(&mut self, seg: u8, from: Value, high: bool) {
        self.before_clobber();
        let slow = self.slow_path();
        let attributes = layout::segment_attributes(seg) as i32;
        dynasm!(self.asm; .arch x64; test BYTE [r15 + attributes], attr::P as i8; je =>slow);
        let rm = self.rm(from);
        if high {
            self.op_exact(Size::B32, 0x8B, RDX, rm);
            dynasm!(self.asm; .arch x64; shr edx, 16);
        } else {
            self.op_0f(Size::B32, 0xB7, RDX, rm);
        }
        dynasm!(self.asm
            ; .arch x64
            ; mov [r15 + layout::selector(seg) as i32], dx
            ; shl edx, 4
            ; mov [r15 + layout::segment_base(seg) as i32], rdx
        );
    }

    /// `to` = a selector, a temporary in memory. Flags stay.
    pub fn selector(&mut self, to: Reg, seg: u8) {
        dynasm!(self.asm; .arch x64; movzx edx, WORD [r15 + layout::selector(seg) as i32]);
        self.op(Size::B64, 0x88, RDX, Rm::field(slot(to)));
    }
}
