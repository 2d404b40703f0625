//! Near jumps, calls and returns, conditional branches, LOOP, JRCXZ.

use super::{Lifter, Mode};
use crate::ir::{ACC, Address, Inst, Place, RCX, Size, T0, Value};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    let size = width(l, i)?;
    let direct = matches!(i.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
    let (to, next) = (l.target(size), l.next());
    if i.is_jcc_short_or_near() {
        let cc = super::conditional::condition(i)?;
        check_direct(l, to, size);
        l.push(Inst::Branch { cc, to, next });
        return Some(());
    }
    match i.mnemonic() {
        Mnemonic::Jmp if direct => {
            check_direct(l, to, size);
            l.push(Inst::Jump(to));
        }
        Mnemonic::Jmp => {
            let target = l.target_register(i, size, ACC)?;
            l.check_target(Value::Reg(target), size);
            l.push(Inst::JumpTo(target));
        }
        Mnemonic::Call if direct => {
            check_direct(l, to, size);
            push_return(l, next, size);
            l.push(Inst::Call { to, next });
        }
        Mnemonic::Call => {
            let target = l.target_register(i, size, T0)?;
            l.check_target(Value::Reg(target), size);
            push_return(l, next, size);
            l.push(Inst::CallTo { to: target, next });
        }
        Mnemonic::Ret => {
            let at = l.stack(0);
            l.probe(at, size.bytes(), false);
            l.push_target(size, ACC, Value::Cell);
            if l.mode.is_segmented() {
                l.check_target(Value::Reg(ACC), size);
            }
            let extra = if i.op_count() == 0 { 0 } else { l.op.imm as u32 & 0xFFFF };
            l.push(Inst::Return { to: ACC, pop: u32::from(size.bytes()) + extra });
        }
        Mnemonic::Jrcxz | Mnemonic::Jecxz | Mnemonic::Jcxz => {
            let count = Size::of(l.op.address_bits())?;
            check_direct(l, to, size);
            l.push(Inst::BranchZero { of: RCX, size: count, zero: true, to, next });
        }
        Mnemonic::Loop => {
            let count = Size::of(l.op.address_bits())?;
            check_direct(l, to, size);
            l.push(Inst::Lea { to: RCX, size: count, at: Address::at(RCX, -1, false) });
            l.push(Inst::BranchZero { of: RCX, size: count, zero: false, to, next });
        }
        _ => return None,
    }
    Some(())
}

/// The operand size of a near branch, if it is compiled in this mode: outside of
/// segments only the mode's own.
fn width(l: &Lifter<'_>, i: &Instruction) -> Option<Size> {
    let size = match i.op0_kind() {
        OpKind::NearBranch16 => Size::B16,
        OpKind::NearBranch32 => Size::B32,
        OpKind::NearBranch64 => Size::B64,
        _ => match i.code() {
            Code::Jmp_rm16 | Code::Call_rm16 | Code::Retnw | Code::Retnw_imm16 => Size::B16,
            Code::Jmp_rm32 | Code::Call_rm32 | Code::Retnd | Code::Retnd_imm16 => Size::B32,
            Code::Jmp_rm64 | Code::Call_rm64 | Code::Retnq | Code::Retnq_imm16 => Size::B64,
            _ => return None,
        },
    };
    let own = match l.mode {
        Mode::Long => size == Size::B64,
        Mode::Flat32 => size == Size::B32,
        Mode::Segmented(_) => true,
    };
    own.then_some(size)
}

/// As [`Lifter::check_target`], for a constant.
fn check_direct(l: &mut Lifter<'_>, to: u64, size: Size) {
    if l.mode.is_segmented() {
        l.check_target(Value::Imm(to as i32), size);
    }
}

/// Pushes the address behind a call.
fn push_return(l: &mut Lifter<'_>, next: u64, size: Size) {
    let bytes = size.bytes();
    let at = l.stack(-i32::from(bytes));
    l.probe(at, bytes, true);
    if size == Size::B64 {
        l.push(Inst::StoreNext(next));
    } else {
        l.push(Inst::Move { size, to: Place::Cell, from: Value::Imm(next as i32) });
    }
    l.move_stack(-i32::from(bytes));
}
