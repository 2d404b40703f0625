//! MOVS, STOS, LODS, SCAS and CMPS without a repeat prefix.

use super::Lifter;
use crate::ir::{Address, Alu, ES, Inst, Place, RAX, RDI, RSI, Reg, Size, T0, Value};
use glassbox_cpu::Op;
use iced_x86::{Instruction, Mnemonic};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    if !i.is_string_instruction() || l.op.flags & (Op::REP | Op::REPNE) != 0 {
        return None;
    }
    let size = Size::of(i.memory_size().size() as u32 * 8)?;
    let bytes = size.bytes();
    let width = Size::of(l.op.address_bits())?;
    let source = l.offset_in(l.op.seg(), RSI, 0, width);
    let destination = l.offset_in(ES, RDI, 0, width);
    l.push(Inst::Upwards);
    match i.mnemonic() {
        Mnemonic::Movsb | Mnemonic::Movsw | Mnemonic::Movsd | Mnemonic::Movsq => {
            load(l, source, size, T0);
            l.probe(destination, bytes, true);
            l.push(Inst::Move { size, to: Place::Cell, from: Value::Reg(T0) });
        }
        Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq => {
            l.probe(destination, bytes, true);
            l.push(Inst::Move { size, to: Place::Cell, from: Value::Reg(RAX) });
        }
        Mnemonic::Lodsb | Mnemonic::Lodsw | Mnemonic::Lodsd | Mnemonic::Lodsq => load(l, source, size, RAX),
        Mnemonic::Scasb | Mnemonic::Scasw | Mnemonic::Scasd | Mnemonic::Scasq => {
            compare(l, RAX, destination, size);
        }
        Mnemonic::Cmpsb | Mnemonic::Cmpsw | Mnemonic::Cmpsd | Mnemonic::Cmpsq => {
            load(l, source, size, T0);
            compare(l, T0, destination, size);
        }
        _ => return None,
    }
    let (by_source, by_destination) = match i.mnemonic() {
        Mnemonic::Lodsb | Mnemonic::Lodsw | Mnemonic::Lodsd | Mnemonic::Lodsq => (true, false),
        Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq => (false, true),
        Mnemonic::Scasb | Mnemonic::Scasw | Mnemonic::Scasd | Mnemonic::Scasq => (false, true),
        _ => (true, true),
    };
    for (moved, register) in [(by_source, RSI), (by_destination, RDI)] {
        if moved {
            let at = Address::at(register, i32::from(bytes), false);
            l.push(Inst::Lea { to: register, size: width, at });
        }
    }
    Some(())
}

fn load(l: &mut Lifter<'_>, at: Address, size: Size, to: Reg) {
    l.probe(at, size.bytes(), false);
    l.push(Inst::Move { size, to: Place::Reg(to), from: Value::Cell });
}

fn compare(l: &mut Lifter<'_>, with: Reg, at: Address, size: Size) {
    l.probe(at, size.bytes(), false);
    l.push(Inst::Alu { op: Alu::Cmp, size, to: Place::Reg(with), from: Value::Cell });
}
