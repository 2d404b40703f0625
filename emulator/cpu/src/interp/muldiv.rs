//! MUL, IMUL, DIV, IDIV.

use super::Width;
use super::operand::{by_width, operand_bits};
use crate::flags::LazyFlags;
use crate::state::gpr::{RAX, RDX};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::Flags;
use iced_x86::{Instruction, Mnemonic};

/// CF and OF say that the upper half matters; the other flags, which the
/// manuals leave undefined, keep their values as on AMD silicon.
fn set_overflow(flags: &mut LazyFlags, overflow: bool) {
    flags.set_cf(overflow);
    flags.set_of(overflow);
}

/// Writes a double-width product to AX or rDX:rAX.
fn write_product<T: Width>(cpu: &mut Cpu, low: T, high: T) {
    if T::BITS == 8 {
        cpu.set_reg(RAX as u8, (high.zext() << 8 | low.zext()) as u16);
    } else {
        cpu.set_reg(RAX as u8, low);
        cpu.set_reg(RDX as u8, high);
    }
}

fn mul<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rhs: T = cpu.read_rm(op, op.dst)?;
    let product = u128::from(cpu.reg::<T>(RAX as u8).zext()) * u128::from(rhs.zext());
    let (low, high) = (T::truncate(product as u64), T::truncate((product >> T::BITS) as u64));
    write_product(cpu, low, high);
    set_overflow(&mut cpu.state.status, high != T::ZERO);
    Ok(())
}

/// The signed product of two operands: low half, high half, and whether it does
/// not fit into the low half.
fn signed_product<T: Width>(a: T, b: T) -> (T, T, bool) {
    let product = i128::from(a.sext() as i64) * i128::from(b.sext() as i64);
    let low = T::truncate(product as u64);
    let high = T::truncate((product >> T::BITS) as u64);
    (low, high, i128::from(low.sext() as i64) != product)
}

/// IMUL r/m: rDX:rAX.
fn imul1<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rhs: T = cpu.read_rm(op, op.dst)?;
    let (low, high, overflow) = signed_product(cpu.reg::<T>(RAX as u8), rhs);
    write_product(cpu, low, high);
    set_overflow(&mut cpu.state.status, overflow);
    Ok(())
}

/// IMUL r, r/m.
fn imul2<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rhs: T = cpu.read_rm(op, op.src)?;
    let (low, _, overflow) = signed_product(cpu.reg::<T>(op.dst), rhs);
    cpu.set_reg(op.dst, low);
    set_overflow(&mut cpu.state.status, overflow);
    Ok(())
}

/// IMUL r, r/m, imm.
fn imul3<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let lhs: T = cpu.read_rm(op, op.src)?;
    let (low, _, overflow) = signed_product(lhs, T::truncate(op.imm));
    cpu.set_reg(op.dst, low);
    set_overflow(&mut cpu.state.status, overflow);
    Ok(())
}

/// The dividend: AX or rDX:rAX.
fn dividend<T: Width>(cpu: &Cpu) -> u128 {
    if T::BITS == 8 {
        return u128::from(cpu.reg::<u16>(RAX as u8));
    }
    u128::from(cpu.reg::<T>(RDX as u8).zext()) << T::BITS | u128::from(cpu.reg::<T>(RAX as u8).zext())
}

/// Quotient to rAX, remainder to rDX; bytes go to AL and AH. The flags are
/// undefined by the manuals: AMD silicon keeps CF and OF, sets AF and clears the
/// others.
fn write_quotient<T: Width>(cpu: &mut Cpu, quotient: T, remainder: T) {
    write_product(cpu, quotient, remainder);
    let kept = cpu.state.status.aux & (Flags::CF | Flags::OF).bits();
    // A result of 1 derives PF, ZF and SF as 0.
    cpu.state.status = LazyFlags { result: 1, aux: kept | Flags::AF.bits() };
}

fn div<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rhs: T = cpu.read_rm(op, op.dst)?;
    if rhs == T::ZERO {
        return Err(Exception::DE);
    }
    let lhs = dividend::<T>(cpu);
    if lhs >> T::BITS >= u128::from(rhs.zext()) {
        return Err(Exception::DE);
    }
    // Both fit 64 bits nearly always; the host divides those far faster.
    let (quotient, remainder) = match u64::try_from(lhs) {
        Ok(lhs) => (lhs / rhs.zext(), lhs % rhs.zext()),
        Err(_) => ((lhs / u128::from(rhs.zext())) as u64, (lhs % u128::from(rhs.zext())) as u64),
    };
    write_quotient(cpu, T::truncate(quotient), T::truncate(remainder));
    Ok(())
}

fn idiv<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let rhs: T = cpu.read_rm(op, op.dst)?;
    if rhs == T::ZERO {
        return Err(Exception::DE);
    }
    // Sign-extends the double-width dividend to 128 bits.
    let unused = 128 - 2 * T::BITS;
    let lhs = ((dividend::<T>(cpu) << unused) as i128) >> unused;
    let rhs = i128::from(rhs.sext() as i64);
    let quotient = lhs.wrapping_div(rhs);
    let result = T::truncate(quotient as u64);
    if i128::from(result.sext() as i64) != quotient {
        return Err(Exception::DE);
    }
    write_quotient(cpu, result, T::truncate(lhs.wrapping_rem(rhs) as u64));
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = operand_bits(i, 0);
    Some(match (i.mnemonic(), i.op_count()) {
        (Mnemonic::Mul, _) => by_width!(bits, mul),
        (Mnemonic::Imul, 1) => by_width!(bits, imul1),
        (Mnemonic::Imul, 2) => by_width!(bits, imul2),
        (Mnemonic::Imul, _) => by_width!(bits, imul3),
        (Mnemonic::Div, _) => by_width!(bits, div),
        (Mnemonic::Idiv, _) => by_width!(bits, idiv),
        _ => return None,
    })
}
