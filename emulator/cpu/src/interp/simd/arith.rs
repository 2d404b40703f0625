//! Packed integer arithmetic.

use super::lane::{Element, joined};
use super::operand::{Xmm, binary_imm, packed, packed_unary, unary};
pub(crate) use super::swar::{
    add, add_saturating, average, max, min, sub, sub_saturating, sum_of_differences,
};
use crate::Handler;
use iced_x86::{Instruction, Mnemonic};

/// PMULLW, PMULLD.
#[inline(always)]
pub(crate) fn mul_low<T: Element>(a: u128, b: u128) -> u128 {
    T::zip(a, b, |a, b| T::narrow(a.wide() * b.wide()))
}

/// PMULHW, PMULHUW.
#[inline(always)]
pub(crate) fn mul_high<T: Element>(a: u128, b: u128) -> u128 {
    T::zip(a, b, |a, b| T::narrow((a.wide() * b.wide()) >> T::BITS))
}

/// PMULHRSW: the product's upper half, rounded.
#[inline(always)]
pub(crate) fn mul_high_rounded(a: u128, b: u128) -> u128 {
    i16::zip(a, b, |a, b| ((((i32::from(a) * i32::from(b)) >> 14) + 1) >> 1) as i16)
}

/// PMULUDQ: products of the even doublewords.
#[inline(always)]
pub(crate) fn mul_even_unsigned(a: u128, b: u128) -> u128 {
    u64::zip(a, b, |a, b| (a & 0xFFFF_FFFF) * (b & 0xFFFF_FFFF))
}

/// PMULDQ.
#[inline(always)]
pub(crate) fn mul_even_signed(a: u128, b: u128) -> u128 {
    i64::zip(a, b, |a, b| i64::from(a as i32) * i64::from(b as i32))
}

/// PMADDWD: sums of products of neighbours. Only -32768 four times wraps.
#[inline(always)]
pub(crate) fn mul_add_words(a: u128, b: u128) -> u128 {
    i32::build(|n| {
        let product = |n| i32::from(i16::get(a, n)) * i32::from(i16::get(b, n));
        product(2 * n).wrapping_add(product(2 * n + 1))
    })
}

/// PMADDUBSW: unsigned bytes of `a` by signed bytes of `b`, saturated.
#[inline(always)]
pub(crate) fn mul_add_bytes(a: u128, b: u128) -> u128 {
    i16::build(|n| {
        let product = |n| i16::from(u8::get(a, n)) * i16::from(i8::get(b, n));
        product(2 * n).saturating_add(product(2 * n + 1))
    })
}

/// PHADDW and kin: `f` of neighbours, those of `a` below those of `b`.
#[inline(always)]
pub(crate) fn horizontal<T: Element>(a: u128, b: u128, f: impl Fn(T, T) -> T) -> u128 {
    T::build(|n| {
        let half = T::COUNT / 2;
        let (source, n) = if n < half { (a, n) } else { (b, n - half) };
        f(T::get(source, 2 * n), T::get(source, 2 * n + 1))
    })
}

#[inline(always)]
pub(crate) fn horizontal_add<T: Element>(a: u128, b: u128) -> u128 {
    horizontal(a, b, T::wrapping_add)
}

#[inline(always)]
pub(crate) fn horizontal_sub<T: Element>(a: u128, b: u128) -> u128 {
    horizontal(a, b, T::wrapping_sub)
}

/// PHADDSW.
#[inline(always)]
pub(crate) fn horizontal_add_saturating(a: u128, b: u128) -> u128 {
    horizontal(a, b, i16::saturating_add)
}

/// PHSUBSW.
#[inline(always)]
pub(crate) fn horizontal_sub_saturating(a: u128, b: u128) -> u128 {
    horizontal(a, b, i16::saturating_sub)
}

/// PABSB and kin, of a signed type: the most negative number stays.
#[inline(always)]
pub(crate) fn absolute<T: Element>(a: u128) -> u128 {
    T::map(a, |a| if a.wide() < 0 { T::narrow(0).wrapping_sub(a) } else { a })
}

/// PSIGNB and kin: `a` by the sign of `b`.
#[inline(always)]
pub(crate) fn apply_sign<T: Element>(a: u128, b: u128) -> u128 {
    T::zip(a, b, |a, b| match b.wide() {
        0 => b,
        1.. => a,
        _ => T::narrow(0).wrapping_sub(a),
    })
}

/// PHMINPOSUW: the smallest word, and its index in bits 16 to 18.
#[inline(always)]
pub(crate) fn minimum_position(a: u128) -> u128 {
    let mut best = (u16::get(a, 0), 0);
    for n in 1..8 {
        best = best.min((u16::get(a, n), n));
    }
    u128::from(best.0) | (best.1 as u128) << 16
}

