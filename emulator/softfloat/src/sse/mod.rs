//! Single and double precision, as SSE, AVX and FMA instructions do it.
//!
//! [`SseFloat`] is implemented by [`F32`] and [`F64`], which are raw bits.
//! When [`Env`] allows it (see [`Env::from_mxcsr`]) the operations use the
//! host's arithmetic: on normal operands with a normal result it gives the
//! same bits and no flag that is not already set.

mod convert;
mod half;
mod round_int;
mod select;

pub use half::F16;
pub use select::Relation;

pub(crate) use convert::to_integer;
pub(crate) use round_int::integral;
pub(crate) use select::compare as compare_unpacked;

use crate::arith;
use crate::env::{Env, flag};
use crate::number::{Class, Unpacked, Value, Wide};
use crate::round::{Format, OutOfRange, Rounded, round};

/// A single precision number, as its bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct F32(pub u32);

/// A double precision number, as its bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct F64(pub u64);

/// What the generic code must know of a format.
pub trait Encoding: Copy {
    /// Range and precision.
    const FORMAT: Format;
    /// Width of the encoding.
    const WIDTH: u32;
    /// The encoding, zero-extended.
    fn bits(self) -> u64;
    /// The low `WIDTH` bits as a number.
    fn from_bits(bits: u64) -> Self;
}

impl Encoding for F32 {
    const FORMAT: Format = Format::SINGLE;
    const WIDTH: u32 = 32;

    #[inline]
    fn bits(self) -> u64 {
        u64::from(self.0)
    }

    #[inline]
    fn from_bits(bits: u64) -> Self {
        Self(bits as u32)
    }
}

impl Encoding for F64 {
    const FORMAT: Format = Format::DOUBLE;
    const WIDTH: u32 = 64;

