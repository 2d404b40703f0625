//! MMX, SSE to SSE4.2, SSE4a and cryptography: one file a family, and the state
//! instructions.
//!
//! What an instruction computes is a pure function on 128-bit lanes (`u128`,
//! lowest element in the lowest bits) that knows nothing of registers; the
//! `select` of each family ties it to operands through the few functions of
//! [`operand`]. MMX forms use the same functions on zero-extended operands.

pub(super) mod approximation;
pub(super) mod arith;
pub(super) mod blend;
pub(super) mod compare;
pub(super) mod convert;
pub(super) mod crypto;
pub(super) mod float;
pub(super) mod float_compare;
pub(super) mod lane;
pub(super) mod logic;
mod mmx;
pub(super) mod moves;
pub(super) mod operand;
pub(super) mod shift;
pub(super) mod shuffle;
pub(super) mod state;
pub(super) mod string42;
mod swar;

#[cfg(test)]
mod tests;

use crate::Handler;
use iced_x86::{Instruction, OpKind};

/// The families; SSE's versions of MOVSD and CMPSD are told from the string
/// instructions by whoever handles them.
const FAMILIES: &[fn(&Instruction, bool) -> Option<Handler>] = &[
    moves::select,
    logic::select,
    arith::select,
    compare::select,
    shift::select,
    shuffle::select,
    float::select,
    float_compare::select,
    convert::select,
    blend::select,
    string42::select,
    approximation::select,
    crypto::select,
];

/// The handler of a SIMD instruction.
pub(super) fn select(i: &Instruction) -> Option<Handler> {
    if i.is_string_instruction() {
        return None;
    }
    let mmx = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_mm());
    FAMILIES.iter().find_map(|family| family(i, mmx)).or_else(|| mmx::select(i)).or_else(|| state::select(i))
}
