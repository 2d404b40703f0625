//! Functions of ST(0), and of ST(0) and ST(1): sign, root, rounding, scaling,
//! remainders and the transcendental ones.

use super::unit::status::{C0, C2, C3};
use super::{record, wait};
use crate::state::FpuState;
use crate::{Cpu, Exception, Op};
use glassbox_softfloat::x87::Remainder;
use glassbox_softfloat::{Env, F80};

fn unary(cpu: &mut Cpu, op: &Op, function: fn(F80, &mut Env) -> F80) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let Some(number) = fpu.get(0) else {
        fpu.underflow_into(0);
        return Ok(());
    };
    let mut env = fpu.env();
    let result = function(number, &mut env);
    if fpu.settle(&env) {
        fpu.set(0, result);
    }
    Ok(())
}

pub(super) fn fchs(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    unary(cpu, op, |number, _| number.negate())
}

pub(super) fn fabs(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    unary(cpu, op, |number, _| number.abs())
}

pub(super) fn fsqrt(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    unary(cpu, op, F80::sqrt)
}

pub(super) fn frndint(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    unary(cpu, op, F80::round_to_integral)
}

pub(super) fn f2xm1(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    unary(cpu, op, F80::exp2_minus_1)
}

/// FSCALE: ST(0) by ST(1).
pub(super) fn fscale(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let (Some(number), Some(scale)) = (fpu.get(0), fpu.get(1)) else {
        fpu.underflow_into(0);
        return Ok(());
    };
    let mut env = fpu.env();
    let result = number.scale(scale, &mut env);
    if fpu.settle(&env) {
        fpu.set(0, result);
    }
    Ok(())
}

/// A function of ST(1) and ST(0) that replaces ST(1) and pops.
fn binary_pop(cpu: &mut Cpu, op: &Op, function: fn(F80, F80, &mut Env) -> F80) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let done = match (fpu.get(1), fpu.get(0)) {
        (Some(y), Some(x)) => {
            let mut env = fpu.env();
            let result = function(y, x, &mut env);
            let write = fpu.settle(&env);
            if write {
                fpu.set(1, result);
            }
            write
        }
        _ => fpu.underflow_into(1),
    };
    if done {
        fpu.pop();
    }
    Ok(())
}

pub(super) fn fyl2x(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    binary_pop(cpu, op, F80::times_log2)
}

pub(super) fn fyl2xp1(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    binary_pop(cpu, op, F80::times_log2_plus_1)
}

pub(super) fn fpatan(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    binary_pop(cpu, op, F80::atan2)
}

fn remainder(cpu: &mut Cpu, op: &Op, function: fn(F80, F80, &mut Env) -> Remainder) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let (Some(dividend), Some(divisor)) = (fpu.get(0), fpu.get(1)) else {
        set_c2(fpu, false);
        fpu.underflow_into(0);
        return Ok(());
    };
    let mut env = fpu.env();
    let result = function(dividend, divisor, &mut env);
    set_c2(fpu, false);
    if fpu.settle(&env) {
        fpu.set(0, result.value);
        if !result.complete {
            set_c2(fpu, true);
        }
        if let Some(quotient) = result.quotient {
            let bit = |bit: u8, code| if quotient & bit != 0 { code } else { 0 };
            fpu.set_codes(fpu.status & C2 | bit(4, C0) | bit(2, C3));
            fpu.set_c1(quotient & 1 != 0);
        }
    }
    Ok(())
}

pub(super) fn fprem(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    remainder(cpu, op, F80::partial_remainder)
}

pub(super) fn fprem1(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    remainder(cpu, op, F80::partial_remainder_ieee)
}

/// Sets C2: an operand was out of the range of a trigonometric function.
fn set_c2(fpu: &mut FpuState, value: bool) {
    fpu.status = fpu.status & !C2 | if value { C2 } else { 0 };
}

fn trigonometric(
    cpu: &mut Cpu,
    op: &Op,
    function: fn(F80, &mut Env) -> Option<F80>,
) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let Some(number) = fpu.get(0) else {
        set_c2(fpu, false);
        fpu.underflow_into(0);
        return Ok(());
    };
    let mut env = fpu.env();
    let result = function(number, &mut env);
    let write = fpu.settle(&env);
    set_c2(fpu, result.is_none());
    if let Some(result) = result
        && write
    {
        fpu.set(0, result);
    }
    Ok(())
}

pub(super) fn fsin(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    trigonometric(cpu, op, F80::sin)
}

pub(super) fn fcos(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    trigonometric(cpu, op, F80::cos)
}

/// A function that replaces ST(0) by its first result and pushes the second.
/// `None` from it is an operand out of range.
fn pushing(
    cpu: &mut Cpu,
    op: &Op,
    function: fn(F80, &mut Env) -> Option<(F80, F80)>,
) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let room = fpu.is_empty(7);
    let Some(number) = fpu.get(0).filter(|_| room) else {
        // Either fault leaves two indefinites, masked.
        set_c2(fpu, false);
        let overflow = !fpu.is_empty(0);
        if fpu.stack_fault(overflow) {
            fpu.set(0, F80::INDEFINITE);
            fpu.push(F80::INDEFINITE);
        }
        return Ok(());
    };
    let mut env = fpu.env();
    let results = function(number, &mut env);
    let write = fpu.settle(&env);
    set_c2(fpu, results.is_none());
    if let Some((below, top)) = results
        && write
    {
        fpu.set(0, below);
        fpu.push(top);
    }
    Ok(())
}

pub(super) fn fsincos(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    pushing(cpu, op, F80::sin_cos)
}

/// FPTAN pushes one; above a NaN, the NaN again.
pub(super) fn fptan(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    pushing(cpu, op, |number, env| {
        let tangent = number.tan(env)?;
        let is_nan = tangent.sign_exponent & 0x7FFF == 0x7FFF;
        Some((tangent, if is_nan { tangent } else { F80::ONE }))
    })
}

/// FXTRACT: the exponent stays, the significand is pushed. It has no C2.
pub(super) fn fxtract(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let c2 = cpu.state.fpu.status & C2;
    pushing(cpu, op, |number, env| {
        let (significand, exponent) = number.extract(env);
        Some((exponent, significand))
    })?;
    cpu.state.fpu.status |= c2;
    Ok(())
}
