//! Operand widths: 8, 16, 32 and 64 bits.

use crate::op::Op;
use glassbox_memory::Atomic;
use std::fmt::Debug;
use std::ops::{BitAnd, BitOr, BitXor, Not};

/// An unsigned integer of operand width, and how a general-purpose register of
/// that width is read and written.
pub(crate) trait Width:
    Atomic
    + Debug
    + Eq
    + Ord
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
{
    /// 8, 16, 32 or 64.
    const BITS: u32;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// Keeps the low bits.
    fn truncate(value: u64) -> Self;
    /// Zero-extends.
    fn zext(self) -> u64;
    /// Sign-extends.
    fn sext(self) -> u64;
    /// Sum and carry out.
    fn carrying(self, rhs: Self, carry: bool) -> (Self, bool);
    /// Difference and borrow out.
    fn borrowing(self, rhs: Self, borrow: bool) -> (Self, bool);
    /// Reads register `n` of this width.
    fn read(regs: &[u64; 32], n: u8) -> Self;
    /// Writes register `n` of this width: 32-bit writes clear the upper half,
    /// narrower ones keep the rest.
    fn write(regs: &mut [u64; 32], n: u8, value: Self);

    /// The most significant bit.
    #[inline(always)]
    fn msb(self) -> bool {
        self.zext() >> (Self::BITS - 1) & 1 != 0
    }
}

macro_rules! width {
    ($t:ty, $signed:ty, $read:expr, $write:expr) => {
        impl Width for $t {
            const BITS: u32 = <$t>::BITS;
            const ZERO: Self = 0;
            const ONE: Self = 1;
            #[inline(always)]
            fn truncate(value: u64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn zext(self) -> u64 {
                self as u64
            }
            #[inline(always)]
            fn sext(self) -> u64 {
                self as $signed as i64 as u64
            }
            #[inline(always)]
            fn carrying(self, rhs: Self, carry: bool) -> (Self, bool) {
                let (sum, a) = self.overflowing_add(rhs);
                let (sum, b) = sum.overflowing_add(carry as $t);
                (sum, a | b)
            }
            #[inline(always)]
            fn borrowing(self, rhs: Self, borrow: bool) -> (Self, bool) {
                let (diff, a) = self.overflowing_sub(rhs);
                let (diff, b) = diff.overflowing_sub(borrow as $t);
                (diff, a | b)
            }
            #[inline(always)]
            fn read(regs: &[u64; 32], n: u8) -> Self {
                $read(regs, n)
            }
            #[inline(always)]
            fn write(regs: &mut [u64; 32], n: u8, value: Self) {
                $write(regs, n, value)
            }
        }
    };
}

/// Bits to shift by to reach a byte register: 8 for AH, CH, DH and BH.
#[inline(always)]
fn byte_shift(n: u8) -> u32 {
    u32::from((n & Op::HIGH_BYTE) >> 1)
}

width!(
    u8,
    i8,
    |regs: &[u64; 32], n: u8| (regs[(n & 15) as usize] >> byte_shift(n)) as u8,
    |regs: &mut [u64; 32], n: u8, value: u8| {
        let reg = &mut regs[(n & 15) as usize];
        let shift = byte_shift(n);
        *reg = *reg & !(0xFF << shift) | u64::from(value) << shift;
    }
);
width!(
    u16,
    i16,
    |regs: &[u64; 32], n: u8| regs[(n & 15) as usize] as u16,
    |regs: &mut [u64; 32], n: u8, value: u16| {
        let reg = &mut regs[(n & 15) as usize];
        *reg = *reg & !0xFFFF | u64::from(value);
    }
);
width!(
    u32,
    i32,
    |regs: &[u64; 32], n: u8| regs[(n & 15) as usize] as u32,
    |regs: &mut [u64; 32], n: u8, value: u32| {
        regs[(n & 15) as usize] = u64::from(value);
    }
);
width!(
    u64,
    i64,
    |regs: &[u64; 32], n: u8| regs[(n & 15) as usize],
    |regs: &mut [u64; 32], n: u8, value: u64| {
        regs[(n & 15) as usize] = value;
    }
);
