//! Elements put in another order, and what is gathered of them in other registers.

use super::Operands;
use super::lanes::{D, ZIP1, ZIP2};
use crate::emit::aarch64::Emitter;
use crate::emit::aarch64::encode::{By, op};
use crate::emit::aarch64::map::{OTHER, VALUE, host};
use dynasmrt::{DynasmApi, dynasm};

impl Emitter<'_> {
    /// Element `i` of `to` = element `j` of `from`, of `1 << size` bytes.
    pub fn insert_element(&mut self, to: u8, size: u8, i: u8, from: u8, j: u8) {
        let imm5 = u32::from(i << 1 | 1) << size;
        let imm4 = u32::from(j) << size;
        self.vv(0x6E00_0400 | imm5 << 16 | imm4 << 11, to, from);
    }

    /// All elements of `to` = element `j` of `from`, of `1 << size` bytes.
    pub fn broadcast_element(&mut self, to: u8, size: u8, from: u8, j: u8) {
        let imm5 = u32::from(j << 1 | 1) << size;
        self.vv(0x4E00_0400 | imm5 << 16, to, from);
    }

    /// The low half of `to` = one half of `from`; its upper half is anything.
    pub fn element_to_low(&mut self, to: u8, from: u8, half: u8) {
        self.broadcast_element(to, 3, from, half);
    }

    /// PSHUFD.
    pub fn shuffle_words(&mut self, (to, b): (u8, u8), imm: u8) {
        let order = [imm & 3, imm >> 2 & 3, imm >> 4 & 3, imm >> 6];
        match order {
            [x, y, z, w] if x == y && y == z && z == w => self.broadcast_element(to, 2, b, x),
            [0, 1, 2, 3] => self.copy_vector(to, b),
            [1, 2, 3, 0] => self.rotate_words(to, b, 1),
            [2, 3, 0, 1] => self.rotate_words(to, b, 2),
            [3, 0, 1, 2] => self.rotate_words(to, b, 3),
            [0, 1, 0, 1] => self.vvv(ZIP1 | D, to, b, b),
            [2, 3, 2, 3] => self.vvv(ZIP2 | D, to, b, b),
            // rev64
            [1, 0, 3, 2] => self.vv(0x4EA0_0800, to, b),
            _ => {
                for (n, element) in (0..).zip(order) {
                    self.insert_element(2, 2, n, b, element);
                }
                self.copy_vector(to, 2);
            }
        }
    }

    /// SHUFPS: two of the first operand, two of the second.
    pub fn shuffle_of_both(&mut self, (to, a, b): (u8, u8, u8), imm: u8) {
        for n in 0..4 {
            self.insert_element(2, 2, n, if n < 2 { a } else { b }, imm >> (2 * n) & 3);
        }
        self.copy_vector(to, 2);
    }

    /// PSHUFLW, PSHUFHW.
    pub fn shuffle_half_words(&mut self, high: bool, (to, b): (u8, u8), imm: u8) {
        let first = if high { 4 } else { 0 };
        self.copy_vector(2, b);
        for n in 0..4 {
            self.insert_element(2, 1, first + n, b, first + (imm >> (2 * n) & 3));
        }
        self.copy_vector(to, 2);
    }

    /// PMOVMSKB, MOVMSKPS, MOVMSKPD: the signs, in a general-purpose register.
    pub fn signs(&mut self, bits: u8, o: &Operands) {
        let b = self.low_half(o.b, 1);
        self.signs_of(bits, b);
        self.mov(false, host(o.to.n), VALUE);
        if o.long {
            let b = self.high_half(o.b, 5);
            self.signs_of(bits, b);
            let shift = (By::Lsl, 128 / bits);
            self.shifted(op::ORR, false, host(o.to.n), host(o.to.n), VALUE, shift);
        }
    }

    /// VALUE = the signs of the elements of one half. Uses OTHER and V2.
    fn signs_of(&mut self, bits: u8, b: u8) {
        match bits {
            8 => dynasm!(self.asm
                ; .arch aarch64
                ; ushr v2.b16, V(b).b16, 7
                ; usra v2.h8, v2.h8, 7
                ; usra v2.s4, v2.s4, 14
                ; usra v2.d2, v2.d2, 28
                ; umov W(VALUE), v2.b[0]
                ; umov W(OTHER), v2.b[8]
                ; orr W(VALUE), W(VALUE), W(OTHER), lsl 8
            ),
            32 => dynasm!(self.asm
                ; .arch aarch64
                ; ushr v2.s4, V(b).s4, 31
                ; usra v2.d2, v2.d2, 31
                ; umov W(VALUE), v2.b[0]
                ; umov W(OTHER), v2.b[8]
                ; orr W(VALUE), W(VALUE), W(OTHER), lsl 2
            ),
            _ => {
                dynasm!(self.asm; .arch aarch64; fmov X(VALUE), D(b); umov X(OTHER), V(b).d[1]);
                self.lsr(true, VALUE, VALUE, 63);
                self.lsr(true, OTHER, OTHER, 63);
                dynasm!(self.asm; .arch aarch64; orr W(VALUE), W(VALUE), W(OTHER), lsl 1);
            }
        }
    }
}
