//! Shuffles, unpacks, packs and byte alignment.

use super::lane::{Element, joined};
use super::operand::{Mm, Xmm, binary_imm, packed, unary};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

/// Field `n` of four two-bit fields.
#[inline(always)]
fn field(imm: u8, n: usize) -> usize {
    usize::from(imm >> (2 * (n & 3)) & 3)
}

/// PSHUFD.
#[inline(always)]
pub(crate) fn doublewords(a: u128, imm: u8) -> u128 {
    u32::build(|n| u32::get(a, field(imm, n)))
}

/// PSHUFLW; PSHUFW is its low half.
#[inline(always)]
pub(crate) fn low_words(a: u128, imm: u8) -> u128 {
    u16::build(|n| u16::get(a, if n < 4 { field(imm, n) } else { n }))
}

/// PSHUFHW.
#[inline(always)]
pub(crate) fn high_words(a: u128, imm: u8) -> u128 {
    u16::build(|n| u16::get(a, if n < 4 { n } else { 4 + field(imm, n) }))
}

/// SHUFPS.
#[inline(always)]
pub(crate) fn shuffle_singles(a: u128, b: u128, imm: u8) -> u128 {
    u32::build(|n| u32::get(if n < 2 { a } else { b }, field(imm, n)))
}

/// SHUFPD.
#[inline(always)]
pub(crate) fn shuffle_doubles(a: u128, b: u128, imm: u8) -> u128 {
    u64::build(|n| u64::get(if n == 0 { a } else { b }, usize::from(imm >> n & 1)))
}

/// PSHUFB: a selector with its sign bit set gives zero.
#[inline(always)]
pub(crate) fn bytes(a: u128, selectors: u128) -> u128 {
    let a = a.to_le_bytes();
    u8::map(selectors, |s| if s & 0x80 != 0 { 0 } else { a[usize::from(s & 15)] })
}

/// PALIGNR: 16 bytes of `a:b`, from byte `imm` on.
#[inline(always)]
pub(crate) fn align_right(a: u128, b: u128, imm: u8) -> u128 {
    let bits = u32::from(imm) * 8;
    match imm {
        0 => b,
        1..16 => b >> bits | a << (128 - bits),
        16..32 => a >> (bits - 128),
        _ => 0,
    }
}

/// PALIGNR of MMX registers: 8 bytes of 16.
#[inline(always)]
pub(crate) fn align_right_mm(a: u128, b: u128, imm: u8) -> u128 {
    if imm < 16 { joined(b, a) >> (u32::from(imm) * 8) } else { 0 }
}

/// PUNPCKL*, UNPCKLPS, UNPCKLPD: interleaves the low halves.
#[inline(always)]
pub(crate) fn unpack_low<T: Element>(a: u128, b: u128) -> u128 {
    T::build(|n| T::get(if n & 1 == 0 { a } else { b }, n / 2))
}

/// PUNPCKH*, UNPCKHPS, UNPCKHPD: interleaves the upper halves.
#[inline(always)]
pub(crate) fn unpack_high<T: Element>(a: u128, b: u128) -> u128 {
    T::build(|n| T::get(if n & 1 == 0 { a } else { b }, T::COUNT / 2 + n / 2))
}

/// PACKSS*, PACKUS*: `a` then `b`, each element of the signed type `W` clamped to `N`.
#[inline(always)]
pub(crate) fn pack<W: Element, N: Element>(a: u128, b: u128) -> u128 {
    N::build(|n| {
        let (source, n) = if n < W::COUNT { (a, n) } else { (b, n - W::COUNT) };
        N::saturate(W::get(source, n).wide())
    })
}

/// PUNPCKL* of MMX registers loads but 4 bytes from memory.
#[inline(always)]
fn unpack_low_mm<T: Element>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.mmx_ready()?;
    let b = if op.is_mem() { u64::from(cpu.load_operand::<u32>(op)?) } else { cpu.mm(op.src) };
    let value = unpack_low::<T>(u128::from(cpu.mm(op.dst)), u128::from(b));
    cpu.set_mm(op.dst, value as u64);
    Ok(())
}

macro_rules! unpack_low {
    ($mmx:expr, $t:ty) => {
        if $mmx {
            unpack_low_mm::<$t>
        } else {
            |cpu, op| super::operand::binary::<Xmm>(cpu, op, unpack_low::<$t>)
        }
    };
}
macro_rules! unpack_high {
    ($mmx:expr, $t:ty) => {
        packed!($mmx, unpack_high::<$t>, |a, b| unpack_low::<$t>(a, b) >> 64)
    };
}
macro_rules! pack {
    ($mmx:expr, $w:ty, $n:ty) => {
        packed!($mmx, pack::<$w, $n>, |a, b| pack::<$w, $n>(joined(a, b), 0))
    };
}

pub(super) fn select(i: &Instruction, mmx: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Pshufd => |cpu, op| unary::<Xmm>(cpu, op, |b| doublewords(b, op.imm as u8)),
        Pshuflw => |cpu, op| unary::<Xmm>(cpu, op, |b| low_words(b, op.imm as u8)),
        Pshufhw => |cpu, op| unary::<Xmm>(cpu, op, |b| high_words(b, op.imm as u8)),
        Pshufw => |cpu, op| unary::<Mm>(cpu, op, |b| low_words(b, op.imm as u8)),
        Shufps => |cpu, op| binary_imm::<Xmm>(cpu, op, shuffle_singles),
        Shufpd => |cpu, op| binary_imm::<Xmm>(cpu, op, shuffle_doubles),
        // With MMX registers bit 3 of a selector is ignored.
        Pshufb => packed!(mmx, bytes, |a, b| bytes(a, b & 0x8787_8787_8787_8787)),
        Palignr if mmx => |cpu, op| binary_imm::<Mm>(cpu, op, align_right_mm),
        Palignr => |cpu, op| binary_imm::<Xmm>(cpu, op, align_right),
        Punpcklbw => unpack_low!(mmx, u8),
        Punpcklwd => unpack_low!(mmx, u16),
        Punpckldq => unpack_low!(mmx, u32),
        Punpcklqdq | Unpcklpd => unpack_low!(mmx, u64),
        Unpcklps => unpack_low!(mmx, u32),
        Punpckhbw => unpack_high!(mmx, u8),
        Punpckhwd => unpack_high!(mmx, u16),
        Punpckhdq => unpack_high!(mmx, u32),
        Punpckhqdq | Unpckhpd => unpack_high!(mmx, u64),
        Unpckhps => unpack_high!(mmx, u32),
        Packsswb => pack!(mmx, i16, i8),
        Packssdw => pack!(mmx, i32, i16),
        Packuswb => pack!(mmx, i16, u8),
        Packusdw => pack!(mmx, i32, u16),
        _ => return None,
    };
    Some(handler)
}
