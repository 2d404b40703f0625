//! The fixed register map: where each guest register lives while compiled code
//! runs. All sixteen are in host registers.
//!
//! X18 is the platform's and X29 the frame pointer's; V8 to V15 would have to be
//! preserved and are not used. XMM registers are in V16 to V31 (`vectors`).

use crate::ir::{ACC, Reg, T0, T1};

/// Scratch: linear addresses.
pub const ADDRESS: u8 = 0;
/// Scratch: what turns a linear address into a host's.
pub const INDEX: u8 = 1;
/// Scratch: values and results.
pub const VALUE: u8 = 2;
/// Scratch: second operands. Also [`ACC`], which no operation is in use with.
pub const OTHER: u8 = 3;
/// Scratch where the step does not name [`T1`], whose place it is.
pub const THIRD: u8 = 5;
/// Host address of the current TLB table.
pub const TABLE: u8 = 16;
/// Instructions left before the budget is used up.
pub const FUEL: u8 = 25;
/// See [`glassbox_cpu::compiled::CompiledContext::adjust`].
pub const ADJUST: u8 = 26;
/// The current generation of the TLB.
pub const GENERATION: u8 = 27;
/// The processor.
pub const CPU: u8 = 28;
/// The link register; between calls see
/// [`glassbox_cpu::compiled::CompiledContext::parity`].
pub const PARITY: u8 = 30;
/// The zero register.
pub const ZERO: u8 = 31;

const GENERAL: [u8; 16] = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 24];

/// The host register of a guest register or temporary.
pub fn host(n: Reg) -> u8 {
    match n {
        T0 => 4,
        T1 => THIRD,
        ACC => OTHER,
        n => GENERAL[n as usize & 15],
    }
}

/// The host register of an XMM register.
pub fn vector(n: u8) -> u8 {
    16 + (n & 15)
}

/// Guest registers in pairs of neighbours: the first's number, both host registers.
pub fn pairs() -> impl Iterator<Item = (u8, u8, u8)> {
    (0..16).step_by(2).map(|n| (n, GENERAL[n as usize], GENERAL[n as usize + 1]))
}
