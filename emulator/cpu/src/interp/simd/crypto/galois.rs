//! GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1, which AES and GFNI share.

use crate::interp::simd::lane::Element;

/// The polynomial without its highest term.
const POLYNOMIAL: u8 = 0x1B;

/// The product of two elements of the field.
pub(crate) const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        let overflow = a & 0x80 != 0;
        a <<= 1;
        if overflow {
            a ^= POLYNOMIAL;
        }
        b >>= 1;
    }
    product
}

/// The multiplicative inverse, 0 for 0: the 254th power.
const fn inverse(a: u8) -> u8 {
    let (mut power, mut n) = (1, 0);
    while n < 254 {
        power = multiply(power, a);
        n += 1;
    }
    power
}

const fn inverses() -> [u8; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = inverse(n as u8);
        n += 1;
    }
    table
}

/// The inverse of each element.
pub(crate) const INVERSE: [u8; 256] = inverses();

/// GF2P8MULB.
#[inline(always)]
pub(crate) fn multiply_bytes(a: u128, b: u128) -> u128 {
    u8::zip(a, b, multiply)
}

/// The product of an 8 by 8 bit matrix, row 0 in its highest byte, and a vector.
fn transform(matrix: u64, vector: u8) -> u8 {
    let mut out = 0;
    for (row, bits) in matrix.to_be_bytes().into_iter().enumerate() {
        out |= (((bits & vector).count_ones() & 1) as u8) << row;
    }
    out
}

/// GF2P8AFFINEQB: each byte of `a` by the matrix in the same quadword of `b`, plus `imm`.
pub(crate) fn affine(a: u128, b: u128, imm: u8) -> u128 {
    u8::build(|n| transform(u64::get(b, n / 8), u8::get(a, n)) ^ imm)
}

/// GF2P8AFFINEINVQB: as [`affine`], of the inverses.
pub(crate) fn affine_of_inverse(a: u128, b: u128, imm: u8) -> u128 {
    affine(u8::map(a, |byte| INVERSE[usize::from(byte)]), b, imm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_inverses_of_fips_197() {
        // Section 4.2: {57} x {83} = {c1}, {57} x {13} = {fe}.
        assert_eq!((multiply(0x57, 0x83), multiply(0x57, 0x13)), (0xC1, 0xFE));
        assert!((1..=255).all(|n: u8| multiply(n, INVERSE[usize::from(n)]) == 1));
        assert_eq!(INVERSE[0], 0);
    }

    #[test]
    fn the_substitution_box_is_an_affine_transform_of_inverses() {
        let matrix = u128::from(0xF1E3_C78F_1F3E_7CF8u64);
        let matrix = matrix | matrix << 64;
        let all: Vec<u8> = (0..=255).collect();
        for bytes in all.chunks(16) {
            let lane = u8::build(|n| bytes[n]);
            let out = affine_of_inverse(lane, matrix, 0x63);
            assert!((0..16).all(|n| u8::get(out, n) == super::super::aes::SUBSTITUTE[usize::from(bytes[n])]));
        }
    }

    #[test]
    fn the_identity_matrix_keeps_bytes() {
        let identity = u128::from(0x0102_0408_1020_4080u64);
        let a = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100;
        assert_eq!(affine(a, identity | identity << 64, 0), a);
        assert_eq!(affine(a, 0, 0xA5), u128::MAX / 255 * 0xA5);
    }
}
