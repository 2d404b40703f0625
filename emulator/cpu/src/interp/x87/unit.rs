//! The register stack, the status word, and how exceptions are recorded.

use crate::state::{FpuState, X87Register};
use glassbox_softfloat::x87::Examined;
use glassbox_softfloat::{Env, F80, flag};

/// Status word bits (Intel SDM Vol. 1 8.1.3).
pub(super) mod status {
    /// SF: the invalid operation was a stack fault.
    pub const STACK_FAULT: u16 = 1 << 6;
    /// ES: an unmasked exception is pending.
    pub const SUMMARY: u16 = 1 << 7;
    /// C0.
    pub const C0: u16 = 1 << 8;
    /// C1.
    pub const C1: u16 = 1 << 9;
    /// C2.
    pub const C2: u16 = 1 << 10;
    /// C3.
    pub const C3: u16 = 1 << 14;
    /// B: mirrors ES.
    pub const BUSY: u16 = 1 << 15;
    /// TOP.
    pub const TOP: u16 = 7 << TOP_SHIFT;
    /// Position of TOP.
    pub const TOP_SHIFT: u32 = 11;
}

/// Tag of an empty register.
const EMPTY: u16 = 3;

impl From<X87Register> for F80 {
    fn from(register: X87Register) -> Self {
        Self { significand: register.significand, sign_exponent: register.sign_exponent }
    }
}

impl From<F80> for X87Register {
    fn from(number: F80) -> Self {
        Self { significand: number.significand, sign_exponent: number.sign_exponent }
    }
}

impl FpuState {
    /// The physical number of ST(`i`).
    pub(crate) fn physical(&self, i: u8) -> usize {
        ((self.status >> status::TOP_SHIFT) + u16::from(i)) as usize & 7
    }

    fn set_top(&mut self, top: u16) {
        self.status = self.status & !status::TOP | (top & 7) << status::TOP_SHIFT;
    }

    /// Moves TOP by `by` registers, tags unchanged.
    pub(super) fn rotate(&mut self, by: u16) {
        self.set_top((self.status >> status::TOP_SHIFT).wrapping_add(by));
    }

    /// Whether ST(`i`) is empty.
    pub(super) fn is_empty(&self, i: u8) -> bool {
        self.tag >> (2 * self.physical(i)) & EMPTY == EMPTY
    }

    /// What ST(`i`) holds, empty or not.
    pub(super) fn bits(&self, i: u8) -> F80 {
        self.regs[self.physical(i)].into()
    }

    /// The number in ST(`i`), unless it is empty.
    pub(super) fn get(&self, i: u8) -> Option<F80> {
        (!self.is_empty(i)).then(|| self.bits(i))
    }

    /// Writes ST(`i`), which is not empty any more. A tag that is not "empty"
    /// is kept as 0: [`full_tags`](Self::full_tags) gives the other kinds.
    pub(super) fn set(&mut self, i: u8, number: F80) {
        let physical = self.physical(i);
        self.regs[physical] = number.into();
        self.tag &= !(EMPTY << (2 * physical));
    }

    /// Empties ST(`i`).
    pub(super) fn free(&mut self, i: u8) {
        self.tag |= EMPTY << (2 * self.physical(i));
    }

    /// Pushes without a check.
    pub(super) fn push(&mut self, number: F80) {
        self.rotate(7);
        self.set(0, number);
    }

    /// Pops.
    pub(super) fn pop(&mut self) {
        self.free(0);
        self.rotate(1);
    }

    /// Pushes; a register in use is a stack overflow, masked: the indefinite.
    pub(super) fn push_checked(&mut self, number: F80) {
        if self.is_empty(7) {
            self.set_c1(false);
            self.push(number);
        } else if self.stack_fault(true) {
            self.push(F80::INDEFINITE);
        }
    }

    /// The environment of an arithmetic instruction.
    pub(super) fn env(&self) -> Env {
        Env::from_x87_control(self.control)
    }

    /// Sets or clears C1.
    pub(super) fn set_c1(&mut self, value: bool) {
        self.status = self.status & !status::C1 | if value { status::C1 } else { 0 };
    }

    /// Replaces C0, C2 and C3.
    pub(super) fn set_codes(&mut self, codes: u16) {
        self.status = self.status & !(status::C0 | status::C2 | status::C3) | codes;
    }

    /// Records exceptions; C1 is left alone.
    pub(super) fn raise(&mut self, flags: u8) {
        self.status |= u16::from(flags);
        if u16::from(flags) & !self.control & u16::from(flag::ALL) != 0 {
            self.status |= status::SUMMARY | status::BUSY;
        }
    }

    /// Records what an instruction raised, and its rounding in C1. True if
    /// its result may be written.
    pub(super) fn settle(&mut self, env: &Env) -> bool {
        self.raise(env.raised());
        self.set_c1(env.rounded_up());
        env.unmasked() & flag::PRE_COMPUTATION == 0
    }

    /// Records a stack overflow or underflow. True if it is masked, so that
    /// the masked response is due (Intel SDM Vol. 1 8.5.1.1).
    pub(super) fn stack_fault(&mut self, overflow: bool) -> bool {
        self.raise(flag::INVALID);
        self.status |= status::STACK_FAULT;
        self.set_c1(overflow);
        self.control & u16::from(flag::INVALID) != 0
    }

    /// A stack underflow of an instruction whose result goes to ST(`i`).
    /// True if the masked response was given.
    pub(super) fn underflow_into(&mut self, i: u8) -> bool {
        let masked = self.stack_fault(false);
        if masked {
            self.set(i, F80::INDEFINITE);
        }
        masked
    }

    /// Makes ES and B agree with the flags and masks, after either was loaded.
    pub(crate) fn update_summary(&mut self) {
        let pending = self.status & !self.control & u16::from(flag::ALL) != 0;
        self.status &= !(status::SUMMARY | status::BUSY);
        if pending {
            self.status |= status::SUMMARY | status::BUSY;
        }
    }

    /// Whether an unmasked exception waits for the next waiting instruction.
    pub(crate) fn exception_pending(&self) -> bool {
        self.status & status::SUMMARY != 0
    }

    /// FLDCW: bits that do not exist are dropped, bit 6 is always set.
    pub(crate) fn load_control(&mut self, word: u16) {
        self.control = word & 0x1F3F | 0x40;
        self.update_summary();
    }

    /// The tag word with the kinds valid (0), zero (1), special (2) and
    /// empty (3) worked out from the registers, as FNSTENV stores it.
    pub(crate) fn full_tags(&self) -> u16 {
        (0..8).fold(0, |tags, physical| {
            let tag = if self.tag >> (2 * physical) & EMPTY == EMPTY {
                EMPTY
            } else {
                match F80::from(self.regs[physical]).examine() {
                    Examined::Normal => 0,
                    Examined::Zero => 1,
                    _ => 2,
                }
            };
            tags | tag << (2 * physical)
        })
    }

    /// Sets the tags from a full tag word: all kinds but empty are one.
    pub(crate) fn load_tags(&mut self, tags: u16) {
        let empty = tags & tags >> 1 & 0x5555;
        self.tag = empty | empty << 1;
    }
}
