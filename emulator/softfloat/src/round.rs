//! Rounding of an exact value to a format: the one place where overflow,
//! underflow and inexactness are found.

use crate::env::{Env, Rounding, flag};
use crate::number::{Wide, shift_right_sticky};

/// What numbers a binary format can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// Significand bits, with the leading one; at most 64.
    pub precision: u32,
    /// Exponent of the smallest normal number.
    pub min_exponent: i32,
    /// Exponent of the largest number.
    pub max_exponent: i32,
}

impl Format {
    /// IEEE 754 binary16.
    pub const HALF: Self = Self::ieee(11, 15);
    /// IEEE 754 binary32.
    pub const SINGLE: Self = Self::ieee(24, 127);
    /// IEEE 754 binary64.
    pub const DOUBLE: Self = Self::ieee(53, 1023);
    /// The x87 double extended format.
    pub const EXTENDED: Self = Self::ieee(64, 16383);

    const fn ieee(precision: u32, max_exponent: i32) -> Self {
        Self { precision, min_exponent: 1 - max_exponent, max_exponent }
    }

    /// Significand, aligned to bit 63, of the largest number.
    pub(crate) const fn largest_significand(&self) -> u64 {
        u64::MAX << (64 - self.precision)
    }
}

/// A rounded magnitude. A significand without bit 63 is subnormal (or zero)
/// and its exponent is the format's smallest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rounded {
    Infinity,
    Finite { exponent: i32, significand: u64 },
}

/// What happens to a result outside the format's range whose exception is
/// unmasked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutOfRange {
    /// SSE: the result is discarded, and the precision flag tells whether it
    /// is inexact with an unbounded exponent.
    Discarded,
    /// x87 store: the result is discarded, and no other flag is raised.
    NotStored,
    /// The exponent is moved into range by this much, as the x87 does for
    /// register results (Intel SDM Vol. 1 8.5.4).
    Scaled(i32),
}

struct Nearby {
    exponent: i32,
    significand: u64,
    inexact: bool,
    up: bool,
}

/// Rounds the top `precision` bits of a 128-bit significand, exponent free.
fn round_significand(wide: Wide, significand: u128, precision: u32, rounding: Rounding) -> Nearby {
    let unit = 1u128 << (128 - precision);
    let rest = significand & (unit - 1);
    let kept = significand - rest;
    let half = unit >> 1;
    let up = match rounding {
        Rounding::Nearest => rest > half || (rest == half && kept & unit != 0),
        other => rest != 0 && other.is_away(wide.sign),
    };
    let (exponent, significand) = match kept.checked_add(if up { unit } else { 0 }) {
        Some(sum) => (wide.exponent, (sum >> 64) as u64),
        None => (wide.exponent + 1, 1 << 63),
    };
    Nearby { exponent, significand, inexact: rest != 0, up }
}

/// Rounds `wide` to `format` and raises what that raises.
///
/// Tininess is found after rounding, as x86 does. With underflow unmasked an
/// exact tiny result raises it too.
pub(crate) fn round(wide: Wide, format: &Format, out: OutOfRange, env: &mut Env) -> Rounded {
    let free = round_significand(wide, wide.significand, format.precision, env.rounding);
    if free.exponent > format.max_exponent {
        return overflow(wide.sign, free, format, out, env);
    }
    if wide.exponent < format.min_exponent {
        return underflow(wide, free, format, out, env);
    }
    env.rounded_up = free.up;
    if free.inexact {
        env.raise(flag::PRECISION);
    }
    Rounded::Finite { exponent: free.exponent, significand: free.significand }
}

#[cold]
fn overflow(sign: bool, free: Nearby, format: &Format, out: OutOfRange, env: &mut Env) -> Rounded {
    env.raise(flag::OVERFLOW);
    if !env.is_masked(flag::OVERFLOW) {
        return unmasked(free, true, format, out, env);
    }
    env.raise(flag::PRECISION);
    env.rounded_up = env.rounding == Rounding::Nearest || env.rounding.is_away(sign);
    if env.rounded_up {
        Rounded::Infinity
    } else {
        Rounded::Finite { exponent: format.max_exponent, significand: format.largest_significand() }
    }
}

#[cold]
fn underflow(wide: Wide, free: Nearby, format: &Format, out: OutOfRange, env: &mut Env) -> Rounded {
    let tiny = free.exponent < format.min_exponent;
    if tiny && !env.is_masked(flag::UNDERFLOW) {
        env.raise(flag::UNDERFLOW);
        return unmasked(free, false, format, out, env);
    }
    if tiny && env.flush_to_zero {
        env.raise(flag::UNDERFLOW | flag::PRECISION);
        return nothing(format, env);
    }
    let distance = format.min_exponent.wrapping_sub(wide.exponent) as u32;
    let shifted = shift_right_sticky(wide.significand, distance);
    let fixed = round_significand(
        Wide { exponent: format.min_exponent, ..wide },
        shifted,
        format.precision,
        env.rounding,
    );
    env.rounded_up = fixed.up;
    if fixed.inexact {
        env.raise(flag::PRECISION | if tiny { flag::UNDERFLOW } else { 0 });
    }
    Rounded::Finite { exponent: fixed.exponent, significand: fixed.significand }
}

/// A zero, which also stands for a result that is not to be stored.
fn nothing(format: &Format, env: &mut Env) -> Rounded {
    env.rounded_up = false;
    Rounded::Finite { exponent: format.min_exponent, significand: 0 }
}

/// The result of an unmasked overflow or underflow.
fn unmasked(free: Nearby, overflow: bool, format: &Format, out: OutOfRange, env: &mut Env) -> Rounded {
    let bias = match out {
        OutOfRange::Scaled(bias) => bias,
        OutOfRange::NotStored => return nothing(format, env),
        OutOfRange::Discarded => {
            if free.inexact {
                env.raise(flag::PRECISION);
            }
            return nothing(format, env);
        }
    };
    let exponent = free.exponent.saturating_add(if overflow { -bias } else { bias });
    // Still out of range (only `FSCALE` can do that): infinity or zero.
    if exponent > format.max_exponent {
        env.rounded_up = true;
        env.raise(flag::PRECISION);
        return Rounded::Infinity;
    }
    if exponent < format.min_exponent {
        env.raise(flag::PRECISION);
        return nothing(format, env);
    }
    env.rounded_up = free.up;
    if free.inexact {
        env.raise(flag::PRECISION);
    }
    Rounded::Finite { exponent, significand: free.significand }
}

/// Rounds a magnitude to an integer: the integer, whether it is inexact and
/// whether it was rounded up. `None` if it needs more than 64 bits.
pub(crate) fn round_to_integer(wide: Wide, rounding: Rounding) -> Option<(u64, bool, bool)> {
    if wide.exponent >= 64 {
        return None;
    }
    // Bit 64 becomes the units; what is below is the fraction.
    let fixed = shift_right_sticky(wide.significand, (63 - wide.exponent) as u32);
    let (integer, rest) = ((fixed >> 64) as u64, fixed as u64);
    const HALF: u64 = 1 << 63;
    let up = match rounding {
        Rounding::Nearest => rest > HALF || (rest == HALF && integer & 1 != 0),
        other => rest != 0 && other.is_away(wide.sign),
    };
    let rounded = integer.checked_add(u64::from(up))?;
    Some((rounded, rest != 0, up))
}
