//! SETcc and CMOVcc.

use super::Lifter;
use crate::ir::{Cond, Inst, Size};
use iced_x86::{ConditionCode, Instruction, Mnemonic, OpKind};

/// The condition of an instruction, as encodings number it.
pub(super) fn condition(i: &Instruction) -> Option<Cond> {
    match i.condition_code() {
        ConditionCode::None => None,
        cc => Some(cc as u8 - 1),
    }
}

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    use Mnemonic::*;
    match i.mnemonic() {
        Seto | Setno | Setb | Setae | Sete | Setne | Setbe | Seta | Sets | Setns | Setp | Setnp | Setl
        | Setge | Setle | Setg => {
            let cc = condition(i)?;
            l.update(i, Size::B8, true, |l, to| {
                l.push(Inst::SetIf { cc, to });
                Some(())
            })
        }
        Cmovo | Cmovno | Cmovb | Cmovae | Cmove | Cmovne | Cmovbe | Cmova | Cmovs | Cmovns | Cmovp
        | Cmovnp | Cmovl | Cmovge | Cmovle | Cmovg => {
            let cc = condition(i)?;
            let size = l.size(i, 0)?;
            let to = l.register(i, 0)?;
            debug_assert!(i.op1_kind() == OpKind::Register || l.op.is_mem());
            let from = l.value(i, 1, size)?;
            l.push(Inst::MoveIf { cc, size, to, from });
            Some(())
        }
        _ => None,
    }
}
