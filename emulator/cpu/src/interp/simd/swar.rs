//! Packed integer operations inside general-purpose words: eight bytes, four
//! words or two doublewords of a `u64` at once.
//!
//! The compiler does not find vector instructions for element-wise loops on
//! lanes held as integers; these need a handful of plain operations instead of
//! one or more for each element.

use super::lane::Element;

/// Bit 0 of each element of type `T`.
#[inline(always)]
const fn units<T: Element>() -> u64 {
    u64::MAX / (u64::MAX >> (64 - T::BITS))
}

/// The most significant bit of each element of type `T`.
#[inline(always)]
const fn signs<T: Element>() -> u64 {
    units::<T>() << (T::BITS - 1)
}

/// Applies `f` to both halves.
#[inline(always)]
fn halves(a: u128, b: u128, f: impl Fn(u64, u64) -> u64) -> u128 {
    let low = f(a as u64, b as u64);
    let high = f((a >> 64) as u64, (b >> 64) as u64);
    u128::from(low) | u128::from(high) << 64
}

/// All bits of each element whose sign bit is set in `marks`, which has no others.
#[inline(always)]
fn spread<T: Element>(marks: u64) -> u64 {
    marks | (marks - (marks >> (T::BITS - 1)))
}

#[inline(always)]
fn sum<T: Element>(a: u64, b: u64) -> u64 {
    let h = signs::<T>();
    (a & !h).wrapping_add(b & !h) ^ (a ^ b) & h
}

#[inline(always)]
fn difference<T: Element>(a: u64, b: u64) -> u64 {
    let h = signs::<T>();
    (a | h).wrapping_sub(b & !h) ^ (a ^ !b) & h
}

/// The sign bit of each element where `a < b`, unsigned.
#[inline(always)]
fn borrows<T: Element>(a: u64, b: u64) -> u64 {
    (!a & b | (!a | b) & difference::<T>(a, b)) & signs::<T>()
}

/// All bits of each element where `a < b` in the order of `T`.
#[inline(always)]
fn less<T: Element>(a: u64, b: u64) -> u64 {
    let flip = if T::SIGNED { signs::<T>() } else { 0 };
    spread::<T>(borrows::<T>(a ^ flip, b ^ flip))
}

/// Sums, modulo.
#[inline(always)]
pub(crate) fn add<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, sum::<T>)
}

/// Differences, modulo.
#[inline(always)]
pub(crate) fn sub<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, difference::<T>)
}

/// What a signed result becomes where it leaves the range: the limit on the
/// side of `a`'s sign.
#[inline(always)]
fn limit<T: Element>(result: u64, a: u64, overflows: u64) -> u64 {
    let over = spread::<T>(overflows & signs::<T>());
    let limits = (!signs::<T>()).wrapping_add((a & signs::<T>()) >> (T::BITS - 1));
    result & !over | limits & over
}

/// Sums, clamped to the range of `T`.
#[inline(always)]
pub(crate) fn add_saturating<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| {
        let sum = sum::<T>(a, b);
        if T::SIGNED {
            limit::<T>(sum, a, (a ^ sum) & (b ^ sum))
        } else {
            sum | spread::<T>((a & b | (a | b) & !sum) & signs::<T>())
        }
    })
}

/// Differences, clamped to the range of `T`.
#[inline(always)]
pub(crate) fn sub_saturating<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| {
        let difference = difference::<T>(a, b);
        if T::SIGNED {
            limit::<T>(difference, a, (a ^ b) & (a ^ difference))
        } else {
            difference & !spread::<T>(borrows::<T>(a, b))
        }
    })
}

/// The lesser of each pair.
#[inline(always)]
pub(crate) fn min<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| b ^ (a ^ b) & less::<T>(a, b))
}

/// The greater of each pair.
#[inline(always)]
pub(crate) fn max<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| a ^ (a ^ b) & less::<T>(a, b))
}

/// All bits where the elements are equal.
#[inline(always)]
pub(crate) fn equal<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| {
        let (x, h) = (a ^ b, signs::<T>());
        let different = (x & !h).wrapping_add(!h) | x;
        spread::<T>(!different & h)
    })
}

/// All bits where `a > b` in the order of `T`.
#[inline(always)]
pub(crate) fn greater<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| less::<T>(b, a))
}

/// PAVGB, PAVGW: means, rounded up.
#[inline(always)]
pub(crate) fn average<T: Element>(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| (a | b).wrapping_sub((a ^ b) >> 1 & !signs::<T>()))
}

/// PSADBW: the sum of the absolute differences of eight bytes.
#[inline(always)]
pub(crate) fn sum_of_differences(a: u128, b: u128) -> u128 {
    halves(a, b, |a, b| {
        const EVEN: u64 = 0x00FF_00FF_00FF_00FF;
        let swap = (a ^ b) & less::<u8>(a, b);
        let bytes = difference::<u8>(a ^ swap, b ^ swap);
        let words = (bytes & EVEN) + (bytes >> 8 & EVEN);
        words.wrapping_mul(0x0001_0001_0001_0001) >> 48
    })
}
