//! Moves: whole registers, parts of them, to and from general-purpose registers, masks.

use super::lane::Element;
use super::operand::{File, Mm, Xmm};
use crate::interp::Width;
use crate::mmu::Access;
use crate::state::gpr;
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

fn copy(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.set_xmm(op.dst, cpu.xmm(op.src));
    Ok(())
}

fn load_aligned(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let value = cpu.load_aligned(op)?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

fn load_unaligned(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let value = cpu.load_operand(op)?;
    cpu.set_xmm(op.dst, value);
    Ok(())
}

fn store_aligned(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.store_aligned(op, cpu.xmm(op.src))
}

fn store_unaligned(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.store_operand(op, cpu.xmm(op.src))
}

/// MOVQ and MOVSD to memory, MOVLPS, MOVLPD: stores the low quadword.
fn store_low64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.store_operand(op, cpu.xmm_low(op.src))
}

/// MOVSS to memory.
fn store_low32(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.store_operand(op, cpu.xmm_low(op.src) as u32)
}

/// MOVHPS, MOVHPD to memory.
fn store_high64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.store_operand(op, (cpu.xmm(op.src) >> 64) as u64)
}

/// MOVQ, and MOVSD from memory: the upper half becomes zero.
fn load_low64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let value = cpu.xmm_source64(op)?;
    cpu.set_xmm(op.dst, u128::from(value));
    Ok(())
}

/// MOVQ between XMM registers, whichever encoding.
fn move_low64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.set_xmm(op.dst, u128::from(cpu.xmm_low(op.src)));
    Ok(())
}

/// MOVSS from memory: everything above becomes zero.
fn load_low32(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let value: u32 = cpu.load_operand(op)?;
    cpu.set_xmm(op.dst, u128::from(value));
    Ok(())
}

/// MOVLPS and MOVLPD from memory, MOVSD between registers: the upper half stays.
fn merge_low64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let value = cpu.xmm_source64(op)?;
    cpu.set_xmm_low(op.dst, value);
    Ok(())
}

/// MOVSS between registers: everything above stays.
fn merge_low32(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let low = cpu.xmm_low(op.dst) & !0xFFFF_FFFF | cpu.xmm_low(op.src) & 0xFFFF_FFFF;
    cpu.set_xmm_low(op.dst, low);
    Ok(())
}

/// MOVHPS and MOVHPD from memory, MOVLHPS: the low quadword goes to the upper half.
fn merge_high64(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let value = cpu.xmm_source64(op)?;
    cpu.state.vec[(op.dst & 15) as usize][1] = value;
    Ok(())
}

/// MOVHLPS.
fn high_to_low(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.set_xmm_low(op.dst, (cpu.xmm(op.src) >> 64) as u64);
    Ok(())
}

/// MOVD and MOVQ from a general-purpose register or memory.
pub(crate) fn from_general<T: Width, R: File>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    R::ready(cpu)?;
    let value: T = cpu.read_rm(op, op.src)?;
    R::set(cpu, op.dst, u128::from(value.zext()));
    Ok(())
}

/// MOVD and MOVQ to a general-purpose register or memory.
pub(crate) fn to_general<T: Width, R: File>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    R::ready(cpu)?;
    let value = T::truncate(R::get(cpu, op.src) as u64);
    cpu.write_rm(op, op.dst, value)
}

/// MOVD and MOVQ between MMX and general-purpose registers or memory.
fn mm_to_general<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    to_general::<T, Mm>(cpu, op)?;
    cpu.enter_mmx();
    Ok(())
}

/// MOVQ to an MMX register.
fn load_mm(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.mmx_ready()?;
    let value = Mm::source(cpu, op)?;
    Mm::set(cpu, op.dst, value);
    Ok(())
}

/// MOVQ from an MMX register, MOVNTQ.
fn store_mm(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.mmx_ready()?;
    let value = cpu.mm(op.src);
    if op.is_mem() {
        cpu.store_operand(op, value)?;
        cpu.enter_mmx();
    } else {
        cpu.set_mm(op.dst, value);
    }
    Ok(())
}

