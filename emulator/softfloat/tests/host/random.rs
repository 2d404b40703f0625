//! Operands for the comparisons with the host.

/// A small seeded generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Bits in runs: long carries, and values next to a power of two.
    pub fn runs(&mut self) -> u64 {
        let mut bits = 0;
        for _ in 0..=self.below(4) {
            let (low, high) = (self.below(64), self.below(64));
            bits ^= (u64::MAX << low) ^ (u64::MAX << high);
        }
        bits
    }

    /// A significand: uniform, in runs, or with few bits.
    pub fn significand(&mut self) -> u64 {
        match self.below(4) {
            0 => self.next(),
            1 => self.runs(),
            2 => self.next() << self.below(64),
            _ => self.next() & 7,
        }
    }

    /// An IEEE number of `width` bits with `fraction` fraction bits.
    pub fn ieee(&mut self, width: u32, fraction: u32) -> u64 {
        let special = (1u64 << (width - 1 - fraction)) - 1;
        let exponent = match self.below(8) {
            0 => 0,
            1 => special,
            2 => self.below(4),
            3 => special - self.below(4),
            4 | 5 => (special / 2 + self.below(2 * u64::from(fraction)) - u64::from(fraction)) & special,
            _ => self.next() & special,
        };
        let mut significand = self.significand() & ((1 << fraction) - 1);
        if self.below(6) == 0 {
            significand = 0;
        }
        (self.next() & 1) << (width - 1) | exponent << fraction | significand
    }
}

impl Random {
    /// The ten bytes of an 80-bit number, invalid encodings among them.
    pub fn extended(&mut self) -> (u64, u16) {
        let exponent = match self.below(10) {
            0 => 0,
            1 => 0x7fff,
            2 => self.below(70),
            3 => 0x7ffe - self.below(70),
            4..=6 => 0x3fff - 70 + self.below(140),
            7 => 0x3fff - 1100 + self.below(2200),
            _ => self.below(0x8000),
        };
        let mut significand = self.significand();
        match self.below(6) {
            0 => significand = 0,
            1 => significand &= 3 << 62 | 0xff,
            // Half way, or nearly, at 24 and 53 bits.
            2 => significand = significand & !0xff_ffff_ffff | 0x80_0000_0000,
            3 => significand = significand & !0x7ff | 0x400 | (self.next() & self.next() & 1),
            _ => {}
        }
        if exponent != 0 && self.below(20) != 0 || exponent == 0 && self.below(10) == 0 {
            significand |= 1 << 63;
        }
        (significand, exponent as u16 | (self.next() as u16) << 15)
    }
}
