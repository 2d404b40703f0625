//! FCOM, FUCOM, FICOM, FTST, FXAM, FCOMI, FUCOMI and FCMOVcc.

use super::arithmetic::Source;
use super::unit::status::{C0, C1, C2, C3};
use super::{record, wait};
use crate::flags::LazyFlags;
use crate::interp::conditional::Condition;
use crate::state::FpuState;
use crate::{Cpu, Exception, Op};
use glassbox_softfloat::x87::{self, Examined, Operand};
use glassbox_softfloat::{F80, Relation, flag};
use glassbox_x86_spec::control::Flags;

fn codes(relation: Relation) -> u16 {
    match relation {
        Relation::Greater => 0,
        Relation::Less => C0,
        Relation::Equal => C3,
        Relation::Unordered => C0 | C2 | C3,
    }
}

/// Compares ST(0) with `source` (`None`: an empty register) and sets the
/// condition codes, whatever is raised. True if nothing keeps it from popping.
fn compare_top(fpu: &mut FpuState, source: Option<impl Operand>, signalling: bool) -> bool {
    let (Some(top), Some(source)) = (fpu.get(0), source) else {
        let masked = fpu.stack_fault(false);
        fpu.set_codes(codes(Relation::Unordered));
        return masked;
    };
    let mut env = fpu.env();
    let relation = x87::compare(top, source, signalling, &mut env);
    fpu.set_codes(codes(relation));
    fpu.settle(&env)
}

/// FCOM and FCOMP (`POPS` 1) with memory, FICOM and FICOMP.
pub(super) fn memory<S: Source, const POPS: u8>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    let source = S::load(cpu, op)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    if compare_top(fpu, Some(source), true) && POPS != 0 {
        fpu.pop();
    }
    Ok(())
}

fn with_register(cpu: &mut Cpu, op: &Op, i: u8, signalling: bool, pops: u8) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let source = fpu.get(i);
    if compare_top(fpu, source, signalling) {
        for _ in 0..pops {
            fpu.pop();
        }
    }
    Ok(())
}

/// FCOM and FCOMP with ST(i).
pub(super) fn fcom<const POPS: u8>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    with_register(cpu, op, op.src, true, POPS)
}

/// FUCOM and FUCOMP.
pub(super) fn fucom<const POPS: u8>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    with_register(cpu, op, op.src, false, POPS)
}

/// FCOMPP.
pub(super) fn fcompp(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    with_register(cpu, op, 1, true, 2)
}

/// FUCOMPP.
pub(super) fn fucompp(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    with_register(cpu, op, 1, false, 2)
}

/// FTST: with zero.
pub(super) fn ftst(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    compare_top(&mut cpu.state.fpu, Some(F80::ZERO), true);
    Ok(())
}

/// FCOMI, FUCOMI and their popping forms: to EFLAGS, where OF, SF and AF
/// become clear. They leave C1 alone but for a stack fault.
fn to_eflags(cpu: &mut Cpu, op: &Op, signalling: bool, pop: bool) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let (relation, done) = match (fpu.get(0), fpu.get(op.src)) {
        (Some(top), Some(other)) => {
            let mut env = fpu.env();
            let relation = x87::compare(top, other, signalling, &mut env);
            fpu.raise(env.raised());
            (relation, env.unmasked() & flag::PRE_COMPUTATION == 0)
        }
        _ => (Relation::Unordered, fpu.stack_fault(false)),
    };
    if done && pop {
        fpu.pop();
    }
    let flags = match relation {
        Relation::Greater => Flags::empty(),
        Relation::Less => Flags::CF,
        Relation::Equal => Flags::ZF,
        Relation::Unordered => Flags::ZF | Flags::PF | Flags::CF,
    };
    cpu.state.status = LazyFlags::from_bits(flags.bits());
    Ok(())
}

/// FCOMI and FCOMIP.
pub(super) fn fcomi<const POP: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    to_eflags(cpu, op, true, POP)
}

/// FUCOMI and FUCOMIP.
pub(super) fn fucomi<const POP: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    to_eflags(cpu, op, false, POP)
}

/// FCMOVcc. An empty register is a stack fault whether or not it moves.
pub(super) fn fcmov<C: Condition>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let moves = C::holds(cpu.state.status);
    let fpu = &mut cpu.state.fpu;
    match (fpu.get(0), fpu.get(op.src)) {
        (Some(_), Some(source)) if moves => fpu.set(0, source),
        (Some(_), Some(_)) => {}
        _ => {
            fpu.underflow_into(0);
        }
    }
    Ok(())
}

/// FXAM.
pub(super) fn fxam(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let class = match fpu.get(0).map(F80::examine) {
        None => C3 | C0,
        Some(Examined::Unsupported) => 0,
        Some(Examined::Nan) => C0,
        Some(Examined::Normal) => C2,
        Some(Examined::Infinity) => C2 | C0,
        Some(Examined::Zero) => C3,
        Some(Examined::Denormal) => C3 | C2,
    };
    let sign = if fpu.bits(0).is_negative() { C1 } else { 0 };
    fpu.set_c1(false);
    fpu.set_codes(class | sign);
    Ok(())
}
