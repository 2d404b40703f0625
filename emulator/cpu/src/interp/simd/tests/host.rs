//! Lane functions against the host's own instructions, on random operands.
#![allow(unsafe_code)]

use super::super::{arith, blend, compare, moves, shift, shuffle};
use std::arch::x86_64::*;

/// Random lanes, with the corner cases of each element width among them.
pub(super) struct Lanes(pub(super) u64);

impl Lanes {
    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn lane(&mut self) -> u128 {
        const CORNERS: [u64; 6] = [
            0,
            u64::MAX,
            0x8000_8000_8000_8000,
            0x7F7F_7F7F_8080_8080,
            0x7FFF_FFFF_8000_0000,
            0x0001_FFFF_7FFF_8001,
        ];
        let mut half =
            || if self.word().is_multiple_of(4) { CORNERS[(self.word() % 6) as usize] } else { self.word() };
        u128::from(half()) | u128::from(half()) << 64
    }
}

fn host(lane: u128) -> __m128i {
    // SAFETY: both are 16 bytes without invalid values.
    unsafe { std::mem::transmute(lane) }
}

fn guest(lane: __m128i) -> u128 {
    // SAFETY: both are 16 bytes without invalid values.
    unsafe { std::mem::transmute(lane) }
}

macro_rules! same {
    ($a:expr, $b:expr; $($lane:expr => $intrinsic:ident,)*) => {
        $(assert_eq!($lane($a, $b), guest($intrinsic(host($a), host($b))), "{} of {:x} {:x}", stringify!($intrinsic), $a, $b);)*
    };
}
macro_rules! same_imm {
    ($a:expr, $b:expr; $($lane:expr => $intrinsic:ident: $($imm:literal)*,)*) => {
        $($(assert_eq!($lane($a, $b, $imm), guest($intrinsic::<{ $imm }>(host($a), host($b))), "{} {}", stringify!($intrinsic), $imm);)*)*
    };
}