    #[inline]
    fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

const fn fraction_bits<T: Encoding>() -> u32 {
    T::FORMAT.precision - 1
}

/// Decodes an IEEE interchange format.
#[inline]
pub(crate) fn unpack<T: Encoding>(number: T) -> Unpacked {
    let bits = number.bits();
    let sign = bits >> (T::WIDTH - 1) & 1 != 0;
    let fraction = bits & ((1 << fraction_bits::<T>()) - 1);
    let special = T::FORMAT.max_exponent * 2 + 1;
    let biased = (bits >> fraction_bits::<T>()) as i32 & special;
    let aligned = fraction << (64 - T::FORMAT.precision);
    let normal =
        |class, exponent| Unpacked { class, sign, denormal: false, exponent, significand: aligned | 1 << 63 };
    if biased == special {
        let class = match fraction {
            0 => Class::Infinity,
            _ if aligned >> 62 & 1 != 0 => Class::QuietNan,
            _ => Class::SignallingNan,
        };
        return normal(class, 0);
    }
    if biased != 0 {
        return normal(Class::Finite, biased - T::FORMAT.max_exponent);
    }
    if fraction == 0 {
        return Unpacked::zero(sign);
    }
    let shift = aligned.leading_zeros();
    Unpacked {
        class: Class::Finite,
        sign,
        denormal: true,
        exponent: T::FORMAT.min_exponent - shift as i32,
        significand: aligned << shift,
    }
}

/// Decodes an operand, a denormal one as zero if so told.
#[inline]
pub(crate) fn operand<T: Encoding>(number: T, env: &Env) -> Unpacked {
    let unpacked = unpack(number);
    if unpacked.denormal && env.denormals_are_zero { Unpacked::zero(unpacked.sign) } else { unpacked }
}

fn assemble<T: Encoding>(sign: bool, biased: u64, fraction: u64) -> T {
    T::from_bits(u64::from(sign) << (T::WIDTH - 1) | biased << fraction_bits::<T>() | fraction)
}

fn special_exponent<T: Encoding>() -> u64 {
    (T::FORMAT.max_exponent * 2 + 1) as u64
}

pub(crate) fn zero<T: Encoding>(sign: bool) -> T {
    assemble(sign, 0, 0)
}

pub(crate) fn infinity<T: Encoding>(sign: bool) -> T {
    assemble(sign, special_exponent::<T>(), 0)
}

/// The quiet NaN with the payload of `source`, of any format.
pub(crate) fn quiet<T: Encoding>(source: &Unpacked) -> T {
    let payload = (source.significand | 1 << 62) & !(1 << 63);
    assemble(source.sign, special_exponent::<T>(), payload >> (64 - T::FORMAT.precision))
}

/// The default NaN ("real indefinite"): negative, quiet, payload zero.
pub(crate) fn indefinite<T: Encoding>() -> T {
    assemble(true, special_exponent::<T>(), 1 << (fraction_bits::<T>() - 1))
}

/// Rounds an exact value into an interchange format.
pub(crate) fn encode<T: Encoding>(value: Value, env: &mut Env) -> T {
    match value {
        Value::Zero(sign) => zero(sign),
        Value::Infinity(sign) => infinity(sign),
        Value::Indefinite => indefinite(),
        Value::Finite(wide) => encode_wide(wide, OutOfRange::Discarded, env),
    }
}

/// Rounds a number that is not zero into an interchange format.
pub(crate) fn encode_wide<T: Encoding>(wide: Wide, out: OutOfRange, env: &mut Env) -> T {
    match round(wide, &T::FORMAT, out, env) {
        Rounded::Infinity => infinity(wide.sign),
        Rounded::Finite { exponent, significand } => {
            let biased = if significand >> 63 != 0 { (exponent + T::FORMAT.max_exponent) as u64 } else { 0 };
            let fraction = significand << 1 >> 1 >> (64 - T::FORMAT.precision);
            assemble(wide.sign, biased, fraction)
        }
    }
}

/// The NaN that an operation on `operands` gives, if any is a NaN: the first
/// one, made quiet (Intel SDM Vol. 1 table 4-7, SSE column).
pub(crate) fn propagate<T: Encoding>(operands: &[&Unpacked], env: &mut Env) -> Option<T> {
    let first = operands.iter().find(|operand| operand.is_nan())?;
    if operands.iter().any(|operand| operand.class == Class::SignallingNan) {
        env.raise(flag::INVALID);
    }
    Some(quiet(first))
}

/// The host's arithmetic on the same bits, for the fast path.
pub trait Native: Encoding {
    /// `self + rhs`.
    fn native_add(self, rhs: Self) -> Self;
    /// `self - rhs`.
    fn native_sub(self, rhs: Self) -> Self;
    /// `self * rhs`.
    fn native_mul(self, rhs: Self) -> Self;
    /// `self / rhs`.
    fn native_div(self, rhs: Self) -> Self;
    /// The square root.
    fn native_sqrt(self) -> Self;
    /// `self * factor + addend`, rounded once.
    fn native_mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self < rhs`, for numbers.
    fn native_less(self, rhs: Self) -> bool;
    /// `self == rhs`, for numbers.
    fn native_equal(self, rhs: Self) -> bool;
}

impl Native for F32 {
    #[inline]
    fn native_add(self, rhs: Self) -> Self {
        Self((f32::from_bits(self.0) + f32::from_bits(rhs.0)).to_bits())
    }

    #[inline]
    fn native_sub(self, rhs: Self) -> Self {
        Self((f32::from_bits(self.0) - f32::from_bits(rhs.0)).to_bits())
    }

    #[inline]
    fn native_mul(self, rhs: Self) -> Self {
        Self((f32::from_bits(self.0) * f32::from_bits(rhs.0)).to_bits())
    }

    #[inline]
    fn native_div(self, rhs: Self) -> Self {
        Self((f32::from_bits(self.0) / f32::from_bits(rhs.0)).to_bits())
    }

    #[inline]
    fn native_sqrt(self) -> Self {
        Self(f32::from_bits(self.0).sqrt().to_bits())
    }

    #[inline]
    fn native_mul_add(self, factor: Self, addend: Self) -> Self {
        let (a, b, c) = (f32::from_bits(self.0), f32::from_bits(factor.0), f32::from_bits(addend.0));
        Self(a.mul_add(b, c).to_bits())
    }

    #[inline]
    fn native_less(self, rhs: Self) -> bool {
        f32::from_bits(self.0) < f32::from_bits(rhs.0)
    }

    #[inline]
    fn native_equal(self, rhs: Self) -> bool {
        f32::from_bits(self.0) == f32::from_bits(rhs.0)
    }
}

impl Native for F64 {
    #[inline]
    fn native_add(self, rhs: Self) -> Self {
        Self((f64::from_bits(self.0) + f64::from_bits(rhs.0)).to_bits())
    }

    #[inline]
    fn native_sub(self, rhs: Self) -> Self {
        Self((f64::from_bits(self.0) - f64::from_bits(rhs.0)).to_bits())
    }

    #[inline]
    fn native_mul(self, rhs: Self) -> Self {
        Self((f64::from_bits(self.0) * f64::from_bits(rhs.0)).to_bits())
    }

    #[inline]
    fn native_div(self, rhs: Self) -> Self {
        Self((f64::from_bits(self.0) / f64::from_bits(rhs.0)).to_bits())
    }

    #[inline]
    fn native_sqrt(self) -> Self {
        Self(f64::from_bits(self.0).sqrt().to_bits())
    }

    #[inline]
    fn native_mul_add(self, factor: Self, addend: Self) -> Self {
        let (a, b, c) = (f64::from_bits(self.0), f64::from_bits(factor.0), f64::from_bits(addend.0));
        Self(a.mul_add(b, c).to_bits())
    }

    #[inline]
    fn native_less(self, rhs: Self) -> bool {
        f64::from_bits(self.0) < f64::from_bits(rhs.0)
    }

    #[inline]
    fn native_equal(self, rhs: Self) -> bool {
        f64::from_bits(self.0) == f64::from_bits(rhs.0)
    }
}

/// Zero or a normal number.
#[inline]
fn is_plain<T: Encoding>(number: T) -> bool {
    let magnitude = number.bits() & !(1 << (T::WIDTH - 1));
    let smallest = 1 << fraction_bits::<T>();
    let infinity = special_exponent::<T>() << fraction_bits::<T>();
    magnitude == 0 || magnitude.wrapping_sub(smallest) < infinity - smallest
}

/// A normal number larger than the smallest one, which may be the rounded
/// form of a tiny result.
#[inline]
fn is_surely_normal<T: Encoding>(number: T) -> bool {
    let magnitude = number.bits() & !(1 << (T::WIDTH - 1));
    let above_smallest = (1 << fraction_bits::<T>()) + 1;
    let infinity = special_exponent::<T>() << fraction_bits::<T>();
    magnitude.wrapping_sub(above_smallest) < infinity - above_smallest
}

#[inline]
fn is_zero<T: Encoding>(number: T) -> bool {
    number.bits() & !(1 << (T::WIDTH - 1)) == 0
}

/// The arithmetic of SSE instructions. `self` is the first source operand.
pub trait SseFloat: Native {
    /// `self + rhs`.
    #[inline]
    fn add(self, rhs: Self, env: &mut Env) -> Self {
        if env.native && is_plain(self) && is_plain(rhs) {
            let sum = self.native_add(rhs);
            // A sum never becomes zero by underflow.
            if is_surely_normal(sum) || is_zero(sum) {
                return sum;
            }
        }
        add_exactly(self, rhs, env)
    }

    /// `self - rhs`.
    #[inline]
    fn sub(self, rhs: Self, env: &mut Env) -> Self {
        if env.native && is_plain(self) && is_plain(rhs) {
            let difference = self.native_sub(rhs);
            if is_surely_normal(difference) || is_zero(difference) {
                return difference;
            }
        }
        sub_exactly(self, rhs, env)
    }

    /// `self * rhs`.
    #[inline]
    fn mul(self, rhs: Self, env: &mut Env) -> Self {
        if env.native && is_plain(self) && is_plain(rhs) {
            let product = self.native_mul(rhs);
            if is_surely_normal(product) || is_zero(self) || is_zero(rhs) {
                return product;
            }
        }
        mul_exactly(self, rhs, env)
    }

    /// `self / rhs`.
    #[inline]
    fn div(self, rhs: Self, env: &mut Env) -> Self {
        if env.native && is_plain(self) && is_plain(rhs) && !is_zero(rhs) {
            let quotient = self.native_div(rhs);
            if is_surely_normal(quotient) || is_zero(self) {
                return quotient;
            }
        }
        div_exactly(self, rhs, env)
    }

    /// The square root.
    #[inline]
    fn sqrt(self, env: &mut Env) -> Self {
        if env.native && is_surely_normal(self) && self.bits() >> (Self::WIDTH - 1) == 0 {
            return self.native_sqrt();
        }
        sqrt_exactly(self, env)
    }

    /// `self * factor + addend` with one rounding. For `a * b - c` and the
    /// like negate an operand's sign with [`negated_unless_nan`].
    ///
    /// [`negated_unless_nan`]: SseFloat::negated_unless_nan
    #[inline]
    fn mul_add(self, factor: Self, addend: Self, env: &mut Env) -> Self {
        if env.native && is_plain(self) && is_plain(factor) && is_plain(addend) {
            let sum = self.native_mul_add(factor, addend);
            if is_surely_normal(sum) {
                return sum;
            }
        }
        mul_add_exactly(self, factor, addend, env)
    }

    /// The number with its sign flipped; a NaN unchanged, since the negated
    /// forms of FMA do not touch the sign of a NaN.
    fn negated_unless_nan(self) -> Self {
        if unpack(self).is_nan() { self } else { Self::from_bits(self.bits() ^ 1 << (Self::WIDTH - 1)) }
    }

    /// `MIN`: `self` if it is less than `rhs`, else `rhs`; so `rhs` for two
    /// zeros and when either is a NaN, which raises invalid.
    #[inline]
    fn min(self, rhs: Self, env: &mut Env) -> Self {
        select::pick(self, rhs, Relation::Less, env)
    }

    /// `MAX`: `self` if it is greater than `rhs`, else `rhs`.
    #[inline]
    fn max(self, rhs: Self, env: &mut Env) -> Self {
        select::pick(self, rhs, Relation::Greater, env)
    }

    /// Compares. A signalling NaN raises invalid; a quiet one only if
    /// `signalling` (`COMISS`, and `CMPPS` LT, LE and the like).
    #[inline]
    fn compare(self, rhs: Self, signalling: bool, env: &mut Env) -> Relation {
        if is_plain(self) && is_plain(rhs) {
            return if self.native_less(rhs) {
                Relation::Less
            } else if self.native_equal(rhs) {
                Relation::Equal
            } else {
                Relation::Greater
            };
        }
        select::compare(&operand(self, env), &operand(rhs, env), signalling, env)
    }

    /// `ROUNDSS` and the like: to an integral value by `env.rounding`.
    /// `exact` reports inexactness (immediate bit 3 clear).
    fn round_to_integral(self, exact: bool, env: &mut Env) -> Self {
        round_int::round_to_integral(self, exact, env)
    }

    /// To a 16-bit integer; 0x8000 with invalid if it does not fit.
    fn to_i16(self, env: &mut Env) -> i16 {
        convert::to_integer(&operand(self, env), 16, env) as i16
    }

    /// To a 32-bit integer (`CVTSS2SI`); 0x8000_0000 with invalid if it does
    /// not fit. For `CVTT` forms use [`Env::with_rounding`] and
    /// [`Rounding::Zero`](crate::Rounding::Zero).
    fn to_i32(self, env: &mut Env) -> i32 {
        convert::to_integer(&operand(self, env), 32, env) as i32
    }

    /// To a 64-bit integer, as [`to_i32`](Self::to_i32).
    fn to_i64(self, env: &mut Env) -> i64 {
        convert::to_integer(&operand(self, env), 64, env)
    }

    /// From a 32-bit integer (`CVTSI2SS`).
    fn from_i32(integer: i32, env: &mut Env) -> Self {
        Self::from_i64(i64::from(integer), env)
    }

    /// From a 64-bit integer.
    fn from_i64(integer: i64, env: &mut Env) -> Self {
        encode(convert::from_integer(integer), env)
    }

    /// The decoded number, denormals as they are.
    fn unpacked(self) -> Unpacked {
        unpack(self)
    }
}

impl SseFloat for F32 {}
impl SseFloat for F64 {}

type Kernel = fn(&Unpacked, &Unpacked, &mut Env) -> Value;

fn binary<T: Encoding>(a: T, b: T, env: &mut Env, kernel: Kernel) -> T {
    let (a, b) = (operand(a, env), operand(b, env));
    if let Some(nan) = propagate(&[&a, &b], env) {
        return nan;
    }
    encode(kernel(&a, &b, env), env)
}

#[inline(never)]
fn add_exactly<T: Encoding>(a: T, b: T, env: &mut Env) -> T {
    binary(a, b, env, arith::add)
}

#[inline(never)]
fn sub_exactly<T: Encoding>(a: T, b: T, env: &mut Env) -> T {
    binary(a, b, env, |a, b, env| arith::add(a, &b.negated(), env))
}

#[inline(never)]
fn mul_exactly<T: Encoding>(a: T, b: T, env: &mut Env) -> T {
    binary(a, b, env, arith::mul)
}

#[inline(never)]
fn mul_add_exactly<T: Encoding>(factor1: T, factor2: T, addend: T, env: &mut Env) -> T {
    let [a, b, c] = [factor1, factor2, addend].map(|number| operand(number, env));
    if let Some(nan) = propagate(&[&a, &b, &c], env) {
        return nan;
    }
    encode(arith::mul_add(&a, &b, &c, env), env)
}

#[inline(never)]
fn div_exactly<T: Encoding>(a: T, b: T, env: &mut Env) -> T {
    binary(a, b, env, arith::div)
}

#[inline(never)]
fn sqrt_exactly<T: Encoding>(a: T, env: &mut Env) -> T {
    let a = operand(a, env);
    if let Some(nan) = propagate(&[&a], env) {
        return nan;
    }
    encode(arith::sqrt(&a, env), env)
}
