//! BMI1, BMI2 and ADX: ANDN, BEXTR, BLSI, BLSMSK, BLSR, BZHI, MULX, PDEP, PEXT,
//! RORX, SARX, SHLX, SHRX, ADCX, ADOX (Intel SDM Vol. 2; AMD APM Vol. 3).
//!
//! All but ADCX and ADOX are VEX-encoded. They need neither CR4.OSXSAVE nor XCR0:
//! they touch no vector state (Intel SDM Vol. 2A Table 2-14, exception type 13).
//! Forms that VEX cannot encode are refused by the decoder.

use super::Width;
use super::operand::operand_bits;
use crate::flags::LazyFlags;
use crate::state::gpr::RDX;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::Flags;
use iced_x86::{Instruction, Mnemonic};

/// The bits of `source` that `control` describes: bits 0 to 7 the first one,
/// bits 8 to 15 how many. What lies above the operand is zero.
fn extract_field<T: Width>(source: T, control: T) -> T {
    let (start, length) = (control.zext() & 0xFF, control.zext() >> 8 & 0xFF);
    T::truncate(low_bits(source.zext().checked_shr(start as u32).unwrap_or(0), length))
}

/// The `count` low bits of `value`.
fn low_bits(value: u64, count: u64) -> u64 {
    if count < 64 { value & !(u64::MAX << count) } else { value }
}

/// PDEP: the low bits of `source`, one to each set bit of `mask`.
fn deposit(mut source: u64, mut mask: u64) -> u64 {
    let mut out = 0;
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        if source & 1 != 0 {
            out |= lowest;
        }
        source >>= 1;
        mask ^= lowest;
    }
    out
}

/// PEXT: the bits of `source` at the set bits of `mask`, side by side.
fn extract(source: u64, mut mask: u64) -> u64 {
    let (mut out, mut n) = (0, 0);
    while mask != 0 {
        let at = mask.trailing_zeros();
        out |= (source >> at & 1) << n;
        n += 1;
        mask &= mask - 1;
    }
    out
}

/// ZF and SF of a result, and CF. Of the undefined flags AMD silicon clears AF and
/// has PF of the result.
fn set_flags<T: Width>(cpu: &mut Cpu, result: T, carry: bool) {
    cpu.state.status = LazyFlags { result: result.sext(), aux: u32::from(carry) };
}

fn andn<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: T = cpu.read_rm(op, op.aux)?;
    let result = !cpu.reg::<T>(op.src) & value;
    cpu.set_reg(op.dst, result);
    set_flags(cpu, result, false);
    Ok(())
}

/// BEXTR. ZF of the result; of the undefined flags AMD silicon sets AF, clears SF
/// and has PF of the result.
fn bextr<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let source: T = cpu.read_rm(op, op.src)?;
    let result = extract_field(source, cpu.reg(op.aux));
    cpu.set_reg(op.dst, result);
    // The result is not sign-extended, and bit 7 of the word inverts the SF that
    // a 64-bit one would derive.
    let negative = (result.zext() >> 63) as u32 * Flags::SF.bits();
    cpu.state.status = LazyFlags { result: result.zext(), aux: Flags::AF.bits() | negative };
    Ok(())
}

/// BLSI: the lowest set bit. CF where there is one.
fn blsi<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let source: T = cpu.read_rm(op, op.src)?;
    let result = source & T::truncate(source.zext().wrapping_neg());
    cpu.set_reg(op.dst, result);
    set_flags(cpu, result, source != T::ZERO);
    Ok(())
}

/// BLSMSK: all bits up to the lowest set one. CF where there is none.
fn blsmsk<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let source: T = cpu.read_rm(op, op.src)?;
    let result = source ^ T::truncate(source.zext().wrapping_sub(1));
    cpu.set_reg(op.dst, result);
    set_flags(cpu, result, source == T::ZERO);
    Ok(())
}

/// BLSR: all but the lowest set bit. CF where there is none.
fn blsr<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let source: T = cpu.read_rm(op, op.src)?;
    let result = source & T::truncate(source.zext().wrapping_sub(1));
    cpu.set_reg(op.dst, result);
    set_flags(cpu, result, source == T::ZERO);
    Ok(())
}