/// MOVDQ2Q.
fn xmm_to_mm(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.mmx_ready()?;
    cpu.set_mm(op.dst, cpu.xmm_low(op.src));
    Ok(())
}

/// MOVQ2DQ.
fn mm_to_xmm(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    cpu.mmx_ready()?;
    cpu.enter_mmx();
    cpu.set_xmm(op.dst, u128::from(cpu.mm(op.src)));
    Ok(())
}

/// MOVNTI: a store of a general-purpose register; the hint has no meaning here.
fn store_general<T: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    let value: T = cpu.reg(op.src);
    cpu.store_operand(op, value)
}

/// The most significant bit of each element: MOVMSKPS, MOVMSKPD, PMOVMSKB.
#[inline(always)]
pub(crate) fn sign_mask<T: Element>(lane: u128) -> u32 {
    let top = 1u128 << (T::BITS - 1);
    (0..T::COUNT).fold(0, |mask, n| mask | u32::from(lane & top << (n as u32 * T::BITS) != 0) << n)
}

/// PMOVMSKB of a lane, by multiplication: the sign bits of 8 bytes meet in the top byte.
#[inline(always)]
pub(crate) fn byte_signs(lane: u128) -> u32 {
    let gather =
        |half: u64| ((half & 0x8080_8080_8080_8080).wrapping_mul(0x0002_0408_1020_4081) >> 56) as u32;
    gather(lane as u64) | gather((lane >> 64) as u64) << 8
}

fn move_mask<R: File>(cpu: &mut Cpu, op: &Op, f: impl Fn(u128) -> u32) -> Result<(), Exception> {
    R::ready(cpu)?;
    let mask = f(R::get(cpu, op.src));
    cpu.set_reg(op.dst, u64::from(mask));
    Ok(())
}

fn mm_byte_mask(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    move_mask::<Mm>(cpu, op, byte_signs)?;
    cpu.enter_mmx();
    Ok(())
}

/// MOVDDUP.
fn duplicate_low(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let low = u128::from(cpu.xmm_source64(op)?);
    cpu.set_xmm(op.dst, low | low << 64);
    Ok(())
}

/// MOVSHDUP.
#[inline(always)]
pub(crate) fn duplicate_odd(lane: u128) -> u128 {
    u32::build(|n| u32::get(lane, n | 1))
}

/// MOVSLDUP.
#[inline(always)]
pub(crate) fn duplicate_even(lane: u128) -> u128 {
    u32::build(|n| u32::get(lane, n & !1))
}

/// MASKMOVDQU, MASKMOVQ: stores those of `count` bytes of register `op.src`
/// whose mask byte in `op.aux` has its sign bit set, at rDI.
pub(crate) fn masked_store<R: File>(cpu: &mut Cpu, op: &Op, count: u64) -> Result<(), Exception> {
    R::ready(cpu)?;
    let bytes = R::get(cpu, op.src).to_le_bytes();
    let mask = byte_signs(R::get(cpu, op.aux));
    let offset = cpu.state.regs[gpr::RDI] & (u64::MAX >> (64 - op.address_bits()));
    let gva = cpu.segmented(op.seg(), offset, count, Access::Write)?;
    // Which bytes are checked depends on the processor: AMD's checks all of them.
    cpu.probe_write(op.seg(), gva, count)?;
    if mask == 0 {
        return Ok(());
    }
    let (first, last) = (u64::from(mask.trailing_zeros()), u64::from(mask.ilog2()));
    for n in first..=last {
        if mask >> n & 1 != 0 {
            cpu.store(op.seg(), gva.wrapping_add(n), bytes[n as usize])?;
        }
    }
    Ok(())
}

