//! SYSCALL, SYSRET, SYSENTER, SYSEXIT (AMD APM Vol. 3; Intel SDM Vol. 2B).
//!
//! Vendors differ: on AMD processors SYSENTER and SYSEXIT are undefined in long
//! mode, SYSCALL works in legacy and compatibility mode, and SYSRET leaves the
//! check of RCX to the fetch that follows.

use crate::cpuid::Vendor;
use crate::state::{SegReg, Segment, gpr};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::{Cr0, Efer, Flags, dr6};
use iced_x86::{Code, Instruction, Mnemonic};

/// How the new code segment decodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CodeSize {
    Bits32,
    Bits64,
}

impl Cpu {
    /// Loads the fixed flat CS and SS of the fast system call instructions, and CPL.
    fn load_flat_code_and_stack(&mut self, cs: u16, ss: u16, size: CodeSize, cpl: u8) {
        let code = if size == CodeSize::Bits64 { Segment::FLAT_CODE64 } else { Segment::FLAT_CODE32 };
        let level = u16::from(cpl) << 5;
        let flat = |selector: u16, of: Segment| Segment { selector, attr: of.attr | level, ..of };
        self.state.segs[SegReg::Cs as usize] = flat(cs, code);
        self.state.segs[SegReg::Ss as usize] = flat(ss, Segment::FLAT_STACK);
        self.state.cpl = cpl;
        self.sync();
        self.interrupts_may_be_open();
    }

    fn check_syscall(&self) -> Result<(), Exception> {
        let legacy_intel = self.model.vendor() == Vendor::Intel && !self.state.is_64bit();
        if !self.state.efer.contains(Efer::SCE) || !self.state.cr0.contains(Cr0::PE) || legacy_intel {
            return Err(Exception::UD);
        }
        Ok(())
    }

    /// SYSCALL and SYSRET are stepped by the TF that they end with, unlike all
    /// other instructions: a masked TF reaches no kernel, and a SYSRET that sets it
    /// traps before the first instruction of its target.
    fn step_by_new_flags(&mut self) {
        self.pending_db &= !dr6::BS;
        if self.state.system_flags.contains(Flags::TF) {
            self.state.dr[6] |= dr6::BS;
            self.raise_trap(Exception::DB);
        }
    }

    fn check_sysenter(&self) -> Result<(), Exception> {
        if self.state.long_mode() && self.model.vendor() == Vendor::Amd {
            return Err(Exception::UD);
        }
        if !self.state.cr0.contains(Cr0::PE) || self.state.msr.sysenter_cs & 0xFFFC == 0 {
            return Err(Exception::GP0);
        }
        Ok(())
    }
}

fn syscall(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.check_syscall()?;
    let star = cpu.state.msr.star;
    let cs = (star >> 32) as u16 & 0xFFFC;
    let next = cpu.next_rip(op);
    cpu.state.regs[gpr::RCX] = next;
    let flags = cpu.state.rflags();
    if cpu.state.long_mode() {
        cpu.state.regs[gpr::R11] = u64::from((flags - Flags::RF).bits());
        let msr = &cpu.state.msr;
        let target = if cpu.state.is_64bit() { msr.lstar } else { msr.cstar };
        let mask = Flags::from_bits_truncate(msr.fmask as u32);
        cpu.state.set_rflags(flags - mask - Flags::RF);
        cpu.load_flat_code_and_stack(cs, cs.wrapping_add(8), CodeSize::Bits64, 0);
        cpu.state.rip = target;
    } else {
        cpu.state.set_rflags(flags - (Flags::VM | Flags::IF | Flags::RF));
        cpu.load_flat_code_and_stack(cs, cs.wrapping_add(8), CodeSize::Bits32, 0);
        cpu.state.rip = star & 0xFFFF_FFFF;
    }
    cpu.step_by_new_flags();
    Ok(())
}

fn sysret(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.check_syscall()?;
    cpu.require_cpl0()?;
    let selector = (cpu.state.msr.star >> 48) as u16;
    let target = cpu.state.regs[gpr::RCX];
    let wide = op.code == Code::Sysretq;
    if wide && cpu.model.vendor() == Vendor::Intel && !cpu.is_canonical(target) {
        return Err(Exception::GP0);
    }
    let ss = selector.wrapping_add(8) | 3;
    if cpu.state.long_mode() {
        let flags = Flags::from_bits_truncate(cpu.state.regs[gpr::R11] as u32);
        cpu.state.set_rflags(flags - (Flags::RF | Flags::VM));
    } else {
        let flags = cpu.state.rflags();
        cpu.state.set_rflags(flags | Flags::IF);
    }
    if wide {
        cpu.load_flat_code_and_stack(selector.wrapping_add(16) | 3, ss, CodeSize::Bits64, 3);
        cpu.state.rip = target;
    } else {
        cpu.load_flat_code_and_stack(selector | 3, ss, CodeSize::Bits32, 3);
        cpu.state.rip = target & 0xFFFF_FFFF;
    }
    cpu.step_by_new_flags();
    Ok(())
}

fn sysenter(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.check_sysenter()?;
    let long = cpu.state.long_mode();
    let mask = if long { u64::MAX } else { 0xFFFF_FFFF };
    let cs = cpu.state.msr.sysenter_cs as u16 & 0xFFFC;
    let flags = cpu.state.rflags();
    cpu.state.set_rflags(flags - (Flags::VM | Flags::IF | Flags::RF));
    let size = if long { CodeSize::Bits64 } else { CodeSize::Bits32 };
    cpu.load_flat_code_and_stack(cs, cs.wrapping_add(8), size, 0);
    cpu.state.regs[gpr::RSP] = cpu.state.msr.sysenter_esp & mask;
    cpu.state.rip = cpu.state.msr.sysenter_eip & mask;
    Ok(())
}

fn sysexit(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.check_sysenter()?;
    cpu.require_cpl0()?;
    let cs = cpu.state.msr.sysenter_cs as u16 & 0xFFFC;
    let (target, stack) = (cpu.state.regs[gpr::RDX], cpu.state.regs[gpr::RCX]);
    if op.code == Code::Sysexitq {
        if !cpu.is_canonical(target) || !cpu.is_canonical(stack) {
            return Err(Exception::GP0);
        }
        let (cs, ss) = (cs.wrapping_add(32) | 3, cs.wrapping_add(40) | 3);
        cpu.load_flat_code_and_stack(cs, ss, CodeSize::Bits64, 3);
        cpu.state.regs[gpr::RSP] = stack;
        cpu.state.rip = target;
    } else {
        let (cs, ss) = (cs.wrapping_add(16) | 3, cs.wrapping_add(24) | 3);
        cpu.load_flat_code_and_stack(cs, ss, CodeSize::Bits32, 3);
        cpu.state.regs[gpr::RSP] = stack & 0xFFFF_FFFF;
        cpu.state.rip = target & 0xFFFF_FFFF;
    }
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.mnemonic() {
        Mnemonic::Syscall => syscall,
        Mnemonic::Sysret | Mnemonic::Sysretq => sysret,
        Mnemonic::Sysenter => sysenter,
        Mnemonic::Sysexit | Mnemonic::Sysexitq => sysexit,
        _ => return None,
    })
}
