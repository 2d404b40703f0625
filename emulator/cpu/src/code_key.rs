//! What compiled code is for: what of the segments it takes for granted, and how far
//! it may reach in those that it looks at.

use crate::Mode;
use crate::state::{CpuState, SegReg, Segment};
use glassbox_x86_spec::segment as attr;

/// The decoding mode and what holds of the code segment, as a number: part of what a
/// compiled block is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeKey(u8);

impl CodeKey {
    /// The code segment's limit is no less than 64 KiB - 1 in 16-bit and 4 GiB - 1 in
    /// 32-bit code: branches of that width cannot miss it.
    const WHOLE_CODE: u8 = 1 << 5;
    /// It has base 0 and a limit of 4 GiB - 1.
    const FLAT_CODE: u8 = 1 << 6;
    /// Compatibility mode, where registers may have upper halves.
    const COMPATIBLE: u8 = 1 << 7;

    /// What code in `state`, which is in `mode`, is compiled for.
    #[inline]
    pub(crate) fn of(state: &CpuState, mode: Mode) -> Self {
        let key = mode.key();
        if mode.is_64bit() {
            return Self(key);
        }
        let cs = state.seg(SegReg::Cs);
        let needed = if mode.code_bits() == 32 { u32::MAX } else { 0xFFFF };
        let when = |holds: bool, bit: u8| if holds { bit } else { 0 };
        Self(
            key | when(cs.limit >= needed, Self::WHOLE_CODE)
                | when(cs.base == 0 && cs.limit == u32::MAX, Self::FLAT_CODE)
                | when(state.long_mode(), Self::COMPATIBLE),
        )
    }

    /// The code segment's limit need not be looked at.
    pub fn has_whole_code(self) -> bool {
        self.0 & Self::WHOLE_CODE != 0
    }

    /// Offsets of code are linear addresses.
    pub fn has_flat_code(self) -> bool {
        self.0 & Self::FLAT_CODE != 0
    }

    /// Compatibility mode.
    pub fn is_compatible(self) -> bool {
        self.0 & Self::COMPATIBLE != 0
    }

    /// The key as a number of eight bits.
    #[inline]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// How far into a segment accesses may go that need no further look: each is the offset
/// behind the last byte, 0 where the segment is another than plain and grows upwards,
/// or may not be accessed so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Reach {
    /// For loads.
    pub read: u64,
    /// For stores.
    pub write: u64,
}

impl Reach {
    /// That of a segment; `typed` in protected mode, where types are looked at.
    pub(crate) fn of(segment: &Segment, typed: bool) -> Self {
        let code = segment.attr & attr::CODE != 0;
        let expands_down = segment.attr & (attr::CODE | attr::DC) == attr::DC;
        if !segment.present() || expands_down {
            return Self::default();
        }
        let end = u64::from(segment.limit) + 1;
        let or_none = |allowed: bool| if allowed || !typed { end } else { 0 };
        let flagged = segment.attr & attr::RW != 0;
        Self { read: or_none(!code || flagged), write: or_none(!code && flagged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmu::Access;
    use crate::testing::{cpu16, cpu32};

    #[test]
    fn an_access_in_reach_passes_the_checks_of_its_segment() {
        let types = [0, attr::RW, attr::DC, attr::DC | attr::RW, attr::CODE, attr::CODE | attr::RW];
        for (typed, mut cpu) in [(true, cpu32()), (false, cpu16())] {
            for kind in types {
                for limit in [0, 1, 0xFFFE, 0xFFFF, 0x1_0000, u32::MAX - 1, u32::MAX] {
                    for present in [0, attr::P] {
                        let segment =
                            Segment { base: 0x1000, limit, attr: attr::S | kind | present, selector: 8 };
                        cpu.state.segs[SegReg::Es as usize] = segment;
                        cpu.sync();
                        let reach = Reach::of(&segment, typed);
                        for (access, end) in [(Access::Read, reach.read), (Access::Write, reach.write)] {
                            for (offset, size) in [(0, 1), (0, 2), (0xFFFE, 2), (0xFFFF, 2), (u32::MAX, 1)] {
                                let within = u64::from(offset) + size <= end;
                                let passes =
                                    cpu.segmented(SegReg::Es as u8, offset.into(), size, access).is_ok();
                                assert!(passes || !within, "{segment:x?} {access:?} {offset:#x} {size}");
                                let plain = kind & (attr::CODE | attr::DC) != attr::DC;
                                assert!(within || !passes || !plain, "{segment:x?} {access:?} {offset:#x}");
                            }
                        }
                    }
                }
            }
        }
    }
}
