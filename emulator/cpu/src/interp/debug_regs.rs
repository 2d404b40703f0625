//! MOV to and from debug registers (Intel SDM Vol. 3B 18.2).

use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::{Cr4, dr6, dr7};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

/// DR6 bits that software can write: B0 to B3, BD, BS, BT.
const DR6_WRITABLE: u64 = 0xF | dr6::BD | dr6::BS | dr6::BT;
/// DR7 bits that software can write: enables, LE, GE, GD, conditions and lengths.
const DR7_WRITABLE: u64 = 0xFFFF_0000 | dr7::GD | 0x3FF;

/// The register that `number` means now: DR4 and DR5 are DR6 and DR7, or
/// nothing with CR4.DE set. Detects accesses with DR7.GD set.
fn resolve(cpu: &mut Cpu, number: u8) -> Result<usize, Exception> {
    let number = match number {
        4 | 5 if cpu.state.cr4.contains(Cr4::DE) => return Err(Exception::UD),
        4 | 5 => number + 2,
        0..=7 => number,
        _ => return Err(Exception::UD),
    };
    cpu.require_cpl0()?;
    if cpu.state.dr[7] & dr7::GD != 0 {
        cpu.state.dr[6] |= dr6::BD;
        return Err(Exception::DB);
    }
    Ok(usize::from(number))
}

fn mov_from_dr(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value = cpu.state.dr[resolve(cpu, op.src)? & 7];
    if op.code == Code::Mov_r64_dr {
        cpu.set_reg(op.dst, value)
    } else {
        cpu.set_reg(op.dst, value as u32)
    }
    Ok(())
}

fn mov_to_dr(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let number = resolve(cpu, op.dst)?;
    let value = if op.code == Code::Mov_dr_r64 { cpu.reg(op.src) } else { u64::from(cpu.reg::<u32>(op.src)) };
    if number >= 6 && value >> 32 != 0 {
        return Err(Exception::GP0);
    }
    cpu.state.dr[number & 7] = match number {
        6 => value & DR6_WRITABLE | dr6::FIXED_ONE,
        7 => value & DR7_WRITABLE | dr7::FIXED_ONE,
        _ => value,
    };
    cpu.sync();
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    if i.mnemonic() != Mnemonic::Mov {
        return None;
    }
    if i.op0_kind() == OpKind::Register && i.op0_register().is_dr() {
        return Some(mov_to_dr);
    }
    if i.op1_kind() == OpKind::Register && i.op1_register().is_dr() {
        return Some(mov_from_dr);
    }
    None
}
