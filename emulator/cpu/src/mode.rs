//! How code is decoded: what, besides its bytes, gives an instruction its meaning.

use crate::state::{CpuState, SegReg, Segment};
use glassbox_x86_spec::segment as attr;

/// The part of the processor's state that decoding depends on. Part of the key
/// of every cached block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mode(u8);

impl Mode {
    const BITS32: u8 = 1;
    const BITS64: u8 = 2;
    const STACK32: u8 = 4;
    const FLAT: u8 = 8;
    const REAL: u8 = 16;

    /// The mode that `state` is in.
    #[inline]
    pub fn of(state: &CpuState) -> Self {
        if state.is_64bit() {
            return Self(Self::BITS64 | Self::FLAT);
        }
        let mut mode = 0;
        if state.segs[SegReg::Cs as usize].attr & attr::DB != 0 {
            mode |= Self::BITS32;
        }
        if state.segs[SegReg::Ss as usize].attr & attr::DB != 0 {
            mode |= Self::STACK32;
        }
        let data = [SegReg::Es, SegReg::Ss, SegReg::Ds];
        if state.protected() && data.iter().all(|&s| is_flat(state.seg(s))) {
            mode |= Self::FLAT;
        }
        if !state.protected() {
            mode |= Self::REAL;
        }
        Self(mode)
    }

    /// Real or virtual-8086 mode, where VEX-encoded instructions do not exist
    /// (Intel SDM Vol. 2A 2.3.2; AMD APM Vol. 3 1.8.1).
    #[inline(always)]
    pub fn is_real(self) -> bool {
        self.0 & Self::REAL != 0
    }

    /// 64-bit mode.
    #[inline(always)]
    pub fn is_64bit(self) -> bool {
        self.0 & Self::BITS64 != 0
    }

    /// Default code size: 16, 32 or 64.
    #[inline(always)]
    pub fn code_bits(self) -> u32 {
        match self.0 & 3 {
            0 => 16,
            1 => 32,
            _ => 64,
        }
    }

    /// Stack address size: 16, 32 or 64.
    #[inline(always)]
    pub fn stack_bits(self) -> u32 {
        if self.is_64bit() {
            64
        } else if self.0 & Self::STACK32 != 0 {
            32
        } else {
            16
        }
    }

    /// Mask of the stack pointer's significant bits.
    #[inline(always)]
    pub fn stack_mask(self) -> u64 {
        u64::MAX >> (64 - self.stack_bits())
    }

    /// ES, SS and DS have base 0 and no limit: operands in them need no checks.
    #[inline(always)]
    pub fn is_flat(self) -> bool {
        self.0 & Self::FLAT != 0
    }

    /// Mask of RIP's significant bits.
    #[inline(always)]
    pub fn rip_mask(self) -> u64 {
        if self.is_64bit() { u64::MAX } else { u64::from(u32::MAX) }
    }

    /// The mode as a number of five bits, for block keys.
    #[inline(always)]
    pub fn key(self) -> u8 {
        self.0
    }
}

/// Writable expand-up data over all 4 GiB.
fn is_flat(seg: &Segment) -> bool {
    let wanted = attr::P | attr::S | attr::RW;
    let unwanted = attr::CODE | attr::DC;
    seg.base == 0 && seg.limit == u32::MAX && seg.attr & (wanted | unwanted) == wanted
}
