//! ADD to TEST, INC, DEC, NEG, NOT, carry flag, and their locked forms.

use super::Lifter;
use crate::ir::{Alu, CarryOp, Inst, Unary, Value};
use glassbox_cpu::Op;
use iced_x86::{Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    match i.mnemonic() {
        Mnemonic::Add => two(l, i, Alu::Add),
        Mnemonic::Or => two(l, i, Alu::Or),
        Mnemonic::Adc => two(l, i, Alu::Adc),
        Mnemonic::Sbb => two(l, i, Alu::Sbb),
        Mnemonic::And => two(l, i, Alu::And),
        Mnemonic::Sub => two(l, i, Alu::Sub),
        Mnemonic::Xor => two(l, i, Alu::Xor),
        Mnemonic::Cmp => two(l, i, Alu::Cmp),
        Mnemonic::Test => two(l, i, Alu::Test),
        Mnemonic::Inc => one(l, i, Unary::Inc),
        Mnemonic::Dec => one(l, i, Unary::Dec),
        Mnemonic::Neg => one(l, i, Unary::Neg),
        Mnemonic::Not => one(l, i, Unary::Not),
        Mnemonic::Clc => carry(l, CarryOp::Clear),
        Mnemonic::Stc => carry(l, CarryOp::Set),
        Mnemonic::Cmc => carry(l, CarryOp::Complement),
        _ => None,
    }
}

fn carry(l: &mut Lifter<'_>, op: CarryOp) -> Option<()> {
    l.push(Inst::Carry(op));
    Some(())
}

fn two(l: &mut Lifter<'_>, i: &Instruction, op: Alu) -> Option<()> {
    let size = l.size(i, 0)?;
    if l.op.locked() {
        let from = match i.op1_kind() {
            OpKind::Register => Value::Reg(l.register(i, 1).filter(|n| n & Op::HIGH_BYTE == 0)?),
            _ => Value::Imm(l.immediate(size)?),
        };
        let at = l.address()?;
        l.probe_aligned(at, size.bytes(), true);
        l.push(Inst::LockedAlu { op, size, from });
        return Some(());
    }
    if i.op0_kind() == OpKind::Register && i.op1_kind() == OpKind::Memory {
        // One probe, and it comes first: the destination may be a high byte.
        let at = l.address()?;
        let n = l.register(i, 0)?;
        if n & Op::HIGH_BYTE != 0 {
            return None;
        }
        l.probe(at, size.bytes(), false);
        l.push(Inst::Alu { op, size, to: crate::ir::Place::Reg(n), from: Value::Cell });
        return Some(());
    }
    let from = if i.op1_kind() == OpKind::Memory { return None } else { l.value(i, 1, size)? };
    l.update(i, size, !op.compares(), |l, to| {
        l.push(Inst::Alu { op, size, to, from });
        Some(())
    })
}

fn one(l: &mut Lifter<'_>, i: &Instruction, op: Unary) -> Option<()> {
    let size = l.size(i, 0)?;
    if l.op.locked() {
        let at = l.address()?;
        l.probe_aligned(at, size.bytes(), true);
        l.push(Inst::LockedUnary { op, size });
        return Some(());
    }
    l.update(i, size, true, |l, to| {
        l.push(Inst::Unary { op, size, to });
        Some(())
    })
}
