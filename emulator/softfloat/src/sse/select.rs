//! Comparison, minimum and maximum.

use super::{Encoding, SseFloat, operand};
use crate::env::{Env, flag};
use crate::number::{Class, Unpacked};
use std::cmp::Ordering;

/// How two numbers compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// The first is less.
    Less,
    /// They are equal; zeros of either sign are.
    Equal,
    /// The first is greater.
    Greater,
    /// At least one is a NaN (or not a supported encoding).
    Unordered,
}

/// Compares decoded operands of any formats, with the flags of a comparison.
pub(crate) fn compare(a: &Unpacked, b: &Unpacked, signalling: bool, env: &mut Env) -> Relation {
    let is = |class| a.class == class || b.class == class;
    if a.is_nan() || b.is_nan() || is(Class::Unsupported) {
        if signalling || is(Class::SignallingNan) || is(Class::Unsupported) {
            env.raise(flag::INVALID);
        }
        return Relation::Unordered;
    }
    if a.denormal || b.denormal {
        env.raise(flag::DENORMAL);
    }
    match key(a).cmp(&key(b)) {
        Ordering::Less => Relation::Less,
        Ordering::Equal => Relation::Equal,
        Ordering::Greater => Relation::Greater,
    }
}

/// A number that orders like the operand: sign, exponent, significand.
fn key(operand: &Unpacked) -> i128 {
    let exponent: i32 = match operand.class {
        Class::Zero => return 0,
        Class::Infinity => 1 << 20,
        _ => operand.exponent,
    };
    let magnitude = i128::from(exponent + (1 << 19)) << 64 | i128::from(operand.significand);
    if operand.sign { -magnitude } else { magnitude }
}

/// `MIN` or `MAX`: the first operand if it is in relation `wanted` to the
/// second, else the second. A denormal taken as zero is returned as zero.
pub(super) fn pick<T: SseFloat>(a: T, b: T, wanted: Relation, env: &mut Env) -> T {
    let chosen = if a.compare(b, true, env) == wanted { a } else { b };
    if env.denormals_are_zero { flushed(chosen, env) } else { chosen }
}

fn flushed<T: Encoding>(number: T, env: &Env) -> T {
    if operand(number, env).class == Class::Zero {
        T::from_bits(number.bits() & 1 << (T::WIDTH - 1))
    } else {
        number
    }
}
