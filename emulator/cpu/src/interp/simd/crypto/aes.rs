//! Rounds of AES on the state as FIPS 197 has it: byte `n` is row `n % 4` of
//! column `n / 4`.

use super::galois::{INVERSE, multiply};
use crate::interp::simd::lane::Element;

/// The substitution box (FIPS 197 5.1.1).
pub(crate) const SUBSTITUTE: [u8; 256] = substitution();
/// Its inverse.
const RESTORE: [u8; 256] = inverted(&SUBSTITUTE);
/// What a byte in row 0 adds to its column, after SubBytes and MixColumns: row 0
/// in the lowest byte. For row `r` it is rotated left by `r` bytes.
const ENCRYPT: [u32; 256] = column(&SUBSTITUTE, [2, 1, 1, 3]);
/// The same for InvSubBytes and InvMixColumns.
const DECRYPT: [u32; 256] = column(&RESTORE, [14, 9, 13, 11]);

const fn substitution() -> [u8; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let b = INVERSE[n];
        table[n] = b ^ b.rotate_left(1) ^ b.rotate_left(2) ^ b.rotate_left(3) ^ b.rotate_left(4) ^ 0x63;
        n += 1;
    }
    table
}

const fn inverted(table: &[u8; 256]) -> [u8; 256] {
    let mut out = [0; 256];
    let mut n = 0;
    while n < 256 {
        out[table[n] as usize] = n as u8;
        n += 1;
    }
    out
}

const fn column(table: &[u8; 256], factors: [u8; 4]) -> [u32; 256] {
    let mut out = [0; 256];
    let mut n = 0;
    while n < 256 {
        let byte = table[n];
        let [a, b, c, d] = factors;
        out[n] =
            u32::from_le_bytes([multiply(byte, a), multiply(byte, b), multiply(byte, c), multiply(byte, d)]);
        n += 1;
    }
    out
}

/// Where the byte in `row` of `column` comes from: ShiftRows, or its inverse.
#[inline(always)]
fn shifted<const INVERSE: bool>(row: usize, column: usize) -> usize {
    let from = if INVERSE { column + 4 - row } else { column + row };
    row + 4 * (from & 3)
}

/// ShiftRows, then substitution and the mixing of columns by `table`.
#[inline(always)]
fn round<const INVERSE: bool>(state: u128, table: &[u32; 256]) -> u128 {
    let bytes = state.to_le_bytes();
    u32::build(|column| {
        (0..4).fold(0, |sum, row| {
            let byte = bytes[shifted::<INVERSE>(row, column)];
            sum ^ table[usize::from(byte)].rotate_left(8 * row as u32)
        })
    })
}

/// ShiftRows and substitution.
#[inline(always)]
fn last_round<const INVERSE: bool>(state: u128, table: &[u8; 256]) -> u128 {
    let bytes = state.to_le_bytes();
    u8::build(|n| table[usize::from(bytes[shifted::<INVERSE>(n % 4, n / 4)])])
}

/// AESENC.
pub(crate) fn encrypt(state: u128, key: u128) -> u128 {
    round::<false>(state, &ENCRYPT) ^ key
}

/// AESENCLAST.
pub(crate) fn encrypt_last(state: u128, key: u128) -> u128 {
    last_round::<false>(state, &SUBSTITUTE) ^ key
}

/// AESDEC: a round of the equivalent inverse cipher (FIPS 197 5.3.5).
pub(crate) fn decrypt(state: u128, key: u128) -> u128 {
    round::<true>(state, &DECRYPT) ^ key
}

/// AESDECLAST.
pub(crate) fn decrypt_last(state: u128, key: u128) -> u128 {
    last_round::<true>(state, &RESTORE) ^ key
}

/// AESIMC: InvMixColumns.
pub(crate) fn inverse_mix_columns(state: u128) -> u128 {
    let bytes = state.to_le_bytes();
    u32::build(|column| {
        (0..4).fold(0, |sum, row| {
            // The table substitutes first: that is undone before.
            let byte = SUBSTITUTE[usize::from(bytes[row + 4 * column])];
            sum ^ DECRYPT[usize::from(byte)].rotate_left(8 * row as u32)
        })
    })
}

/// AESKEYGENASSIST: SubWord of the two odd words, and RotWord of that plus the
/// round constant.
pub(crate) fn key_assist(key: u128, constant: u8) -> u128 {
    u32::build(|n| {
        let word = u32::get(key, n | 1).to_le_bytes();
        let word = u32::from_le_bytes(word.map(|byte| SUBSTITUTE[usize::from(byte)]));
        if n & 1 == 0 { word } else { word.rotate_right(8) ^ u32::from(constant) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(hex: &str) -> u128 {
        u128::from_str_radix(hex, 16).expect("hexadecimal").swap_bytes()
    }

    /// The eleven round keys of AES-128, by the instructions' own means.
    fn expand(key: u128) -> [u128; 11] {
        let mut keys = [key; 11];
        let mut constant = 1;
        for n in 1..11 {
            let previous = keys[n - 1];
            let assist = u128::from(u32::get(key_assist(previous, constant), 3));
            let spread = previous ^ previous << 32 ^ previous << 64 ^ previous << 96;
            keys[n] = spread ^ (assist | assist << 32 | assist << 64 | assist << 96);
            constant = multiply(constant, 2);
        }
        keys
    }

    /// FIPS 197, appendix A.1: expansion of a 128-bit key.
    #[test]
    fn keys_expand_as_in_fips_197() {
        let keys = expand(lane("2b7e151628aed2a6abf7158809cf4f3c"));
        assert_eq!(keys[1], lane("a0fafe1788542cb123a339392a6c7605"));
        assert_eq!(keys[10], lane("d014f9a8c9ee2589e13f0cc8b6630ca6"));
    }

    /// FIPS 197, appendix C.1: AES-128, forward and back.
    #[test]
    fn cipher_and_equivalent_inverse_cipher_of_fips_197() {
        let keys = expand(lane("000102030405060708090a0b0c0d0e0f"));
        let plain = lane("00112233445566778899aabbccddeeff");
        let cipher = lane("69c4e0d86a7b0430d8cdb78070b4c55a");
        let state = keys[1..10].iter().fold(plain ^ keys[0], |state, &key| encrypt(state, key));
        assert_eq!(encrypt_last(state, keys[10]), cipher);
        let inner = keys[1..10].iter().rev();
        let state = inner.fold(cipher ^ keys[10], |state, &key| decrypt(state, inverse_mix_columns(key)));
        assert_eq!(decrypt_last(state, keys[0]), plain);
    }
}
