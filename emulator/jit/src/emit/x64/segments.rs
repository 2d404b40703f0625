//! Segments: how far an access may reach, loads of segment registers in real mode,
//! and the code segment's limit.

use super::encode::Rm;
use super::map::{RAX, RDX};
use super::{Emitter, slot};
use crate::ir::{Address, CS, Reg, Size, Value};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;
use glassbox_x86_spec::segment as attr;

/// DF's bit in the second byte of the flags.
const DOWNWARDS: i8 = 1 << 2;

impl Emitter<'_> {
    /// Makes RAX the linear address of `bytes` that lie in their segment, or goes to the
    /// slow path. Uses RCX and RDX.
    pub fn segment_address(&mut self, at: &Address, bytes: u8, write: bool) {
        let slow = self.slow_path();
        self.address(RAX, at);
        dynasm!(self.asm
            ; .arch x64
            ; lea rdx, [rax + i32::from(bytes)]
            ; cmp rdx, [r15 + layout::reach(at.seg, write) as i32]
            ; ja =>slow
            ; add eax, [r15 + layout::segment_base(at.seg) as i32]
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
