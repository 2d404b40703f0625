//! LLDT, LTR, SLDT, STR, LAR, LSL, VERR, VERW, ARPL.

use super::Width;
use super::operand::{by_size, operand_bits};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::{Cr4, Flags};
use iced_x86::{Instruction, Mnemonic};

/// None of these exist in real and virtual-8086 mode.
fn protected_only(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.protected() { Ok(()) } else { Err(Exception::UD) }
}

fn ring0_only(cpu: &Cpu) -> Result<(), Exception> {
    protected_only(cpu)?;
    if cpu.state.cpl == 0 { Ok(()) } else { Err(Exception::GP0) }
}

fn lldt(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    ring0_only(cpu)?;
    let selector: u16 = cpu.read_rm(op, op.dst)?;
    cpu.load_ldtr(selector)
}

fn ltr(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    ring0_only(cpu)?;
    let selector: u16 = cpu.read_rm(op, op.dst)?;
    cpu.load_tr(selector)
}

/// SLDT and STR: memory gets 16 bits, a register its whole width.
fn store_selector<T: Width>(cpu: &mut Cpu, op: &Op, selector: u16) -> Result<(), Exception> {
    if cpu.state.cpl > 0 && cpu.state.cr4.contains(Cr4::UMIP) {
        return Err(Exception::GP0);
    }
    if op.is_mem() {
        return cpu.store_operand(op, selector);
    }
    cpu.set_reg(op.dst, T::truncate(u64::from(selector)));
    Ok(())
}

fn sldt<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    protected_only(cpu)?;
    store_selector::<T>(cpu, op, cpu.state.ldtr.selector)
}

fn str<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    protected_only(cpu)?;
    store_selector::<T>(cpu, op, cpu.state.tr.selector)
}

fn set_zf(cpu: &mut Cpu, value: bool) {
    let zf = if value { Flags::ZF } else { Flags::empty() };
    cpu.state.status.replace(Flags::ZF, zf);
}

/// ZF tells whether there was an answer; the register changes only then.
fn answer<T: Width>(cpu: &mut Cpu, op: &Op, value: Option<u32>) {
    set_zf(cpu, value.is_some());
    if let Some(value) = value {
        cpu.set_reg(op.dst, T::truncate(u64::from(value)));
    }
}

fn lar<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    protected_only(cpu)?;
    let selector: u16 = cpu.read_rm(op, op.src)?;
    let rights = cpu.access_rights(selector)?;
    answer::<T>(cpu, op, rights);
    Ok(())
}

fn lsl<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    protected_only(cpu)?;
    let selector: u16 = cpu.read_rm(op, op.src)?;
    let limit = cpu.segment_limit(selector)?;
    answer::<T>(cpu, op, limit);
    Ok(())
}

fn verr(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    protected_only(cpu)?;
    let selector: u16 = cpu.read_rm(op, op.dst)?;
    let readable = cpu.may_read(selector)?;
    set_zf(cpu, readable);
    Ok(())
}

fn verw(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    protected_only(cpu)?;
    let selector: u16 = cpu.read_rm(op, op.dst)?;
    let writable = cpu.may_write(selector)?;
    set_zf(cpu, writable);
    Ok(())
}

/// ARPL raises the RPL of a selector to that of the caller's.
fn arpl(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    protected_only(cpu)?;
    let least = cpu.reg::<u16>(op.src) & 3;
    let old: u16 = cpu.read_rm(op, op.dst)?;
    // Written only when it changes.
    if old & 3 < least {
        cpu.write_rm(op, op.dst, old & !3 | least)?;
    }
    set_zf(cpu, old & 3 < least);
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = operand_bits(i, 0);
    Some(match i.mnemonic() {
        Mnemonic::Lldt => lldt,
        Mnemonic::Ltr => ltr,
        Mnemonic::Sldt => by_size!(bits, sldt),
        Mnemonic::Str => by_size!(bits, str),
        Mnemonic::Lar => by_size!(bits, lar),
        Mnemonic::Lsl => by_size!(bits, lsl),
        Mnemonic::Verr => verr,
        Mnemonic::Verw => verw,
        Mnemonic::Arpl => arpl,
        _ => return None,
    })
}
