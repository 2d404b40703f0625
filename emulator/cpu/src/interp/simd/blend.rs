//! Blends, insertion, extraction, widening moves, and SSE4a's bit fields.

use super::lane::Element;
use super::operand::{File, Mm, Xmm, binary, binary_imm};
use crate::interp::Width;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic};

/// PBLENDW, BLENDPS, BLENDPD: element `n` of `b` where bit `n` of `imm` is set.
#[inline(always)]
pub(crate) fn by_immediate<T: Element>(a: u128, b: u128, imm: u8) -> u128 {
    T::build(|n| T::get(if imm >> n & 1 != 0 { b } else { a }, n))
}

/// PBLENDVB, BLENDVPS, BLENDVPD (`T` signed): elements of `b` where those of
/// `mask` are negative.
#[inline(always)]
pub(crate) fn by_sign<T: Element>(a: u128, b: u128, mask: u128) -> u128 {
    let mask = T::map(mask, |m| T::mask(m.wide() < 0));
    a & !mask | b & mask
}

/// PINSRB and kin: `value` in place of element `n`, modulo their number.
#[inline(always)]
pub(crate) fn insert<T: Element>(a: u128, value: u64, n: u8) -> u128 {
    let n = usize::from(n) & (T::COUNT - 1);
    T::build(|k| if k == n { T::narrow(value as i64) } else { T::get(a, k) })
}

/// PEXTRB and kin, `T` unsigned.
#[inline(always)]
pub(crate) fn extract<T: Element>(a: u128, n: u8) -> u64 {
    T::get(a, usize::from(n) & (T::COUNT - 1)).wide() as u64
}

/// INSERTPS: `value` goes to the element that bits 4 and 5 of `imm` choose, then
/// the elements that bits 0 to 3 choose become zero.
#[inline(always)]
pub(crate) fn insert_single(a: u128, value: u32, imm: u8) -> u128 {
    u32::build(|n| match () {
        () if imm >> n & 1 != 0 => 0,
        () if n == usize::from(imm >> 4 & 3) => value,
        () => u32::get(a, n),
    })
}

/// PMOVSX*, PMOVZX*: the lowest elements, widened by the sign of `N`.
#[inline(always)]
pub(crate) fn widen<N: Element, W: Element>(a: u128) -> u128 {
    W::build(|n| W::narrow(N::get(a, n).wide()))
}

/// EXTRQ: `length` bits from bit `from` on; a length of 0 means 64.
#[inline(always)]
pub(crate) fn extract_field(a: u64, length: u8, from: u8) -> u64 {
    a >> (from & 63) & field_mask(length)
}

/// INSERTQ: the low `length` bits of `b` from bit `to` of `a` on.
#[inline(always)]
pub(crate) fn insert_field(a: u64, b: u64, length: u8, to: u8) -> u64 {
    let mask = field_mask(length);
    a & !(mask << (to & 63)) | (b & mask) << (to & 63)
}

fn field_mask(length: u8) -> u64 {
    match length & 63 {
        0 => u64::MAX,
        bits => (1 << bits) - 1,
    }
}

// --- handlers ---

/// The variable blends: the mask is XMM0.
fn blend<T: Element>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let mask = cpu.xmm(0);
    binary::<Xmm>(cpu, op, |a, b| by_sign::<T>(a, b, mask))
}

/// PINSRB, PINSRW, PINSRD, PINSRQ. `S` is the width of memory operands.
fn insert_general<R: File, T: Element, S: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    R::ready(cpu)?;
    let value: S = cpu.read_rm(op, op.src)?;
    let value = insert::<T>(R::get(cpu, op.dst), value.zext(), op.imm as u8);
    R::set(cpu, op.dst, value);
    Ok(())
}

/// PINSRW of an MMX register has but four places.
fn insert_word_mm(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.mmx_ready()?;
    let value: u16 = cpu.read_rm(op, op.src)?;
    let value = insert::<u16>(u128::from(cpu.mm(op.dst)), value.zext(), op.imm as u8 & 3);
    cpu.set_mm(op.dst, value as u64);
    Ok(())
}

/// PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS: a register gets the element
/// zero-extended, memory just the element.
pub(crate) fn extract_general<R: File, T: Element, S: Width>(
    cpu: &mut Cpu,
    op: &Op,
) -> Result<(), Exception> {
    R::ready(cpu)?;
    let value = S::truncate(extract::<T>(R::get(cpu, op.src), op.imm as u8));
    if op.is_mem() {
        return cpu.store_operand(op, value);
    }
    cpu.set_reg(op.dst, value.zext());
    Ok(())
}

