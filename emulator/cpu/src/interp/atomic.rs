//! XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.

use super::Width;
use super::alu;
use super::operand::{by_width, operand_bits};
use crate::mmu::Access;
use crate::state::gpr::{RAX, RBX, RCX, RDX};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::Flags;
use iced_x86::{Instruction, Mnemonic};

fn xadd<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let addend: T = cpu.reg(op.src);
    let old = cpu.update_rm(op, |v| alu::add(v, addend, false).0)?;
    let (sum, flags) = alu::add(old, addend, false);
    cpu.set_reg(op.src, old);
    // XADD of a register with itself leaves the sum.
    if !op.is_mem() {
        cpu.set_reg(op.dst, sum);
    }
    cpu.state.status = flags;
    Ok(())
}

/// The destination is written in both cases: with what it held when the
/// comparison fails.
fn cmpxchg<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let expected: T = cpu.reg(RAX as u8);
    let new: T = cpu.reg(op.src);
    let old = if op.is_mem() {
        cpu.update_operand(op, |v| if v == expected { new } else { v })?
    } else {
        let old: T = cpu.reg(op.dst);
        if old == expected {
            cpu.set_reg(op.dst, new);
        }
        old
    };
    cpu.state.status = alu::sub(expected, old, false).1;
    if old != expected {
        cpu.set_reg(RAX as u8, old);
    }
    Ok(())
}

fn cmpxchg8b(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let pair = |cpu: &Cpu, high: usize, low: usize| {
        u64::from(cpu.reg::<u32>(high as u8)) << 32 | u64::from(cpu.reg::<u32>(low as u8))
    };
    let expected = pair(cpu, RDX, RAX);
    let new = pair(cpu, RCX, RBX);
    let old = cpu.update_operand::<u64>(op, |v| if v == expected { new } else { v })?;
    set_zf(cpu, old == expected);
    if old != expected {
        cpu.set_reg(RAX as u8, old as u32);
        cpu.set_reg(RDX as u8, (old >> 32) as u32);
    }
    Ok(())
}

/// A misaligned operand is #GP(0).
fn cmpxchg16b(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let gva = cpu.linear_address(op, 16, Access::Write)?;
    if gva & 15 != 0 {
        return Err(Exception::GP0);
    }
    let regs = &cpu.state.regs;
    let expected = [regs[RAX], regs[RDX]];
    let new = [regs[RBX], regs[RCX]];
    let old = cpu.exchange_wide(op.seg(), gva, expected, new)?;
    set_zf(cpu, old == expected);
    if old != expected {
        cpu.state.regs[RAX] = old[0];
        cpu.state.regs[RDX] = old[1];
    }
    Ok(())
}

fn set_zf(cpu: &mut Cpu, value: bool) {
    cpu.state.status.replace(Flags::ZF, if value { Flags::ZF } else { Flags::empty() });
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = operand_bits(i, 0);
    Some(match i.mnemonic() {
        Mnemonic::Xadd => by_width!(bits, xadd),
        Mnemonic::Cmpxchg => by_width!(bits, cmpxchg),
        Mnemonic::Cmpxchg8b => cmpxchg8b,
        Mnemonic::Cmpxchg16b => cmpxchg16b,
        _ => return None,
    })
}
