//! XADD, CMPXCHG and CMPXCHG16B on memory, locked or not.

use super::Lifter;
use crate::ir::Inst;
use glassbox_cpu::Op;
use iced_x86::{CpuidFeature, Instruction, Mnemonic, OpKind};

pub(super) fn lift(l: &mut Lifter<'_>, i: &Instruction) -> Option<()> {
    if i.mnemonic() == Mnemonic::Cmpxchg16b && l.forms.supports(CpuidFeature::CMPXCHG16B) {
        let at = l.address()?;
        l.probe_aligned(at, 16, true);
        l.push(Inst::CompareExchangeWide { locked: l.op.locked() });
        return Some(());
    }
    if !matches!(i.mnemonic(), Mnemonic::Xadd | Mnemonic::Cmpxchg) || i.op0_kind() != OpKind::Memory {
        return None;
    }
    let size = l.size(i, 0)?;
    let with = l.register(i, 1).filter(|n| n & Op::HIGH_BYTE == 0)?;
    let locked = l.op.locked();
    let at = l.address()?;
    l.probe_aligned(at, size.bytes(), true);
    l.push(match i.mnemonic() {
        Mnemonic::Xadd => Inst::ExchangeAdd { size, with, locked },
        _ => Inst::CompareExchange { size, with, locked },
    });
    Some(())
}
