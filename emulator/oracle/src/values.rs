//! Random operands, biased towards the places where arithmetic goes wrong.

use crate::rng::Rng;
use iced_x86::MemorySize;

/// What the bits of an operand stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers of so many bits.
    Int(u32),
    /// Single precision.
    Single,
    /// Double precision.
    Double,
    /// Half precision.
    Half,
    /// 80-bit extended.
    Extended,
    /// Packed decimal.
    Decimal,
    /// Anything.
    Bytes,
}

impl Kind {
    /// What an operand of this size holds.
    pub fn of(size: MemorySize) -> Self {
        match size.element_type() {
            MemorySize::Float16 => Self::Half,
            MemorySize::Float32 => Self::Single,
            MemorySize::Float64 => Self::Double,
            MemorySize::Float80 => Self::Extended,
            MemorySize::Bcd => Self::Decimal,
            MemorySize::UInt8 | MemorySize::Int8 => Self::Int(8),
            MemorySize::UInt16 | MemorySize::Int16 => Self::Int(16),
            MemorySize::UInt32 | MemorySize::Int32 => Self::Int(32),
            MemorySize::UInt64 | MemorySize::Int64 => Self::Int(64),
            _ => Self::Bytes,
        }
    }
}

/// An integer of `bits` bits, zero-extended.
pub fn integer(rng: &mut Rng, bits: u32) -> u64 {
    let mask = u64::MAX >> (64 - bits);
    let power = 1u64 << rng.below(u64::from(bits));
    let value = match rng.below(12) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => 1 << (bits - 1),
        4 => (1 << (bits - 1)) - 1,
        5 => power,
        6 => power.wrapping_sub(1),
        7 => !power,
        8 => rng.below(72),
        9 => u64::MAX - rng.below(72),
        _ => rng.bits(),
    };
    value & mask
}

/// A significand of `bits` bits: all zero, all ones, one bit, few bits, any.
fn significand(rng: &mut Rng, bits: u32) -> u64 {
    let mask = u64::MAX >> (64 - bits);
    let shift = rng.below(u64::from(bits));
    mask & match rng.below(7) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << shift,
        3 => u64::MAX << shift,
        4 => u64::MAX >> shift,
        _ => rng.bits(),
    }
}

/// A binary floating-point number of an IEEE interchange format.
fn ieee(rng: &mut Rng, exponent_bits: u32, fraction_bits: u32) -> u64 {
    let max = (1u64 << exponent_bits) - 1;
    let bias = max >> 1;
    let exponent = match rng.below(12) {
        0 => 0,
        1 => max,
        2 => 1 + rng.below(3),
        3 => max - 1 - rng.below(3),
        4 => bias,
        5..=7 => bias.wrapping_add(rng.below(70)).wrapping_sub(4).min(max),
        8 | 9 => bias + rng.below(9) - 4,
        _ => rng.below(max + 1),
    };
    let sign = rng.below(2) << (exponent_bits + fraction_bits);
    let mut fraction = significand(rng, fraction_bits);
    if exponent == max && rng.one_in(3) {
        fraction = 0;
    }
    if exponent == 0 && rng.one_in(3) {
        fraction = 0;
    }
    sign | exponent << fraction_bits | fraction
}

/// A half-precision number.
pub fn half(rng: &mut Rng) -> u16 {
    ieee(rng, 5, 10) as u16
}

/// A single-precision number.
pub fn single(rng: &mut Rng) -> u32 {
    ieee(rng, 8, 23) as u32
}

/// A double-precision number.
pub fn double(rng: &mut Rng) -> u64 {
    ieee(rng, 11, 52)
}

/// An 80-bit number: significand, then sign and exponent. Includes zeros,
/// denormals, pseudo-denormals, infinities, NaNs, and the encodings that the
/// 387 and later refuse: unnormals, pseudo-infinities, pseudo-NaNs.
pub fn extended(rng: &mut Rng) -> (u64, u16) {
    let sign = (rng.below(2) << 15) as u16;
    let exponent = match rng.below(14) {
        0 => 0,
        1 => 0x7FFF,
        2 => 1 + rng.below(3),
        3 => 0x7FFE - rng.below(3),
        4 => 0x3FFF,
        5..=7 => 0x3FFF - 4 + rng.below(72),
        8 | 9 => 0x3FFF - 4 + rng.below(9),
        // Around the ends of single and double precision.
        10 => 0x3FFF - 150 + rng.below(30),
        11 => 0x3FFF - 1076 + rng.below(60),
        12 => 0x3FFF + rng.pick(&[126, 127, 128, 1022, 1023, 1024]),
        _ => rng.below(0x8000),
    } as u16;
    let mut fraction = significand(rng, 63);
    let integer_bit = match exponent {
        0 => rng.one_in(8),
        _ => !rng.one_in(20),
    };
    if matches!(exponent, 0 | 0x7FFF) && rng.one_in(3) {
        fraction = 0;
    }
    // Round-to-single and round-to-double ties.
    if rng.one_in(6) {
        let low = if rng.one_in(2) { 40 } else { 11 };
        fraction = fraction >> low << low | 1 << (low - 1);
    }
    (u64::from(integer_bit) << 63 | fraction, sign | exponent)
}

/// Bytes of an operand.
pub fn bytes(rng: &mut Rng, kind: Kind, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 16);
    while out.len() < len {
        match kind {
            Kind::Int(bits) => {
                out.extend_from_slice(&integer(rng, bits).to_le_bytes()[..bits as usize / 8]);
            }
            Kind::Half => out.extend_from_slice(&half(rng).to_le_bytes()),
            Kind::Single => out.extend_from_slice(&single(rng).to_le_bytes()),
            Kind::Double => out.extend_from_slice(&double(rng).to_le_bytes()),
            Kind::Extended => {
                let (significand, sign_exponent) = extended(rng);
                out.extend_from_slice(&significand.to_le_bytes());
                out.extend_from_slice(&sign_exponent.to_le_bytes());
            }
            Kind::Decimal => {
                let digit = |rng: &mut Rng| if rng.one_in(40) { rng.below(16) } else { rng.below(10) } as u8;
                out.push(digit(rng) << 4 | digit(rng));
            }
            Kind::Bytes => out.extend_from_slice(&rng.bits().to_le_bytes()),
        }
    }
    out.truncate(len);
    out
}

/// One lane of a vector register.
pub fn lane(rng: &mut Rng, kind: Kind) -> u64 {
    let kind = if kind == Kind::Extended || kind == Kind::Decimal { Kind::Bytes } else { kind };
    let bytes = bytes(rng, kind, 8);
    let mut word = [0; 8];
    word.copy_from_slice(&bytes);
    u64::from_le_bytes(word)
}
