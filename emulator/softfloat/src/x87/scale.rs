//! `FSCALE` and `FXTRACT`.

use super::{F80, Operand, encode, propagate, propagate_one};
use crate::env::{Env, Precision, flag};
use crate::number::{Class, Unpacked, Value, Wide};

/// A power of two beyond what any result could have.
const FAR: i32 = 1 << 17;

/// The scale factor: the operand truncated to an integer.
fn truncated(scale: &Unpacked) -> i32 {
    if scale.class == Class::Zero || scale.exponent < 0 {
        return 0;
    }
    let magnitude =
        if scale.exponent >= 17 { FAR } else { (scale.significand >> (63 - scale.exponent)) as i32 };
    if scale.sign { -magnitude } else { magnitude }
}

impl F80 {
    /// `FSCALE`: `self * 2^trunc(scale)`.
    pub fn scale(self, scale: F80, env: &mut Env) -> F80 {
        let (number, scale) = (self.unpacked(), scale.unpacked());
        if let Some(nan) = propagate(&number, &scale, env) {
            return nan;
        }
        if scale.class == Class::Infinity {
            let wrong = if scale.sign { Class::Infinity } else { Class::Zero };
            if number.class == wrong {
                env.raise(flag::INVALID);
                return F80::INDEFINITE;
            }
        }
        if number.denormal || scale.denormal {
            env.raise(flag::DENORMAL);
        }
        let value = match (number.class, scale.class, scale.sign) {
            (Class::Finite, Class::Infinity, false) => Value::Infinity(number.sign),
            (Class::Finite, Class::Infinity, true) => Value::Zero(number.sign),
            (Class::Finite, ..) => {
                let wide = number.wide();
                Value::Finite(Wide { exponent: wide.exponent + truncated(&scale), ..wide })
            }
            _ => return self,
        };
        encode(value, Precision::Extended, env)
    }

    /// `FXTRACT`: the significand, of magnitude one to two, and the
    /// exponent, both as numbers. Zero raises the zero-divide exception and
    /// has exponent minus infinity.
    pub fn extract(self, env: &mut Env) -> (F80, F80) {
        let number = self.unpacked();
        if let Some(nan) = propagate_one(&number, env) {
            return (nan, nan);
        }
        if number.denormal {
            env.raise(flag::DENORMAL);
        }
        match number.class {
            Class::Zero => {
                env.raise(flag::ZERO_DIVIDE);
                (self, F80::infinity(true))
            }
            Class::Infinity => (self, F80::infinity(false)),
            _ => (
                F80::new(number.sign, super::BIAS as u16, number.significand),
                F80::from_i64(i64::from(number.exponent)),
            ),
        }
    }
}