fn extract_word_mm(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.mmx_ready()?;
    let value = extract::<u16>(Mm::get(cpu, op.src), op.imm as u8 & 3);
    cpu.enter_mmx();
    cpu.set_reg(op.dst, value);
    Ok(())
}

fn insertps(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let imm = op.imm as u8;
    // Bits 6 and 7 choose the source element, but memory is just one.
    let value =
        if op.is_mem() { cpu.load_operand(op)? } else { u32::get(cpu.xmm(op.src), usize::from(imm >> 6)) };
    cpu.set_xmm(op.dst, insert_single(cpu.xmm(op.dst), value, imm));
    Ok(())
}

/// PMOVSX*, PMOVZX*: memory operands are `M` wide and need no alignment.
fn widening<M: Width, N: Element, W: Element>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let source = if op.is_mem() { cpu.load_operand::<M>(op)?.zext() } else { cpu.xmm_low(op.src) };
    cpu.set_xmm(op.dst, widen::<N, W>(u128::from(source)));
    Ok(())
}

/// The SSE4a forms. The upper half of the destination is undefined; silicon clears it.
fn extrq(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let (length, from) = if op.code == Code::Extrq_xmm_imm8_imm8 {
        (op.imm as u8, op.aux)
    } else {
        let control = cpu.xmm_low(op.src);
        (control as u8, (control >> 8) as u8)
    };
    let value = extract_field(cpu.xmm_low(op.dst), length, from);
    cpu.set_xmm(op.dst, u128::from(value));
    Ok(())
}

fn insertq(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let source = cpu.xmm(op.src);
    let (length, to) = if op.code == Code::Insertq_xmm_xmm_imm8_imm8 {
        // The second immediate shares its place with a third register.
        (op.imm as u8, op.aux)
    } else {
        ((source >> 64) as u8, (source >> 72) as u8)
    };
    let value = insert_field(cpu.xmm_low(op.dst), source as u64, length, to);
    cpu.set_xmm(op.dst, u128::from(value));
    Ok(())
}

pub(super) fn select(i: &Instruction, mmx: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Pblendw => |cpu, op| binary_imm::<Xmm>(cpu, op, by_immediate::<u16>),
        Blendps => |cpu, op| binary_imm::<Xmm>(cpu, op, by_immediate::<u32>),
        Blendpd => |cpu, op| binary_imm::<Xmm>(cpu, op, by_immediate::<u64>),
        Pblendvb => blend::<i8>,
        Blendvps => blend::<i32>,
        Blendvpd => blend::<i64>,
        Insertps => insertps,
        Extractps => extract_general::<Xmm, u32, u32>,
        Pinsrb => insert_general::<Xmm, u8, u8>,
        Pinsrw if mmx => insert_word_mm,
        Pinsrw => insert_general::<Xmm, u16, u16>,
        Pinsrd => insert_general::<Xmm, u32, u32>,
        Pinsrq => insert_general::<Xmm, u64, u64>,
        Pextrb => extract_general::<Xmm, u8, u8>,
        Pextrw if mmx => extract_word_mm,
        Pextrw => extract_general::<Xmm, u16, u16>,
        Pextrd => extract_general::<Xmm, u32, u32>,
        Pextrq => extract_general::<Xmm, u64, u64>,
        Pmovsxbw => widening::<u64, i8, i16>,
        Pmovsxbd => widening::<u32, i8, i32>,
        Pmovsxbq => widening::<u16, i8, i64>,
        Pmovsxwd => widening::<u64, i16, i32>,
        Pmovsxwq => widening::<u32, i16, i64>,
        Pmovsxdq => widening::<u64, i32, i64>,
        Pmovzxbw => widening::<u64, u8, u16>,
        Pmovzxbd => widening::<u32, u8, u32>,
        Pmovzxbq => widening::<u16, u8, u64>,
        Pmovzxwd => widening::<u64, u16, u32>,
        Pmovzxwq => widening::<u32, u16, u64>,
        Pmovzxdq => widening::<u64, u32, u64>,
        Extrq => extrq,
        Insertq => insertq,
        _ => return None,
    };
    Some(handler)
}
