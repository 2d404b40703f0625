//! `FPATAN`.

use super::big::{HALF_PI, ONE, PI, QUARTER_PI, THREE_QUARTERS_PI, fixed_mul};
use super::{F80, Operand, encode, propagate};
use crate::env::{Env, Precision, flag};
use crate::number::{Class, Unpacked, Value, Wide};

/// The arctangents of 1/16 to 16/16 in fixed point.
const TABLE: [u128; 16] = [
    0x07fd_56ed_cb3f_7a71_b659_3c96_e071_706b,
    0x0fea_dd4d_5617_b6e3_2c89_7989_f3e8_88ef,
    0x17b9_7b4b_ce5b_0226_8f61_69f1_0393_8e91,
    0x1f5b_75f9_2c80_dd62_adb8_f3de_bef4_42fd,
    0x26c4_ee6e_0fd7_979a_716a_ed26_349e_bcca,
    0x2dec_3283_c9bd_e11c_e2a8_c848_b73f_9121,
    0x34c9_dd87_9847_f96d_909f_257a_4007_9c4e,
    0x3b58_ce0a_c376_9ed1_5bf9_117b_2f0e_a341,
    0x4195_fa53_6cc3_3f15_25b5_04e5_b0d2_8ae0,
    0x4780_2eaf_7bfa_cfcd_ae41_af0b_32e2_1ba4,
    0x4d17_c073_38de_ed10_2113_7c71_1027_f9de,
    0x525e_3e8c_9a7b_8492_0cd4_3f95_22be_d64f,
    0x5756_261c_5a6c_6040_0a39_2f17_9f29_0385,
    0x5c02_9f15_e118_cf39_e596_d2a9_0852_221f,
    0x6067_42dc_5629_3320_44ee_b162_3749_7d12,
    0x6487_ed51_10b4_611a_6263_3145_c06e_0e69,
];

/// The arctangent of a ratio of magnitude 1/31 or less.
fn series(t: Wide) -> Wide {
    // t^2 is below 2^-9.9; 14 terms reach 2^-138.
    const TERMS: u128 = 14;
    let fixed = t.to_fixed();
    let y = fixed_mul(fixed, fixed);
    let sum = (0..TERMS).rev().fold(0, |sum, k| {
        let term = ONE / (2 * k + 1);
        term - fixed_mul(y, sum)
    });
    if sum == ONE { t.just_below() } else { t.times(Wide::from_fixed(false, sum)) }
}

/// The arctangent of `y / x`, both positive, `y` at most `x`.
fn first_octant(y: Wide, x: Wide) -> Wide {
    let index = nearest_sixteenth(&y, &x);
    if index == 0 {
        return series(y.over(x));
    }
    // atan(y/x) = atan(c) + atan((y - c x) / (x + c y))
    let c = Wide::normalized(false, 127 - 4, index as u128);
    let base = Wide::from_fixed(false, TABLE[index - 1]);
    let numerator = y.plus(x.times(c).with_sign(true));
    let denominator = x.plus(y.times(c));
    let rest = numerator.zip(denominator).map(|(above, below)| series(above.over(below)));
    rest.and_then(|rest| base.plus(rest)).unwrap_or(base)
}

/// `y / x` in sixteenths, to the nearest or nearly so; at most 16.
fn nearest_sixteenth(y: &Wide, x: &Wide) -> usize {
    let distance = x.exponent - y.exponent;
    if distance > 6 {
        return 0;
    }
    let (y, x) = ((y.significand >> 96) as u64, (x.significand >> 96) as u64);
    let doubled = (y << 5 >> distance) / x;
    (doubled.div_ceil(2) as usize).min(16)
}

/// The angle of the point `(x, y)`, both finite and not zero, from 0 to pi
/// for the absolute value of `y`.
fn angle(y: &Unpacked, x: &Unpacked) -> Wide {
    let (above, right) = (Wide::of(y).with_sign(false), Wide::of(x).with_sign(false));
    let steep = (above.exponent, above.significand) > (right.exponent, right.significand);
    let octant = if steep { first_octant(right, above) } else { first_octant(above, right) };
    let turned = match (steep, x.sign) {
        (false, false) => return octant,
        (true, false) => HALF_PI.plus(octant.with_sign(true)),
        (true, true) => HALF_PI.plus(octant),
        (false, true) => PI.plus(octant.with_sign(true)),
    };
    turned.unwrap_or(octant)
}

impl F80 {
    /// `FPATAN`: the angle of the point with ordinate `self` (the register
    /// that receives the result) and abscissa `x`.
    pub fn atan2(self, x: F80, env: &mut Env) -> F80 {
        let (y, x) = (self.unpacked(), x.unpacked());
        if let Some(nan) = propagate(&y, &x, env) {
            return nan;
        }
        if x.denormal || y.denormal {
            env.raise(flag::DENORMAL);
        }
        let magnitude = match (y.class, x.class, x.sign) {
            (Class::Infinity, Class::Infinity, false) => QUARTER_PI,
            (Class::Infinity, Class::Infinity, true) => THREE_QUARTERS_PI,
            (Class::Infinity, ..) => HALF_PI,
            (Class::Zero, _, true) | (_, Class::Infinity, true) => PI,
            (Class::Zero, _, false) | (_, Class::Infinity, false) => return F80::new(y.sign, 0, 0),
            (_, Class::Zero, _) => HALF_PI,
            _ => angle(&y, &x),
        };
        encode(Value::Finite(magnitude.with_sign(y.sign)), Precision::Extended, env)
    }
}
