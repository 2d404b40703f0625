//! `F2XM1`, `FYL2X` and `FYL2XP1`.

use super::big::{LN_2, LOG2_E, ONE, fixed_mul};
use super::{F80, Operand, encode, propagate, propagate_one};
use crate::env::{Env, Precision, flag};
use crate::number::{Class, Unpacked, Value, Wide};

/// `(e^t - 1) / t` in fixed point, for `t` of magnitude `fixed` below 0.7:
/// `1 + t/2 (1 + t/3 (1 + ...))`.
fn exponential_quotient(fixed: u128, negative: bool) -> u128 {
    // The first omitted term is below 2^-130.
    const LAST: u128 = 34;
    (2..=LAST).rev().fold(ONE, |sum, k| {
        let step = fixed_mul(fixed, sum) / k;
        if negative { ONE - step } else { ONE + step }
    })
}

/// `log2(m)` for `m` from 0.7 to 1.42 given as `z = (m - 1) / (m + 1)`:
/// `2 / ln 2 * (z + z^3/3 + z^5/5 + ...)`.
fn logarithm_of_ratio(z: Wide) -> Wide {
    // z^2 is below 0.03; 28 terms reach 2^-140.
    const TERMS: u128 = 28;
    let fixed = z.to_fixed();
    let y = fixed_mul(fixed, fixed);
    let sum = (0..TERMS).rev().fold(0, |sum, k| ONE / (2 * k + 1) + fixed_mul(y, sum));
    let product = z.times(Wide::from_fixed(false, sum)).times(LOG2_E);
    Wide { exponent: product.exponent + 1, ..product }
}

const fn one(sign: bool) -> Wide {
    Wide { sign, exponent: 0, significand: 1 << 127 }
}

fn integer(value: i32) -> Option<Wide> {
    (value != 0).then(|| Wide::from_integer(value < 0, u64::from(value.unsigned_abs())))
}

/// `log2` of a positive number; `None` is zero. Exact for powers of two.
fn log2(x: Wide) -> Option<Wide> {
    // Split so that the significand is from sqrt(1/2) to sqrt(2).
    const SQRT_2: u128 = 0xb504_f333_f9de_6484_597d_89b3_754a_be9f;
    let exponent = x.exponent + i32::from(x.significand > SQRT_2);
    let m = Wide { sign: false, exponent: x.exponent - exponent, significand: x.significand };
    let whole = integer(exponent);
    let Some(numerator) = m.plus(one(true)) else { return whole };
    let denominator = m.plus(one(false))?;
    let fraction = logarithm_of_ratio(numerator.over(denominator));
    match whole {
        Some(whole) => whole.plus(fraction),
        None => Some(fraction),
    }
}

/// `y * logarithm`, with the invalid product of infinity and zero.
fn scaled(y: &Unpacked, logarithm: Option<Wide>, negative: bool, env: &mut Env) -> F80 {
    let sign = y.sign != negative;
    let value = match (y.class, logarithm) {
        (Class::Infinity, None) => {
            env.raise(flag::INVALID);
            Value::Indefinite
        }
        (Class::Infinity, Some(_)) => Value::Infinity(sign),
        (Class::Zero, _) | (_, None) => Value::Zero(sign),
        (_, Some(logarithm)) => return inexact(Wide::of(y).times(logarithm), env),
    };
    encode(value, Precision::Extended, env)
}

/// Rounds a result that the processor takes for inexact even when it is not,
/// as for the logarithm of a power of two.
fn inexact(wide: Wide, env: &mut Env) -> F80 {
    let result = encode(Value::Finite(wide), Precision::Extended, env);
    let tiny = result.sign_exponent & 0x7fff == 0;
    env.raise(flag::PRECISION | if tiny { flag::UNDERFLOW } else { 0 });
    result
}

impl F80 {
    /// `F2XM1`: `2^self - 1`, for operands from -1 to 1. Beyond, where the
    /// result is undefined, the operand comes back as an inexact result.
    pub fn exp2_minus_1(self, env: &mut Env) -> F80 {
        let x = self.unpacked();
        if let Some(nan) = propagate_one(&x, env) {
            return nan;
        }
        if x.denormal {
            env.raise(flag::DENORMAL);
        }
        let minus_one = F80::ONE.negate();
        match x.class {
            Class::Infinity if x.sign => return minus_one,
            Class::Zero | Class::Infinity => return self,
            // The processor computes these two as any other: not exactly.
            _ if self == F80::ONE => return inexact(one(false).just_below(), env),
            _ if self == minus_one => return inexact(Wide { exponent: -1, ..one(true) }, env),
            _ if x.exponent >= 0 => {
                env.raise(flag::PRECISION);
                return self;
            }
            _ => {}
        }
        let t = Wide::of(&x).times(LN_2);
        let quotient = exponential_quotient(t.to_fixed(), t.sign);
        encode(Value::Finite(t.times(Wide::from_fixed(false, quotient))), Precision::Extended, env)
    }

    /// `FYL2X`: `self * log2(x)`, with `self` the register that receives the
    /// result.
    pub fn times_log2(self, x: F80, env: &mut Env) -> F80 {
        let (y, x) = (self.unpacked(), x.unpacked());
        if let Some(nan) = propagate(&y, &x, env) {
            return nan;
        }
        let invalid = match x.class {
            Class::Zero => y.class == Class::Zero,
            _ if x.sign => true,
            Class::Infinity => y.class == Class::Zero,
            _ => false,
        };
        if invalid {
            env.raise(flag::INVALID);
            return F80::INDEFINITE;
        }
        if x.class == Class::Zero {
            if y.class == Class::Finite {
                env.raise(flag::ZERO_DIVIDE);
            }
            return F80::infinity(!y.sign);
        }
        if x.denormal || y.denormal {
            env.raise(flag::DENORMAL);
        }
        if x.class == Class::Infinity {
            return F80::infinity(y.sign);
        }
        let logarithm = log2(Wide::of(&x));
        let negative = logarithm.is_some_and(|logarithm| logarithm.sign);
        scaled(&y, logarithm, negative, env)
    }

    /// `FYL2XP1`: `self * log2(x + 1)`, accurate for an operand `x` near zero. The
    /// instruction is defined for `x` from `sqrt(1/2) - 1` to `sqrt(2) - 1`.
    pub fn times_log2_plus_1(self, operand: F80, env: &mut Env) -> F80 {
        let (y, x) = (self.unpacked(), operand.unpacked());
        if let Some(nan) = propagate(&y, &x, env) {
            return nan;
        }
        let invalid = x.class == Class::Infinity && (x.sign || y.class == Class::Zero);
        if invalid {
            env.raise(flag::INVALID);
            return F80::INDEFINITE;
        }
        if x.denormal || y.denormal {
            env.raise(flag::DENORMAL);
        }
        let logarithm = match x.class {
            Class::Zero => None,
            Class::Infinity => return F80::infinity(y.sign),
            // Minus one and below: undefined, and what a Zen 5 gives.
            _ if x.sign && x.exponent >= 0 && y.class == Class::Finite => {
                env.raise(flag::PRECISION);
                return operand;
            }
            _ if x.sign && x.exponent >= 0 => Some(one(true)),
            _ => log2_of_1_plus(Wide::of(&x)),
        };
        scaled(&y, logarithm, x.sign, env)
    }
}

fn log2_of_1_plus(x: Wide) -> Option<Wide> {
    if x.exponent >= -2 {
        return log2(x.plus(one(false))?);
    }
    let two = Wide { exponent: 1, ..one(false) };
    Some(logarithm_of_ratio(x.over(x.plus(two)?)))
}
