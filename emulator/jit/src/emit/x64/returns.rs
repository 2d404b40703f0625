//! Calls and returns: a guest call is a call of the host's, so that the host
//! predicts where its return leads.
//!
//! Besides the host's return address, the stack holds the guest's. A return that
//! leads there is the host's; any other one searches for its target as every
//! indirect branch does. What is on the stack holds for one mapping of code
//! ([`super::floors`]) and as long as compiled code runs: whoever leaves it drops it all.
//! Dropped blocks stay where they are until then, and behind their calls there is but
//! a jump.

use super::encode::Rm;
use super::map::{RAX, RCX};
use super::{Emitter, Outline, slot};
use crate::emit::Destination;
use crate::ir::{Address, PAGE, Reg, Size};
use crate::lift::Mode;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use glassbox_cpu::compiled::layout;

/// RSP.
const STACK: Reg = 4;

impl Emitter<'_> {
    /// A call: goes on at `to`, and behind it at `next`.
    pub fn call(&mut self, to: u64, next: u64) {
        self.flags_to_memory();
        self.close();
        self.poll(to);
        self.push_return(next);
        match (self.destination)(to) {
            Destination::Code(code) => dynasm!(self.asm; .arch x64; call extern code),
            Destination::Linkable => {
                let (site, exit) = self.linkable(to);
                dynasm!(self.asm; .arch x64; call =>exit; =>site);
            }
            Destination::Far => {
                let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
                self.find_target(to, from);
                dynasm!(self.asm; .arch x64; call QWORD [rdx + 16]; =>back);
                self.outlines.push(Outline::Find { from, back });
            }
        }
        self.behind_call(next);
    }

    /// A call of the address in a register.
    pub fn call_to(&mut self, n: Reg, next: u64) {
        let host = self.settle_with(n);
        if host != RCX {
            self.op_exact(Size::B64, 0x8B, RCX, Rm::Reg(host));
        }
        self.push_return(next);
        dynasm!(self.asm; .arch x64; mov rax, rcx; call extern self.thunks.lookup);
        self.behind_call(next);
    }

    /// Behind the block.
    pub fn find_outline(&mut self, from: DynamicLabel, back: DynamicLabel) {
        dynasm!(self.asm; .arch x64; =>from; call extern self.thunks.lookup; jmp =>back);
    }

    /// Pushes the guest's return address. Uses RAX.
    fn push_return(&mut self, next: u64) {
        let (from, back) = (self.asm.new_dynamic_label(), self.asm.new_dynamic_label());
        dynasm!(self.asm
            ; .arch x64
            ; cmp rsp, [r15 + layout::RETURN_LIMIT as i32]
            ; jbe =>from
            ; =>back
        );
        match i32::try_from(next as i64) {
            Ok(small) if !self.source.mode.is_relative() => dynasm!(self.asm; .arch x64; push small),
            _ => {
                self.code_address(RAX, next);
                dynasm!(self.asm; .arch x64; push rax);
            }
        }
        self.outlines.push(Outline::Overflow { from, back });
    }

    /// Behind the block: calls that have not returned so far are forgotten.
    pub fn overflow_outline(&mut self, from: DynamicLabel, back: DynamicLabel) {
        dynasm!(self.asm; .arch x64; =>from; mov rsp, [r15 + layout::RETURN_BASE as i32]; jmp =>back);
    }

    /// Where the call returns to: takes the guest's return address off again, which tells
    /// where the block's page is.
    fn behind_call(&mut self, next: u64) {
        if self.source.mode.is_relative() {
            let page = slot(PAGE) as i32;
            dynasm!(self.asm; .arch x64; pop rax; sub rax, next as i32; mov [r15 + page], rax);
        } else {
            dynasm!(self.asm; .arch x64; add rsp, 8);
        }
        self.go_to(next);
    }

    /// A return to the address in a register, with `pop` bytes to take off the guest's stack.
    pub fn return_to(&mut self, n: Reg, pop: u32) {
        let host = self.settle_with(n);
        // From here on the interpreter needs no more than what is stored.
        self.vectors = Default::default();
        self.op_slow = None;
        let (from, slow) = (self.asm.new_dynamic_label(), self.slow_path());
        dynasm!(self.asm; .arch x64; cmp Rq(host), [rsp + 8]; jne =>from);
        self.pop(pop);
        dynasm!(self.asm; .arch x64; ret);
        debug_assert_eq!(host, RCX);
        self.outlines.push(Outline::ReturnMiss { from, slow, pop });
    }

    /// Behind the block.
    pub fn return_miss(&mut self, from: DynamicLabel, slow: DynamicLabel, pop: u32) {
        dynasm!(self.asm; .arch x64; =>from);
        if self.source.mode == Mode::Long {
            self.check_canonical(RCX, slow);
        }
        self.pop(pop);
        dynasm!(self.asm; .arch x64; jmp extern self.thunks.return_miss);
    }

    fn pop(&mut self, bytes: u32) {
        self.lea(STACK, self.source.mode.stack(), &Address::at(STACK, bytes as i32, false));
    }
}
