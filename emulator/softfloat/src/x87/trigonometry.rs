//! `FSIN`, `FCOS`, `FSINCOS` and `FPTAN`.
//!
//! Arguments are reduced exactly, by pi to 66 bits as the silicon does
//! (Intel SDM Vol. 1 8.3.8): the sine of a large argument is that of a
//! slightly different circle. The rest is computed to far more bits than the
//! result has.

use super::big::{ONE, fixed_mul};
use super::{F80, Operand, encode, propagate_one};
use crate::env::{Env, Precision, flag};
use crate::number::{Class, Unpacked, Value, Wide};

/// Pi to 66 bits, with 64 fraction bits.
const PI_66: u128 = 0x3_243f_6a88_85a3_08d3;

/// An operand reduced by multiples of pi / 2.
struct Reduced {
    /// From -pi/4 to pi/4; `None` is zero.
    angle: Option<Wide>,
    /// The number of multiples taken off, modulo four.
    quadrant: u32,
}

/// Reduces a finite argument below 2^63 in magnitude.
fn reduce(x: &Unpacked) -> Reduced {
    // Below this the argument is at most pi/4 already.
    if x.exponent < -1 {
        return Reduced { angle: Some(Wide::of(x)), quadrant: 0 };
    }
    // In units of 2^-65 pi/2 is PI_66; the operand has 63 - exponent
    // fraction bits, so 2 + exponent more zeros bring it to 65.
    let mut rest = u128::from(x.significand);
    let mut quotient = 0u32;
    let mut shift = (x.exponent + 2) as u32;
    loop {
        quotient = quotient.wrapping_add((rest / PI_66) as u32);
        rest %= PI_66;
        if shift == 0 {
            break;
        }
        let step = shift.min(60);
        rest <<= step;
        quotient = quotient.wrapping_shl(step);
        if step >= 32 {
            quotient = 0;
        }
        shift -= step;
    }
    let mut sign = x.sign;
    if rest * 2 > PI_66 {
        rest = PI_66 - rest;
        sign = !sign;
        quotient = quotient.wrapping_add(1);
    }
    if x.sign {
        quotient = quotient.wrapping_neg();
    }
    let angle = (rest != 0).then(|| Wide::normalized(sign, 127 - 65, rest));
    Reduced { angle, quadrant: quotient & 3 }
}

/// `1 - y/(a(a+1)) (1 - y/((a+2)(a+3)) (1 - ...))`: with `a` 1 the cosine,
/// with 2 the sine divided by its argument, of the square root of `y`.
fn alternating(y: u128, first: u128) -> u128 {
    // The first omitted term is below 2^-130 for y up to (pi/4)^2.
    const TERMS: u128 = 17;
    (0..TERMS).rev().fold(ONE, |sum, k| {
        let a = first + 2 * k;
        ONE - fixed_mul(y, sum) / (a * (a + 1))
    })
}

fn square(angle: &Wide) -> u128 {
    let fixed = angle.to_fixed();
    fixed_mul(fixed, fixed)
}

fn sine(angle: Option<Wide>) -> Option<Wide> {
    let angle = angle?;
    let factor = alternating(square(&angle), 2);
    Some(if factor == ONE { angle.just_below() } else { angle.times(Wide::from_fixed(false, factor)) })
}

fn cosine(angle: Option<Wide>) -> Wide {
    let one = Wide::from_fixed(false, ONE);
    let Some(angle) = angle else { return one };
    let cosine = alternating(square(&angle), 1);
    if cosine == ONE { one.just_below() } else { Wide::from_fixed(false, cosine) }
}

impl Reduced {
    fn sine(&self) -> Option<Wide> {
        let value = if self.quadrant & 1 != 0 { Some(cosine(self.angle)) } else { sine(self.angle) }?;
        Some(value.with_sign(value.sign != (self.quadrant & 2 != 0)))
    }

    fn cosine(&self) -> Option<Wide> {
        Self { angle: self.angle, quadrant: self.quadrant + 1 }.sine()
    }
}

/// What becomes of an operand before any trigonometry.
enum Checked {
    /// The result is known.
    Done(F80),
    /// The operand is too large: `C2`.
    OutOfRange,
    /// Compute.
    Number(Unpacked),
}

fn check(x: F80, env: &mut Env) -> Checked {
    let number = x.unpacked();
    if let Some(nan) = propagate_one(&number, env) {
        return Checked::Done(nan);
    }
    if number.class == Class::Infinity {
        env.raise(flag::INVALID);
        return Checked::Done(F80::INDEFINITE);
    }
    if number.class == Class::Finite && number.exponent >= 63 {
        return Checked::OutOfRange;
    }
    if number.denormal {
        env.raise(flag::DENORMAL);
    }
    Checked::Number(number)
}

fn finish(value: Option<Wide>, sign_of_zero: bool, env: &mut Env) -> F80 {
    let value = value.map_or(Value::Zero(sign_of_zero), Value::Finite);
    encode(value, Precision::Extended, env)
}

impl F80 {
    /// `FSIN`; `None` if the operand is 2^63 or more in magnitude, for which
    /// the instruction sets `C2` and changes nothing.
    pub fn sin(self, env: &mut Env) -> Option<F80> {
        match check(self, env) {
            Checked::Done(result) => Some(result),
            Checked::OutOfRange => None,
            Checked::Number(x) if x.class == Class::Zero => Some(self),
            Checked::Number(x) => Some(finish(reduce(&x).sine(), x.sign, env)),
        }
    }

    /// `FCOS`, as [`sin`](Self::sin).
    pub fn cos(self, env: &mut Env) -> Option<F80> {
        match check(self, env) {
            Checked::Done(result) => Some(result),
            Checked::OutOfRange => None,
            Checked::Number(x) if x.class == Class::Zero => Some(F80::ONE),
            Checked::Number(x) => Some(finish(reduce(&x).cosine(), false, env)),
        }
    }

    /// `FSINCOS`: sine and cosine.
    pub fn sin_cos(self, env: &mut Env) -> Option<(F80, F80)> {
        match check(self, env) {
            Checked::Done(result) => Some((result, result)),
            Checked::OutOfRange => None,
            Checked::Number(x) if x.class == Class::Zero => Some((self, F80::ONE)),
            Checked::Number(x) => {
                let reduced = reduce(&x);
                let cosine = finish(reduced.cosine(), false, env);
                Some((finish(reduced.sine(), x.sign, env), cosine))
            }
        }
    }

    /// `FPTAN`: the tangent; the caller pushes one after it, or the same
    /// NaN if the tangent is a NaN.
    pub fn tan(self, env: &mut Env) -> Option<F80> {
        match check(self, env) {
            Checked::Done(result) => Some(result),
            Checked::OutOfRange => None,
            Checked::Number(x) if x.class == Class::Zero => Some(self),
            Checked::Number(x) => Some(tangent(&reduce(&x), x.sign, env)),
        }
    }
}

fn tangent(reduced: &Reduced, sign: bool, env: &mut Env) -> F80 {
    let value = match (reduced.sine(), reduced.cosine()) {
        // A sine this small is its argument, and the tangent is above it.
        (Some(_), Some(_))
            if reduced.quadrant & 1 == 0 && reduced.angle.is_some_and(|a| a.exponent < -60) =>
        {
            reduced.angle.map(Wide::just_above)
        }
        (Some(sine), Some(cosine)) => Some(sine.over(cosine)),
        _ => None,
    };
    finish(value, sign, env)
}