#[target_feature(enable = "sse4.2")]
fn compare_integers(a: u128, b: u128) {
    same!(a, b;
        arith::add::<u8> => _mm_add_epi8,
        arith::add::<u16> => _mm_add_epi16,
        arith::add::<u32> => _mm_add_epi32,
        arith::add::<u64> => _mm_add_epi64,
        arith::sub::<u8> => _mm_sub_epi8,
        arith::sub::<u64> => _mm_sub_epi64,
        arith::add_saturating::<i8> => _mm_adds_epi8,
        arith::add_saturating::<i16> => _mm_adds_epi16,
        arith::add_saturating::<u8> => _mm_adds_epu8,
        arith::add_saturating::<u16> => _mm_adds_epu16,
        arith::sub_saturating::<i8> => _mm_subs_epi8,
        arith::sub_saturating::<i16> => _mm_subs_epi16,
        arith::sub_saturating::<u8> => _mm_subs_epu8,
        arith::sub_saturating::<u16> => _mm_subs_epu16,
        arith::min::<i8> => _mm_min_epi8,
        arith::min::<u8> => _mm_min_epu8,
        arith::min::<i16> => _mm_min_epi16,
        arith::min::<u16> => _mm_min_epu16,
        arith::min::<i32> => _mm_min_epi32,
        arith::min::<u32> => _mm_min_epu32,
        arith::max::<i8> => _mm_max_epi8,
        arith::max::<u8> => _mm_max_epu8,
        arith::max::<i16> => _mm_max_epi16,
        arith::max::<u16> => _mm_max_epu16,
        arith::max::<i32> => _mm_max_epi32,
        arith::max::<u32> => _mm_max_epu32,
        arith::average::<u8> => _mm_avg_epu8,
        arith::average::<u16> => _mm_avg_epu16,
        arith::mul_low::<i16> => _mm_mullo_epi16,
        arith::mul_low::<i32> => _mm_mullo_epi32,
        arith::mul_high::<i16> => _mm_mulhi_epi16,
        arith::mul_high::<u16> => _mm_mulhi_epu16,
        arith::mul_high_rounded => _mm_mulhrs_epi16,
        arith::mul_even_unsigned => _mm_mul_epu32,
        arith::mul_even_signed => _mm_mul_epi32,
        arith::mul_add_words => _mm_madd_epi16,
        arith::mul_add_bytes => _mm_maddubs_epi16,
        arith::sum_of_differences => _mm_sad_epu8,
        arith::horizontal_add::<i16> => _mm_hadd_epi16,
        arith::horizontal_add::<i32> => _mm_hadd_epi32,
        arith::horizontal_sub::<i16> => _mm_hsub_epi16,
        arith::horizontal_sub::<i32> => _mm_hsub_epi32,
        arith::horizontal_add_saturating => _mm_hadds_epi16,
        arith::horizontal_sub_saturating => _mm_hsubs_epi16,
        arith::apply_sign::<i8> => _mm_sign_epi8,
        arith::apply_sign::<i16> => _mm_sign_epi16,
        arith::apply_sign::<i32> => _mm_sign_epi32,
        compare::equal::<u8> => _mm_cmpeq_epi8,
        compare::equal::<u16> => _mm_cmpeq_epi16,
        compare::equal::<u32> => _mm_cmpeq_epi32,
        compare::equal::<u64> => _mm_cmpeq_epi64,
        compare::greater::<i8> => _mm_cmpgt_epi8,
        compare::greater::<i16> => _mm_cmpgt_epi16,
        compare::greater::<i32> => _mm_cmpgt_epi32,
        compare::greater::<i64> => _mm_cmpgt_epi64,
        shuffle::bytes => _mm_shuffle_epi8,
        shuffle::unpack_low::<u8> => _mm_unpacklo_epi8,
        shuffle::unpack_low::<u16> => _mm_unpacklo_epi16,
        shuffle::unpack_low::<u32> => _mm_unpacklo_epi32,
        shuffle::unpack_low::<u64> => _mm_unpacklo_epi64,
        shuffle::unpack_high::<u8> => _mm_unpackhi_epi8,
        shuffle::unpack_high::<u16> => _mm_unpackhi_epi16,
        shuffle::unpack_high::<u32> => _mm_unpackhi_epi32,
        shuffle::unpack_high::<u64> => _mm_unpackhi_epi64,
        shuffle::pack::<i16, i8> => _mm_packs_epi16,
        shuffle::pack::<i32, i16> => _mm_packs_epi32,
        shuffle::pack::<i16, u8> => _mm_packus_epi16,
        shuffle::pack::<i32, u16> => _mm_packus_epi32,
    );
    same_imm!(a, b;
        shuffle::align_right => _mm_alignr_epi8: 0 1 7 8 15 16 17 31 32 255,
        blend::by_immediate::<u16> => _mm_blend_epi16: 0 1 128 165 255,
        arith::multiple_sums => _mm_mpsadbw_epu8: 0 1 2 3 4 5 6 7,
    );
    assert_eq!(arith::absolute::<i8>(a), guest(_mm_abs_epi8(host(a))));
    assert_eq!(arith::absolute::<i16>(a), guest(_mm_abs_epi16(host(a))));
    assert_eq!(arith::absolute::<i32>(a), guest(_mm_abs_epi32(host(a))));
    assert_eq!(blend::by_sign::<i8>(a, b, !a), guest(_mm_blendv_epi8(host(a), host(b), host(!a))));
    assert_eq!(blend::widen::<i8, i16>(a), guest(_mm_cvtepi8_epi16(host(a))));
    assert_eq!(blend::widen::<u8, u64>(a), guest(_mm_cvtepu8_epi64(host(a))));
    assert_eq!(blend::widen::<i32, i64>(a), guest(_mm_cvtepi32_epi64(host(a))));
    assert_eq!(blend::widen::<u16, u32>(a), guest(_mm_cvtepu16_epi32(host(a))));
    assert_eq!(arith::minimum_position(a), guest(_mm_minpos_epu16(host(a))));
    assert_eq!(moves::byte_signs(a), _mm_movemask_epi8(host(a)) as u32);
    assert_eq!(moves::sign_mask::<u8>(a), _mm_movemask_epi8(host(a)) as u32);
    assert_eq!(shuffle::doublewords(a, 0x9C), guest(_mm_shuffle_epi32::<0x9C>(host(a))));
    assert_eq!(shuffle::low_words(a, 0x9C), guest(_mm_shufflelo_epi16::<0x9C>(host(a))));
    assert_eq!(shuffle::high_words(a, 0x9C), guest(_mm_shufflehi_epi16::<0x9C>(host(a))));
}

#[target_feature(enable = "sse4.2")]
fn compare_shifts(a: u128, count: u64) {
    let by = host(u128::from(count));
    assert_eq!(shift::left::<u16>(a, count), guest(_mm_sll_epi16(host(a), by)));
    assert_eq!(shift::left::<u32>(a, count), guest(_mm_sll_epi32(host(a), by)));
    assert_eq!(shift::left::<u64>(a, count), guest(_mm_sll_epi64(host(a), by)));
    assert_eq!(shift::right::<u16>(a, count), guest(_mm_srl_epi16(host(a), by)));
    assert_eq!(shift::right::<u32>(a, count), guest(_mm_srl_epi32(host(a), by)));
    assert_eq!(shift::right::<u64>(a, count), guest(_mm_srl_epi64(host(a), by)));
    assert_eq!(shift::right_arithmetic::<i16>(a, count), guest(_mm_sra_epi16(host(a), by)));
    assert_eq!(shift::right_arithmetic::<i32>(a, count), guest(_mm_sra_epi32(host(a), by)));
}

#[test]
fn integer_lanes_agree_with_the_host() {
    if !is_x86_feature_detected!("sse4.2") {
        return;
    }
    let mut random = Lanes(1);
    for round in 0..2000u64 {
        let (a, b) = (random.lane(), random.lane());
        // SAFETY: the feature was detected.
        unsafe {
            compare_integers(a, b);
            compare_shifts(a, round % 70);
            compare_shifts(a, random.word());
        }
    }
}
