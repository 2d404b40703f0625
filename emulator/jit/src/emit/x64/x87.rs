//! The guest's x87 stack in the host's, from the first x87 instruction of a block
//! to its end, or to the next instruction that is interpreted.
//!
//! A block begins only while exceptions are masked, precision is extended and
//! rounding to nearest, and the registers that it touches are used or empty as
//! its [`Plan`] wants them. Registers that it pops keep what they held before:
//! nothing tells but the image of an empty register.

use super::Emitter;
use super::encode::Rm;
use super::map::{RAX, RCX, RDX};
use crate::ir::{Code, Inst, Size};
use crate::lift::x87::{Plan, X87, tag};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::{fpu, layout};

/// The registers of a run in the host's stack. They count as in a [`Plan`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// A run is on: the host's stack holds `top` to `deepest`.
    pub active: bool,
    /// ST(0).
    pub top: i8,
    /// ST(0) by what the status word in memory says.
    pub stored_top: i8,
    /// The last register loaded.
    pub deepest: i8,
    /// Registers that differ from memory, from -8 on.
    dirty: u16,
    /// Registers that were made valid, or empty, as tag bits.
    filled: u16,
    emptied: u16,
    /// C1, and C0 to C3, are the host's.
    c1: bool,
    codes: bool,
    /// The last instruction: opcode bits and offset.
    last: Option<(u16, u8)>,
    /// The segment of the last memory operand.
    segment: Option<u8>,
}

const TOP: i32 = 0x3800;
const C1: i32 = 0x200;
const CODES: i32 = 0x4500;
const EXCEPTIONS: i32 = 0x3F;

impl Stack {
    fn bit(n: i8) -> u16 {
        1 << (n + 8)
    }

    /// `top` to `deepest` as memory has them.
    pub fn loaded(top: i8, deepest: i8) -> Self {
        Self { active: true, top, stored_top: top, deepest, ..Self::default() }
    }

    /// Nothing in the host's stack.
    pub fn idle(top: i8) -> Self {
        Self { top, stored_top: top, ..Self::default() }
    }

    /// What a round of a loop ends with that begins with this.
    pub fn after(mut self, code: &Code) -> Self {
        let deepest = self.deepest;
        for inst in &code.insts {
            match inst {
                Inst::X87(x87) if x87.status => self = Self::idle(self.top),
                Inst::X87(x87) => {
                    if !self.active {
                        self = Self::loaded(self.top, deepest);
                    }
                    self.step(x87);
                }
                Inst::Interpret => self = Self::idle(self.top),
                _ => {}
            }
        }
        if self.active { self } else { Self::loaded(self.top, deepest) }
    }

    /// Follows one instruction.
    pub fn step(&mut self, x87: &X87) {
        for i in (0..8).filter(|i| x87.writes >> i & 1 != 0) {
            self.dirty |= Self::bit(self.top + i);
        }
        if x87.pushes {
            self.top -= 1;
            self.dirty |= Self::bit(self.top);
            self.filled |= tag(self.top);
            self.emptied &= !tag(self.top);
        }
        for _ in 0..x87.pops {
            self.dirty &= !Self::bit(self.top);
            self.emptied |= tag(self.top);
            self.filled &= !tag(self.top);
            self.top += 1;
        }
        self.c1 |= x87.c1;
        self.codes |= x87.codes;
        self.last = Some((x87.fop, x87.at));
        if x87.memory.is_some() {
            self.segment = Some(x87.segment);
        }
    }
}