/// BZHI: clears the bits from a number on. CF where the number is past the operand.
fn bzhi<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let source: T = cpu.read_rm(op, op.src)?;
    let count = cpu.reg::<T>(op.aux).zext() & 0xFF;
    let result = T::truncate(low_bits(source.zext(), count));
    cpu.set_reg(op.dst, result);
    set_flags(cpu, result, count >= u64::from(T::BITS));
    Ok(())
}

/// MULX: rDX times the source. Where both destinations are one register, it gets
/// the upper half.
fn mulx<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rhs: T = cpu.read_rm(op, op.aux)?;
    let product = u128::from(cpu.reg::<T>(RDX as u8).zext()) * u128::from(rhs.zext());
    cpu.set_reg(op.src, T::truncate(product as u64));
    cpu.set_reg(op.dst, T::truncate((product >> T::BITS) as u64));
    Ok(())
}

fn pdep<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let mask: T = cpu.read_rm(op, op.aux)?;
    let result = deposit(cpu.reg::<T>(op.src).zext(), mask.zext());
    cpu.set_reg(op.dst, T::truncate(result));
    Ok(())
}

fn pext<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let mask: T = cpu.read_rm(op, op.aux)?;
    let result = extract(cpu.reg::<T>(op.src).zext(), mask.zext());
    cpu.set_reg(op.dst, T::truncate(result));
    Ok(())
}

fn rorx<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let source = cpu.read_rm::<T>(op, op.src)?.zext();
    let count = op.imm as u32 & (T::BITS - 1);
    // A rotation by zero must not shift by the whole width.
    let wrapped = source.checked_shl(T::BITS - count).unwrap_or(0);
    cpu.set_reg(op.dst, T::truncate(source >> count | wrapped));
    Ok(())
}

/// SARX, SHLX, SHRX: a shift without flags, its count modulo the width.
fn shift<T: Width>(cpu: &mut Cpu, op: &Op, apply: impl FnOnce(T, u32) -> u64) -> Result<(), Exception> {
    let source: T = cpu.read_rm(op, op.src)?;
    let count = cpu.reg::<T>(op.aux).zext() as u32 & (T::BITS - 1);
    cpu.set_reg(op.dst, T::truncate(apply(source, count)));
    Ok(())
}

fn sarx<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    shift::<T>(cpu, op, |value, count| (value.sext() as i64 >> count) as u64)
}

fn shlx<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    shift::<T>(cpu, op, |value, count| value.zext() << count)
}

fn shrx<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    shift::<T>(cpu, op, |value, count| value.zext() >> count)
}

/// ADCX and ADOX: an addition that carries through CF or OF and leaves the
/// other flags alone, so that two chains of additions may interleave.
fn add_carry<T: Width, const OVERFLOW: bool>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rhs: T = cpu.read_rm(op, op.src)?;
    let status = &cpu.state.status;
    let carry = if OVERFLOW { status.of() } else { status.cf() };
    let (sum, carry) = cpu.reg::<T>(op.dst).carrying(rhs, carry);
    cpu.set_reg(op.dst, sum);
    if OVERFLOW {
        cpu.state.status.set_of(carry);
    } else {
        cpu.state.status.set_cf(carry);
    }
    Ok(())
}

macro_rules! by_width {
    ($bits:expr, $name:ident $(, $extra:literal)?) => {
        if $bits == 64 { $name::<u64 $(, $extra)?> as Handler } else { $name::<u32 $(, $extra)?> }
    };
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = operand_bits(i, 0);
    Some(match i.mnemonic() {
        Mnemonic::Andn => by_width!(bits, andn),
        Mnemonic::Bextr => by_width!(bits, bextr),
        Mnemonic::Blsi => by_width!(bits, blsi),
        Mnemonic::Blsmsk => by_width!(bits, blsmsk),
        Mnemonic::Blsr => by_width!(bits, blsr),
        Mnemonic::Bzhi => by_width!(bits, bzhi),
        Mnemonic::Mulx => by_width!(bits, mulx),
        Mnemonic::Pdep => by_width!(bits, pdep),
        Mnemonic::Pext => by_width!(bits, pext),
        Mnemonic::Rorx => by_width!(bits, rorx),
        Mnemonic::Sarx => by_width!(bits, sarx),
        Mnemonic::Shlx => by_width!(bits, shlx),
        Mnemonic::Shrx => by_width!(bits, shrx),
        Mnemonic::Adcx => by_width!(bits, add_carry, false),
        Mnemonic::Adox => by_width!(bits, add_carry, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
