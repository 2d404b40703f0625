//! Shifts and rotates: SHL, SHR, SAR, ROL, ROR, RCL, RCR, SHLD, SHRD.
//!
//! Counts are masked to 5 bits (6 for 64-bit operands); a masked count of zero
//! leaves every flag alone (Intel SDM Vol. 2B, "SAL/SAR/SHL/SHR").

use super::Width;
use super::operand::{by_width, operand_bits};
use crate::flags::LazyFlags;
use crate::state::gpr;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic, OpKind};

const AF: u32 = 1 << 4;

/// Where the count comes from.
trait Count {
    fn get(cpu: &Cpu, op: &Op) -> u64;
}

/// The immediate, which is 1 in the short forms.
struct Imm;
impl Count for Imm {
    #[inline(always)]
    fn get(_: &Cpu, op: &Op) -> u64 {
        op.imm
    }
}

/// CL.
struct Cl;
impl Count for Cl {
    #[inline(always)]
    fn get(cpu: &Cpu, _: &Op) -> u64 {
        cpu.state.regs[gpr::RCX]
    }
}

/// A shift or rotate of one operand by a count that is not zero.
trait Shift {
    /// The result alone.
    fn result<T: Width>(value: T, count: u32, cf: bool) -> T;
    /// The flags afterwards.
    fn flags<T: Width>(before: LazyFlags, value: T, count: u32, result: T) -> LazyFlags;
}

fn mask<T: Width>(count: u64) -> u32 {
    (count & if T::BITS == 64 { 63 } else { 31 }) as u32
}

/// `value << count` for counts up to 63; bits that leave `T` are gone.
#[inline(always)]
fn shl<T: Width>(value: T, count: u32) -> T {
    T::truncate(value.zext() << count)
}

/// Flags of a shift. AF, which the manuals leave undefined, is set by AMD silicon.
#[inline(always)]
fn shift_flags<T: Width>(result: T, cf: bool, of: bool) -> LazyFlags {
    LazyFlags { result: result.sext(), aux: u32::from(cf) | AF | u32::from(of) << 11 }
}

struct Shl;
impl Shift for Shl {
    #[inline(always)]
    fn result<T: Width>(value: T, count: u32, _: bool) -> T {
        shl(value, count)
    }
    #[inline(always)]
    fn flags<T: Width>(_: LazyFlags, value: T, count: u32, result: T) -> LazyFlags {
        let cf = count <= T::BITS && value.zext() >> (T::BITS - count) & 1 != 0;
        shift_flags(result, cf, result.msb() ^ cf)
    }
}

struct Shr;
impl Shift for Shr {
    #[inline(always)]
    fn result<T: Width>(value: T, count: u32, _: bool) -> T {
        T::truncate(value.zext() >> count)
    }
    #[inline(always)]
    fn flags<T: Width>(_: LazyFlags, value: T, count: u32, result: T) -> LazyFlags {
        let cf = value.zext() >> (count - 1) & 1 != 0;
        // OF is the sign before the last single shift: set only when one shift was made.
        let of = T::truncate(value.zext() >> (count - 1)).msb();
        shift_flags(result, cf, of)
    }
}

struct Sar;
impl Shift for Sar {
    #[inline(always)]
    fn result<T: Width>(value: T, count: u32, _: bool) -> T {
        T::truncate(((value.sext() as i64) >> count) as u64)
    }
    #[inline(always)]
    fn flags<T: Width>(_: LazyFlags, value: T, count: u32, result: T) -> LazyFlags {
        let cf = (value.sext() as i64) >> (count - 1) & 1 != 0;
        shift_flags(result, cf, false)
    }
}

struct Rol;
impl Shift for Rol {
    #[inline(always)]
    fn result<T: Width>(value: T, count: u32, _: bool) -> T {
        let count = count % T::BITS;
        if count == 0 { value } else { shl(value, count) | T::truncate(value.zext() >> (T::BITS - count)) }
    }
    #[inline(always)]
    fn flags<T: Width>(before: LazyFlags, _: T, _: u32, result: T) -> LazyFlags {
        let cf = result.zext() & 1 != 0;
        rotate_flags(before, cf, result.msb() ^ cf)
    }
}

struct Ror;
impl Shift for Ror {
    #[inline(always)]
    fn result<T: Width>(value: T, count: u32, _: bool) -> T {
        let count = count % T::BITS;
        if count == 0 { value } else { T::truncate(value.zext() >> count) | shl(value, T::BITS - count) }
    }
    #[inline(always)]
    fn flags<T: Width>(before: LazyFlags, _: T, _: u32, result: T) -> LazyFlags {
        let cf = result.msb();
        let next = result.zext() >> (T::BITS - 2) & 1 != 0;
        rotate_flags(before, cf, cf ^ next)
    }
}

/// Rotates change CF and OF only.
#[inline(always)]
fn rotate_flags(mut flags: LazyFlags, cf: bool, of: bool) -> LazyFlags {
    flags.set_cf(cf);
    flags.set_of(of);
    flags
}

struct Rcl;
impl Shift for Rcl {
    fn result<T: Width>(value: T, count: u32, cf: bool) -> T {
        T::truncate(through_carry_left::<T>(value, count, cf) as u64)
    }
    fn flags<T: Width>(before: LazyFlags, value: T, count: u32, result: T) -> LazyFlags {
        let cf = through_carry_left::<T>(value, count, before.cf()) >> T::BITS & 1 != 0;
        rotate_flags(before, cf, result.msb() ^ cf)
    }
}