impl Emitter<'_> {
    /// Checks that a block may run; leaves by `refused` otherwise. Changes flags.
    pub fn x87_guard(&mut self, plan: &Plan) {
        let (clear, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        dynasm!(self.asm
            ; .arch x64
            ; cmp BYTE [r15 + layout::X87_READY as i32], 0
            ; je =>self.refused
            ; cmp WORD [r15 + fpu::CONTROL as i32], 0x37F
            ; jne =>self.refused
            ; movzx ecx, WORD [r15 + fpu::STATUS as i32]
            ; movzx eax, BYTE [r15 + layout::X87_FLAGS as i32]
            ; test cl, cl
            ; js =>self.refused
            // Flags that the host still has from before and the guest has not.
            ; mov edx, ecx
            ; not edx
            ; test al, dl
            ; jne =>clear
            ; =>back
            ; shr ecx, 10
            ; and ecx, 0xE
            ; movzx eax, WORD [r15 + fpu::TAG as i32]
            ; ror ax, cl
            ; and eax, i32::from(plan.mask)
            ; cmp eax, i32::from(plan.expected)
            ; jne =>self.refused
        );
        self.outlines.push(super::Outline::ClearX87 { from: clear, back });
    }

    /// [`Outline::ClearX87`](super::Outline).
    pub fn x87_clear(&mut self) {
        dynasm!(self.asm; .arch x64; fnclex; mov BYTE [r15 + layout::X87_FLAGS as i32], 0);
    }

    /// RCX = the offset of register `n`'s memory from the first one's.
    fn x87_home(&mut self, stack: &Stack, n: i8) -> Rm {
        let by = i32::from((n - stack.stored_top) & 7) * 16;
        dynasm!(self.asm
            ; .arch x64
            ; movzx ecx, WORD [r15 + fpu::STATUS as i32]
            ; shr ecx, 7
            ; and ecx, 0x70
        );
        if by != 0 {
            dynasm!(self.asm; .arch x64; add ecx, by; and ecx, 0x70);
        }
        Rm::Mem { base: 15, index: Some(RCX), disp: fpu::REGS as i32 }
    }

    /// Takes registers `top` to `deepest` to the host's stack. Changes flags.
    pub fn x87_load(&mut self, top: i8, deepest: i8) {
        let stack = Stack::loaded(top, deepest);
        for n in (top..=deepest).rev() {
            let home = self.x87_home(&stack, n);
            self.op_exact(Size::B32, 0xDB, 5, home);
        }
        self.stacks = [stack; 2];
    }

    /// Gives everything back to memory. In a loop what is to be given depends on
    /// whether this is the first round.
    pub fn x87_flush(&mut self, stacks: [Stack; 2]) {
        if !stacks[0].active {
            return;
        }
        if stacks[0] == stacks[1] {
            self.x87_flush_one(&stacks[0]);
            return;
        }
        let (later, done) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        dynasm!(self.asm; .arch x64; cmp BYTE [r15 + layout::X87_ROUND as i32], 0; jne =>later);
        self.x87_flush_one(&stacks[0]);
        dynasm!(self.asm; .arch x64; jmp =>done; =>later);
        self.x87_flush_one(&stacks[1]);
        dynasm!(self.asm; .arch x64; =>done);
    }

    /// Gives everything back to memory; the host's stack is empty. Uses RAX, RCX and
    /// RDX, changes flags.
    fn x87_flush_one(&mut self, stack: &Stack) {
        dynasm!(self.asm; .arch x64; fnstsw ax);
        for n in stack.top..=stack.deepest {
            if stack.dirty & Stack::bit(n) != 0 {
                let home = self.x87_home(stack, n);
                self.op_exact(Size::B32, 0xDB, 7, home);
            } else {
                dynasm!(self.asm; .arch x64; fstp st0);
            }
        }
        let Some((fop, at)) = stack.last else { return };
        let taken = if stack.c1 { C1 } else { 0 } | if stack.codes { CODES } else { 0 };
        let by = i32::from((stack.top - stack.stored_top) & 7) << 11;
        dynasm!(self.asm
            ; .arch x64
            ; movzx ecx, WORD [r15 + fpu::STATUS as i32]
            ; mov edx, eax
            ; and edx, EXCEPTIONS
            ; mov [r15 + layout::X87_FLAGS as i32], dl
        );
        if stack.filled | stack.emptied != 0 {
            // Tags are counted from the register that TOP in memory names.
            let turn = |tags: u16| i32::from(tags.rotate_right(2 * (stack.stored_top & 7) as u32));
            dynasm!(self.asm
                ; .arch x64
                ; push rax
                ; push rcx
                ; shr ecx, 10
                ; and ecx, 0xE
                ; mov eax, turn(stack.filled)
                ; mov edx, turn(stack.emptied)
                ; rol ax, cl
                ; rol dx, cl
                ; not eax
                ; and [r15 + fpu::TAG as i32], ax
                ; or [r15 + fpu::TAG as i32], dx
                ; pop rcx
                ; pop rax
            );
        }
        dynasm!(self.asm
            ; .arch x64
            ; lea edx, [rcx + by]
            ; and edx, TOP
            ; and ecx, !(TOP | taken)
            ; and eax, EXCEPTIONS | taken
            ; or ecx, eax
            ; or ecx, edx
            ; mov [r15 + fpu::STATUS as i32], cx
            ; mov WORD [r15 + fpu::OPCODE as i32], fop as i16
            ; movzx eax, WORD [r15 + layout::selector(1) as i32]
            ; mov [r15 + fpu::CS as i32], ax
        );
        let ip = self.source.rip.wrapping_add(u64::from(at));
        self.code_address(RAX, self.source.mode.wrap(ip));
        dynasm!(self.asm; .arch x64; mov [r15 + fpu::IP as i32], rax);
        if let Some(segment) = stack.segment {
            dynasm!(self.asm
                ; .arch x64
                ; movzx eax, WORD [r15 + layout::selector(segment) as i32]
                ; mov [r15 + fpu::DS as i32], ax
            );
        }
    }

    /// Ends a run, if one is on.
    pub fn x87_end(&mut self) {
        if self.stacks[0].active {
            self.before_clobber();
            self.x87_flush(self.stacks);
            self.stacks = [Stack::idle(self.stacks[0].top); 2];
        }
    }

    /// Begins a run, if none is on.
    pub fn x87_begin(&mut self) {
        if !self.stacks[0].active {
            self.before_clobber();
            let deepest = self.x87_plan.map_or(-1, |plan| plan.deepest);
            self.x87_load(self.stacks[0].top, deepest);
        }
    }

    /// One x87 instruction.
    pub fn x87(&mut self, x87: &X87) {
        if x87.status {
            self.x87_end();
            self.op_0f(Size::B32, 0xB7, RDX, Rm::field(fpu::STATUS));
            self.mov_host(0, RDX, Size::B16);
            return;
        }
        debug_assert!(self.stacks[0].active);
        let escape = 0xD8 | (x87.fop >> 8) as u8 & 7;
        let modrm = x87.fop as u8;
        if let Some(at) = x87.memory {
            // The linear address without its segment's base.
            if let Rm::Mem { base, disp, .. } = self.cell {
                self.op_exact(Size::B64, 0x8D, RDX, Rm::Mem { base, index: None, disp });
            }
            if let 4 | 5 = at.seg {
                self.before_clobber();
                dynasm!(self.asm; .arch x64; sub rdx, [r15 + layout::segment_base(at.seg) as i32]);
            }
            dynasm!(self.asm; .arch x64; mov [r15 + fpu::DP as i32], rdx);
            self.op_exact(Size::B32, escape, modrm >> 3 & 7, self.cell);
        } else {
            self.imm8(escape);
            self.imm8(modrm);
        }
        self.stacks.iter_mut().for_each(|stack| stack.step(x87));
    }
}
