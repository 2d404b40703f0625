//! 128-bit floating point for the transcendental functions: each operation
//! is right to about 2^-126 of its result, which leaves 60 bits and more to
//! round an 80-bit result from.
//!
//! Beside it a fixed point format for the inner parts of the series: a `u128`
//! with 127 fraction bits, for values from zero to below two.

use crate::env::Rounding;
use crate::number::{Unpacked, Value, Wide};

/// One, in fixed point.
pub(super) const ONE: u128 = 1 << 127;

/// Pi.
pub(super) const PI: Wide = constant(1, 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1);
/// Pi / 2.
pub(super) const HALF_PI: Wide = Wide { exponent: 0, ..PI };
/// Pi / 4.
pub(super) const QUARTER_PI: Wide = Wide { exponent: -1, ..PI };
/// 3 pi / 4.
pub(super) const THREE_QUARTERS_PI: Wide = constant(1, 0x96cb_e3f9_990e_91a7_9394_c9e8_a0a5_159d);
/// ln 2.
pub(super) const LN_2: Wide = constant(-1, 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af);
/// 1 / ln 2.
pub(super) const LOG2_E: Wide = constant(0, 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e89);

const fn constant(exponent: i32, significand: u128) -> Wide {
    Wide { sign: false, exponent, significand }
}

/// The high half of a 256-bit product, and whether the low half is not zero.
fn high_product(a: u128, b: u128) -> (u128, bool) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 64);
    let other = a0 * b1 + (middle & LOW);
    let high = a1 * b1 + (middle >> 64) + (other >> 64);
    (high, (other << 64) | (low & LOW) != 0)
}

/// Product in fixed point; the result must be below two.
pub(super) fn fixed_mul(a: u128, b: u128) -> u128 {
    let (high, _) = high_product(a, b);
    high << 1
}

impl Wide {
    /// The absolute value in fixed point; it must be below two.
    pub(super) fn to_fixed(self) -> u128 {
        debug_assert!(self.exponent <= 0);
        let shift = self.exponent.unsigned_abs();
        if shift < 128 { self.significand >> shift } else { 0 }
    }

    /// From fixed point; not zero.
    pub(super) fn from_fixed(sign: bool, fixed: u128) -> Self {
        Self::normalized(sign, 0, fixed)
    }

    pub(super) fn times(self, other: Self) -> Self {
        let (high, _) = high_product(self.significand, other.significand);
        Self::normalized(self.sign != other.sign, self.exponent + other.exponent + 1, high)
    }

    /// The sum; `None` if it is zero.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        match crate::arith::add_wide(self, other, Rounding::Nearest) {
            Value::Finite(sum) => Some(sum),
            _ => None,
        }
    }

    /// The quotient, truncated.
    pub(super) fn over(self, divisor: Self) -> Self {
        let carry = self.significand >= divisor.significand;
        let mut rest = if carry { self.significand - divisor.significand } else { self.significand };
        let mut quotient = u128::from(carry);
        // The first quotient bit is in; 127 or 128 more make it full.
        for _ in 0..127 + u32::from(!carry) {
            let overflow = rest >> 127 != 0;
            rest <<= 1;
            quotient <<= 1;
            if overflow || rest >= divisor.significand {
                rest = rest.wrapping_sub(divisor.significand);
                quotient |= 1;
            }
        }
        Self {
            sign: self.sign != divisor.sign,
            exponent: self.exponent - divisor.exponent - i32::from(!carry),
            significand: quotient,
        }
    }

    pub(super) const fn with_sign(self, sign: bool) -> Self {
        Self { sign, ..self }
    }

    /// The number a little nearer to zero: what rounding sees of an exact
    /// value less something far too small to compute.
    pub(super) fn just_below(self) -> Self {
        let significand = self.significand - 1;
        if significand >> 127 != 0 {
            Self { significand, ..self }
        } else {
            Self { significand: (significand << 1) | 1, exponent: self.exponent - 1, ..self }
        }
    }

    /// The number a little farther from zero.
    pub(super) fn just_above(self) -> Self {
        Self { significand: self.significand | 1, ..self }
    }

    pub(super) fn of(number: &Unpacked) -> Self {
        number.wide()
    }
}
