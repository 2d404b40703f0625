//! PUSHF, POPF, CLI, STI, CLD, STD, CLC, STC, CMC, LAHF, SAHF, CLAC, STAC.

use super::Width;
use crate::state::gpr::RAX;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::{Cr4, Flags};
use iced_x86::{Instruction, Mnemonic};

/// AH.
const AH: u8 = Op::HIGH_BYTE | RAX as u8;
/// What SAHF loads.
const AH_FLAGS: Flags = Flags::SF.union(Flags::ZF).union(Flags::AF).union(Flags::PF).union(Flags::CF);

impl Cpu {
    /// In virtual-8086 mode with IOPL below 3, where VME has 16-bit PUSHF and
    /// POPF work on VIF and everything else traps.
    ///
    /// # Errors
    /// #GP(0) for what traps.
    fn flags_are_virtual(&self, bits: u32) -> Result<bool, Exception> {
        if !self.state.v86() || self.state.iopl() == 3 {
            return Ok(false);
        }
        if bits == 16 && self.state.cr4.contains(Cr4::VME) { Ok(true) } else { Err(Exception::GP0) }
    }

    /// Which flag CLI and STI change: IF, or VIF under VME and PVI
    /// (Intel SDM Vol. 2A "CLI").
    ///
    /// # Errors
    /// #GP(0) where the level may change neither.
    fn interrupt_flag(&self) -> Result<Flags, Exception> {
        let state = &self.state;
        if !state.protected() && !state.v86() || state.cpl <= state.iopl() {
            return Ok(Flags::IF);
        }
        let virtualized = if state.v86() { Cr4::VME } else { Cr4::PVI };
        if state.cpl == 3 && state.cr4.contains(virtualized) { Ok(Flags::VIF) } else { Err(Exception::GP0) }
    }
}

/// PUSHF: RF and VM read as zero.
fn pushf<T: Width>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let mut flags = cpu.state.rflags() - (Flags::RF | Flags::VM);
    if cpu.flags_are_virtual(T::BITS)? {
        flags.set(Flags::IF, flags.contains(Flags::VIF));
        flags |= Flags::IOPL;
    }
    cpu.push(T::truncate(u64::from(flags.bits())))
}

/// POPF: what may change depends on CPL and IOPL (Intel SDM Vol. 2B "POPF", Table 4-16).
fn popf<T: Width>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let is_virtual = cpu.flags_are_virtual(T::BITS)?;
    let value: T = cpu.peek(0)?;
    let mut flags = Flags::from_bits_truncate(value.zext() as u32);
    let mut change = Flags::STATUS | Flags::TF | Flags::DF | Flags::NT;
    if T::BITS > 16 {
        change |= Flags::RF | Flags::AC | Flags::ID;
        flags -= Flags::RF;
    }
    if is_virtual {
        let opens = flags.contains(Flags::IF) && cpu.state.system_flags.contains(Flags::VIP);
        if opens || flags.contains(Flags::TF) {
            return Err(Exception::GP0);
        }
        flags.set(Flags::VIF, flags.contains(Flags::IF));
        change |= Flags::VIF;
    } else {
        if cpu.state.cpl == 0 {
            change |= Flags::IOPL;
        }
        if cpu.state.cpl <= cpu.state.iopl() {
            change |= Flags::IF;
        }
    }
    cpu.release_stack(size_of::<T>() as u64);
    cpu.change_flags(change, flags);
    Ok(())
}

fn cli(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let flag = cpu.interrupt_flag()?;
    cpu.state.system_flags -= flag;
    Ok(())
}

/// STI holds interrupts off until the next instruction has completed.
fn sti(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let flag = cpu.interrupt_flag()?;
    if flag == Flags::VIF {
        if cpu.state.system_flags.contains(Flags::VIP) {
            return Err(Exception::GP0);
        }
        cpu.state.system_flags |= flag;
    } else if !cpu.state.system_flags.contains(Flags::IF) {
        cpu.state.system_flags |= flag;
        cpu.state.interrupt_shadow = true;
        cpu.interrupts_may_be_open();
    }
    Ok(())
}

fn cld(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.state.system_flags -= Flags::DF;
    Ok(())
}

fn std(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.state.system_flags |= Flags::DF;
    Ok(())
}

fn clc(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.state.status.set_cf(false);
    Ok(())
}

fn stc(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.state.status.set_cf(true);
    Ok(())
}

fn cmc(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let carry = cpu.state.status.cf();
    cpu.state.status.set_cf(!carry);
    Ok(())
}

fn lahf(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.set_reg(AH, cpu.state.rflags().bits() as u8);
    Ok(())
}

fn sahf(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    let flags = Flags::from_bits_truncate(u32::from(cpu.reg::<u8>(AH)));
    cpu.state.status.replace(AH_FLAGS, flags);
    Ok(())
}

fn clac(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    set_ac(cpu, false)
}

fn stac(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    set_ac(cpu, true)
}

fn set_ac(cpu: &mut Cpu, value: bool) -> Result<(), Exception> {
    if cpu.state.cpl != 0 {
        return Err(Exception::UD);
    }
    cpu.state.system_flags.set(Flags::AC, value);
    cpu.sync();
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.mnemonic() {
        Mnemonic::Pushf => pushf::<u16>,
        Mnemonic::Pushfd => pushf::<u32>,
        Mnemonic::Pushfq => pushf::<u64>,
        Mnemonic::Popf => popf::<u16>,
        Mnemonic::Popfd => popf::<u32>,
        Mnemonic::Popfq => popf::<u64>,
        Mnemonic::Cli => cli,
        Mnemonic::Sti => sti,
        Mnemonic::Cld => cld,
        Mnemonic::Std => std,
        Mnemonic::Clc => clc,
        Mnemonic::Stc => stc,
        Mnemonic::Cmc => cmc,
        Mnemonic::Lahf => lahf,
        Mnemonic::Sahf => sahf,
        Mnemonic::Clac => clac,
        Mnemonic::Stac => stac,
        _ => return None,
    })
}
