//! FADD, FSUB, FMUL, FDIV and their reversed, popping and integer forms.

use super::{record, wait};
use crate::{Cpu, Exception, Op};
use glassbox_softfloat::x87::{self, Operand};
use glassbox_softfloat::{Env, F32, F64, F80};

/// An operation on destination and source.
pub(super) trait Operation {
    fn apply(destination: F80, source: impl Operand, env: &mut Env) -> F80;
}

pub(super) struct Add;
pub(super) struct Subtract;
/// Source minus destination.
pub(super) struct SubtractReversed;
pub(super) struct Multiply;
pub(super) struct Divide;
/// Source divided by destination.
pub(super) struct DivideReversed;

impl Operation for Add {
    fn apply(destination: F80, source: impl Operand, env: &mut Env) -> F80 {
        x87::add(destination, source, env)
    }
}

impl Operation for Subtract {
    fn apply(destination: F80, source: impl Operand, env: &mut Env) -> F80 {
        x87::sub(destination, source, env)
    }
}

impl Operation for SubtractReversed {
    fn apply(destination: F80, source: impl Operand, env: &mut Env) -> F80 {
        x87::sub(source, destination, env)
    }
}

impl Operation for Multiply {
    fn apply(destination: F80, source: impl Operand, env: &mut Env) -> F80 {
        x87::mul(destination, source, env)
    }
}

impl Operation for Divide {
    fn apply(destination: F80, source: impl Operand, env: &mut Env) -> F80 {
        x87::div(destination, source, env)
    }
}

impl Operation for DivideReversed {
    fn apply(destination: F80, source: impl Operand, env: &mut Env) -> F80 {
        x87::div(source, destination, env)
    }
}

/// A memory operand of arithmetic and comparisons.
pub(super) trait Source: Operand {
    fn load(cpu: &mut Cpu, op: &Op) -> Result<Self, Exception>;
}

impl Source for F32 {
    fn load(cpu: &mut Cpu, op: &Op) -> Result<Self, Exception> {
        cpu.load_operand(op).map(Self)
    }
}

impl Source for F64 {
    fn load(cpu: &mut Cpu, op: &Op) -> Result<Self, Exception> {
        cpu.load_operand(op).map(Self)
    }
}

impl Source for i16 {
    fn load(cpu: &mut Cpu, op: &Op) -> Result<Self, Exception> {
        cpu.load_operand(op)
    }
}

impl Source for i32 {
    fn load(cpu: &mut Cpu, op: &Op) -> Result<Self, Exception> {
        cpu.load_operand(op)
    }
}

/// ST(0) = ST(0) op memory.
pub(super) fn memory<O: Operation, S: Source>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    let source = S::load(cpu, op)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let Some(top) = fpu.get(0) else {
        fpu.underflow_into(0);
        return Ok(());
    };
    let mut env = fpu.env();
    let result = O::apply(top, source, &mut env);
    if fpu.settle(&env) {
        fpu.set(0, result);
    }
    Ok(())
}

fn between<O: Operation>(cpu: &mut Cpu, op: &Op, pop: bool) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let done = match (fpu.get(op.dst), fpu.get(op.src)) {
        (Some(destination), Some(source)) => {
            let mut env = fpu.env();
            let result = O::apply(destination, source, &mut env);
            let write = fpu.settle(&env);
            if write {
                fpu.set(op.dst, result);
            }
            write
        }
        _ => fpu.underflow_into(op.dst),
    };
    if done && pop {
        fpu.pop();
    }
    Ok(())
}

/// Between registers: ST(0) and ST(i), either way.
pub(super) fn register<O: Operation>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    between::<O>(cpu, op, false)
}

/// ST(i) = ST(i) op ST(0), and pop.
pub(super) fn register_pop<O: Operation>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    between::<O>(cpu, op, true)
}
