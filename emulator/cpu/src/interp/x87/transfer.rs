//! Loads, stores, exchange and constants.

use super::{record, wait};
use crate::mmu::Access;
use crate::{Cpu, Exception, Op};
use glassbox_memory::Pod;
use glassbox_softfloat::{Constant, Env, F32, F64, F80, Rounding, flag};

/// A format FLD, FILD or FBLD loads, as it is in memory.
pub(super) trait Loaded {
    type Bits: Pod;
    fn convert(bits: Self::Bits, env: &mut Env) -> F80;
}

/// A format FST, FIST or FBSTP stores.
pub(super) trait Stored {
    type Bits: Pod;
    /// What a masked stack underflow stores.
    const INDEFINITE: Self::Bits;
    fn convert(number: F80, env: &mut Env) -> Self::Bits;
}

pub(super) struct Single;
pub(super) struct Double;
pub(super) struct Extended;
pub(super) struct Word;
pub(super) struct Dword;
pub(super) struct Qword;
pub(super) struct Decimal;

impl Loaded for Single {
    type Bits = u32;
    fn convert(bits: u32, env: &mut Env) -> F80 {
        F80::from_f32(F32(bits), env)
    }
}

impl Loaded for Double {
    type Bits = u64;
    fn convert(bits: u64, env: &mut Env) -> F80 {
        F80::from_f64(F64(bits), env)
    }
}

impl Loaded for Extended {
    type Bits = [u8; 10];
    fn convert(bits: [u8; 10], _: &mut Env) -> F80 {
        F80::from_bytes(bits)
    }
}

impl Loaded for Word {
    type Bits = i16;
    fn convert(bits: i16, _: &mut Env) -> F80 {
        F80::from_i64(bits.into())
    }
}

impl Loaded for Dword {
    type Bits = i32;
    fn convert(bits: i32, _: &mut Env) -> F80 {
        F80::from_i64(bits.into())
    }
}

impl Loaded for Qword {
    type Bits = i64;
    fn convert(bits: i64, _: &mut Env) -> F80 {
        F80::from_i64(bits)
    }
}

impl Loaded for Decimal {
    type Bits = [u8; 10];
    fn convert(bits: [u8; 10], _: &mut Env) -> F80 {
        F80::from_bcd(bits)
    }
}

impl Stored for Single {
    type Bits = u32;
    const INDEFINITE: u32 = 0xFFC0_0000;
    fn convert(number: F80, env: &mut Env) -> u32 {
        number.to_f32(env).0
    }
}

impl Stored for Double {
    type Bits = u64;
    const INDEFINITE: u64 = 0xFFF8 << 48;
    fn convert(number: F80, env: &mut Env) -> u64 {
        number.to_f64(env).0
    }
}

impl Stored for Extended {
    type Bits = [u8; 10];
    const INDEFINITE: [u8; 10] = F80::INDEFINITE.to_bytes();
    fn convert(number: F80, _: &mut Env) -> [u8; 10] {
        number.to_bytes()
    }
}

impl Stored for Word {
    type Bits = i16;
    const INDEFINITE: i16 = i16::MIN;
    fn convert(number: F80, env: &mut Env) -> i16 {
        number.to_i16(env)
    }
}

impl Stored for Dword {
    type Bits = i32;
    const INDEFINITE: i32 = i32::MIN;
    fn convert(number: F80, env: &mut Env) -> i32 {
        number.to_i32(env)
    }
}

impl Stored for Qword {
    type Bits = i64;
    const INDEFINITE: i64 = i64::MIN;
    fn convert(number: F80, env: &mut Env) -> i64 {
        number.to_i64(env)
    }
}

impl Stored for Decimal {
    type Bits = [u8; 10];
    const INDEFINITE: [u8; 10] = [0, 0, 0, 0, 0, 0, 0, 0xC0, 0xFF, 0xFF];
    fn convert(number: F80, env: &mut Env) -> [u8; 10] {
        number.to_bcd(env)
    }
}

/// FLD, FILD and FBLD from memory. An unmasked denormal operand is pushed all
/// the same, an unmasked signalling NaN is not.
pub(super) fn load<L: Loaded>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    let bits: L::Bits = cpu.load_operand(op)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    if !fpu.is_empty(7) {
        fpu.push_checked(F80::INDEFINITE);
        return Ok(());
    }
    let mut env = fpu.env();
    let number = L::convert(bits, &mut env);
    fpu.settle(&env);
    if env.unmasked() & flag::INVALID == 0 {
        fpu.push(number);
    }
    Ok(())
}

