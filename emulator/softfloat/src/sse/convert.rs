//! Conversions between the two precisions, and to and from integers.

use super::{Encoding, F32, F64, encode, operand, propagate};
use crate::env::{Env, flag};
use crate::number::{Class, Unpacked, Value, Wide};
use crate::round::round_to_integer;

/// Rounds to a signed integer of `width` bits, sign-extended. What does not
/// fit raises invalid and gives the most negative integer ("integer
/// indefinite", Intel SDM Vol. 1 table 8-10).
pub(crate) fn to_integer(number: &Unpacked, width: u32, env: &mut Env) -> i64 {
    let indefinite = i64::MIN >> (64 - width);
    let rounded = match number.class {
        Class::Zero => return 0,
        Class::Finite => round_to_integer(number.wide(), env.rounding),
        _ => None,
    };
    let limit = 1u64 << (width - 1);
    match rounded {
        Some((magnitude, inexact, up)) if magnitude < limit || (magnitude == limit && number.sign) => {
            if inexact {
                env.raise(flag::PRECISION);
            }
            env.rounded_up = up;
            let integer = magnitude as i64;
            if number.sign { integer.wrapping_neg() } else { integer }
        }
        _ => {
            env.raise(flag::INVALID);
            indefinite
        }
    }
}

/// The exact value of an integer.
pub(crate) fn from_integer(integer: i64) -> Value {
    if integer == 0 {
        Value::Zero(false)
    } else {
        Value::Finite(Wide::from_integer(integer < 0, integer.unsigned_abs()))
    }
}

/// Converts between formats with the flags of a conversion instruction.
pub(super) fn convert<S: Encoding, T: Encoding>(source: S, env: &mut Env) -> T {
    let number = operand(source, env);
    if let Some(nan) = propagate(&[&number], env) {
        return nan;
    }
    if number.denormal {
        env.raise(flag::DENORMAL);
    }
    let value = match number.class {
        Class::Zero => Value::Zero(number.sign),
        Class::Finite => Value::Finite(number.wide()),
        _ => Value::Infinity(number.sign),
    };
    encode(value, env)
}

impl F32 {
    /// To double precision (`CVTSS2SD`): always exact.
    #[inline]
    pub fn to_f64(self, env: &mut Env) -> F64 {
        convert(self, env)
    }
}

impl F64 {
    /// To single precision (`CVTSD2SS`).
    #[inline]
    pub fn to_f32(self, env: &mut Env) -> F32 {
        convert(self, env)
    }
}
