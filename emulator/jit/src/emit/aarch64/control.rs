//! Ways out of a block, and what lies behind it.

use super::encode::{Field, op};
use super::flags::{Asked, FlagState};
use super::map::{ADDRESS, FUEL, GENERATION, INDEX, OTHER, TABLE, THIRD, VALUE, host};
use super::vectors::Vectors;
use super::{Emitter, Outline};
use crate::cache::target_slot;
use crate::emit::{Destination, SecondPage, reason};
use crate::ir::{Address, Cond, Reg, Size};
use crate::lift::Mode;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;
use glassbox_memory::PAGE_SHIFT;

/// RSP.
const STACK: Reg = 4;

impl Emitter<'_> {
    /// Starts the block: takes its instructions from the budget, and sees to it that
    /// SSE instructions may run.
    pub fn prologue(&mut self) {
        let count = self.source.ops.len() as u32;
        dynasm!(self.asm
            ; .arch aarch64
            ; subs X(FUEL), XSP(FUEL), count
            ; b.lt =>self.blocked
        );
        if self.source.mode.bounds_code() {
            self.check_code_limit();
        }
        if self.uses.avx {
            self.check_ready(layout::AVX_READY);
        }
        if self.uses.float {
            let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
            self.load_field(Size::B8, VALUE, layout::FLOAT_READY);
            dynasm!(self.asm; .arch aarch64; cbz W(VALUE), =>from; =>back);
            self.outlines.push(Outline::Float { from, back });
        } else if self.uses.sse {
            self.check_ready(layout::SSE_READY);
        }
    }

    /// Refuses to begin unless the page that the block runs into is the one it was
    /// compiled for.
    pub fn check_second_page(&mut self, second: SecondPage) {
        let SecondPage { address: linear, offset } = second;
        let refused = self.refused;
        let index = (linear >> PAGE_SHIFT) as usize & (layout::ENTRIES - 1);
        self.constant(INDEX, (index << layout::ENTRY_SHIFT) as u64);
        self.rrr(op::ADD, true, INDEX, TABLE, INDEX);
        self.constant(OTHER, linear);
        self.rrr(op::ORR, true, OTHER, OTHER, GENERATION);
        for field in [layout::ENTRY_EXEC, layout::ENTRY_ADDEND] {
            if field == layout::ENTRY_ADDEND {
                self.load_field(Size::B64, VALUE, layout::RAM);
                self.constant(OTHER, offset.wrapping_sub(linear));
                self.rrr(op::ADD, true, OTHER, OTHER, VALUE);
            }
            self.load_at(Size::B64, VALUE, INDEX, field);
            self.rrr(op::SUB, true, VALUE, VALUE, OTHER);
            dynasm!(self.asm; .arch aarch64; cbnz X(VALUE), =>refused);
        }
    }

    /// Before any way out: flags and vectors are in memory.
    fn settle(&mut self) {
        self.flags_to_memory();
        self.clean_vectors();
    }

    /// Leaves for an address on a straight way: flags are in memory.
    pub(super) fn leave_to(&mut self, target: u64) {
        if target <= self.source.rip {
            let stop = self.asm.new_dynamic_label();
            self.load_field(Size::B64, VALUE, layout::ATTENTION);
            self.load_at(Size::B8, VALUE, VALUE, 0);
            dynasm!(self.asm; .arch aarch64; cbnz W(VALUE), =>stop);
            self.outlines.push(Outline::Stop { from: stop, target });
        }
        match (self.destination)(target) {
            Destination::Code(code) => self.branch_to(false, code),
            Destination::Linkable => {
                let (site, exit) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
                dynasm!(self.asm; .arch aarch64; =>site; b =>exit);
                self.outlines.push(Outline::Link { from: exit, site, target });
            }
            Destination::Far if self.source.mode.is_segmented() => {
                self.constant(ADDRESS, target);
                self.branch_to(false, self.thunks.lookup);
            }
            Destination::Far => {
                // The slot in the table of targets is a constant, and so is the
                // target; only whether it holds the mapping of now is not.
                self.constant(ADDRESS, target);
                self.constant(INDEX, (self.targets + 32 * target_slot(target)) as u64);
                self.load_field(Size::B64, THIRD, layout::TLB_CONTEXT);
                let other = self.asm.new_dynamic_label();
                dynasm!(self.asm
                    ; .arch aarch64
                    ; ldp X(VALUE), X(OTHER), [X(INDEX)]
                    ; eor X(VALUE), X(VALUE), X(ADDRESS)
                    ; eor X(OTHER), X(OTHER), X(THIRD)
                    ; orr X(VALUE), X(VALUE), X(OTHER)
                    ; cbnz X(VALUE), =>other
                    ; ldr X(INDEX), [X(INDEX), 16]
                    ; br X(INDEX)
                    ; =>other
                );
                self.branch_to(false, self.thunks.lookup);
            }
        }
    }

    pub fn jump(&mut self, target: u64) {
        self.settle();
        self.leave_to(target);
    }

    pub fn branch(&mut self, cc: Cond, to: u64, next: u64) {
        self.settle();
        let taken = self.asm.new_dynamic_label();
        match self.condition(cc) {
            Asked::Host(cc) => self.branch_if(cc, taken),
            Asked::Value { zero: true } => dynasm!(self.asm; .arch aarch64; cbz W(VALUE), =>taken),
            Asked::Value { zero: false } => dynasm!(self.asm; .arch aarch64; cbnz W(VALUE), =>taken),
        }
        self.leave_to(next);
        dynasm!(self.asm; .arch aarch64; =>taken);
        self.leave_to(to);
    }

    fn branch_if(&mut self, cc: u8, to: DynamicLabel) {
        match cc {
            0 => dynasm!(self.asm; .arch aarch64; b.eq =>to),
            1 => dynasm!(self.asm; .arch aarch64; b.ne =>to),
            2 => dynasm!(self.asm; .arch aarch64; b.cs =>to),
            3 => dynasm!(self.asm; .arch aarch64; b.cc =>to),
            4 => dynasm!(self.asm; .arch aarch64; b.mi =>to),
            5 => dynasm!(self.asm; .arch aarch64; b.pl =>to),
            6 => dynasm!(self.asm; .arch aarch64; b.vs =>to),
            7 => dynasm!(self.asm; .arch aarch64; b.vc =>to),
            8 => dynasm!(self.asm; .arch aarch64; b.hi =>to),
            9 => dynasm!(self.asm; .arch aarch64; b.ls =>to),
            10 => dynasm!(self.asm; .arch aarch64; b.ge =>to),
            11 => dynasm!(self.asm; .arch aarch64; b.lt =>to),
            12 => dynasm!(self.asm; .arch aarch64; b.gt =>to),
            _ => dynasm!(self.asm; .arch aarch64; b.le =>to),
        }
    }

    pub fn branch_zero(&mut self, of: Reg, size: Size, zero: bool, to: u64, next: u64) {
        self.settle();
        let taken = self.asm.new_dynamic_label();
        self.extract(Field::Unsigned, true, VALUE, host(of), 0, size.bits());
        if zero {
            dynasm!(self.asm; .arch aarch64; cbz X(VALUE), =>taken);
        } else {
            dynasm!(self.asm; .arch aarch64; cbnz X(VALUE), =>taken);
        }
        self.leave_to(next);
        dynasm!(self.asm; .arch aarch64; =>taken);
        self.leave_to(to);
    }

    /// Goes on at the address in a register.
    pub fn jump_to(&mut self, n: Reg) {
        self.settle();
        self.mov(true, ADDRESS, host(n));
        self.branch_to(false, self.thunks.lookup);
    }

    /// Takes a return address off the stack and goes on there.
    pub fn return_to(&mut self, n: Reg, pop: u32) {
        if self.source.mode == Mode::Long {
            self.canonical(n);
        }
        let at = Address::at(STACK, pop as i32, false);
        self.lea(STACK, self.source.mode.stack(), &at);
        self.jump_to(n);
    }

    /// Goes to the slow path unless a register holds a canonical address.
    pub fn canonical(&mut self, n: Reg) {
        let slow = self.slow_path();
        self.extract(Field::Signed, true, VALUE, host(n), 0, 64 - self.unused_bits);
        self.rrr(op::SUB, true, VALUE, VALUE, host(n));
        dynasm!(self.asm; .arch aarch64; cbnz X(VALUE), =>slow);
    }

    /// The interpreter runs the op; in the middle of a block.
    pub fn interpret(&mut self) {
        self.settle();
        if !self.system_op() {
            self.call_op(self.index);
        }
        self.flags = FlagState::STORED;
        self.vectors = Vectors::default();
    }

    /// Calls the interpreter; an op that ends the block does not come back.
    fn call_op(&mut self, index: usize) {
        let left = (self.source.ops.len() - index) as u32;
        let literals = self.literals;
        dynasm!(self.asm
            ; .arch aarch64
            ; adr x0, =>literals
            ; movz w1, index as u32
            ; movz w2, left
        );
        if self.source.ends_with(index) {
            self.branch_to(false, self.thunks.run_last);
        } else {
            self.branch_to(true, self.thunks.run_op);
        }
    }

    /// Emits what lies behind the block, which may cross into another page: offset of the
    /// exit to patch the entry with when the block dies.
    pub fn behind(&mut self, crosses: bool) -> usize {
        for slow in std::mem::take(&mut self.slow) {
            dynasm!(self.asm; .arch aarch64; =>slow.from);
            self.flags = slow.flags;
            self.flags_to_memory();
            self.store_vectors(slow.vectors);
            self.call_op(slow.index);
            if !self.source.ends_with(slow.index) {
                let out = self.asm.new_dynamic_label();
                let leaves = self.recheck_vectors(&slow, out);
                self.load_vectors(slow.vectors_after);
                self.load_flags_of(slow.flags_after);
                dynasm!(self.asm; .arch aarch64; b =>slow.back);
                if leaves {
                    self.leave_behind(slow.index, out);
                }
            }
        }
        for outline in std::mem::take(&mut self.outlines) {
            match outline {
                Outline::Lookup { .. } => self.lookup_outline(&outline),
                Outline::BesideCode { from, back, slow, bytes } => {
                    self.beside_code(from, back, slow, bytes);
                }
                Outline::Number(check) => self.check_outline(&check),
                Outline::NotANumber { from, back, slow, v, double } => {
                    dynasm!(self.asm; .arch aarch64; =>from);
                    self.nan_outline(v, double, slow);
                    dynasm!(self.asm; .arch aarch64; b =>back);
                }
                Outline::Float { from, back } => {
                    let refused = self.refused;
                    dynasm!(self.asm; .arch aarch64; =>from);
                    self.branch_to(true, self.thunks.float);
                    dynasm!(self.asm; .arch aarch64; cbz w0, =>refused; b =>back);
                }
                Outline::Interpret { from, index } => {
                    dynasm!(self.asm; .arch aarch64; =>from);
                    self.call_op(index);
                }
                Outline::Stop { from, target } => self.leave_with(from, target, reason::BLOCKED, None),
                Outline::Link { from, site, target } => {
                    self.leave_with(from, target, reason::LINK, Some(site));
                }
            }
        }
        let count = self.source.ops.len() as u32;
        if crosses || self.uses.sse || self.uses.avx || self.source.mode.bounds_code() {
            dynasm!(self.asm; .arch aarch64; =>self.refused; add XSP(FUEL), XSP(FUEL), count);
            let exit = self.asm.new_dynamic_label();
            self.leave_with(exit, self.source.rip, reason::REFUSED, None);
        }
        dynasm!(self.asm; .arch aarch64; =>self.blocked; add XSP(FUEL), XSP(FUEL), count);
        let exit = self.asm.new_dynamic_label();
        self.leave_with(exit, self.source.rip, reason::BLOCKED, None);
        // Jumps that were linked to a block that is gone look for its successor, and not in the
        // table of targets, where it may still be.
        let dead = self.asm.offset().0;
        let exit = self.asm.new_dynamic_label();
        self.leave_with(exit, self.source.rip, reason::LOOKUP, None);
        let ops = self.source.ops.as_ptr() as u64;
        dynasm!(self.asm
            ; .arch aarch64
            ; .align 8
            ; =>self.literals
            ; .u64 ops
            ; .u64 self.source.rip
        );
        dead
    }

    /// Leaves behind an op that the interpreter has run, for the rest of the block is made
    /// for what it is not.
    fn leave_behind(&mut self, index: usize, from: DynamicLabel) {
        let left = (self.source.ops.len() - index - 1) as u32;
        let next = self.source.rip.wrapping_add(u64::from(self.source.ops[index].end));
        dynasm!(self.asm; .arch aarch64; =>from; add XSP(FUEL), XSP(FUEL), left);
        self.constant(ADDRESS, self.source.mode.wrap(next));
        self.branch_to(false, self.thunks.lookup);
    }

    fn leave_with(&mut self, from: DynamicLabel, target: u64, why: u32, site: Option<DynamicLabel>) {
        dynasm!(self.asm; .arch aarch64; =>from);
        self.constant(VALUE, target);
        self.store_field(Size::B64, VALUE, layout::RIP);
        if let Some(site) = site {
            dynasm!(self.asm; .arch aarch64; adr X(VALUE), =>site);
            self.store_field(Size::B64, VALUE, layout::LINK_SITE);
        }
        dynasm!(self.asm; .arch aarch64; movz w0, why);
        self.branch_to(false, self.thunks.exit);
    }
}
