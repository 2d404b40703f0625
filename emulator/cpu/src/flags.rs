//! Lazy status flags.
//!
//! An ALU instruction stores two words and no more: its result, sign-extended
//! to 64 bits, and a word with CF, AF and OF at their EFLAGS positions. ZF, SF
//! and PF are derived from the result when somebody asks. Bits 2 and 7 of the
//! second word invert the derived PF and SF, so that POPF and SAHF can make
//! any combination.

use glassbox_x86_spec::control::Flags;

const CF: u32 = 1;
const PF: u32 = 1 << 2;
const AF: u32 = 1 << 4;
const ZF: u32 = 1 << 6;
const SF: u32 = 1 << 7;
const OF: u32 = 1 << 11;

/// CF, PF, AF, ZF, SF and OF in lazy form.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct LazyFlags {
    /// The last result, sign-extended from its width.
    pub result: u64,
    /// CF, AF, OF in place; bit 2 inverts PF, bit 7 inverts SF.
    pub aux: u32,
}

/// Whether the low byte has an even number of ones.
#[inline(always)]
fn even_parity(byte: u8) -> bool {
    byte.count_ones() & 1 == 0
}

impl LazyFlags {
    /// Carry.
    #[inline(always)]
    pub fn cf(self) -> bool {
        self.aux & CF != 0
    }

    /// Zero.
    #[inline(always)]
    pub fn zf(self) -> bool {
        self.result == 0
    }

    /// Sign.
    #[inline(always)]
    pub fn sf(self) -> bool {
        (self.result >> 63) as u32 ^ (self.aux >> 7 & 1) != 0
    }

    /// Overflow.
    #[inline(always)]
    pub fn of(self) -> bool {
        self.aux & OF != 0
    }

    /// Parity.
    #[inline(always)]
    pub fn pf(self) -> bool {
        even_parity(self.result as u8) ^ (self.aux & PF != 0)
    }

    /// Auxiliary carry.
    #[inline(always)]
    pub fn af(self) -> bool {
        self.aux & AF != 0
    }

    /// The six flags at their EFLAGS positions.
    #[inline]
    pub fn bits(self) -> u32 {
        self.aux & (CF | AF | OF)
            | if self.zf() { ZF } else { 0 }
            | if self.sf() { SF } else { 0 }
            | if self.pf() { PF } else { 0 }
    }

    /// The lazy form of six flags at their EFLAGS positions; other bits are ignored.
    #[inline]
    pub fn from_bits(bits: u32) -> Self {
        // A zero result derives ZF=1, SF=0, PF=1; a result of 1 derives ZF=0, SF=0, PF=0.
        let zero = bits & ZF != 0;
        let result = u64::from(!zero);
        let flip_pf = (bits & PF != 0) != zero;
        let aux = bits & (CF | AF | OF | SF) | if flip_pf { PF } else { 0 };
        Self { result, aux }
    }

    /// Sets or clears CF alone.
    #[inline(always)]
    pub fn set_cf(&mut self, value: bool) {
        self.aux = self.aux & !CF | u32::from(value);
    }

    /// Sets or clears OF alone.
    #[inline(always)]
    pub fn set_of(&mut self, value: bool) {
        self.aux = self.aux & !OF | u32::from(value) << 11;
    }

    /// Sets or clears any of the six flags in `mask` to the bits of `values`.
    pub fn replace(&mut self, mask: Flags, values: Flags) {
        let mask = (mask & Flags::STATUS).bits();
        *self = Self::from_bits(self.bits() & !mask | values.bits() & mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_survives_the_lazy_form() {
        for n in 0..64u32 {
            let bits = n & 1
                | (n >> 1 & 1) << 2
                | (n >> 2 & 1) << 4
                | (n >> 3 & 1) << 6
                | (n >> 4 & 1) << 7
                | (n >> 5 & 1) << 11;
            assert_eq!(LazyFlags::from_bits(bits).bits(), bits);
        }
    }
}
