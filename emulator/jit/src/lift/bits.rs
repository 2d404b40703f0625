//! BT, BTS, BTR, BTC.

use super::Lifter;
use crate::ir::{Bit, Inst, Place, Value};
use iced_x86::{Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    let op = match i.mnemonic() {
        Mnemonic::Bt => Bit::Test,
        Mnemonic::Bts => Bit::Set,
        Mnemonic::Btr => Bit::Reset,
        Mnemonic::Btc => Bit::Complement,
        _ => return None,
    };
    let size = l.size(i, 0)?;
    let constant = i.op1_kind() != OpKind::Register;
    let number = l.op.imm as u8 & (size.bits() - 1);
    if i.op0_kind() == OpKind::Memory {
        // A register's bit number moves the address: the interpreter's.
        if !constant {
            return None;
        }
        let at = l.address()?;
        if l.op.locked() {
            l.probe_aligned(at, size.bytes(), true);
            l.push(Inst::LockedBit { op, size, bit: number });
        } else {
            l.probe(at, size.bytes(), op != Bit::Test);
            l.push(Inst::BitTest { op, size, to: Place::Cell, bit: Value::Imm(i32::from(number)) });
        }
        return Some(());
    }
    let to = Place::Reg(l.register(i, 0)?);
    let bit = if constant { Value::Imm(i32::from(number)) } else { Value::Reg(l.register(i, 1)?) };
    l.push(Inst::BitTest { op, size, to, bit });
    Some(())
}
