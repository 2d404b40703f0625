//! Rounding to an integral value, kept as a floating point number.

use super::{Encoding, encode, operand, propagate};
use crate::env::{Env, flag};
use crate::number::{Class, Unpacked, Value, Wide};
use crate::round::round_to_integer;

/// The integral value of a finite number, with the precision flag if asked.
pub(crate) fn integral(number: &Unpacked, report: bool, env: &mut Env) -> Value {
    if number.exponent >= 63 {
        return Value::Finite(number.wide());
    }
    let Some((magnitude, inexact, up)) = round_to_integer(number.wide(), env.rounding) else {
        return Value::Finite(number.wide());
    };
    if inexact && report {
        env.raise(flag::PRECISION);
    }
    env.rounded_up = up;
    if magnitude == 0 {
        Value::Zero(number.sign)
    } else {
        Value::Finite(Wide::from_integer(number.sign, magnitude))
    }
}

pub(super) fn round_to_integral<T: Encoding>(number: T, report: bool, env: &mut Env) -> T {
    let unpacked = operand(number, env);
    if let Some(nan) = propagate(&[&unpacked], env) {
        return nan;
    }
    let value = match unpacked.class {
        Class::Zero => Value::Zero(unpacked.sign),
        Class::Finite => integral(&unpacked, report, env),
        _ => return number,
    };
    encode(value, env)
}
