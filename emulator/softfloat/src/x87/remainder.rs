//! `FPREM` and `FPREM1`.

use super::{F80, Operand, encode, propagate};
use crate::env::{Env, Precision, flag};
use crate::number::{Class, Unpacked, Value, Wide};

/// What a partial remainder leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remainder {
    /// The remainder, or the partly reduced dividend.
    pub value: F80,
    /// The three low quotient bits, for `C0` (bit 2), `C3` (bit 1) and `C1`
    /// (bit 0); zero if the reduction is not complete. `None`: there is no
    /// quotient, and `C0` and `C3` stay as they are (as on a Zen 5).
    pub quotient: Option<u8>,
    /// The reduction is complete: `C2` is to be clear.
    pub complete: bool,
}

impl Remainder {
    fn without_quotient(value: F80) -> Self {
        Self { value, quotient: None, complete: true }
    }

    fn done(value: F80) -> Self {
        Self { value, quotient: Some(0), complete: true }
    }
}

impl F80 {
    /// `FPREM`: the remainder of the quotient truncated to an integer.
    pub fn partial_remainder(self, divisor: F80, env: &mut Env) -> Remainder {
        remainder(self, divisor, false, env)
    }

    /// `FPREM1`: the remainder of the quotient rounded to the nearest
    /// integer, as IEEE 754 defines it.
    pub fn partial_remainder_ieee(self, divisor: F80, env: &mut Env) -> Remainder {
        remainder(self, divisor, true, env)
    }
}

fn remainder(dividend: F80, divisor: F80, nearest: bool, env: &mut Env) -> Remainder {
    let (a, b) = (dividend.unpacked(), divisor.unpacked());
    if let Some(nan) = propagate(&a, &b, env) {
        return Remainder::without_quotient(nan);
    }
    if a.class == Class::Infinity || b.class == Class::Zero {
        env.raise(flag::INVALID);
        return Remainder::without_quotient(F80::INDEFINITE);
    }
    if a.denormal || b.denormal {
        env.raise(flag::DENORMAL);
    }
    match (a.class, b.class) {
        (Class::Zero, _) => Remainder::done(dividend),
        (_, Class::Infinity) => Remainder::done(encode(Value::Finite(a.wide()), Precision::Extended, env)),
        _ => reduce(&a, &b, nearest, env),
    }
}

/// Subtracts a multiple of `b` from `a`, both finite and not zero.
fn reduce(a: &Unpacked, b: &Unpacked, nearest: bool, env: &mut Env) -> Remainder {
    let distance = a.exponent - b.exponent;
    if distance < -1 {
        return Remainder::done(encode(Value::Finite(a.wide()), Precision::Extended, env));
    }
    if distance >= 64 {
        // Any N from 32 to 63 is allowed; this keeps the reduced exponent
        // difference a multiple of 32.
        let taken = (distance & 31) as u32 | 32;
        let rest = (u128::from(a.significand) << taken) % u128::from(b.significand);
        let value = finish(a.sign, rest as u64, a.exponent - taken as i32, env);
        return Remainder { value, quotient: Some(0), complete: false };
    }
    // For a distance of -1 the quotient is below one: scale by a half.
    let (numerator, denominator, exponent) = if distance < 0 {
        (u128::from(a.significand), u128::from(b.significand) << 1, a.exponent)
    } else {
        (u128::from(a.significand) << distance, u128::from(b.significand), b.exponent)
    };
    let quotient = numerator / denominator;
    let rest = numerator % denominator;
    let up = nearest && (rest * 2 > denominator || (rest * 2 == denominator && quotient & 1 != 0));
    let (sign, rest, quotient) =
        if up { (!a.sign, denominator - rest, quotient + 1) } else { (a.sign, rest, quotient) };
    // At a distance of -1 `denominator - rest` may have 65 bits, but then it
    // is less than half of `denominator`, so it has not.
    let value = finish(if rest == 0 { a.sign } else { sign }, rest as u64, exponent, env);
    Remainder { value, quotient: Some((quotient & 7) as u8), complete: true }
}

/// The number `rest * 2^(exponent - 63)`.
fn finish(sign: bool, rest: u64, exponent: i32, env: &mut Env) -> F80 {
    let value = if rest == 0 {
        Value::Zero(sign)
    } else {
        Value::Finite(Wide::normalized(sign, exponent, u128::from(rest) << 64))
    };
    encode(value, Precision::Extended, env)
}
