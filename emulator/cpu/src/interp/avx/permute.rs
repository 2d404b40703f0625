//! What crosses lanes: permutations, broadcasts, halves, widening moves.

use super::operand::{Long, Vector, by_length};
use crate::interp::Width;
use crate::interp::simd::blend;
use crate::interp::simd::lane::Element;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_memory::Pod;
use iced_x86::{Instruction, Mnemonic};

/// VPERMQ, VPERMPD: four quadwords by an immediate.
fn quadwords(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: Long = cpu.vector_source(op, op.src)?;
    let b: [u64; 4] = bytemuck::cast(b);
    cpu.state.vec[(op.dst & 15) as usize] =
        std::array::from_fn(|n| b[usize::from(op.imm as u8 >> (2 * n) & 3)]);
    Ok(())
}

/// VPERMD, VPERMPS: eight doublewords by the selectors in the first source.
fn doublewords(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: Long = cpu.vector_source(op, op.aux)?;
    let b: [u32; 8] = bytemuck::cast(b);
    let selectors: [u32; 8] = bytemuck::cast(cpu.ymm(op.src));
    let value = selectors.map(|s| b[(s & 7) as usize]);
    cpu.state.vec[(op.dst & 15) as usize] = bytemuck::cast(value);
    Ok(())
}

/// VPERM2F128, VPERM2I128: each half is one of four, or zero.
fn halves(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: Long = cpu.vector_source(op, op.aux)?;
    let a = Long::get(cpu, op.src);
    let pick = |control: u8| match control & 0xB {
        0..=1 => a[usize::from(control & 1)],
        2..=3 => b[usize::from(control & 1)],
        _ => 0,
    };
    [pick(op.imm as u8), pick(op.imm as u8 >> 4)].set(cpu, op.dst);
    Ok(())
}

/// VINSERTF128, VINSERTI128.
fn insert_half(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: u128 = cpu.vector_source(op, op.aux)?;
    let mut value = Long::get(cpu, op.src);
    value[op.imm as usize & 1] = b;
    value.set(cpu, op.dst);
    Ok(())
}

/// VEXTRACTF128, VEXTRACTI128.
fn extract_half(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let value = Long::get(cpu, op.src)[op.imm as usize & 1];
    if op.is_mem() {
        return cpu.store_operand(op, value);
    }
    value.set(cpu, op.dst);
    Ok(())
}

/// VBROADCASTSS, VPBROADCASTB and kin.
fn broadcast<V: Vector, T: Element + Pod>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let value: T = if op.is_mem() { cpu.load_operand(op)? } else { T::get(cpu.xmm(op.src), 0) };
    V::build(|_| T::build(|_| value)).set(cpu, op.dst);
    Ok(())
}

/// VBROADCASTF128, VBROADCASTI128.
fn broadcast_half(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let value: u128 = cpu.load_operand(op)?;
    [value; 2].set(cpu, op.dst);
    Ok(())
}

/// VPMOVSX*, VPMOVZX* of 128 bits: memory operands are `M` wide.
fn widen<M: Width, N: Element, W: Element>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let source = if op.is_mem() { cpu.load_operand::<M>(op)?.zext() } else { cpu.xmm_low(op.src) };
    cpu.set_xmm_cleared(op.dst, blend::widen::<N, W>(u128::from(source)));
    Ok(())
}

/// The 256-bit forms; from a register or from twice the memory, `M`.
fn widen_long<M: Pod + Into<u128>, N: Element, W: Element>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let source = if op.is_mem() { cpu.load_operand::<M>(op)?.into() } else { cpu.xmm(op.src) };
    // The upper lane comes from the elements behind those of the lower one.
    let used = N::BITS * W::COUNT as u32;
    [blend::widen::<N, W>(source), blend::widen::<N, W>(source >> used)].set(cpu, op.dst);
    Ok(())
}

macro_rules! widen {
    ($long:expr, $m:ty, $twice:ty, $n:ty, $w:ty) => {
        if $long { widen_long::<$twice, $n, $w> } else { widen::<$m, $n, $w> }
    };
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Vpermq | Vpermpd => quadwords,
        Vpermd | Vpermps => doublewords,
        Vperm2f128 | Vperm2i128 => halves,
        Vinsertf128 | Vinserti128 => insert_half,
        Vextractf128 | Vextracti128 => extract_half,
        Vbroadcastf128 | Vbroadcasti128 => broadcast_half,
        Vpbroadcastb => by_length!(long, broadcast, u8),
        Vpbroadcastw => by_length!(long, broadcast, u16),
        Vbroadcastss | Vpbroadcastd => by_length!(long, broadcast, u32),
        Vbroadcastsd | Vpbroadcastq => by_length!(long, broadcast, u64),
        Vpmovsxbw => widen!(long, u64, u128, i8, i16),
        Vpmovsxbd => widen!(long, u32, u64, i8, i32),
        Vpmovsxbq => widen!(long, u16, u32, i8, i64),
        Vpmovsxwd => widen!(long, u64, u128, i16, i32),
        Vpmovsxwq => widen!(long, u32, u64, i16, i64),
        Vpmovsxdq => widen!(long, u64, u128, i32, i64),
        Vpmovzxbw => widen!(long, u64, u128, u8, u16),
        Vpmovzxbd => widen!(long, u32, u64, u8, u32),
        Vpmovzxbq => widen!(long, u16, u32, u8, u64),
        Vpmovzxwd => widen!(long, u64, u128, u16, u32),
        Vpmovzxwq => widen!(long, u32, u64, u16, u64),
        Vpmovzxdq => widen!(long, u64, u128, u32, u64),
        _ => return None,
    };
    Some(handler)
}
