//! RDMSR, WRMSR, XGETBV, XSETBV.

use crate::cpuid::Feature;
use crate::state::gpr::RCX;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::Cr4;
use iced_x86::{Instruction, Mnemonic};

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

/// XGETBV: XCR0, or with ECX = 1 XCR0 & XINUSE.
fn xgetbv(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    check_osxsave(cpu)?;
    let value = match cpu.reg::<u32>(RCX as u8) {
        0 => cpu.state.xcr0,
        1 if cpu.model.has(Feature::Xgetbv1) => cpu.state.xcr0 & cpu.in_use(),
        _ => return Err(Exception::GP0),
    };
    cpu.set_edx_eax(value);
    Ok(())
}

fn xsetbv(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    check_osxsave(cpu)?;
    cpu.require_cpl0()?;
    let value = cpu.edx_eax();
    if cpu.reg::<u32>(RCX as u8) != 0 || !cpu.model.accepts_xcr0(value) {
        return Err(Exception::GP0);
    }
    cpu.state.xcr0 = value;
    cpu.sync();
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
