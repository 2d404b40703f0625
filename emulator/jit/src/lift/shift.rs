//! Shifts and rotates, SHLD, SHRD.

use super::Lifter;
use crate::ir::{Count, Inst, Shift, Size};
use iced_x86::{Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    let op = match i.mnemonic() {
        Mnemonic::Rol => Shift::Rol,
        Mnemonic::Ror => Shift::Ror,
        Mnemonic::Rcl => Shift::Rcl,
        Mnemonic::Rcr => Shift::Rcr,
        Mnemonic::Shl | Mnemonic::Sal => Shift::Shl,
        Mnemonic::Shr => Shift::Shr,
        Mnemonic::Sar => Shift::Sar,
        Mnemonic::Shld => return double(l, i, true),
        Mnemonic::Shrd => return double(l, i, false),
        _ => return None,
    };
    let size = l.size(i, 0)?;
    let by = if i.op1_kind() == OpKind::Register { Count::Cl } else { Count::Imm(masked(l.op.imm, size)) };
    if by == Count::Imm(0) {
        // Memory would be written and 32-bit registers extended: not worth code.
        return None;
    }
    l.update(i, size, true, |l, to| {
        l.push(Inst::Shift { op, size, to, by });
        Some(())
    })
}

fn masked(count: u64, size: Size) -> u8 {
    count as u8 & if size == Size::B64 { 63 } else { 31 }
}

fn double(l: &mut Lifter<'_>, i: &Instruction, left: bool) -> Option<()> {
    let size = l.size(i, 0)?;
    let by = if i.op2_kind() == OpKind::Register { Count::Cl } else { Count::Imm(masked(l.op.imm, size)) };
    // Counts above the width are defined by silicon alone.
    if size == Size::B16 || by == Count::Imm(0) {
        return None;
    }
    let (to, fill) = (l.register(i, 0)?, l.register(i, 1)?);
    l.push(Inst::DoubleShift { left, size, to, fill, by });
    Some(())
}
