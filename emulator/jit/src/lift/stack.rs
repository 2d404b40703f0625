//! PUSH, POP, LEAVE.

use super::{Lifter, Mode};
use crate::ir::{Address, Inst, Place, T0, Value};
use iced_x86::{Code, Instruction};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    let size = l.mode.size();
    let bytes = i32::from(size.bytes());
    match (i.code(), l.mode) {
        (Code::Push_r64 | Code::Push_rm64 | Code::Pushq_imm8 | Code::Pushq_imm32, Mode::Long)
        | (Code::Push_r32 | Code::Push_rm32 | Code::Pushd_imm8 | Code::Pushd_imm32, Mode::Flat32) => {
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
        (Code::Pop_r64, Mode::Long) | (Code::Pop_r32, Mode::Flat32) => {
            let to = l.register(i, 0)?;
            let at = l.stack(0);
            l.probe(at, size.bytes(), false);
            if to == 4 {
                // The popped value wins over the moved pointer.
                l.push(Inst::Move { size, to: Place::Reg(4), from: Value::Cell });
            } else {
                l.push(Inst::Move { size, to: Place::Reg(to), from: Value::Cell });
                l.move_stack(bytes);
            }
        }
        (Code::Leaveq, Mode::Long) | (Code::Leaved, Mode::Flat32) => {
            l.probe(Address::at(5, 0, l.mode != Mode::Long), size.bytes(), false);
            l.push(Inst::Move { size, to: Place::Reg(T0), from: Value::Cell });
            l.push(Inst::Lea { to: 4, size, at: Address::at(5, bytes, false) });
            l.push(Inst::Move { size, to: Place::Reg(5), from: Value::Reg(T0) });
        }
        _ => return None,
    }
    Some(())
}
