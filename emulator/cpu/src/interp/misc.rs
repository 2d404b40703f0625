//! XLAT, BOUND, SALC.

use super::Width;
use crate::state::gpr::{RAX, RBX};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

/// AL = [rBX + AL], the index zero-extended.
fn xlat(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let index = u64::from(cpu.reg::<u8>(RAX as u8));
    let mask = u64::MAX >> (64 - op.address_bits());
    let offset = cpu.state.regs[RBX].wrapping_add(index) & mask;
    let value: u8 = cpu.load_seg(op.seg(), offset)?;
    cpu.set_reg(RAX as u8, value);
    Ok(())
}

/// BOUND: signed bounds, lower then upper, inclusive.
fn bound<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let size = size_of::<T>() as u64;
    let offset = cpu.effective_address(op);
    let lower: T = cpu.load_seg(op.seg(), offset)?;
    let mask = u64::MAX >> (64 - op.address_bits());
    let upper: T = cpu.load_seg(op.seg(), offset.wrapping_add(size) & mask)?;
    let index = cpu.reg::<T>(op.dst).sext() as i64;
    if index < lower.sext() as i64 || index > upper.sext() as i64 {
        return Err(Exception::BR);
    }
    Ok(())
}

/// SALC (undocumented): AL becomes FFh or 0 by CF.
fn salc(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.set_reg(RAX as u8, if cpu.state.status.cf() { 0xFFu8 } else { 0 });
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.mnemonic() {
        Mnemonic::Xlatb => xlat,
        Mnemonic::Bound if i.op0_register().size() == 2 => bound::<u16>,
        Mnemonic::Bound => bound::<u32>,
        Mnemonic::Salc => salc,
        _ => return None,
    })
}