struct Rcr;
impl Shift for Rcr {
    fn result<T: Width>(value: T, count: u32, cf: bool) -> T {
        let left = T::BITS + 1 - count % (T::BITS + 1);
        T::truncate(through_carry_left::<T>(value, left, cf) as u64)
    }
    fn flags<T: Width>(before: LazyFlags, value: T, count: u32, result: T) -> LazyFlags {
        let left = T::BITS + 1 - count % (T::BITS + 1);
        let cf = through_carry_left::<T>(value, left, before.cf()) >> T::BITS & 1 != 0;
        let next = result.zext() >> (T::BITS - 2) & 1 != 0;
        rotate_flags(before, cf, result.msb() ^ next)
    }
}

/// CF:value, rotated left by `count` in `T::BITS + 1` bits.
fn through_carry_left<T: Width>(value: T, count: u32, cf: bool) -> u128 {
    let bits = T::BITS + 1;
    let count = count % bits;
    let wide = u128::from(cf) << T::BITS | u128::from(value.zext());
    let all = (1u128 << bits) - 1;
    (wide << count | wide >> (bits - count)) & all
}

fn shift<T: Width, S: Shift, C: Count>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let count = mask::<T>(C::get(cpu, op));
    if count == 0 {
        // Memory is still written, with what it holds.
        cpu.update_rm::<T>(op, |v| v)?;
        if !op.is_mem() && T::BITS == 32 {
            cpu.set_reg(op.dst, cpu.reg::<T>(op.dst));
        }
        return Ok(());
    }
    let before = cpu.state.status;
    let cf = before.cf();
    let value = cpu.update_rm::<T>(op, |v| S::result(v, count, cf))?;
    cpu.state.status = S::flags(before, value, count, S::result(value, count, cf));
    Ok(())
}

/// SHLD and SHRD. 16-bit forms with counts above 16 are undefined by the
/// manuals: AMD silicon goes on shifting the source in.
fn double_shift<T: Width, const LEFT: bool, C: Count>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let count = mask::<T>(C::get(cpu, op));
    let fill: T = cpu.reg(op.src);
    if count == 0 {
        cpu.update_rm::<T>(op, |v| v)?;
        return Ok(());
    }
    let apply = |value: T| -> (T, bool) {
        let (bits, value, fill) = (T::BITS, value.zext(), fill.zext());
        if bits == 64 {
            // Counts are 1 to 63 here.
            let (result, last) = if LEFT {
                (value << count | fill >> (64 - count), value >> (64 - count))
            } else {
                (value >> count | fill << (64 - count), value >> (count - 1))
            };
            return (T::truncate(result), last & 1 != 0);
        }
        let fills = u128::from(fill << bits | fill);
        if LEFT {
            let shifted = (u128::from(value) << (2 * bits) | fills) << count;
            (T::truncate((shifted >> (2 * bits)) as u64), shifted >> (3 * bits) & 1 != 0)
        } else {
            let string = fills << bits | u128::from(value);
            (T::truncate((string >> count) as u64), string >> (count - 1) & 1 != 0)
        }
    };
    let value = cpu.update_rm(op, |v| apply(v).0)?;
    let (result, cf) = apply(value);
    // Once all of a 16-bit destination is shifted out CF is clear, by AMD silicon.
    let cf = cf && count <= T::BITS;
    let of = match LEFT {
        // Silicon again: from there on OF is what CF is.
        true if count >= T::BITS => cf,
        true => result.msb() ^ cf,
        false => result.msb() ^ (result.zext() >> (T::BITS - 2) & 1 != 0),
    };
    cpu.state.status = shift_flags(result, cf, of);
    Ok(())
}

fn shld<T: Width, C: Count>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    double_shift::<T, true, C>(cpu, op)
}

fn shrd<T: Width, C: Count>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    double_shift::<T, false, C>(cpu, op)
}

macro_rules! by_count {
    ($cl:expr, $bits:expr, $name:ident $(, $extra:ty)*) => {
        if $cl { by_width!($bits, $name $(, $extra)*, Cl) } else { by_width!($bits, $name $(, $extra)*, Imm) }
    };
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    let bits = operand_bits(i, 0);
    let last = i.op_count().saturating_sub(1);
    let cl = last > 0 && i.op_kind(last) == OpKind::Register;
    Some(match i.mnemonic() {
        Mnemonic::Shl | Mnemonic::Sal => by_count!(cl, bits, shift, Shl),
        Mnemonic::Shr => by_count!(cl, bits, shift, Shr),
        Mnemonic::Sar => by_count!(cl, bits, shift, Sar),
        Mnemonic::Rol => by_count!(cl, bits, shift, Rol),
        Mnemonic::Ror => by_count!(cl, bits, shift, Ror),
        Mnemonic::Rcl => by_count!(cl, bits, shift, Rcl),
        Mnemonic::Rcr => by_count!(cl, bits, shift, Rcr),
        Mnemonic::Shld => by_count!(cl, bits, shld),
        Mnemonic::Shrd => by_count!(cl, bits, shrd),
        _ => return None,
    })
}
