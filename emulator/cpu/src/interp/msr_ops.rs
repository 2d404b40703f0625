//! RDMSR, WRMSR, XGETBV, XSETBV.

use crate::cpuid::Feature;
use crate::state::gpr::RCX;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::Cr4;
use iced_x86::{Instruction, Mnemonic};

/// XCR0: x87 state, SSE state.
const XCR0_X87: u64 = 1;

impl Cpu {
    /// The XCR0 bits that exist: x87 and SSE.
    pub const XCR0_SUPPORTED: u64 = 3;
}

fn rdmsr(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    let value = cpu.read_msr(cpu.reg(RCX as u8))?;
    cpu.set_edx_eax(value);
    Ok(())
}

fn wrmsr(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    cpu.write_msr(cpu.reg(RCX as u8), cpu.edx_eax())?;
    cpu.sync();
    cpu.interrupts_may_be_open();
    Ok(())
}

fn check_osxsave(cpu: &Cpu) -> Result<(), Exception> {
    if cpu.state.cr4.contains(Cr4::OSXSAVE) { Ok(()) } else { Err(Exception::UD) }
}

/// XGETBV: XCR0, or with ECX = 1 XCR0 & XINUSE (all of it is taken as in use).
fn xgetbv(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    check_osxsave(cpu)?;
    match cpu.reg::<u32>(RCX as u8) {
        0 => {}
        1 if cpu.model.has(Feature::Xgetbv1) => {}
        _ => return Err(Exception::GP0),
    }
    cpu.set_edx_eax(cpu.state.xcr0);
    Ok(())
}

fn xsetbv(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    check_osxsave(cpu)?;
    cpu.require_cpl0()?;
    let value = cpu.edx_eax();
    let valid = value & XCR0_X87 != 0 && value & !Cpu::XCR0_SUPPORTED == 0;
    if cpu.reg::<u32>(RCX as u8) != 0 || !valid {
        return Err(Exception::GP0);
    }
    cpu.state.xcr0 = value;
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.mnemonic() {
        Mnemonic::Rdmsr => rdmsr,
        Mnemonic::Wrmsr => wrmsr,
        Mnemonic::Xgetbv => xgetbv,
        Mnemonic::Xsetbv => xsetbv,
        _ => return None,
    })
}
