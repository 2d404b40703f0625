//! Control: FINIT, FCLEX, FLDCW, FSTCW, FSTSW, FWAIT, the stack pointer and
//! the instructions that do nothing.

use super::unit::status;
use super::{available, record, release_ferr, wait};
use crate::state::{FpuState, gpr};
use crate::{Cpu, Exception, Op};
use glassbox_softfloat::flag;
use glassbox_x86_spec::control::Cr0;

/// FNINIT. The registers keep their contents, empty.
pub(super) fn fninit(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    available(cpu)?;
    initialise(cpu);
    Ok(())
}

/// The state after FNINIT and FNSAVE.
pub(super) fn initialise(cpu: &mut Cpu) {
    let regs = cpu.state.fpu.regs;
    cpu.state.fpu = FpuState { regs, ..FpuState::default() };
    release_ferr(cpu);
}

/// FNCLEX: the condition codes and TOP stay.
pub(super) fn fnclex(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    available(cpu)?;
    cpu.state.fpu.status &= !(u16::from(flag::ALL) | status::STACK_FAULT | status::SUMMARY | status::BUSY);
    release_ferr(cpu);
    Ok(())
}

pub(super) fn fldcw(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    let word = cpu.load_operand(op)?;
    cpu.state.fpu.load_control(word);
    Ok(())
}

pub(super) fn fnstcw(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    available(cpu)?;
    let word = cpu.state.fpu.control;
    cpu.store_operand(op, word)
}

pub(super) fn fnstsw(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    available(cpu)?;
    let word = cpu.state.fpu.status;
    cpu.store_operand(op, word)
}

pub(super) fn fnstsw_ax(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    available(cpu)?;
    let word = cpu.state.fpu.status;
    cpu.set_reg(gpr::RAX as u8, word);
    Ok(())
}

/// FWAIT: CR0.TS counts only together with CR0.MP, CR0.EM not at all.
pub(super) fn fwait(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    if cpu.state.cr0.contains(Cr0::MP | Cr0::TS) {
        return Err(Exception::NM);
    }
    super::check_pending(cpu)
}

/// FNOP.
pub(super) fn fnop(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    Ok(())
}

/// FNENI, FNDISI and FNSETPM: of the 8087 and 287, and nothing since.
pub(super) fn ignored(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    available(cpu)
}

pub(super) fn ffree(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    fpu.set_c1(false);
    fpu.free(op.dst);
    Ok(())
}

/// FFREEP: frees, then pops.
pub(super) fn ffreep(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    ffree(cpu, op)?;
    cpu.state.fpu.pop();
    Ok(())
}

pub(super) fn fincstp(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    turn(cpu, op, 1)
}

pub(super) fn fdecstp(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    turn(cpu, op, 7)
}

fn turn(cpu: &mut Cpu, op: &Op, by: u16) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    fpu.set_c1(false);
    fpu.rotate(by);
    Ok(())
}
