//! Where the guest's status flags are.
//!
//! SF, ZF and OF are the host's N, Z and V, CF is its C or, after a subtraction,
//! the complement of it. PF and AF are not made until somebody asks: `PARITY` is
//! the result that PF is the parity of, and AF is bit 4 of `ADJUST` and `PARITY`
//! exclusive-ored, as which an addition or subtraction leaves it when `ADJUST` is
//! both operands exclusive-ored. Probes change none of it.

use super::Emitter;
use super::encode::{cond, op};
use super::map::{ADJUST, OTHER, PARITY, VALUE};
use crate::ir::{Cond, FlagSet, Size, flags};
use glassbox_cpu::compiled::layout;

/// What the host's C is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// CF.
    Plain,
    /// CF's complement.
    Borrow,
}

/// Where the flags are. Nothing set: nobody will ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagState {
    /// Four of them are in the host's flags.
    pub host: Option<Carry>,
    /// They are in [`layout::NZCV`].
    pub stored: bool,
    /// What makes the other two is in registers.
    pub others: bool,
    /// It is in [`layout::PARITY`] and [`layout::ADJUST`].
    pub others_stored: bool,
}

impl FlagState {
    /// Stored and nowhere else.
    pub const STORED: Self = Self { host: None, stored: true, others: false, others_stored: true };
}

/// The flags that the host has, too.
pub const HOST: FlagSet = flags::S | flags::Z | flags::C | flags::O;
/// Those that it has not.
pub const OTHERS: FlagSet = flags::P | flags::A;
/// C in NZCV.
pub const C: u8 = 29;
/// V in NZCV.
pub const V: u8 = 28;

impl Emitter<'_> {
    /// Whether any flag of a set matters behind the running step.
    pub fn wants(&self, set: FlagSet) -> bool {
        self.live & set != 0
    }

    /// Stores what of the flags is not stored. Uses VALUE; the host's stay.
    pub fn flags_to_memory(&mut self) {
        if !self.flags.stored
            && let Some(carry) = self.flags.host
        {
            self.read_nzcv(VALUE);
            if carry == Carry::Borrow {
                self.logic_constant(op::EOR, false, VALUE, VALUE, 1 << C);
            }
            self.store_field(Size::B32, VALUE, layout::NZCV);
            self.flags.stored = true;
        }
        if self.flags.others && !self.flags.others_stored {
            self.store_others();
            self.flags.others_stored = true;
        }
    }

    /// Stores what makes PF and AF.
    pub fn store_others(&mut self) {
        self.store_field(Size::B32, PARITY, layout::PARITY);
        self.store_field(Size::B32, ADJUST, layout::ADJUST);
    }

    /// Makes the host's flags the guest's, with C as wanted. Uses VALUE.
    pub fn flags_to_host(&mut self, carry: Option<Carry>) {
        match self.flags.host {
            Some(have) if carry.is_none_or(|want| want == have) => return,
            Some(_) => self.read_nzcv(VALUE),
            None => {
                self.load_field(Size::B32, VALUE, layout::NZCV);
                if carry != Some(Carry::Borrow) {
                    self.write_nzcv(VALUE);
                    self.flags.host = Some(Carry::Plain);
                    return;
                }
            }
        }
        self.logic_constant(op::EOR, false, VALUE, VALUE, 1 << C);
        self.write_nzcv(VALUE);
        self.flags.host = carry;
    }

    /// VALUE = the guest's flags as NZCV; C may be its complement where
    /// `carry_too` is false.
    pub fn flags_to_value(&mut self, carry_too: bool) {
        match self.flags.host {
            Some(carry) => {
                self.read_nzcv(VALUE);
                if carry_too && carry == Carry::Borrow {
                    self.logic_constant(op::EOR, false, VALUE, VALUE, 1 << C);
                }
            }
            None => self.load_field(Size::B32, VALUE, layout::NZCV),
        }
    }

    /// VALUE becomes the flags that the host has.
    pub fn flags_from_value(&mut self) {
        self.write_nzcv(VALUE);
        self.flags.host = Some(Carry::Plain);
        self.flags.stored = false;
    }

    /// To be called behind host code that has set N, Z, V and C to the flags of the
    /// running step, all of which it replaces.
    pub fn flags_are_host(&mut self, carry: Carry) {
        self.flags.host = Some(carry);
        self.flags.stored = false;
    }

    /// CF = bit 0 of OTHER; with `overflow`, OF becomes it, too. Others stay.
    pub fn set_carry(&mut self, overflow: bool) {
        let kept = if overflow { HOST & !(flags::C | flags::O) } else { HOST & !flags::C };
        if self.wants(kept) {
            self.flags_to_value(false);
        }
        self.insert(false, VALUE, OTHER, C, 1);
        if overflow {
            self.insert(false, VALUE, OTHER, V, 1);
        }
        self.flags_from_value();
    }

    /// VALUE is 0 if PF, and otherwise 1.
    fn odd_parity(&mut self) {
        use super::encode::By;
        let mut from = PARITY;
        if !self.flags.others {
            self.load_field(Size::B32, VALUE, layout::PARITY);
            from = VALUE;
        }
        for by in [4, 2, 1] {
            self.shifted(op::EOR, false, VALUE, from, from, (By::Lsr, by));
            from = VALUE;
        }
        self.logic_constant(op::AND, false, VALUE, VALUE, 1);
    }

    /// Prepares a condition. Uses VALUE.
    pub fn condition(&mut self, cc: Cond) -> Asked {
        let negated = cc & 1;
        let host = match cc >> 1 {
            0 => cond::VS,
            // CC is the complement of CS.
            1 => {
                self.flags_to_host(None);
                if self.flags.host == Some(Carry::Borrow) { cond::CC } else { cond::CS }
            }
            2 => cond::EQ,
            3 => {
                self.flags_to_host(Some(Carry::Borrow));
                cond::LS
            }
            4 => cond::MI,
            5 => {
                self.odd_parity();
                return Asked::Value { zero: negated == 0 };
            }
            6 => cond::LT,
            _ => cond::LE,
        };
        self.flags_to_host(None);
        Asked::Host(host ^ negated)
    }

    /// In a slow path: makes the registers hold what they do where it comes back to.
    pub fn load_flags_of(&mut self, state: FlagState) {
        if let Some(carry) = state.host {
            self.load_field(Size::B32, VALUE, layout::NZCV);
            if carry == Carry::Borrow {
                self.logic_constant(op::EOR, false, VALUE, VALUE, 1 << C);
            }
            self.write_nzcv(VALUE);
        }
        if state.others {
            self.load_field(Size::B32, PARITY, layout::PARITY);
            self.load_field(Size::B32, ADJUST, layout::ADJUST);
        }
    }
}

/// A condition that is ready to be asked.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// The host's, of this number.
    Host(u8),
    /// It holds if VALUE is zero, or if it is not.
    Value {
        /// Which of the two.
        zero: bool,
    },
}
