//! Loads and stores: to and from the narrower formats, integers and packed
//! decimal.

use super::{F80, Operand, encode, propagate_one, quiet};
use crate::env::{Env, Precision, flag};
use crate::number::{Class, Value};
use crate::round::{OutOfRange, round_to_integer};
use crate::sse::{self, Encoding, F32, F64};

/// Largest magnitude in packed decimal: 18 digits.
const BCD_LIMIT: u64 = 999_999_999_999_999_999;
/// "Packed BCD integer indefinite" (Intel SDM Vol. 1 table 4-4).
const BCD_INDEFINITE: [u8; 10] = [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff];

fn load(source: impl Operand, env: &mut Env) -> F80 {
    let number = source.unpacked();
    if let Some(nan) = propagate_one(&number, env) {
        return nan;
    }
    if number.denormal {
        env.raise(flag::DENORMAL);
    }
    let value = match number.class {
        Class::Zero => Value::Zero(number.sign),
        Class::Infinity => Value::Infinity(number.sign),
        _ => Value::Finite(number.wide()),
    };
    encode(value, Precision::Extended, env)
}

fn store<T: Encoding>(source: F80, env: &mut Env) -> T {
    let number = source.unpacked();
    match number.class {
        Class::Zero => sse::zero(number.sign),
        Class::Finite => sse::encode_wide(number.wide(), OutOfRange::NotStored, env),
        Class::Infinity => sse::infinity(number.sign),
        Class::QuietNan => sse::quiet(&number),
        Class::SignallingNan => {
            env.raise(flag::INVALID);
            sse::quiet(&number)
        }
        Class::Unsupported => {
            env.raise(flag::INVALID);
            sse::indefinite()
        }
    }
}

impl F80 {
    /// `FLD m32fp`.
    pub fn from_f32(source: F32, env: &mut Env) -> Self {
        load(source, env)
    }

    /// `FLD m64fp`.
    pub fn from_f64(source: F64, env: &mut Env) -> Self {
        load(source, env)
    }

    /// `FILD`: exact.
    pub fn from_i64(integer: i64) -> Self {
        let number = integer.unpacked();
        if number.class == Class::Zero {
            return Self::ZERO;
        }
        Self::new(number.sign, (number.exponent + super::BIAS) as u16, number.significand)
    }

    /// `FST m32fp`. If overflow or underflow is unmasked and raised, nothing
    /// is to be stored.
    pub fn to_f32(self, env: &mut Env) -> F32 {
        store(self, env)
    }

    /// `FST m64fp`, as [`to_f32`](Self::to_f32).
    pub fn to_f64(self, env: &mut Env) -> F64 {
        store(self, env)
    }

    /// `FIST m16int`; 0x8000 with invalid if it does not fit.
    pub fn to_i16(self, env: &mut Env) -> i16 {
        sse::to_integer(&self.unpacked(), 16, env) as i16
    }

    /// `FIST m32int`.
    pub fn to_i32(self, env: &mut Env) -> i32 {
        sse::to_integer(&self.unpacked(), 32, env) as i32
    }

    /// `FISTP m64int`.
    pub fn to_i64(self, env: &mut Env) -> i64 {
        sse::to_integer(&self.unpacked(), 64, env)
    }

    /// `FBLD`. Digits above nine, whose result is undefined, count by their
    /// value.
    pub fn from_bcd(bytes: [u8; 10]) -> Self {
        let magnitude = bytes[..9]
            .iter()
            .rev()
            .fold(0u64, |sum, byte| sum * 100 + u64::from(byte >> 4) * 10 + u64::from(byte & 15));
        let number = Self::from_i64(magnitude as i64);
        if bytes[9] >> 7 != 0 { number.negate() } else { number }
    }

    /// `FBSTP`: rounded to an integer; the indefinite with invalid if it has
    /// more than 18 digits.
    pub fn to_bcd(self, env: &mut Env) -> [u8; 10] {
        let number = self.unpacked();
        let rounded = match number.class {
            Class::Zero => Some((0, false, false)),
            Class::Finite => round_to_integer(number.wide(), env.rounding),
            _ => None,
        };
        let Some((magnitude, inexact, up)) = rounded.filter(|rounded| rounded.0 <= BCD_LIMIT) else {
            env.raise(flag::INVALID);
            return BCD_INDEFINITE;
        };
        if inexact {
            env.raise(flag::PRECISION);
        }
        env.rounded_up = up;
        let mut bytes = [0; 10];
        let mut rest = magnitude;
        for byte in &mut bytes[..9] {
            let pair = (rest % 100) as u8;
            *byte = ((pair / 10) << 4) | (pair % 10);
            rest /= 100;
        }
        bytes[9] = u8::from(number.sign) << 7;
        bytes
    }

    /// The NaN made quiet, for what needs it outside of arithmetic.
    pub fn quieted(self) -> Self {
        let number = self.unpacked();
        if number.is_nan() { quiet(&number) } else { self }
    }
}
