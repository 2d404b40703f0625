//! RCPPS, RCPSS, RSQRTPS, RSQRTSS: 12-bit approximations.
//!
//! They raise no exceptions and ignore MXCSR; denormal operands are zeros. The
//! architecture bounds the error and leaves the rest open, so the results are
//! those of AMD's processors: a bipartite table, whose entry for the upper eight
//! of twelve fraction bits is corrected by one for the upper and lower four.

mod tables;

use super::float::Format;
use super::operand::{Xmm, unary};
use crate::{Cpu, Exception, Handler, Op};
use glassbox_softfloat::F32;
use iced_x86::{Instruction, Mnemonic};
use tables::*;

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0xFF << 23;
const QUIET: u32 = 1 << 22;
const INDEFINITE: u32 = 0xFFC0_0000;

/// The 12-bit fraction that the tables give for the fraction of `bits`.
fn look_up(bits: u32, values: &[u16; 256], falls: &[u8; 256]) -> u32 {
    let step = bits >> 11 & 0xFFF;
    let value = values[(step >> 4) as usize];
    let fall = falls[(step >> 8 << 4 | step & 15) as usize];
    u32::from(value - u16::from(fall)) << 11
}

/// RCPSS of one element.
pub(crate) fn reciprocal(a: u32) -> u32 {
    let sign = a & SIGN;
    let exponent = a >> 23 & 0xFF;
    match (exponent, a & 0x7F_FFFF) {
        (0, _) => sign | INFINITY,
        (0xFF, 0) => sign,
        (0xFF, _) => a | QUIET,
        // Results below the normal range are zero.
        (253.., _) => sign,
        _ => sign | (253 - exponent) << 23 | look_up(a, &RECIPROCAL, &RECIPROCAL_FALL),
    }
}

/// RSQRTSS of one element.
pub(crate) fn reciprocal_root(a: u32) -> u32 {
    let sign = a & SIGN;
    let exponent = a >> 23 & 0xFF;
    match (exponent, a & 0x7F_FFFF) {
        (0, _) => return sign | INFINITY,
        (0xFF, fraction) if fraction != 0 => return a | QUIET,
        _ if sign != 0 => return INDEFINITE,
        (0xFF, _) => return 0,
        _ => {}
    }
    let fraction = if exponent & 1 != 0 {
        look_up(a, &ROOT_ODD, &ROOT_ODD_FALL)
    } else {
        look_up(a, &ROOT_EVEN, &ROOT_EVEN_FALL)
    };
    ((380 - exponent) / 2) << 23 | fraction
}

/// `f` of each element.
#[inline(always)]
pub(crate) fn map(a: u128, f: impl Fn(u32) -> u32) -> u128 {
    F32::build(|n| F32(f(F32::get(a, n).0)))
}

fn scalar(cpu: &mut Cpu, op: &Op, f: impl Fn(u32) -> u32) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = F32::source(cpu, op)?;
    F32(f(b.0)).set_low(cpu, op.dst);
    Ok(())
}

pub(super) fn select(i: &Instruction, _: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Rcpps => |cpu, op| unary::<Xmm>(cpu, op, |b| map(b, reciprocal)),
        Rcpss => |cpu, op| scalar(cpu, op, reciprocal),
        Rsqrtps => |cpu, op| unary::<Xmm>(cpu, op, |b| map(b, reciprocal_root)),
        Rsqrtss => |cpu, op| scalar(cpu, op, reciprocal_root),
        _ => return None,
    };
    Some(handler)
}
