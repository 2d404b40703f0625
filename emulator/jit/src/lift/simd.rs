//! SSE, AVX and what else the host executes as it is.

use super::Lifter;
use crate::ir::{Inst, Share};
use iced_x86::Instruction;

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    if l.op.locked() {
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
