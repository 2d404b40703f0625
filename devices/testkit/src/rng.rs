//! Small repeatable random numbers (SplitMix64), weighted to what registers find interesting.

use glassbox_device_api::AccessSize;

/// A seeded generator; the same seed gives the same run on every host.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end` (0 when `end` is 0).
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next_u64() % end }
    }

    /// True once in `n` calls on average.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A register value: zero, all ones, one bit, a small number or anything.
    pub fn value(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(64),
            3 => self.below(16),
            _ => self.next_u64(),
        }
    }

    /// A span of time: from a nanosecond to days, each magnitude as likely.
    pub fn span_ns(&mut self) -> u64 {
        let bits = self.below(48);
        self.next_u64() & ((1 << bits) - 1)
    }

    /// An access size up to `largest`, bytes most of the time.
    pub fn size(&mut self, largest: AccessSize) -> AccessSize {
        let size = match self.below(6) {
            0 => AccessSize::Word,
            1 => AccessSize::Dword,
            2 => AccessSize::Qword,
            _ => AccessSize::Byte,
        };
        size.min(largest)
    }
}
