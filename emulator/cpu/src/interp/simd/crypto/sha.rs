//! SHA-1 and SHA-256 (FIPS 180-4). Lanes hold four words; SHA-1 counts them from
//! the highest, SHA-256 from the lowest.

use crate::interp::simd::lane::Element;

/// The constants of SHA-1's four stages (FIPS 180-4 4.2.1): the square roots of
/// 2, 3, 5 and 10, times 2^30.
const STAGES: [u32; 4] = [root(2), root(3), root(5), root(10)];

const fn root(n: u128) -> u32 {
    (n << 60).isqrt() as u32
}

/// A lane as words, highest first.
#[inline(always)]
fn from_high(lane: u128) -> [u32; 4] {
    std::array::from_fn(|n| u32::get(lane, 3 - n))
}

#[inline(always)]
fn to_high(words: [u32; 4]) -> u128 {
    u32::build(|n| words[3 - n])
}

/// Bits of `b` where `a` is set, of `c` elsewhere.
#[inline(always)]
fn choose(a: u32, b: u32, c: u32) -> u32 {
    a & b ^ !a & c
}

#[inline(always)]
fn majority(a: u32, b: u32, c: u32) -> u32 {
    a & b ^ a & c ^ b & c
}

/// SHA1RNDS4: four rounds of stage `imm & 3` on A to D in `a`; `b` has the message
/// words, E already added to the first.
pub(crate) fn sha1_four_rounds(a: u128, b: u128, imm: u8) -> u128 {
    let stage = usize::from(imm & 3);
    let mut v = from_high(a);
    let mut e = 0u32;
    for word in from_high(b) {
        let [a, b, c, d] = v;
        let mixed = match stage {
            0 => choose(b, c, d),
            2 => majority(b, c, d),
            _ => b ^ c ^ d,
        };
        let next = [mixed, a.rotate_left(5), word, STAGES[stage]].into_iter().fold(e, u32::wrapping_add);
        e = d;
        v = [next, a, b.rotate_left(30), c];
    }
    to_high(v)
}

/// SHA1NEXTE: E of four rounds later, added to the first message word.
pub(crate) fn sha1_next_e(a: u128, b: u128) -> u128 {
    let mut words = from_high(b);
    words[0] = words[0].wrapping_add(from_high(a)[0].rotate_left(30));
    to_high(words)
}

/// SHA1MSG1: the first exclusive or of the message schedule.
pub(crate) fn sha1_message1(a: u128, b: u128) -> u128 {
    a ^ (a << 64 | b >> 64)
}

/// SHA1MSG2: the rest of the message schedule.
pub(crate) fn sha1_message2(a: u128, b: u128) -> u128 {
    let (a, b) = (from_high(a), from_high(b));
    let first = (a[0] ^ b[1]).rotate_left(1);
    to_high([
        first,
        (a[1] ^ b[2]).rotate_left(1),
        (a[2] ^ b[3]).rotate_left(1),
        (a[3] ^ first).rotate_left(1),
    ])
}

/// SHA256RNDS2: two rounds; `a` has C, D, G, H, `b` has A, B, E, F, `words` the
/// message words with their round constants. The result is the new A, B, E, F.
pub(crate) fn sha256_two_rounds(a: u128, b: u128, words: u128) -> u128 {
    let ([mut c, mut d, mut g, mut h], [mut a, mut b, mut e, mut f]) = (from_high(a), from_high(b));
    for n in 0..2 {
        let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let first = [choose(e, f, g), sum1, u32::get(words, n)].into_iter().fold(h, u32::wrapping_add);
        let second = majority(a, b, c).wrapping_add(sum0);
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(second));
    }
    to_high([a, b, e, f])
}

/// SHA256MSG1: adds the first sigma of the message schedule.
pub(crate) fn sha256_message1(a: u128, b: u128) -> u128 {
    let next = a >> 32 | b << 96;
    u32::zip(a, next, |word, x| word.wrapping_add(x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3))
}