/// FLD ST(i).
pub(super) fn load_register(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    match fpu.get(op.dst) {
        Some(number) => fpu.push_checked(number),
        // Of the two stack faults the underflow counts.
        None => {
            if fpu.stack_fault(false) {
                fpu.push(F80::INDEFINITE);
            }
        }
    }
    Ok(())
}

fn store_as<S: Stored>(cpu: &mut Cpu, op: &Op, pop: bool, truncate: bool) -> Result<(), Exception> {
    wait(cpu)?;
    let size = size_of::<S::Bits>() as u64;
    let gva = cpu.linear_address(op, size, Access::Write)?;
    let fpu = &cpu.state.fpu;
    let mut env = fpu.env();
    if truncate {
        env = env.with_rounding(Rounding::Zero);
    }
    let number = fpu.get(0);
    let (bits, stored) = match number {
        Some(number) => {
            let bits = S::convert(number, &mut env);
            (bits, env.unmasked() & !flag::PRECISION == 0)
        }
        None => (S::INDEFINITE, fpu.control & u16::from(flag::INVALID) != 0),
    };
    // A fault of the store comes before any change of the x87.
    if stored {
        cpu.store(op.seg(), gva, bits)?;
    } else {
        cpu.probe_write(op.seg(), gva, size)?;
    }
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    if number.is_some() {
        fpu.settle(&env);
    } else {
        fpu.stack_fault(false);
    }
    if stored && pop {
        fpu.pop();
    }
    Ok(())
}

/// FST and FIST.
pub(super) fn store<S: Stored>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    store_as::<S>(cpu, op, false, false)
}

/// FSTP, FISTP and FBSTP.
pub(super) fn store_pop<S: Stored>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    store_as::<S>(cpu, op, true, false)
}

/// FISTTP.
pub(super) fn store_truncated<S: Stored>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    store_as::<S>(cpu, op, true, true)
}

/// FST ST(i) and FSTP ST(i).
pub(super) fn store_register<const POP: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let done = match fpu.get(0) {
        Some(number) => {
            fpu.set_c1(false);
            fpu.set(op.dst, number);
            true
        }
        None => fpu.underflow_into(op.dst),
    };
    if done && POP {
        fpu.pop();
    }
    Ok(())
}

/// FSTPNCE (D9 D8 to DF, undocumented): FSTP ST(i), but an empty ST(0) is
/// popped and nothing else.
pub(super) fn store_register_unchecked(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    fpu.set_c1(false);
    if let Some(number) = fpu.get(0) {
        fpu.set(op.dst, number);
    }
    fpu.pop();
    Ok(())
}

/// FXCH. With an empty register, masked, the indefinite takes its place.
pub(super) fn exchange(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let (a, b) = (fpu.get(0), fpu.get(op.src));
    if a.is_some() && b.is_some() {
        fpu.set_c1(false);
    } else if !fpu.stack_fault(false) {
        return Ok(());
    }
    fpu.set(0, b.unwrap_or(F80::INDEFINITE));
    fpu.set(op.src, a.unwrap_or(F80::INDEFINITE));
    Ok(())
}

fn constant(cpu: &mut Cpu, op: &Op, constant: Constant) -> Result<(), Exception> {
    wait(cpu)?;
    record(cpu, op);
    let fpu = &mut cpu.state.fpu;
    let number = constant.rounded(fpu.env().rounding);
    fpu.push_checked(number);
    Ok(())
}

pub(super) fn fld1(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    constant(cpu, op, Constant::One)
}

pub(super) fn fldl2t(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    constant(cpu, op, Constant::Log2Of10)
}

pub(super) fn fldl2e(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    constant(cpu, op, Constant::Log2OfE)
}

pub(super) fn fldpi(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    constant(cpu, op, Constant::Pi)
}

pub(super) fn fldlg2(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    constant(cpu, op, Constant::Log10Of2)
}

pub(super) fn fldln2(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    constant(cpu, op, Constant::LnOf2)
}

pub(super) fn fldz(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    constant(cpu, op, Constant::Zero)
}
