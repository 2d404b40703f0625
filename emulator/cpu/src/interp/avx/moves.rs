//! Moves: whole registers, parts of them, masks, and clearing.

use super::operand::{Long, Vector, Vex, by_length, unary, vex};
use crate::interp::simd::lane::Element;
use crate::interp::simd::moves::by_place;
use crate::interp::simd::moves::{self, byte_signs, sign_mask};
use crate::mmu::Access;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

fn copy<V: Vector>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    V::get(cpu, op.src).set(cpu, op.dst);
    Ok(())
}

fn load<V: Vector>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let value: V = cpu.load_operand(op)?;
    value.set(cpu, op.dst);
    Ok(())
}

fn load_aligned<V: Vector>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let gva = cpu.aligned_address(op, V::SIZE, Access::Read)?;
    let value: V = cpu.load(op.seg(), gva)?;
    value.set(cpu, op.dst);
    Ok(())
}

fn store<V: Vector>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    cpu.store_operand(op, V::get(cpu, op.src))
}

fn store_aligned<V: Vector>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let gva = cpu.aligned_address(op, V::SIZE, Access::Write)?;
    cpu.store(op.seg(), gva, V::get(cpu, op.src))
}

/// VMOVSS and VMOVD, VMOVSD and VMOVQ from memory or a register to all of one.
fn load_low32(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let value = cpu.xmm_source32(op)?;
    cpu.set_xmm_cleared(op.dst, u128::from(value));
    Ok(())
}

fn load_low64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let value = cpu.xmm_source64(op)?;
    cpu.set_xmm_cleared(op.dst, u128::from(value));
    Ok(())
}

fn store_low32(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    cpu.store_operand(op, cpu.xmm_low(op.src) as u32)
}

fn store_low64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    cpu.store_operand(op, cpu.xmm_low(op.src))
}

fn store_high64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    cpu.store_operand(op, (cpu.xmm(op.src) >> 64) as u64)
}

/// VMOVQ xmm, xmm in the encoding that stores.
fn move_low64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    if op.is_mem() { store_low64(cpu, op) } else { load_low64(cpu, op) }
}

const LOW_32: u128 = 0xFFFF_FFFF;
const LOW_64: u128 = 0xFFFF_FFFF_FFFF_FFFF;

/// `dst = f(src1, src2)` on registers.
fn merge(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u128, u128) -> u128) -> Result<(), Exception> {
    cpu.avx_ready()?;
    cpu.set_xmm_cleared(op.dst, f(cpu.xmm(op.src), cpu.xmm(op.aux)));
    Ok(())
}

/// `dst = f(src1, m64)`.
fn merge_memory(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u128, u128) -> u128) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: u64 = cpu.load_operand(op)?;
    cpu.set_xmm_cleared(op.dst, f(cpu.xmm(op.src), u128::from(b)));
    Ok(())
}

/// VMOVLPS and VMOVLPD from memory.
fn load_low_half(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    merge_memory(cpu, op, |a, b| a & !LOW_64 | b)
}

/// VMOVHPS and VMOVHPD from memory.
fn load_high_half(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    merge_memory(cpu, op, |a, b| a & LOW_64 | b << 64)
}

/// VMOVDDUP of 128 bits loads but 64.
fn duplicate_low(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let low = u128::from(cpu.xmm_source64(op)?);
    cpu.set_xmm_cleared(op.dst, low | low << 64);
    Ok(())
}

fn duplicate_low_of_lanes(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    unary::<Long>(cpu, op, |b| b & LOW_64 | b << 64)
}

/// VMOVMSKPS, VMOVMSKPD, VPMOVMSKB.
fn move_mask<V: Vector>(
    cpu: &mut Cpu,
    op: &Op,
    bits: usize,
    f: impl Fn(u128) -> u32,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let a = V::get(cpu, op.src);
    let mask = (0..V::LANES).fold(0, |mask, n| mask | f(a.lane(n)) << (bits * n));
    cpu.set_reg(op.dst, u64::from(mask));
    Ok(())
}

/// What VZEROALL and VZEROUPPER do; outside 64-bit mode to eight registers.
fn clear<const ALL: bool>(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let count = if cpu.mode.is_64bit() { 16 } else { 8 };
    for register in &mut cpu.state.vec[..count] {
        *register = if ALL { [0; 4] } else { [register[0], register[1], 0, 0] };
    }
    Ok(())
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let to_memory = i.op0_kind() == OpKind::Memory;
    let by_place = |load, store, copy| by_place(i, load, store, copy);
    let aligned =
        || by_place(by_length!(long, load_aligned), by_length!(long, store_aligned), by_length!(long, copy));
    let handler: Handler = match i.mnemonic() {
        Vmovaps | Vmovapd | Vmovdqa | Vmovntps | Vmovntpd | Vmovntdq | Vmovntdqa => aligned(),
        Vmovups | Vmovupd | Vmovdqu | Vlddqu => {
            by_place(by_length!(long, load), by_length!(long, store), by_length!(long, copy))
        }
        Vmovss => {
            by_place(load_low32, store_low32, |cpu, op| merge(cpu, op, |a, b| a & !LOW_32 | b & LOW_32))
        }
        Vmovsd => {
            by_place(load_low64, store_low64, |cpu, op| merge(cpu, op, |a, b| a & !LOW_64 | b & LOW_64))
        }
        Vmovlps | Vmovlpd if to_memory => store_low64,
        Vmovlps | Vmovlpd => load_low_half,
        Vmovhps | Vmovhpd if to_memory => store_high64,
        Vmovhps | Vmovhpd => load_high_half,
        Vmovlhps => |cpu, op| merge(cpu, op, |a, b| a & LOW_64 | b << 64),
        Vmovhlps => |cpu, op| merge(cpu, op, |a, b| a & !LOW_64 | b >> 64),
        Vmovd | Vmovq => return move_general(i.code()),
        Vmovddup if long => duplicate_low_of_lanes,
        Vmovddup => duplicate_low,
        Vmovshdup => vex!(long, unary, moves::duplicate_odd),
        Vmovsldup => vex!(long, unary, moves::duplicate_even),
        Vmovmskps => vex!(long, move_mask, u32::COUNT, sign_mask::<u32>),
        Vmovmskpd => vex!(long, move_mask, u64::COUNT, sign_mask::<u64>),
        Vpmovmskb => vex!(long, move_mask, u8::COUNT, byte_signs),
        Vmaskmovdqu => |cpu, op| moves::masked_store::<Vex>(cpu, op, 16),
        Vzeroall => clear::<true>,
        Vzeroupper => clear::<false>,
        _ => return None,
    };
    Some(handler)
}

fn move_general(code: Code) -> Option<Handler> {
    use Code::*;
    Some(match code {
        VEX_Vmovd_xmm_rm32 => moves::from_general::<u32, Vex>,
        VEX_Vmovq_xmm_rm64 => moves::from_general::<u64, Vex>,
        VEX_Vmovd_rm32_xmm => moves::to_general::<u32, Vex>,
        VEX_Vmovq_rm64_xmm => moves::to_general::<u64, Vex>,
        VEX_Vmovq_xmm_xmmm64 => load_low64,
        VEX_Vmovq_xmmm64_xmm => move_low64,
        _ => return None,
    })
}
