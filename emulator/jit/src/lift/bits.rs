//! BT, BTS, BTR, BTC.

use super::Lifter;
use crate::emit::host::BIT_STRINGS;
use crate::ir::{Address, Bit, Inst, NONE, Place, Reg, Size, T0, T1, Value};
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
    let bit = if constant { Value::Imm(i32::from(number)) } else { Value::Reg(l.register(i, 1)?) };
    if i.op0_kind() == OpKind::Memory {
        let locked = l.op.locked();
        let (at, bit) = match bit {
            Value::Reg(number) => {
                let at = bit_string(l, size, number)?;
                (at, Value::Reg(if locked { T1 } else { number }))
            }
            _ => (l.address()?, bit),
        };
        if locked {
            l.probe_aligned(at, size.bytes(), true);
            l.push(Inst::LockedBit { op, size, bit });
        } else {
            l.probe(at, size.bytes(), op != Bit::Test);
            l.push(Inst::BitTest { op, size, to: Place::Cell, bit });
        }
        return Some(());
    }
    let to = Place::Reg(l.register(i, 0)?);
    l.push(Inst::BitTest { op, size, to, bit });
    Some(())
}

/// The address of the operand that has the bit of a register's number, counted from the
/// memory operand.
fn bit_string(l: &mut Lifter<'_>, size: Size, number: Reg) -> Option<Address> {
    let at = l.address().filter(|at| BIT_STRINGS && !at.word && i32::try_from(at.disp).is_ok())?;
    l.push(Inst::Lea { to: T0, size: Size::B64, at: Address { seg: NONE, checked: false, ..at } });
    l.push(Inst::BitString { size, to: T0, number, locked: l.op.locked() });
    Some(Address { seg: at.seg, checked: at.checked, ..Address::at(T0, 0, at.narrow) })
}
