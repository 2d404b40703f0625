//! System instructions that are a few moves: what the way into a kernel and back
//! is full of.

use super::encode::Rm;
use super::map::RAX;
use super::{Emitter, Outline};
use crate::ir::{FS, GS, Reg, Size};
use crate::lift::Mode;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::Op;
use glassbox_cpu::compiled::layout;
use glassbox_x86_spec::control::{Cr4, Flags};
use iced_x86::Code;

impl Emitter<'_> {
    /// Emits the running op in place of a call to the interpreter, if it is one of
    /// these; all is stored. What is not as systems use it is the interpreter's.
    pub fn system_op(&mut self) -> bool {
        let op = self.source.ops[self.index];
        match op.code {
            Code::Cld | Code::Std => self.direction(op.code == Code::Std),
            Code::Rdfsbase_r64 => self.read_base(FS, op.dst),
            Code::Rdgsbase_r64 => self.read_base(GS, op.dst),
            Code::Sti if self.source.opens_interrupts() => self.open_interrupts(),
            _ => return self.source.ends_with(self.index) && !self.source.shadowed() && self.last_op(&op),
        }
        true
    }

    /// The same for one that ends its block.
    fn last_op(&mut self, op: &Op) -> bool {
        let long = self.source.mode == Mode::Long;
        let thunk = match op.code {
            Code::Syscall => self.thunks.syscall,
            Code::Sysretq => self.thunks.sysret,
            _ => 0,
        };
        if long && thunk != 0 {
            self.op_arguments(self.index);
            dynasm!(self.asm; .arch x64; jmp extern thunk);
            return true;
        }
        let from = self.asm.new_dynamic_label();
        match op.code {
            Code::Stac | Code::Clac => {
                let thunk = if op.code == Code::Stac { self.thunks.stac } else { self.thunks.clac };
                dynasm!(self.asm; .arch x64; call extern thunk; jne =>from);
            }
            Code::Rdtsc | Code::Rdtscp => self.time_stamp(op.code == Code::Rdtscp, from),
            Code::Swapgs => self.swap_gs(from),
            // Compiled code that is overwritten is dropped at once.
            Code::Serialize => dynasm!(self.asm; .arch x64; mfence),
            Code::Wrfsbase_r64 if long => self.write_base(FS, op.dst, from),
            Code::Wrgsbase_r64 if long => self.write_base(GS, op.dst, from),
            Code::Cli => {
                self.privileged(from);
                let keep = !Flags::IF.bits() as i32;
                dynasm!(self.asm; .arch x64; and DWORD [r15 + layout::SYSTEM_FLAGS as i32], keep);
            }
            Code::Mov_r64_cr => {
                let at = match op.src {
                    0 => layout::CR0,
                    2 => layout::CR2,
                    3 => layout::CR3,
                    4 => layout::CR4,
                    _ => return false,
                };
                self.privileged(from);
                self.op_exact(Size::B64, 0x8B, RAX, Rm::field(at));
                self.mov_host(op.dst, RAX, Size::B64);
            }
            _ => return false,
        }
        self.outlines.push(Outline::Interpret { from, part: self.part, index: self.index });
        let next = self.source.rip.wrapping_add(u64::from(op.end));
        self.leave_to(self.source.mode.wrap(next));
        true
    }

    /// Goes to `from` at any privilege level but 0.
    fn privileged(&mut self, from: DynamicLabel) {
        dynasm!(self.asm; .arch x64; cmp BYTE [r15 + layout::CPL as i32], 0; jne =>from);
    }

    fn time_stamp(&mut self, with_number: bool, from: DynamicLabel) {
        let (denied, allowed) = (Cr4::TSD.bits() as i32, self.asm.new_dynamic_label());
        dynasm!(self.asm
            ; .arch x64
            ; cmp BYTE [r15 + layout::CPL as i32], 0
            ; je =>allowed
            ; test DWORD [r15 + layout::CR4 as i32], denied
            ; jne =>from
            ; =>allowed
            ; call extern self.thunks.time_stamp
        );
        self.mov_host(0, RAX, Size::B32);
        dynasm!(self.asm; .arch x64; shr rax, 32);
        self.mov_host(2, RAX, Size::B32);
        if with_number {
            self.op_exact(Size::B32, 0x8B, RAX, Rm::field(layout::TSC_AUX));
            self.mov_host(1, RAX, Size::B32);
        }
    }

    /// Goes to `from` unless the instructions for bases of FS and GS are enabled.
    fn bases_enabled(&mut self, from: DynamicLabel) {
        let enabled = Cr4::FSGSBASE.bits() as i32;
        dynasm!(self.asm; .arch x64; test DWORD [r15 + layout::CR4 as i32], enabled; je =>from);
    }

    fn read_base(&mut self, seg: u8, to: Reg) {
        let slow = self.slow_path();
        self.bases_enabled(slow);
        self.op_exact(Size::B64, 0x8B, RAX, Rm::field(layout::segment_base(seg)));
        self.mov_host(to, RAX, Size::B64);
    }

    fn write_base(&mut self, seg: u8, of: Reg, from: DynamicLabel) {
        self.bases_enabled(from);
        let host = self.get(of, RAX);
        self.check_canonical(host, from);
        self.op_exact(Size::B64, 0x89, host, Rm::field(layout::segment_base(seg)));
    }

    fn swap_gs(&mut self, from: DynamicLabel) {
        let base = layout::segment_base(GS) as i32;
        self.privileged(from);
        dynasm!(self.asm
            ; .arch x64
            ; mov rax, [r15 + base]
            ; mov rcx, [r15 + layout::KERNEL_GS_BASE as i32]
            ; mov [r15 + base], rcx
            ; mov [r15 + layout::KERNEL_GS_BASE as i32], rax
        );
    }

    fn direction(&mut self, down: bool) {
        let flags = layout::SYSTEM_FLAGS as i32;
        if down {
            dynasm!(self.asm; .arch x64; or DWORD [r15 + flags], Flags::DF.bits() as i32);
        } else {
            dynasm!(self.asm; .arch x64; and DWORD [r15 + flags], !Flags::DF.bits() as i32);
        }
    }

    /// STI and its shadow, unless an interrupt waits for them to end.
    fn open_interrupts(&mut self) {
        let from = self.asm.new_dynamic_label();
        self.privileged(from);
        dynasm!(self.asm
            ; .arch x64
            ; mov rax, [r15 + layout::ATTENTION as i32]
            ; cmp WORD [rax + layout::WAITING as i32], 0
            ; jne =>from
            ; or DWORD [r15 + layout::SYSTEM_FLAGS as i32], Flags::IF.bits() as i32
        );
        self.outlines.push(Outline::Interpret { from, part: self.part, index: self.index });
    }
}
