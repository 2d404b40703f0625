//! A 128-bit lane as an array of elements.

/// An integer that a lane is made of.
pub(crate) trait Element: Copy + Ord {
    /// Elements in a lane.
    const COUNT: usize;
    /// Bits of an element.
    const BITS: u32 = 128 / Self::COUNT as u32;
    /// Whether the type has negative numbers.
    const SIGNED: bool;
    /// Element `n`, 0 in the lowest bits. `n` is below [`COUNT`](Self::COUNT).
    fn get(lane: u128, n: usize) -> Self;
    /// A lane of `f(0)`, `f(1)` and so on.
    fn build(f: impl FnMut(usize) -> Self) -> u128;
    /// Applies `f` to each element.
    fn map(lane: u128, f: impl FnMut(Self) -> Self) -> u128;
    /// Applies `f` to each pair of elements.
    fn zip(a: u128, b: u128, f: impl FnMut(Self, Self) -> Self) -> u128;
    /// All bits set or clear.
    fn mask(set: bool) -> Self;
    /// Sum, modulo.
    fn wrapping_add(self, rhs: Self) -> Self;
    /// Difference, modulo.
    fn wrapping_sub(self, rhs: Self) -> Self;
    /// Shifts left; `count` is below [`BITS`](Self::BITS).
    fn shl(self, count: u32) -> Self;
    /// Shifts right, arithmetically if the type is signed; `count` is below [`BITS`](Self::BITS).
    fn shr(self, count: u32) -> Self;
    /// The value, widened.
    fn wide(self) -> i64;
    /// The low bits of a value.
    fn narrow(value: i64) -> Self;
    /// The value clamped to the type's range.
    fn saturate(value: i64) -> Self;
}

macro_rules! element {
    ($t:ty, $count:literal) => {
        impl Element for $t {
            const COUNT: usize = $count;
            const SIGNED: bool = <$t>::MIN != 0;
            #[inline(always)]
            fn get(lane: u128, n: usize) -> Self {
                (lane >> (n as u32 * <$t>::BITS)) as $t
            }
            #[inline(always)]
            fn build(f: impl FnMut(usize) -> Self) -> u128 {
                bytemuck::cast(std::array::from_fn::<$t, $count, _>(f))
            }
            #[inline(always)]
            fn map(lane: u128, f: impl FnMut(Self) -> Self) -> u128 {
                bytemuck::cast(bytemuck::cast::<u128, [$t; $count]>(lane).map(f))
            }
            #[inline(always)]
            fn zip(a: u128, b: u128, mut f: impl FnMut(Self, Self) -> Self) -> u128 {
                let (a, b): ([$t; $count], [$t; $count]) = (bytemuck::cast(a), bytemuck::cast(b));
                Self::build(|n| f(a[n], b[n]))
            }
            #[inline(always)]
            fn mask(set: bool) -> Self {
                (set as $t).wrapping_neg()
            }
            #[inline(always)]
            fn wrapping_add(self, rhs: Self) -> Self {
                self.wrapping_add(rhs)
            }
            #[inline(always)]
            fn wrapping_sub(self, rhs: Self) -> Self {
                self.wrapping_sub(rhs)
            }
            #[inline(always)]
            fn shl(self, count: u32) -> Self {
                self << count
            }
            #[inline(always)]
            fn shr(self, count: u32) -> Self {
                self >> count
            }
            #[inline(always)]
            fn wide(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn narrow(value: i64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn saturate(value: i64) -> Self {
                value.clamp(<$t>::MIN as i64, <$t>::MAX as i64) as $t
            }
        }
    };
}
element!(u8, 16);
element!(i8, 16);
element!(u16, 8);
element!(i16, 8);
element!(u32, 4);
element!(i32, 4);
element!(u64, 2);
element!(i64, 2);

/// The low halves of two lanes as one lane: how the MMX forms of horizontal
/// instructions use the functions for whole lanes.
#[inline(always)]
pub(crate) fn joined(low: u128, high: u128) -> u128 {
    low & u128::from(u64::MAX) | high << 64
}