/// The x87 state becomes MMX state even when the store faults.
fn mm_masked_store(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.mmx_ready()?;
    cpu.enter_mmx();
    masked_store::<Mm>(cpu, op, 8)
}

/// Prefetches and cache-line demotions: hints, which never fault.
fn hint(_: &mut Cpu, _: &Op) -> Result<(), Exception> {
    Ok(())
}

/// Which of the three ways a move is: from memory, to memory, between registers.
pub(in crate::interp) fn by_place(i: &Instruction, load: Handler, store: Handler, copy: Handler) -> Handler {
    match (i.op0_kind(), i.op1_kind()) {
        (OpKind::Memory, _) => store,
        (_, OpKind::Memory) => load,
        _ => copy,
    }
}

pub(super) fn select(i: &Instruction, mmx: bool) -> Option<Handler> {
    use Mnemonic::*;
    let by_place = |load, store, copy| by_place(i, load, store, copy);
    let handler: Handler = match i.mnemonic() {
        Movaps | Movapd | Movdqa => by_place(load_aligned, store_aligned, copy),
        Movups | Movupd | Movdqu | Lddqu => by_place(load_unaligned, store_unaligned, copy),
        Movntps | Movntpd | Movntdq | Movntdqa => by_place(load_aligned, store_aligned, copy),
        Movss => by_place(load_low32, store_low32, merge_low32),
        Movsd => by_place(load_low64, store_low64, merge_low64),
        Movntss => store_low32,
        Movntsd => store_low64,
        Movlps | Movlpd => by_place(merge_low64, store_low64, merge_low64),
        Movhps | Movhpd => by_place(merge_high64, store_high64, merge_high64),
        Movlhps => merge_high64,
        Movhlps => high_to_low,
        Movd | Movq => return move_general(i.code()),
        Movntq => store_mm,
        Movnti if i.code() == Code::Movnti_m64_r64 => store_general::<u64>,
        Movnti => store_general::<u32>,
        Movdq2q => xmm_to_mm,
        Movq2dq => mm_to_xmm,
        Movmskps => |cpu, op| move_mask::<Xmm>(cpu, op, sign_mask::<u32>),
        Movmskpd => |cpu, op| move_mask::<Xmm>(cpu, op, sign_mask::<u64>),
        Pmovmskb if mmx => mm_byte_mask,
        Pmovmskb => |cpu, op| move_mask::<Xmm>(cpu, op, byte_signs),
        Movddup => duplicate_low,
        Movshdup => |cpu, op| super::operand::unary::<Xmm>(cpu, op, duplicate_odd),
        Movsldup => |cpu, op| super::operand::unary::<Xmm>(cpu, op, duplicate_even),
        Maskmovdqu => |cpu, op| masked_store::<Xmm>(cpu, op, 16),
        Maskmovq => mm_masked_store,
        Prefetchnta | Prefetcht0 | Prefetcht1 | Prefetcht2 | Prefetch | Prefetchw | Prefetchwt1 => hint,
        _ => return None,
    };
    Some(handler)
}

fn move_general(code: Code) -> Option<Handler> {
    use Code::*;
    Some(match code {
        Movd_xmm_rm32 => from_general::<u32, Xmm>,
        Movq_xmm_rm64 => from_general::<u64, Xmm>,
        Movd_mm_rm32 => from_general::<u32, Mm>,
        Movq_mm_rm64 => from_general::<u64, Mm>,
        Movd_rm32_xmm => to_general::<u32, Xmm>,
        Movq_rm64_xmm => to_general::<u64, Xmm>,
        Movd_rm32_mm => mm_to_general::<u32>,
        Movq_rm64_mm => mm_to_general::<u64>,
        Movq_mm_mmm64 => load_mm,
        Movq_mmm64_mm => store_mm,
        Movq_xmm_xmmm64 => load_low64,
        Movq_xmmm64_xmm => |cpu, op| if op.is_mem() { store_low64(cpu, op) } else { move_low64(cpu, op) },
        _ => return None,
    })
}
