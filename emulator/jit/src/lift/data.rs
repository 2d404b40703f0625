//! MOV, MOVZX, MOVSX, LEA, XCHG, BSWAP, sign extension, NOP.

use super::Lifter;
use crate::ir::{Inst, Place, Reg, Size, T0, Value};
use glassbox_cpu::Op;
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    match i.mnemonic() {
        Mnemonic::Mov => mov(l, i),
        Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd => {
            let (size, of) = (l.size(i, 0)?, l.size(i, 1)?);
            // It takes two bytes, but reads four, and faults where any of them does.
            if i.code() == Code::Movsxd_r16_rm16 && i.op1_kind() == OpKind::Memory {
                return None;
            }
            let to = l.register(i, 0)?;
            let from = l.value(i, 1, of)?;
            let signed = i.mnemonic() != Mnemonic::Movzx;
            l.push(Inst::Extend { to, size, from, of, signed });
            Some(())
        }
        Mnemonic::Lea => {
            let mut at = l.address()?;
            (at.seg, at.checked) = (crate::ir::NONE, false);
            let (to, size) = (l.register(i, 0)?, l.size(i, 0)?);
            l.push(Inst::Lea { to, size, at });
            Some(())
        }
        Mnemonic::Movnti => {
            let size = l.size(i, 1)?;
            let from = Value::Reg(l.register(i, 1)?);
            let at = l.address()?;
            l.probe(at, size.bytes(), true);
            l.push(Inst::Move { size, to: Place::Cell, from });
            Some(())
        }
        Mnemonic::Xchg => exchange(l, i),
        Mnemonic::Bswap => {
            let size = l.size(i, 0)?;
            if size == Size::B16 {
                return None;
            }
            let to = l.register(i, 0)?;
            l.push(Inst::Bswap { to, size });
            Some(())
        }
        Mnemonic::Cbw => extend(l, Size::B16, Size::B8),
        Mnemonic::Cwde => extend(l, Size::B32, Size::B16),
        Mnemonic::Cdqe => extend(l, Size::B64, Size::B32),
        Mnemonic::Cwd => sign(l, Size::B16),
        Mnemonic::Cdq => sign(l, Size::B32),
        Mnemonic::Cqo => sign(l, Size::B64),
        Mnemonic::Nop
        | Mnemonic::Endbr64
        | Mnemonic::Endbr32
        | Mnemonic::Pause
        | Mnemonic::Lfence
        | Mnemonic::Sfence
        | Mnemonic::Prefetchnta
        | Mnemonic::Prefetcht0
        | Mnemonic::Prefetcht1
        | Mnemonic::Prefetcht2
        | Mnemonic::Prefetchw => (!l.op.locked()).then_some(()),
        Mnemonic::Mfence => {
            l.push(Inst::Fence);
            Some(())
        }
        _ => None,
    }
}

fn mov(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    if i.code() == Code::Mov_r64_imm64 {
        let to = l.register(i, 0)?;
        l.push(Inst::Const { to, value: l.op.imm });
        return Some(());
    }
    let size = l.size(i, 0)?;
    if i.op0_kind() == OpKind::Memory {
        let at = l.address()?;
        let from = match i.op1_kind() {
            OpKind::Register => {
                let n = l.register(i, 1)?;
                if n & Op::HIGH_BYTE != 0 {
                    l.push(Inst::High { to: T0, of: n & 3 });
                    Value::Reg(T0)
                } else {
                    Value::Reg(n)
                }
            }
            _ => Value::Imm(l.immediate(size)?),
        };
        l.probe(at, size.bytes(), true);
        l.push(Inst::Move { size, to: Place::Cell, from });
        return Some(());
    }
    let to = l.register(i, 0)?;
    let from = match i.op1_kind() {
        OpKind::Register if !i.op1_register().is_gpr() => return None,
        OpKind::Register | OpKind::Memory => l.value(i, 1, size)?,
        _ if size == Size::B32 => {
            l.push(Inst::Const { to, value: u64::from(l.op.imm as u32) });
            return Some(());
        }
        _ => Value::Imm(l.immediate(size)?),
    };
    if to & Op::HIGH_BYTE != 0 {
        l.push(Inst::Move { size, to: Place::Reg(T0), from });
        l.push(Inst::SetHigh { to: to & 3, from: T0 });
    } else {
        l.push(Inst::Move { size, to: Place::Reg(to), from });
    }
    Some(())
}

fn exchange(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    let size = l.size(i, 0)?;
    let low = |n: Reg| (n & Op::HIGH_BYTE == 0).then_some(n);
    if i.op0_kind() == OpKind::Memory {
        let with = low(l.register(i, 1)?)?;
        let at = l.address()?;
        l.probe_aligned(at, size.bytes(), true);
        l.push(Inst::Exchange { size, with });
        return Some(());
    }
    let (a, b) = (low(l.register(i, 0)?)?, low(l.register(i, 1)?)?);
    if a == b && size == Size::B64 {
        return Some(());
    }
    l.push(Inst::Move { size, to: Place::Reg(T0), from: Value::Reg(a) });
    l.push(Inst::Move { size, to: Place::Reg(a), from: Value::Reg(b) });
    l.push(Inst::Move { size, to: Place::Reg(b), from: Value::Reg(T0) });
    Some(())
}

fn extend(l: &mut Lifter<'_>, size: Size, of: Size) -> Option<()> {
    l.push(Inst::Extend { to: 0, size, from: Value::Reg(0), of, signed: true });
    Some(())
}

fn sign(l: &mut Lifter<'_>, size: Size) -> Option<()> {
    l.push(Inst::SignFill { size });
    Some(())
}
