//! PUSH, POP, PUSHA, PUSHF, LEAVE.

use super::Lifter;
use crate::ir::{Address, Inst, Place, RBP, RSP, SS, Size, T0, Value};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    use Code::*;
    let size = match i.code() {
        Push_r16 | Push_rm16 | Push_imm16 | Pushw_imm8 | Pop_r16 | Pop_rm16 | Leavew | Pushaw => Size::B16,
        Push_r32 | Push_rm32 | Pushd_imm32 | Pushd_imm8 | Pop_r32 | Pop_rm32 | Leaved | Pushad => Size::B32,
        Push_r64 | Push_rm64 | Pushq_imm32 | Pushq_imm8 | Pop_r64 | Pop_rm64 | Leaveq | Pushfq => Size::B64,
        _ => return None,
    };
    let bytes = i32::from(size.bytes());
    match i.code() {
        _ if i.mnemonic() == Mnemonic::Pop && i.op0_kind() == OpKind::Register => {
            let to = l.register(i, 0)?;
            if to == RSP && size != l.mode.stack() {
                return None;
            }
            let at = l.stack(0);
            l.probe(at, size.bytes(), false);
            l.push(Inst::Move { size, to: Place::Reg(to), from: Value::Cell });
            // The popped value wins over the moved pointer.
            if to != RSP {
                l.move_stack(bytes);
            }
        }
        Pop_rm16 | Pop_rm32 | Pop_rm64 => {
            let to = l.address()?;
            // The address is that with the moved pointer.
            if to.base == RSP {
                return None;
            }
            let at = l.stack(0);
            l.probe(at, size.bytes(), false);
            l.push(Inst::Move { size, to: Place::Reg(T0), from: Value::Cell });
            l.probe(to, size.bytes(), true);
            l.push(Inst::Move { size, to: Place::Cell, from: Value::Reg(T0) });
            l.move_stack(bytes);
        }
        Leavew | Leaved | Leaveq => {
            let stack = l.mode.stack();
            let at = l.offset_in(SS, RBP, 0, stack);
            l.probe(at, size.bytes(), false);
            l.push(Inst::Move { size, to: Place::Reg(T0), from: Value::Cell });
            l.push(Inst::Lea { to: RSP, size: stack, at: Address::at(RBP, bytes, false) });
            l.push(Inst::Move { size, to: Place::Reg(RBP), from: Value::Reg(T0) });
        }
        Pushfq => {
            l.push(Inst::Flags { to: T0 });
            let at = l.stack(-bytes);
            l.probe(at, size.bytes(), true);
            l.push(Inst::Move { size, to: Place::Cell, from: Value::Reg(T0) });
            l.move_stack(-bytes);
        }
        Pushaw | Pushad => {
            // A fault half way leaves the pointer, and pushing once more does no harm.
            for n in 0..8 {
                let at = l.stack(-bytes * (i32::from(n) + 1));
                l.probe(at, size.bytes(), true);
                l.push(Inst::Move { size, to: Place::Cell, from: Value::Reg(n) });
            }
            l.move_stack(-8 * bytes);
        }
        _ => {
            let mut from = l.value(i, 0, size)?;
            if from == Value::Cell {
                l.push(Inst::Move { size, to: Place::Reg(T0), from });
                from = Value::Reg(T0);
            }
            let at = l.stack(-bytes);
            l.probe(at, size.bytes(), true);
            l.push(Inst::Move { size, to: Place::Cell, from });
            l.move_stack(-bytes);
        }
    }
    Some(())
}
