//! The arithmetic itself, on decoded operands that are not NaNs. Each
//! function raises the pre-computation flags and gives the exact value.

use crate::env::{Env, Rounding, flag};
use crate::number::{Class, Unpacked, Value, Wide, shift_right_sticky};

fn invalid(env: &mut Env) -> Value {
    env.raise(flag::INVALID);
    Value::Indefinite
}

fn note_denormal(denormal: bool, env: &mut Env) {
    if denormal {
        env.raise(flag::DENORMAL);
    }
}

/// `a + b`.
pub(crate) fn add(a: &Unpacked, b: &Unpacked, env: &mut Env) -> Value {
    if a.class == Class::Infinity && b.class == Class::Infinity && a.sign != b.sign {
        return invalid(env);
    }
    note_denormal(a.denormal | b.denormal, env);
    match (a.class, b.class) {
        (Class::Infinity, _) => Value::Infinity(a.sign),
        (_, Class::Infinity) => Value::Infinity(b.sign),
        (Class::Zero, Class::Zero) => zero_sum(a.sign, b.sign, env.rounding),
        (Class::Zero, _) => Value::Finite(b.wide()),
        (_, Class::Zero) => Value::Finite(a.wide()),
        _ => add_wide(a.wide(), b.wide(), env.rounding),
    }
}

/// The sum of two zeros, or of two numbers that cancel.
fn zero_sum(a: bool, b: bool, rounding: Rounding) -> Value {
    Value::Zero(if a == b { a } else { rounding == Rounding::Down })
}

/// The sum of two exact values: exact to 126 bits, sticky below, which is
/// enough as long as one of them has 106 bits or less.
pub(crate) fn add_wide(a: Wide, b: Wide, rounding: Rounding) -> Value {
    let a_is_larger = (a.exponent, a.significand) >= (b.exponent, b.significand);
    let (large, small) = if a_is_larger { (a, b) } else { (b, a) };
    let distance = (large.exponent - small.exponent) as u32;
    // One bit of headroom for the carry.
    let left = shift_right_sticky(large.significand, 1);
    let right = shift_right_sticky(small.significand, distance.saturating_add(1));
    let sum = if a.sign == b.sign { left + right } else { left - right };
    if sum == 0 {
        return zero_sum(a.sign, b.sign, rounding);
    }
    Value::Finite(Wide::normalized(large.sign, large.exponent + 1, sum))
}

/// `a * b`.
pub(crate) fn mul(a: &Unpacked, b: &Unpacked, env: &mut Env) -> Value {
    if matches!((a.class, b.class), (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity)) {
        return invalid(env);
    }
    note_denormal(a.denormal | b.denormal, env);
    let sign = a.sign != b.sign;
    match (a.class, b.class) {
        (Class::Infinity, _) | (_, Class::Infinity) => Value::Infinity(sign),
        (Class::Zero, _) | (_, Class::Zero) => Value::Zero(sign),
        _ => Value::Finite(mul_wide(a, b)),
    }
}

fn mul_wide(a: &Unpacked, b: &Unpacked) -> Wide {
    let product = u128::from(a.significand) * u128::from(b.significand);
    Wide::normalized(a.sign != b.sign, a.exponent + b.exponent + 1, product)
}

/// `a / b`.
pub(crate) fn div(a: &Unpacked, b: &Unpacked, env: &mut Env) -> Value {
    let sign = a.sign != b.sign;
    match (a.class, b.class) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => return invalid(env),
        (Class::Finite, Class::Zero) => {
            // Takes priority over a denormal dividend.
            env.raise(flag::ZERO_DIVIDE);
            return Value::Infinity(sign);
        }
        _ => note_denormal(a.denormal | b.denormal, env),
    }
    match (a.class, b.class) {
        (Class::Infinity, _) => Value::Infinity(sign),
        (Class::Zero, _) | (_, Class::Infinity) => Value::Zero(sign),
        _ => Value::Finite(div_wide(a, b)),
    }
}

fn div_wide(a: &Unpacked, b: &Unpacked) -> Wide {
    let divisor = u128::from(b.significand);
    let carry = a.significand >= b.significand;
    // Scaled so that the first 64 quotient bits start with a one.
    let numerator = u128::from(a.significand) << if carry { 63 } else { 64 };
    let high = numerator / divisor;
    let rest = (numerator % divisor) << 64;
    let low = rest / divisor;
    let sticky = u128::from(rest % divisor != 0);
    Wide {
        sign: a.sign != b.sign,
        exponent: a.exponent - b.exponent - i32::from(!carry),
        significand: high << 64 | low | sticky,
    }
}

/// The square root.
pub(crate) fn sqrt(a: &Unpacked, env: &mut Env) -> Value {
    match a.class {
        Class::Zero => Value::Zero(a.sign),
        _ if a.sign => invalid(env),
        Class::Infinity => Value::Infinity(false),
        _ => {
            note_denormal(a.denormal, env);
            Value::Finite(sqrt_wide(a))
        }
    }
}

fn sqrt_wide(a: &Unpacked) -> Wide {
    let odd = a.exponent & 1;
    let radicand = u128::from(a.significand) << (63 + odd);
    let root = radicand.isqrt();
    let rest = radicand - root * root;
    // The fraction is above one half exactly when rest > root, and is never
    // one half: (root + 1/2)^2 is not an integer.
    let half = u128::from(rest > root) << 63;
    Wide {
        sign: false,
        exponent: (a.exponent - odd) / 2,
        significand: root << 64 | half | u128::from(rest != 0),
    }
}

/// `a * b + c`, rounded once by the caller.
pub(crate) fn mul_add(a: &Unpacked, b: &Unpacked, c: &Unpacked, env: &mut Env) -> Value {
    let sign = a.sign != b.sign;
    let infinite_product = a.class == Class::Infinity || b.class == Class::Infinity;
    let zero_product = a.class == Class::Zero || b.class == Class::Zero;
    let opposite_infinity = c.class == Class::Infinity && c.sign != sign;
    if infinite_product && (zero_product || opposite_infinity) {
        return invalid(env);
    }
    note_denormal(a.denormal | b.denormal | c.denormal, env);
    if infinite_product {
        return Value::Infinity(sign);
    }
    match (zero_product, c.class) {
        (_, Class::Infinity) => Value::Infinity(c.sign),
        (true, Class::Zero) => zero_sum(sign, c.sign, env.rounding),
        (true, _) => Value::Finite(c.wide()),
        (false, Class::Zero) => Value::Finite(mul_wide(a, b)),
        (false, _) => add_wide(mul_wide(a, b), c.wide(), env.rounding),
    }
}
