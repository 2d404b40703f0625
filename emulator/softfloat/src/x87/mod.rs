//! The 80-bit double extended format and the x87's arithmetic on it.
//!
//! Operations return what the register would receive. If the environment
//! then reports an unmasked [pre-computation](flag::PRE_COMPUTATION)
//! exception the caller must not write it; if it reports an unmasked
//! overflow or underflow the result is already the one with the adjusted
//! exponent that the x87 stores in that case (Intel SDM Vol. 1 8.5.4).

mod arctangent;
mod big;
mod constants;
mod convert;
mod logarithm;
mod remainder;
mod scale;
mod trigonometry;

pub use constants::Constant;
pub use remainder::Remainder;

use crate::arith;
use crate::env::{Env, Precision, flag};
use crate::number::{Class, Unpacked, Value};
use crate::round::{Format, OutOfRange, Rounded, round};
use crate::sse::{self, F32, F64, Relation};

/// A double extended precision number, as its bits. Unlike the narrower
/// formats it shows its leading significand bit, so that some encodings are
/// not numbers at all ([`Class::Unsupported`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct F80 {
    /// The significand, its integer bit at 63.
    pub significand: u64,
    /// The sign at bit 15, the biased exponent below.
    pub sign_exponent: u16,
}

const BIAS: i32 = 16383;
const SPECIAL_EXPONENT: u16 = 0x7fff;
/// How far the exponent of an unmasked overflow or underflow is moved.
const EXPONENT_ADJUSTMENT: i32 = 24576;
const INTEGER_BIT: u64 = 1 << 63;

/// Anything x87 arithmetic takes as an operand: a register, or a memory
/// operand in its own format (`FADD m32fp`, `FIADD m16int`), which is
/// converted exactly and without flags of its own.
pub trait Operand: Copy {
    /// The decoded operand.
    fn unpacked(self) -> Unpacked;
}

impl Operand for F80 {
    fn unpacked(self) -> Unpacked {
        let sign = self.sign_exponent >> 15 != 0;
        let biased = self.sign_exponent & SPECIAL_EXPONENT;
        let number = |class, exponent| Unpacked {
            class,
            sign,
            denormal: false,
            exponent,
            significand: self.significand,
        };
        let integer_bit = self.significand & INTEGER_BIT != 0;
        match (biased, integer_bit) {
            (0, _) if self.significand == 0 => Unpacked::zero(sign),
            (0, _) => {
                let shift = self.significand.leading_zeros();
                Unpacked {
                    class: Class::Finite,
                    sign,
                    denormal: true,
                    exponent: 1 - BIAS - shift as i32,
                    significand: self.significand << shift,
                }
            }
            (_, false) => number(Class::Unsupported, 0),
            (SPECIAL_EXPONENT, true) => {
                let class = match self.significand << 1 {
                    0 => Class::Infinity,
                    fraction if fraction >> 63 != 0 => Class::QuietNan,
                    _ => Class::SignallingNan,
                };
                number(class, 0)
            }
            (biased, true) => number(Class::Finite, i32::from(biased) - BIAS),
        }
    }
}

impl Operand for F32 {
    fn unpacked(self) -> Unpacked {
        sse::unpack(self)
    }
}

impl Operand for F64 {
    fn unpacked(self) -> Unpacked {
        sse::unpack(self)
    }
}

impl Operand for i16 {
    fn unpacked(self) -> Unpacked {
        i64::from(self).unpacked()
    }
}

impl Operand for i32 {
    fn unpacked(self) -> Unpacked {
        i64::from(self).unpacked()
    }
}

impl Operand for i64 {
    fn unpacked(self) -> Unpacked {
        if self == 0 {
            return Unpacked::zero(false);
        }
        let magnitude = self.unsigned_abs();
        let shift = magnitude.leading_zeros();
        Unpacked {
            class: Class::Finite,
            sign: self < 0,
            denormal: false,
            exponent: 63 - shift as i32,
            significand: magnitude << shift,
        }
    }
}

/// What `FXAM` finds in a register that is not empty
/// (Intel SDM Vol. 2, `FXAM`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Examined {
    /// Not a supported encoding.
    Unsupported,
    /// A NaN.
    Nan,
    /// A normal number.
    Normal,
    /// Infinity.
    Infinity,
    /// Zero.
    Zero,
    /// A denormal number.
    Denormal,
}

impl F80 {
    /// Plus zero.
    pub const ZERO: Self = Self::new(false, 0, 0);
    /// One.
    pub const ONE: Self = Self::new(false, BIAS as u16, INTEGER_BIT);
    /// The default NaN ("real indefinite").
    pub const INDEFINITE: Self = Self::new(true, SPECIAL_EXPONENT, 0xc000_0000_0000_0000);

    /// A number from its fields; `biased` has 15 bits.
    pub const fn new(sign: bool, biased: u16, significand: u64) -> Self {
        Self { significand, sign_exponent: (sign as u16) << 15 | biased }
    }

    /// From the ten bytes in memory.
    pub const fn from_bytes(bytes: [u8; 10]) -> Self {
        let [a, b, c, d, e, f, g, h, low, high] = bytes;
        Self {
            significand: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            sign_exponent: u16::from_le_bytes([low, high]),
        }
    }

    /// The ten bytes in memory.
    pub const fn to_bytes(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = self.significand.to_le_bytes();
        let [low, high] = self.sign_exponent.to_le_bytes();
        [a, b, c, d, e, f, g, h, low, high]
    }

    /// Infinity.
    pub const fn infinity(negative: bool) -> Self {
        Self::new(negative, SPECIAL_EXPONENT, INTEGER_BIT)
    }

