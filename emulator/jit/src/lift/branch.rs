//! Near jumps, calls and returns, conditional branches, JRCXZ.

use super::{Lifter, Mode};
use crate::ir::{ACC, Inst, Place, Size, T0, Value};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    let direct = match l.mode {
        Mode::Long => OpKind::NearBranch64,
        Mode::Flat32 => OpKind::NearBranch32,
    };
    let (to, next, size) = (l.target(), l.next(), l.mode.size());
    if i.is_jcc_short_or_near() {
        if i.op0_kind() != direct {
            return None;
        }
        let cc = super::conditional::condition(i)?;
        l.push(Inst::Branch { cc, to, next });
        return Some(());
    }
    match i.mnemonic() {
        Mnemonic::Jmp if i.op0_kind() == direct => l.push(Inst::Jump(to)),
        Mnemonic::Jmp if matches!(i.code(), Code::Jmp_rm64 | Code::Jmp_rm32) => {
            let target = l.target_register(i, size, ACC)?;
            l.check_target(target);
            l.push(Inst::JumpTo(target));
        }
        Mnemonic::Call if i.op0_kind() == direct => {
            push_return(l, next);
            l.push(Inst::Call { to, next });
        }
        Mnemonic::Call if matches!(i.code(), Code::Call_rm64 | Code::Call_rm32) => {
            let target = l.target_register(i, size, T0)?;
            l.check_target(target);
            push_return(l, next);
            l.push(Inst::CallTo { to: target, next });
        }
        Mnemonic::Ret => {
            match i.code() {
                Code::Retnq | Code::Retnq_imm16 | Code::Retnd | Code::Retnd_imm16 => {}
                _ => return None,
            }
            let at = l.stack(0);
            l.probe(at, size.bytes(), false);
            l.push(Inst::Move { size, to: Place::Reg(ACC), from: Value::Cell });
            let extra = if i.op_count() == 0 { 0 } else { l.op.imm as u32 & 0xFFFF };
            l.push(Inst::Return { to: ACC, pop: u32::from(size.bytes()) + extra });
        }
        Mnemonic::Jrcxz | Mnemonic::Jecxz => {
            let size = match i.code() {
                Code::Jrcxz_rel8_64 => Size::B64,
                Code::Jecxz_rel8_64 | Code::Jecxz_rel8_32 => Size::B32,
                _ => return None,
            };
            l.push(Inst::BranchZero { of: 1, size, zero: true, to, next });
        }
        _ => return None,
    }
    Some(())
}

/// Pushes the address behind a call.
fn push_return(l: &mut Lifter<'_>, next: u64) {
    let bytes = l.mode.size().bytes();
    let at = l.stack(-i32::from(bytes));
    l.probe(at, bytes, true);
    if l.mode == Mode::Long {
        l.push(Inst::StoreConst(next));
    } else {
        l.push(Inst::Move { size: Size::B32, to: Place::Cell, from: Value::Imm(next as i32) });
    }
    l.move_stack(-i32::from(bytes));
}
