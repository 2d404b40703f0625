//! Half precision, which only conversions know (`VCVTPH2PS`, `VCVTPS2PH`).

use super::{Encoding, F32, convert, unpack};
use crate::env::Env;
use crate::round::Format;

/// A half precision number, as its bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct F16(pub u16);

impl Encoding for F16 {
    const FORMAT: Format = Format::HALF;
    const WIDTH: u32 = 16;

    #[inline]
    fn bits(self) -> u64 {
        u64::from(self.0)
    }

    #[inline]
    fn from_bits(bits: u64) -> Self {
        Self(bits as u16)
    }
}

impl F16 {
    /// To single precision: exact; a denormal is taken as it is and raises
    /// nothing, whatever MXCSR says; only a signalling NaN raises invalid.
    pub fn to_f32(self, env: &mut Env) -> F32 {
        let mut quiet = Env { denormals_are_zero: false, ..*env };
        let single = convert::convert(self, &mut quiet);
        if unpack(self).is_nan() {
            env.raise(quiet.raised_flags);
        }
        single
    }
}

impl F32 {
    /// To half precision. Flush-to-zero does not apply
    /// (Intel SDM Vol. 2, `VCVTPS2PH`).
    pub fn to_f16(self, env: &mut Env) -> F16 {
        let mut unflushed = Env { flush_to_zero: false, ..*env };
        let half = convert::convert(self, &mut unflushed);
        env.raise(unflushed.raised_flags);
        half
    }
}
