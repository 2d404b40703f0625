//! SSE, AVX and what else the host executes as it is.

use super::Lifter;
use crate::ir::{Inst, Share};
use iced_x86::{EncodingKind, Instruction};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    // An operand-size prefix says the opposite in 16-bit code.
    let sized = || i.encoding() == EncodingKind::Legacy && i.code().op_code().operand_size() != 0;
    if l.code.frozen || l.op.locked() || l.mode.code_bits() == 16 && sized() {
        return None;
    }
    let lifted = l.forms.lift(i, &l.op, l.bytes)?;
    if lifted.bytes != 0 {
        let at = l.address()?;
        let share = Share::Alone;
        let (bytes, write, aligned) = (lifted.bytes, lifted.store, lifted.aligned);
        l.push(Inst::Probe { at, bytes, write, aligned, share });
    }
    l.push(Inst::Native(lifted.native));
    Some(())
}
