//! The table of targets of branches that are not linked, as compiled code reads it.

use glassbox_cpu::{Cpu, SegReg};

/// Entries of the table of indirect branch targets.
pub const TARGETS: usize = 32768;

/// One known target, read by compiled code: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Target {
    /// Linear address; in segments, with the offset in the code segment above it.
    pub rip: u64,
    /// The [fetch context](glassbox_cpu::Cpu::fetch_context) in which it led here.
    pub context: u64,
    /// Host address of its compiled code; never 0 where `context` is current.
    pub code: u64,
    /// RAM offset of its code.
    pub start: u64,
}

impl Default for Target {
    /// No target: address 0 is one that guests may have code at, but no RAM begins
    /// at this offset.
    fn default() -> Self {
        Self { rip: 0, context: 0, code: 0, start: u64::MAX }
    }
}

/// What scatters targets over their table: functions begin at round addresses.
pub const TARGET_HASH: u32 = 0x9E37_79B1;
/// The highest bits of the product with this are the slot: how far to shift them.
pub const TARGET_SHIFT: u32 = 32 - TARGETS.trailing_zeros();

/// The slot of `rip` in the table of targets; compiled code computes the same.
pub fn target_slot(rip: u64) -> usize {
    ((rip as u32).wrapping_mul(TARGET_HASH) >> TARGET_SHIFT) as usize
}

/// What the code at CS:RIP is known by to indirect branches.
pub fn target_of(cpu: &Cpu) -> u64 {
    if !cpu.compiled.segmented {
        return cpu.state.rip;
    }
    let linear = cpu.state.rip.wrapping_add(cpu.state.seg(SegReg::Cs).base) as u32;
    cpu.state.rip << 32 | u64::from(linear)
}
