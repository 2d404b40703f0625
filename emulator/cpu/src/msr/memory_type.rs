//! PAT and MTRRs: kept and checked; all memory behaves as write-back
//! (Intel SDM Vol. 3A 13.11 and 13.12).

use super::{Read, Write};
use crate::cpuid::Feature;
use crate::{Cpu, Exception};
use glassbox_x86_spec::msr;

/// Variable ranges.
const RANGES: u32 = 8;
/// Ranges, fixed ranges, write-combining.
const MTRR_CAP: u64 = RANGES as u64 | 1 << 8 | 1 << 10;
/// MTRR_DEF_TYPE: type, fixed enable, enable.
const DEF_TYPE_BITS: u64 = 0xCFF;
const MASK_VALID: u64 = 1 << 11;

/// UC, WC, WT, WP, WB.
fn is_memory_type(value: u64) -> bool {
    matches!(value, 0 | 1 | 4 | 5 | 6)
}

/// As [`is_memory_type`], and UC-.
fn is_pat_type(value: u64) -> bool {
    is_memory_type(value) || value == 7
}

fn each_byte(value: u64, valid: fn(u64) -> bool) -> bool {
    value.to_le_bytes().iter().all(|&byte| valid(u64::from(byte)))
}

/// Index of a fixed-range register.
fn fixed_index(index: u32) -> Option<usize> {
    Some(match index {
        msr::MTRR_FIX64K => 0,
        0x258..=0x259 => (index - msr::MTRR_FIX16K) as usize + 1,
        0x268..=0x26F => (index - msr::MTRR_FIX4K) as usize + 3,
        _ => return None,
    })
}

/// Index of a variable-range register: base and mask in turn.
fn variable_index(index: u32) -> Option<usize> {
    (msr::MTRR_PHYS_BASE0..msr::MTRR_PHYS_BASE0 + 2 * RANGES)
        .contains(&index)
        .then(|| (index - msr::MTRR_PHYS_BASE0) as usize)
}

impl Cpu {
    /// Programs the MTRRs as PC firmware does: write-back, but for the VGA
    /// window and the `hole` below 4 GiB, which are uncached, and ROM from C0000h
    /// on, which is write-protected. `hole` ends at 4 GiB; its size is a power of two.
    pub fn set_firmware_mtrrs(&mut self, hole: u64) {
        const WRITE_BACK: u64 = 6;
        const ENABLE: u64 = 1 << 11 | 1 << 10;
        let m = &mut self.state.msr;
        m.mtrr_fixed = [0x0505_0505_0505_0505; 11];
        m.mtrr_fixed[..2].fill(0x0606_0606_0606_0606);
        m.mtrr_fixed[2] = 0;
        let physical = (1u64 << Self::PHYSICAL_BITS) - 1;
        m.mtrr_variable = [0; 16];
        m.mtrr_variable[0] = hole & physical & !0xFFF;
        m.mtrr_variable[1] = hole & physical & !0xFFF | MASK_VALID;
        // The mask of the range hole..4 GiB covers all address bits above it, too.
        m.mtrr_variable[1] |= physical & !0xFFFF_FFFF;
        m.mtrr_def_type = WRITE_BACK | ENABLE;
    }

    pub(super) fn read_memory_type_msr(&self, index: u32) -> Read {
        let m = &self.state.msr;
        if index == msr::PAT {
            return self.model.has(Feature::Pat).then_some(Ok(m.pat));
        }
        if !self.model.has(Feature::Mtrr) {
            return None;
        }
        let value = match index {
            msr::MTRR_CAP => Some(MTRR_CAP),
            msr::MTRR_DEF_TYPE => Some(m.mtrr_def_type),
            _ => fixed_index(index)
                .and_then(|n| m.mtrr_fixed.get(n))
                .or_else(|| variable_index(index).and_then(|n| m.mtrr_variable.get(n)))
                .copied(),
        };
        value.map(Ok)
    }

    pub(super) fn write_memory_type_msr(&mut self, index: u32, value: u64) -> Write {
        let accepted = |valid: bool| if valid { Ok(()) } else { Err(Exception::GP0) };
        if index == msr::PAT {
            if !self.model.has(Feature::Pat) {
                return None;
            }
            let done = accepted(each_byte(value, is_pat_type));
            if done.is_ok() {
                self.state.msr.pat = value;
            }
            return Some(done);
        }
        if !self.model.has(Feature::Mtrr) {
            return None;
        }
        let m = &mut self.state.msr;
        let (slot, valid) = match (index, fixed_index(index), variable_index(index)) {
            (msr::MTRR_CAP, ..) => return Some(Err(Exception::GP0)),
            (msr::MTRR_DEF_TYPE, ..) => {
                (&mut m.mtrr_def_type, value & !DEF_TYPE_BITS == 0 && is_memory_type(value & 0xFF))
            }
            (_, Some(n), _) => (m.mtrr_fixed.get_mut(n)?, each_byte(value, is_memory_type)),
            (_, _, Some(n)) => {
                let in_range = value >> Self::PHYSICAL_BITS == 0;
                let low = value & 0xFFF;
                let valid = if n & 1 == 0 { is_memory_type(low) } else { low & !MASK_VALID == 0 };
                (m.mtrr_variable.get_mut(n)?, in_range && valid)
            }
            _ => return None,
        };
        if valid {
            *slot = value;
        }
        Some(accepted(valid))
    }
}