/// MPSADBW: sums of four absolute differences, at eight neighbouring offsets of
/// `a`. Bit 2 of `imm` chooses the offset in `a`, bits 0 and 1 that in `b`.
#[inline(always)]
pub(crate) fn multiple_sums(a: u128, b: u128, imm: u8) -> u128 {
    let from_a = usize::from(imm >> 2 & 1) * 4;
    let from_b = usize::from(imm & 3) * 4;
    u16::build(|n| {
        (0..4).map(|k| u16::from(u8::get(a, from_a + n + k).abs_diff(u8::get(b, from_b + k)))).sum()
    })
}

/// The MMX form of a horizontal instruction.
macro_rules! horizontal {
    ($mmx:expr, $f:expr) => {
        packed!($mmx, $f, |a, b| $f(joined(a, b), 0))
    };
}

pub(super) fn select(i: &Instruction, mmx: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Paddb => packed!(mmx, add::<u8>),
        Paddw => packed!(mmx, add::<u16>),
        Paddd => packed!(mmx, add::<u32>),
        Paddq => packed!(mmx, add::<u64>),
        Psubb => packed!(mmx, sub::<u8>),
        Psubw => packed!(mmx, sub::<u16>),
        Psubd => packed!(mmx, sub::<u32>),
        Psubq => packed!(mmx, sub::<u64>),
        Paddsb => packed!(mmx, add_saturating::<i8>),
        Paddsw => packed!(mmx, add_saturating::<i16>),
        Paddusb => packed!(mmx, add_saturating::<u8>),
        Paddusw => packed!(mmx, add_saturating::<u16>),
        Psubsb => packed!(mmx, sub_saturating::<i8>),
        Psubsw => packed!(mmx, sub_saturating::<i16>),
        Psubusb => packed!(mmx, sub_saturating::<u8>),
        Psubusw => packed!(mmx, sub_saturating::<u16>),
        Pminub => packed!(mmx, min::<u8>),
        Pminsw => packed!(mmx, min::<i16>),
        Pmaxub => packed!(mmx, max::<u8>),
        Pmaxsw => packed!(mmx, max::<i16>),
        Pavgb => packed!(mmx, average::<u8>),
        Pavgw => packed!(mmx, average::<u16>),
        Pmullw => packed!(mmx, mul_low::<i16>),
        Pmulhw => packed!(mmx, mul_high::<i16>),
        Pmulhuw => packed!(mmx, mul_high::<u16>),
        Pmulhrsw => packed!(mmx, mul_high_rounded),
        Pmuludq => packed!(mmx, mul_even_unsigned),
        Pmaddwd => packed!(mmx, mul_add_words),
        Pmaddubsw => packed!(mmx, mul_add_bytes),
        Psadbw => packed!(mmx, sum_of_differences),
        Phaddw => horizontal!(mmx, horizontal_add::<i16>),
        Phaddd => horizontal!(mmx, horizontal_add::<i32>),
        Phaddsw => horizontal!(mmx, horizontal_add_saturating),
        Phsubw => horizontal!(mmx, horizontal_sub::<i16>),
        Phsubd => horizontal!(mmx, horizontal_sub::<i32>),
        Phsubsw => horizontal!(mmx, horizontal_sub_saturating),
        Pabsb => packed_unary!(mmx, absolute::<i8>),
        Pabsw => packed_unary!(mmx, absolute::<i16>),
        Pabsd => packed_unary!(mmx, absolute::<i32>),
        Psignb => packed!(mmx, apply_sign::<i8>),
        Psignw => packed!(mmx, apply_sign::<i16>),
        Psignd => packed!(mmx, apply_sign::<i32>),
        Pminsb => packed!(mmx, min::<i8>),
        Pminuw => packed!(mmx, min::<u16>),
        Pminud => packed!(mmx, min::<u32>),
        Pminsd => packed!(mmx, min::<i32>),
        Pmaxsb => packed!(mmx, max::<i8>),
        Pmaxuw => packed!(mmx, max::<u16>),
        Pmaxud => packed!(mmx, max::<u32>),
        Pmaxsd => packed!(mmx, max::<i32>),
        Pmulld => packed!(mmx, mul_low::<i32>),
        Pmuldq => packed!(mmx, mul_even_signed),
        Phminposuw => |cpu, op| unary::<Xmm>(cpu, op, minimum_position),
        Mpsadbw => |cpu, op| binary_imm::<Xmm>(cpu, op, multiple_sums),
        _ => return None,
    };
    Some(handler)
}
