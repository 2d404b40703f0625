//! Multiplication of polynomials over GF(2).

use crate::interp::simd::lane::Element;

/// The product of two polynomials.
#[inline(always)]
pub(crate) fn multiply(a: u64, b: u64) -> u128 {
    let wide = u128::from(a);
    let mut rest = b;
    let mut product = 0;
    while rest != 0 {
        product ^= wide << rest.trailing_zeros();
        rest &= rest - 1;
    }
    product
}

/// PCLMULQDQ: bit 0 of `imm` chooses the quadword of `a`, bit 4 that of `b`.
pub(crate) fn multiply_selected(a: u128, b: u128, imm: u8) -> u128 {
    multiply(u64::get(a, usize::from(imm & 1)), u64::get(b, usize::from(imm >> 4 & 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_immediate_selects_the_quadwords() {
        let (a, b) = (2 | 3 << 64, 5 | 7 << 64);
        // x * (x^2 + 1), (x + 1)(x^2 + 1), x (x^2 + x + 1), (x + 1)(x^2 + x + 1)
        let all = [0x00, 0x01, 0x10, 0x11].map(|imm| multiply_selected(a, b, imm));
        assert_eq!(all, [0b1010, 0b1111, 0b1110, 0b1001]);
        assert_eq!(multiply_selected(a, b, 0xEE), 0b1010, "other bits are ignored");
    }

    #[test]
    fn carries_are_lost() {
        // (x^63 + ... + 1)^2 has even powers only.
        assert_eq!(multiply(u64::MAX, u64::MAX), 0x5555_5555_5555_5555_5555_5555_5555_5555);
    }
}