/// SHA256MSG2: adds the second sigma, which depends on its own results.
pub(crate) fn sha256_message2(a: u128, b: u128) -> u128 {
    let sigma = |x: u32| x.rotate_right(17) ^ x.rotate_right(19) ^ x >> 10;
    let w16 = u32::get(a, 0).wrapping_add(sigma(u32::get(b, 2)));
    let w17 = u32::get(a, 1).wrapping_add(sigma(u32::get(b, 3)));
    let w18 = u32::get(a, 2).wrapping_add(sigma(w16));
    let w19 = u32::get(a, 3).wrapping_add(sigma(w17));
    to_high([w19, w18, w17, w16])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The padded block of "abc", the example of FIPS 180: 16 big-endian words.
    fn abc() -> [u32; 16] {
        let mut block = [0; 16];
        (block[0], block[15]) = (0x6162_6380, 24);
        block
    }

    /// The first 32 bits of the fractional part of a root, by Newton's integers:
    /// FIPS 180-4 4.2.2 and 5.3.3.
    fn primes(count: usize) -> Vec<u128> {
        (2..).filter(|n| (2..*n).all(|d| n % d != 0)).take(count).collect()
    }

    fn cube_root(n: u128) -> u32 {
        let goal = n << 96;
        let (mut low, mut high) = (0u128, 1 << 36);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if middle * middle * middle <= goal { low = middle } else { high = middle }
        }
        low as u32
    }

    #[test]
    fn sha1_of_abc() {
        let start = [0x6745_2301u32, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
        let block = abc();
        let mut schedule: Vec<u128> =
            (0..4).map(|n| to_high(std::array::from_fn(|k| block[4 * n + k]))).collect();
        for n in 4..20 {
            let partial = sha1_message1(schedule[n - 4], schedule[n - 3]) ^ schedule[n - 2];
            schedule.push(sha1_message2(partial, schedule[n - 1]));
        }
        let mut state = to_high([start[0], start[1], start[2], start[3]]);
        let mut words = to_high([start[4].wrapping_add(block[0]), block[1], block[2], block[3]]);
        let mut before = state;
        for n in 0..20 {
            before = state;
            state = sha1_four_rounds(state, words, (n / 5) as u8);
            if let Some(&next) = schedule.get(n + 1) {
                words = sha1_next_e(before, next);
            }
        }
        let e = from_high(sha1_next_e(before, to_high([start[4], 0, 0, 0])))[0];
        let sums: Vec<u32> = from_high(state).iter().zip(start).map(|(a, b)| a.wrapping_add(b)).collect();
        assert_eq!(sums, [0xA999_3E36, 0x4706_816A, 0xBA3E_2571, 0x7850_C26C]);
        assert_eq!(e, 0x9CD0_D89D);
    }

    #[test]
    fn sha256_of_abc() {
        let primes = primes(64);
        let start: Vec<u32> = primes[..8].iter().map(|n| (n << 64).isqrt() as u32).collect();
        let low = |words: &[u32]| u32::build(|n| words[n]);
        let mut schedule: Vec<u128> = abc().chunks(4).map(low).collect();
        for n in 4..16 {
            let seven_back = schedule[n - 2] >> 32 | schedule[n - 1] << 96;
            let partial = sha256_message1(schedule[n - 4], schedule[n - 3]);
            let partial = u32::zip(partial, seven_back, u32::wrapping_add);
            schedule.push(sha256_message2(partial, schedule[n - 1]));
        }
        let mut abef = to_high([start[0], start[1], start[4], start[5]]);
        let mut cdgh = to_high([start[2], start[3], start[6], start[7]]);
        for (n, &words) in schedule.iter().enumerate() {
            let constants = u32::build(|k| cube_root(primes[4 * n + k]));
            let sum = u32::zip(words, constants, u32::wrapping_add);
            for half in [sum, sum >> 64] {
                (abef, cdgh) = (sha256_two_rounds(cdgh, abef, half), abef);
            }
        }
        let ([a, b, e, f], [c, d, g, h]) = (from_high(abef), from_high(cdgh));
        let sums: Vec<u32> =
            [a, b, c, d, e, f, g, h].iter().zip(start).map(|(a, b)| a.wrapping_add(b)).collect();
        let wanted = [
            0xBA78_16BF,
            0x8F01_CFEA,
            0x4141_40DE,
            0x5DAE_2223,
            0xB003_61A3,
            0x9617_7A9C,
            0xB410_FF61,
            0xF200_15AD,
        ];
        assert_eq!(sums, wanted);
    }
}
