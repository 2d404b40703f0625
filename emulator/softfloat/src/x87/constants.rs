//! The constants of `FLD1`, `FLDPI` and the others.

use super::F80;
use crate::env::Rounding;

/// A constant the x87 can load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Constant {
    /// 1 (`FLD1`).
    One,
    /// log2(10) (`FLDL2T`).
    Log2Of10,
    /// log2(e) (`FLDL2E`).
    Log2OfE,
    /// Pi (`FLDPI`).
    Pi,
    /// log10(2) (`FLDLG2`).
    Log10Of2,
    /// ln(2) (`FLDLN2`).
    LnOf2,
    /// Plus zero (`FLDZ`).
    Zero,
}

impl Constant {
    /// The constant rounded as the control word says; no flag is raised.
    pub const fn rounded(self, rounding: Rounding) -> F80 {
        // Truncated significand, and whether nearest is one more.
        let (biased, truncated, above_half) = match self {
            Self::One => return F80::ONE,
            Self::Zero => return F80::ZERO,
            Self::Log2Of10 => (0x4000, 0xd49a_784b_cd1b_8afe, false),
            Self::Log2OfE => (0x3fff, 0xb8aa_3b29_5c17_f0bb, true),
            Self::Pi => (0x4000, 0xc90f_daa2_2168_c234, true),
            Self::Log10Of2 => (0x3ffd, 0x9a20_9a84_fbcf_f798, true),
            Self::LnOf2 => (0x3ffe, 0xb172_17f7_d1cf_79ab, true),
        };
        let up = match rounding {
            Rounding::Nearest => above_half,
            Rounding::Up => true,
            Rounding::Down | Rounding::Zero => false,
        };
        F80::new(false, biased, truncated + up as u64)
    }
}
