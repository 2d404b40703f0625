//! ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NEG, NOT.

use super::Width;
use super::operand::{Form, by_form, by_width, form_of, operand_bits};
use crate::flags::LazyFlags;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

const AF: u32 = 1 << 4;

/// A two-operand ALU operation.
trait Alu {
    /// CMP and TEST keep the destination.
    const WRITES: bool = true;
    /// Result and flags of `a op b` with `cf` coming in.
    fn apply<T: Width>(a: T, b: T, cf: bool) -> (T, LazyFlags);
}

/// Flags of an addition or subtraction, by its operands, result and carry out.
#[inline(always)]
fn arithmetic<T: Width>(a: T, b: T, result: T, carry: bool, overflow: bool) -> LazyFlags {
    let af = (a ^ b ^ result).zext() as u32 & AF;
    LazyFlags { result: result.sext(), aux: u32::from(carry) | af | u32::from(overflow) << 11 }
}

/// Flags of AND, OR, XOR and TEST: CF, OF and (as silicon does) AF are clear.
#[inline(always)]
pub(crate) fn logic<T: Width>(result: T) -> LazyFlags {
    LazyFlags { result: result.sext(), aux: 0 }
}

/// Sum with flags.
#[inline(always)]
pub(crate) fn add<T: Width>(a: T, b: T, cf: bool) -> (T, LazyFlags) {
    let (sum, carry) = a.carrying(b, cf);
    let overflow = ((a ^ sum) & (b ^ sum)).msb();
    (sum, arithmetic(a, b, sum, carry, overflow))
}

/// Difference with flags.
#[inline(always)]
pub(crate) fn sub<T: Width>(a: T, b: T, cf: bool) -> (T, LazyFlags) {
    let (diff, borrow) = a.borrowing(b, cf);
    let overflow = ((a ^ b) & (a ^ diff)).msb();
    (diff, arithmetic(a, b, diff, borrow, overflow))
}

macro_rules! alu {
    ($name:ident, $writes:literal, $apply:expr) => {
        struct $name;
        impl Alu for $name {
            const WRITES: bool = $writes;
            #[inline(always)]
            fn apply<T: Width>(a: T, b: T, cf: bool) -> (T, LazyFlags) {
                $apply(a, b, cf)
            }
        }
    };
}
alu!(Add, true, |a, b, _| add(a, b, false));
alu!(Adc, true, |a, b, cf| add(a, b, cf));
alu!(Sub, true, |a, b, _| sub(a, b, false));
alu!(Sbb, true, |a, b, cf| sub(a, b, cf));
alu!(Cmp, false, |a, b, _| sub(a, b, false));
alu!(And, true, |a: T, b: T, _| (a & b, logic(a & b)));
alu!(Or, true, |a: T, b: T, _| (a | b, logic(a | b)));
alu!(Xor, true, |a: T, b: T, _| (a ^ b, logic(a ^ b)));
alu!(Test, false, |a: T, b: T, _| (a & b, logic(a & b)));

fn binary<T: Width, F: Form, A: Alu>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let b: T = F::source(cpu, op)?;
    let cf = cpu.state.status.cf();
    if !F::DST_MEM {
        let (result, flags) = A::apply(cpu.reg::<T>(op.dst), b, cf);
        cpu.state.status = flags;
        if A::WRITES {
            cpu.set_reg(op.dst, result);
        }
        return Ok(());
    }
    let a = if A::WRITES { cpu.update_operand(op, |a| A::apply(a, b, cf).0)? } else { cpu.load_operand(op)? };
    cpu.state.status = A::apply(a, b, cf).1;
    Ok(())
}

/// INC and DEC: as ADD and SUB of 1, but CF stays.
fn step<T: Width, const DEC: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let apply = |a: T| if DEC { sub(a, T::ONE, false) } else { add(a, T::ONE, false) };
    let old = cpu.update_rm(op, |a| apply(a).0)?;
    let cf = cpu.state.status.cf();
    cpu.state.status = apply(old).1;
    cpu.state.status.set_cf(cf);
    Ok(())
}

fn inc<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    step::<T, false>(cpu, op)
}

fn dec<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    step::<T, true>(cpu, op)
}

fn neg<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let old: T = cpu.update_rm(op, |a| sub(T::ZERO, a, false).0)?;
    cpu.state.status = sub(T::ZERO, old, false).1;
    Ok(())
}

fn not<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.update_rm::<T>(op, |a| !a)?;
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = operand_bits(i, 0);
    Some(match i.mnemonic() {
        Mnemonic::Add => by_form!(form_of(i), bits, binary, Add),
        Mnemonic::Or => by_form!(form_of(i), bits, binary, Or),
        Mnemonic::Adc => by_form!(form_of(i), bits, binary, Adc),
        Mnemonic::Sbb => by_form!(form_of(i), bits, binary, Sbb),
        Mnemonic::And => by_form!(form_of(i), bits, binary, And),
        Mnemonic::Sub => by_form!(form_of(i), bits, binary, Sub),
        Mnemonic::Xor => by_form!(form_of(i), bits, binary, Xor),
        Mnemonic::Cmp => by_form!(form_of(i), bits, binary, Cmp),
        Mnemonic::Test => by_form!(form_of(i), bits, binary, Test),
        Mnemonic::Inc => by_width!(bits, inc),
        Mnemonic::Dec => by_width!(bits, dec),
        Mnemonic::Neg => by_width!(bits, neg),
        Mnemonic::Not => by_width!(bits, not),
        _ => return None,
    })
}
