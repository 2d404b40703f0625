//! LGDT, LIDT, SGDT, SIDT.

use crate::mmu::Access;
use crate::state::DescriptorTable;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic};

/// Bytes of the operand: limit, then base.
fn operand_size(op: &Op) -> u64 {
    match op.code {
        Code::Lgdt_m1664 | Code::Lidt_m1664 | Code::Sgdt_m1664 | Code::Sidt_m1664 => 10,
        _ => 6,
    }
}

fn load_table(cpu: &mut Cpu, op: &Op) -> Result<DescriptorTable, Exception> {
    cpu.require_cpl0()?;
    let size = operand_size(op);
    let gva = cpu.linear_address(op, size, Access::Read)?;
    let at = cpu.wrap_linear(gva.wrapping_add(2));
    let limit = cpu.load::<u16>(op.seg(), gva)?;
    let base = match op.code {
        Code::Lgdt_m1664 | Code::Lidt_m1664 => {
            let base = cpu.load::<u64>(op.seg(), at)?;
            if !cpu.is_canonical(base) {
                return Err(Exception::GP0);
            }
            base
        }
        // A 16-bit operand size leaves 24 bits of base.
        Code::Lgdt_m1632_16 | Code::Lidt_m1632_16 => u64::from(cpu.load::<u32>(op.seg(), at)? & 0xFF_FFFF),
        _ => u64::from(cpu.load::<u32>(op.seg(), at)?),
    };
    Ok(DescriptorTable { base, limit })
}

fn store_table(cpu: &mut Cpu, op: &Op, table: DescriptorTable) -> Result<(), Exception> {
    cpu.check_umip()?;
    let size = operand_size(op);
    let gva = cpu.linear_address(op, size, Access::Write)?;
    let at = cpu.wrap_linear(gva.wrapping_add(2));
    cpu.probe_write(op.seg(), gva, size)?;
    cpu.store(op.seg(), gva, table.limit)?;
    if size == 10 {
        cpu.store(op.seg(), at, table.base)
    } else {
        // All four bytes of the base are stored, with a 16-bit operand size, too.
        cpu.store(op.seg(), at, table.base as u32)
    }
}

impl Cpu {
    /// A linear address that ran over the end of the address space of the mode.
    pub(crate) fn wrap_linear(&self, gva: u64) -> u64 {
        if self.mode.is_64bit() { gva } else { gva & 0xFFFF_FFFF }
    }
}

fn lgdt(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.state.gdtr = load_table(cpu, op)?;
    Ok(())
}

fn lidt(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.state.idtr = load_table(cpu, op)?;
    Ok(())
}

fn sgdt(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    store_table(cpu, op, cpu.state.gdtr)
}

fn sidt(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    store_table(cpu, op, cpu.state.idtr)
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.mnemonic() {
        Mnemonic::Lgdt => lgdt,
        Mnemonic::Lidt => lidt,
        Mnemonic::Sgdt => sgdt,
        Mnemonic::Sidt => sidt,
        _ => return None,
    })
}
