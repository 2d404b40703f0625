//! The forms a number has between its encodings.

/// What an encoding stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Plus or minus zero.
    Zero,
    /// A number other than zero, normal or not.
    Finite,
    /// Plus or minus infinity.
    Infinity,
    /// A quiet NaN.
    QuietNan,
    /// A signalling NaN.
    SignallingNan,
    /// An 80-bit encoding that the processor rejects: pseudo-NaN,
    /// pseudo-infinity or unnormal (Intel SDM Vol. 1 8.2.2).
    Unsupported,
}

/// A decoded operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unpacked {
    /// What it is.
    pub class: Class,
    /// True if negative.
    pub sign: bool,
    /// True if it raises the denormal exception.
    pub denormal: bool,
    /// Power of two of bit 63 of `significand`, for [`Class::Finite`].
    pub exponent: i32,
    /// Significand with bit 63 set; for a NaN the payload, aligned likewise,
    /// with the quiet bit at 62.
    pub significand: u64,
}

impl Unpacked {
    /// A number of value zero.
    pub(crate) const fn zero(sign: bool) -> Self {
        Self { class: Class::Zero, sign, denormal: false, exponent: 0, significand: 0 }
    }

    /// True for a quiet or signalling NaN.
    #[inline]
    pub const fn is_nan(&self) -> bool {
        matches!(self.class, Class::QuietNan | Class::SignallingNan)
    }

    /// The exact value of a finite number that is not zero.
    pub(crate) const fn wide(&self) -> Wide {
        Wide { sign: self.sign, exponent: self.exponent, significand: (self.significand as u128) << 64 }
    }

    pub(crate) const fn negated(self) -> Self {
        Self { sign: !self.sign, ..self }
    }
}

/// A non-zero number before rounding: bit 127 of the significand is set and
/// weighs `2^exponent`. Bit 0 also stands for everything below it ("sticky").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wide {
    pub sign: bool,
    pub exponent: i32,
    pub significand: u128,
}

impl Wide {
    /// `significand * 2^(exponent - 127)` with leading zeros removed;
    /// `significand` must not be zero.
    pub const fn normalized(sign: bool, exponent: i32, significand: u128) -> Self {
        let shift = significand.leading_zeros();
        Self { sign, exponent: exponent - shift as i32, significand: significand << shift }
    }

    /// The exact value of an integer that is not zero.
    pub const fn from_integer(sign: bool, magnitude: u64) -> Self {
        Self::normalized(sign, 127, magnitude as u128)
    }
}

/// Shifts right, keeping the fact that bits were lost in bit 0.
pub(crate) const fn shift_right_sticky(value: u128, count: u32) -> u128 {
    if count == 0 {
        value
    } else if count < 128 {
        let lost = value << (128 - count) != 0;
        (value >> count) | lost as u128
    } else {
        (value != 0) as u128
    }
}

/// The outcome of an operation before it is rounded and encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    Zero(bool),
    Infinity(bool),
    /// The default NaN; the invalid flag has been raised.
    Indefinite,
    Finite(Wide),
}
