//! AVX, AVX2, FMA and F16C, and the VEX-encoded forms of AES, PCLMULQDQ and GFNI
//! instructions: one file a family.
//!
//! What they compute are the lane functions of [`super::simd`], applied to one or
//! two 128-bit lanes ([`operand::Vector`]). Three rules hold for all of them: the
//! destination is cleared above the vector length, memory operands need no
//! alignment except where the instruction's name says so, and they may run when
//! [`Cpu::avx_ready`](crate::Cpu::avx_ready) says so. Decoding faults (LOCK, 66,
//! F2, F3 or REX before VEX, VEX.vvvv in use where it has no meaning, VEX.L of the
//! wrong length, real and virtual-8086 mode) are found when the instruction is
//! decoded (Intel SDM Vol. 2A 2.3; AMD APM Vol. 4 1.2).

mod convert;
mod crypto;
mod flags;
mod float;
mod fused;
mod gather;
mod integer;
mod masked;
mod moves;
mod operand;
mod permute;
mod scalar;
mod shift;
mod shuffle;

#[cfg(test)]
mod tests;

use crate::Handler;
use iced_x86::{EncodingKind, Instruction};

/// The families. The flag says that the vector length is 256 bits.
const FAMILIES: &[fn(&Instruction, bool) -> Option<Handler>] = &[
    moves::select,
    integer::select,
    shift::select,
    shuffle::select,
    permute::select,
    float::select,
    scalar::select,
    fused::select,
    convert::select,
    flags::select,
    masked::select,
    gather::select,
    crypto::select,
];

/// The handler of a VEX-encoded SIMD instruction.
pub(super) fn select(i: &Instruction) -> Option<Handler> {
    if i.encoding() != EncodingKind::VEX {
        return None;
    }
    let long = operand::is_long(i);
    FAMILIES.iter().find_map(|family| family(i, long))
}
