//! Multiplication and division. AMD silicon defines what the manuals do not:
//! multiplying keeps all flags but CF and OF; dividing keeps those, sets AF and
//! clears the others.

use super::Emitter;
use super::encode::{By, Field, cond, op};
use super::flags::{C, Carry, HOST, OTHERS, V};
use super::map::{ADJUST, OTHER, PARITY, THIRD, VALUE, ZERO, host};
use crate::ir::{Reg, Size, Value, flags};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

/// The upper half of a product.
const SMULH: u32 = 0x9B40_7C00;
const UMULH: u32 = 0x9BC0_7C00;
/// 32 by 32 bits to 64.
const SMULL: u32 = 0x9B20_7C00;
const UMULL: u32 = 0x9BA0_7C00;
/// `ra - rn * rm`, with `ra` in bits 10 to 14.
const MSUB: u32 = 0x1B00_8000;

impl Emitter<'_> {
    pub fn multiply(&mut self, size: Size, to: Reg, a: Value, b: Value) {
        let a = self.get(a, size, VALUE);
        let b = self.get(b, size, OTHER);
        let rd = host(to);
        let overflow = self.wants(flags::C | flags::O);
        match size {
            Size::B64 => {
                if overflow {
                    self.word(SMULH | u32::from(b) << 16 | u32::from(a) << 5 | u32::from(THIRD));
                }
                self.rrr(op::MUL, true, rd, a, b);
                if overflow {
                    self.shifted(op::EOR, true, THIRD, THIRD, rd, (By::Asr, 63));
                }
            }
            Size::B32 => {
                self.word(SMULL | u32::from(b) << 16 | u32::from(a) << 5 | u32::from(THIRD));
                self.mov(false, rd, THIRD);
                self.difference_from_sign(32);
            }
            _ => {
                self.extract(Field::Signed, false, VALUE, a, 0, 16);
                self.extract(Field::Signed, false, OTHER, b, 0, 16);
                self.rrr(op::MUL, false, THIRD, VALUE, OTHER);
                self.put(to, THIRD, size);
                self.extract(Field::Signed, true, THIRD, THIRD, 0, 32);
                self.difference_from_sign(16);
            }
        }
        self.overflow_if(THIRD);
    }

    /// THIRD is zero afterwards if it was its own lowest bits, sign-extended.
    fn difference_from_sign(&mut self, bits: u8) {
        if self.wants(flags::C | flags::O) {
            self.extract(Field::Signed, true, OTHER, THIRD, 0, bits);
            self.rrr(op::EOR, true, THIRD, THIRD, OTHER);
        }
    }

    /// CF and OF are set if a register is not zero. Others stay.
    fn overflow_if(&mut self, n: u8) {
        if !self.wants(flags::C | flags::O) {
            return;
        }
        self.flags_to_value(false);
        self.rrr(op::SUBS, true, ZERO, n, ZERO);
        self.cset(OTHER, cond::NE);
        self.insert(false, VALUE, OTHER, C, 1);
        self.insert(false, VALUE, OTHER, V, 1);
        self.flags_from_value();
    }

    pub fn multiply_wide(&mut self, signed: bool, size: Size, by: Value) {
        let b = self.get(by, size, OTHER);
        let (low, high) = (host(0), host(2));
        let operands = u32::from(b) << 16 | u32::from(low) << 5 | u32::from(THIRD);
        if size == Size::B64 {
            self.word(operands | if signed { SMULH } else { UMULH });
            self.rrr(op::MUL, true, low, low, b);
            self.mov(true, high, THIRD);
            if signed {
                self.shifted(op::EOR, true, THIRD, THIRD, low, (By::Asr, 63));
            }
        } else {
            self.word(operands | if signed { SMULL } else { UMULL });
            self.mov(false, low, THIRD);
            self.lsr(true, high, THIRD, 32);
            if signed {
                self.difference_from_sign(32);
            } else {
                self.lsr(true, THIRD, THIRD, 32);
            }
        }
        self.overflow_if(THIRD);
    }

    /// MULX: flags stay.
    pub fn multiply_apart(&mut self, size: Size, high: Reg, low: Reg, by: Value) {
        let b = self.get(by, size, OTHER);
        let operands = u32::from(b) << 16 | u32::from(host(2)) << 5 | u32::from(THIRD);
        if size == Size::B64 {
            self.word(operands | UMULH);
            self.rrr(op::MUL, true, host(low), host(2), b);
            self.mov(true, host(high), THIRD);
        } else {
            self.word(operands | UMULL);
            self.mov(false, host(low), THIRD);
            self.lsr(true, host(high), THIRD, 32);
        }
    }

    /// DIV and IDIV, where they raise nothing and the dividend fits 64 bits; the
    /// rest is the interpreter's.
    pub fn divide(&mut self, signed: bool, size: Size, by: Value) {
        let slow = self.slow_path();
        let wide = size == Size::B64;
        let divisor = self.get(by, size, OTHER);
        let (low, high) = (host(0), host(2));
        // VALUE is the dividend, THIRD the divisor, both of 64 bits.
        if signed {
            // The quotient fits if the dividend is as wide as the divisor, which is
            // above zero.
            self.shifted(op::SUB, wide, VALUE, high, low, (By::Asr, size.bits() - 1));
            dynasm!(self.asm; .arch aarch64; cbnz X(VALUE), =>slow);
            self.extract(Field::Signed, true, THIRD, divisor, 0, size.bits());
            self.extract(Field::Signed, true, VALUE, low, 0, size.bits());
            // Zero or negative: the sign of it, less one, is set.
            self.add_constant(true, OTHER, THIRD, -1);
            self.lsr(true, OTHER, OTHER, 63);
            dynasm!(self.asm; .arch aarch64; cbnz X(OTHER), =>slow);
        } else if wide {
            dynasm!(self.asm; .arch aarch64; cbnz X(high), =>slow; cbz X(divisor), =>slow);
            self.mov(true, THIRD, divisor);
            self.mov(true, VALUE, low);
        } else {
            // The quotient fits if the upper half is below the divisor.
            self.mov(false, THIRD, divisor);
            self.mov(false, VALUE, high);
            self.rrr(op::SUB, true, OTHER, VALUE, THIRD);
            self.lsr(true, OTHER, OTHER, 63);
            dynasm!(self.asm; .arch aarch64; cbz X(OTHER), =>slow);
            self.mov(false, VALUE, low);
            self.insert(true, VALUE, high, 32, 32);
        }
        self.rrr(if signed { op::SDIV } else { op::UDIV }, true, OTHER, VALUE, THIRD);
        let remainder = MSUB | u32::from(VALUE) << 10;
        self.rrr(remainder, true, THIRD, OTHER, THIRD);
        self.mov(wide, low, OTHER);
        self.mov(wide, high, THIRD);
        if self.wants(HOST) {
            self.flags_to_value(true);
            self.logic_constant(op::AND, false, VALUE, VALUE, 3 << V);
            self.write_nzcv(VALUE);
        }
        if self.wants(OTHERS) {
            self.constant(PARITY, 1);
            self.constant(ADJUST, 0x11);
        }
        self.flags_done(Carry::Plain);
    }
}
