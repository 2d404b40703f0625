//! Shuffles, unpacks, packs, blends, insertion and extraction within lanes.

use super::operand::{Vector, Vex, binary, binary_imm, unary_imm, vex};
use crate::interp::Width;
use crate::interp::simd::lane::Element;
use crate::interp::simd::{blend, shuffle::*};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic, OpKind};

/// VPERMILPD by an immediate: each element from either of its lane.
fn select_doubles(a: u128, imm: u8) -> u128 {
    u64::build(|n| u64::get(a, usize::from(imm >> n & 1)))
}

/// VPERMILPS by a register.
fn select_singles_by(a: u128, selectors: u128) -> u128 {
    u32::map(selectors, |s| u32::get(a, (s & 3) as usize))
}

/// VPERMILPD by a register: bit 1 of each selector.
fn select_doubles_by(a: u128, selectors: u128) -> u128 {
    u64::map(selectors, |s| u64::get(a, (s >> 1 & 1) as usize))
}

/// VBLENDVPS, VBLENDVPD, VPBLENDVB: the mask is the fourth operand, a register
/// whose number the immediate holds.
fn blend_by_sign<V: Vector>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl Fn(u128, u128, u128) -> u128,
) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let b: V = cpu.vector_source(op, op.aux)?;
    let a = V::get(cpu, op.src);
    let mask = V::get(cpu, op.imm as u8);
    V::build(|n| f(a.lane(n), b.lane(n), mask.lane(n))).set(cpu, op.dst);
    Ok(())
}

/// VPINSRB and kin; `S` is the width of memory operands.
fn insert_general<T: Element, S: Width>(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let value: S = cpu.read_rm(op, op.aux)?;
    let value = blend::insert::<T>(cpu.xmm(op.src), value.zext(), op.imm as u8);
    cpu.set_xmm_cleared(op.dst, value);
    Ok(())
}

fn insert_single(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.avx_ready()?;
    let imm = op.imm as u8;
    let value =
        if op.is_mem() { cpu.load_operand(op)? } else { u32::get(cpu.xmm(op.aux), usize::from(imm >> 6)) };
    cpu.set_xmm_cleared(op.dst, blend::insert_single(cpu.xmm(op.src), value, imm));
    Ok(())
}

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let imm = i.op2_kind() == OpKind::Immediate8;
    let handler: Handler = match i.mnemonic() {
        Vpshufd => vex!(long, unary_imm, 0, doublewords),
        Vpshuflw => vex!(long, unary_imm, 0, low_words),
        Vpshufhw => vex!(long, unary_imm, 0, high_words),
        Vpermilps if imm => vex!(long, unary_imm, 0, doublewords),
        Vpermilpd if imm => vex!(long, unary_imm, 2, select_doubles),
        Vpermilps => vex!(long, binary, select_singles_by),
        Vpermilpd => vex!(long, binary, select_doubles_by),
        Vshufps => vex!(long, binary_imm, 0, shuffle_singles),
        Vshufpd => vex!(long, binary_imm, 2, shuffle_doubles),
        Vpshufb => vex!(long, binary, bytes),
        Vpalignr => vex!(long, binary_imm, 0, align_right),
        Vpunpcklbw => vex!(long, binary, unpack_low::<u8>),
        Vpunpcklwd => vex!(long, binary, unpack_low::<u16>),
        Vpunpckldq | Vunpcklps => vex!(long, binary, unpack_low::<u32>),
        Vpunpcklqdq | Vunpcklpd => vex!(long, binary, unpack_low::<u64>),
        Vpunpckhbw => vex!(long, binary, unpack_high::<u8>),
        Vpunpckhwd => vex!(long, binary, unpack_high::<u16>),
        Vpunpckhdq | Vunpckhps => vex!(long, binary, unpack_high::<u32>),
        Vpunpckhqdq | Vunpckhpd => vex!(long, binary, unpack_high::<u64>),
        Vpacksswb => vex!(long, binary, pack::<i16, i8>),
        Vpackssdw => vex!(long, binary, pack::<i32, i16>),
        Vpackuswb => vex!(long, binary, pack::<i16, u8>),
        Vpackusdw => vex!(long, binary, pack::<i32, u16>),
        Vpblendw => vex!(long, binary_imm, 0, blend::by_immediate::<u16>),
        Vblendps | Vpblendd => vex!(long, binary_imm, 4, blend::by_immediate::<u32>),
        Vblendpd => vex!(long, binary_imm, 2, blend::by_immediate::<u64>),
        Vpblendvb => vex!(long, blend_by_sign, blend::by_sign::<i8>),
        Vblendvps => vex!(long, blend_by_sign, blend::by_sign::<i32>),
        Vblendvpd => vex!(long, blend_by_sign, blend::by_sign::<i64>),
        Vinsertps => insert_single,
        Vpinsrb => insert_general::<u8, u8>,
        Vpinsrw => insert_general::<u16, u16>,
        Vpinsrd => insert_general::<u32, u32>,
        Vpinsrq => insert_general::<u64, u64>,
        Vpextrb => blend::extract_general::<Vex, u8, u8>,
        Vpextrw => blend::extract_general::<Vex, u16, u16>,
        Vpextrd | Vextractps => blend::extract_general::<Vex, u32, u32>,
        Vpextrq => blend::extract_general::<Vex, u64, u64>,
        _ => return None,
    };
    Some(handler)
}
