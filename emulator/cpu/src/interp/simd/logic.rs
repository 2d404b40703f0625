//! AND, AND-NOT, OR and XOR of whole registers.

use super::operand::packed;
use crate::Handler;
use iced_x86::{Instruction, Mnemonic};

/// PANDN: the first operand is inverted.
#[inline(always)]
pub(crate) fn and_not(a: u128, b: u128) -> u128 {
    !a & b
}

pub(super) fn select(i: &Instruction, mmx: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Pand | Andps | Andpd => packed!(mmx, |a, b| a & b),
        Pandn | Andnps | Andnpd => packed!(mmx, and_not),
        Por | Orps | Orpd => packed!(mmx, |a, b| a | b),
        Pxor | Xorps | Xorpd => packed!(mmx, |a, b| a ^ b),
        _ => return None,
    };
    Some(handler)
}