    /// True if the sign bit is set.
    pub const fn is_negative(self) -> bool {
        self.sign_exponent >> 15 != 0
    }

    /// `FABS`.
    pub const fn abs(self) -> Self {
        Self { sign_exponent: self.sign_exponent & 0x7fff, ..self }
    }

    /// `FCHS`.
    pub const fn negate(self) -> Self {
        Self { sign_exponent: self.sign_exponent ^ 0x8000, ..self }
    }

    /// The class `FXAM` reports, for a register that is not empty.
    pub fn examine(self) -> Examined {
        let unpacked = self.unpacked();
        match unpacked.class {
            Class::Zero => Examined::Zero,
            Class::Finite if unpacked.denormal => Examined::Denormal,
            Class::Finite => Examined::Normal,
            Class::Infinity => Examined::Infinity,
            Class::QuietNan | Class::SignallingNan => Examined::Nan,
            Class::Unsupported => Examined::Unsupported,
        }
    }
}

/// The NaN with the payload of `source`, made quiet.
fn quiet(source: &Unpacked) -> F80 {
    F80::new(source.sign, SPECIAL_EXPONENT, source.significand | 0xc000_0000_0000_0000)
}

/// The result if one of two operands is a NaN or not supported
/// (Intel SDM Vol. 1 table 4-7, x87 column): the larger significand of two
/// NaNs of a kind, the quiet one of two kinds.
fn propagate(a: &Unpacked, b: &Unpacked, env: &mut Env) -> Option<F80> {
    let is = |class| a.class == class || b.class == class;
    if is(Class::Unsupported) {
        env.raise(flag::INVALID);
        return Some(F80::INDEFINITE);
    }
    if is(Class::SignallingNan) {
        env.raise(flag::INVALID);
    }
    let rank = |x: &Unpacked| (x.class == Class::QuietNan, x.significand, !x.sign);
    match (a.is_nan(), b.is_nan()) {
        (false, false) => None,
        (true, false) => Some(quiet(a)),
        (false, true) => Some(quiet(b)),
        (true, true) => Some(quiet(if rank(a) >= rank(b) { a } else { b })),
    }
}

/// The result if the only operand is a NaN or not supported.
fn propagate_one(a: &Unpacked, env: &mut Env) -> Option<F80> {
    propagate(a, a, env)
}

/// Rounds to `precision` bits with the range of the format.
fn encode(value: Value, precision: Precision, env: &mut Env) -> F80 {
    let wide = match value {
        Value::Zero(sign) => return F80::new(sign, 0, 0),
        Value::Infinity(sign) => return F80::infinity(sign),
        Value::Indefinite => return F80::INDEFINITE,
        Value::Finite(wide) => wide,
    };
    let format = Format { precision: precision.bits(), ..Format::EXTENDED };
    match round(wide, &format, OutOfRange::Scaled(EXPONENT_ADJUSTMENT), env) {
        Rounded::Infinity => F80::infinity(wide.sign),
        Rounded::Finite { exponent, significand } => {
            let biased = if significand & INTEGER_BIT != 0 { (exponent + BIAS) as u16 } else { 0 };
            F80::new(wide.sign, biased, significand)
        }
    }
}

type Kernel = fn(&Unpacked, &Unpacked, &mut Env) -> Value;

fn binary(a: impl Operand, b: impl Operand, env: &mut Env, kernel: Kernel) -> F80 {
    let (a, b) = (a.unpacked(), b.unpacked());
    if let Some(nan) = propagate(&a, &b, env) {
        return nan;
    }
    let value = kernel(&a, &b, env);
    encode(value, env.precision, env)
}

/// `a + b` (`FADD`).
pub fn add(a: impl Operand, b: impl Operand, env: &mut Env) -> F80 {
    binary(a, b, env, arith::add)
}

/// `a - b` (`FSUB`; `FSUBR` with the operands exchanged).
pub fn sub(a: impl Operand, b: impl Operand, env: &mut Env) -> F80 {
    binary(a, b, env, |a, b, env| arith::add(a, &b.negated(), env))
}

/// `a * b` (`FMUL`).
pub fn mul(a: impl Operand, b: impl Operand, env: &mut Env) -> F80 {
    binary(a, b, env, arith::mul)
}

/// `a / b` (`FDIV`; `FDIVR` with the operands exchanged).
pub fn div(a: impl Operand, b: impl Operand, env: &mut Env) -> F80 {
    binary(a, b, env, arith::div)
}

/// Compares; a quiet NaN raises invalid if `signalling` (`FCOM`, `FCOMI`,
/// `FTST`, but not `FUCOM`, `FUCOMI`).
pub fn compare(a: impl Operand, b: impl Operand, signalling: bool, env: &mut Env) -> Relation {
    sse::compare_unpacked(&a.unpacked(), &b.unpacked(), signalling, env)
}

impl F80 {
    /// `FSQRT`.
    pub fn sqrt(self, env: &mut Env) -> F80 {
        let number = self.unpacked();
        if let Some(nan) = propagate_one(&number, env) {
            return nan;
        }
        let value = arith::sqrt(&number, env);
        encode(value, env.precision, env)
    }

    /// `FRNDINT`.
    pub fn round_to_integral(self, env: &mut Env) -> F80 {
        let number = self.unpacked();
        if let Some(nan) = propagate_one(&number, env) {
            return nan;
        }
        if number.denormal {
            env.raise(flag::DENORMAL);
        }
        if number.class != Class::Finite {
            return self;
        }
        let value = sse::integral(&number, true, env);
        let up = env.rounded_up;
        let integral = encode(value, Precision::Extended, env);
        env.rounded_up = up;
        integral
    }
}
