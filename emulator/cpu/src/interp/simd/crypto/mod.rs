//! AES-NI, PCLMULQDQ, SHA and GFNI in their legacy SSE forms (Intel SDM Vol. 2;
//! FIPS 197, FIPS 180-4).
//!
//! The functions on lanes serve the VEX-encoded forms as well, lane by lane.
//! Tables are computed when the crate is compiled.

pub(crate) mod aes;
pub(crate) mod carryless;
pub(crate) mod galois;
pub(crate) mod sha;

use super::operand::{Xmm, binary, binary_imm, unary};
use crate::{Cpu, Exception, Handler, Op};
use iced_x86::{Instruction, Mnemonic};

/// SHA instructions: `dst = f(dst, src)`. Their memory operand need not be aligned
/// on AMD silicon; Intel's manual has #GP.
#[inline(always)]
fn sha(cpu: &mut Cpu, op: &Op, f: impl FnOnce(u128, u128) -> u128) -> Result<(), Exception> {
    cpu.sse_ready()?;
    let b = if op.is_mem() { cpu.load_operand(op)? } else { cpu.xmm(op.src) };
    let a = cpu.xmm(op.dst);
    cpu.set_xmm(op.dst, f(a, b));
    Ok(())
}

pub(super) fn select(i: &Instruction, _: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Aesenc => |cpu, op| binary::<Xmm>(cpu, op, aes::encrypt),
        Aesenclast => |cpu, op| binary::<Xmm>(cpu, op, aes::encrypt_last),
        Aesdec => |cpu, op| binary::<Xmm>(cpu, op, aes::decrypt),
        Aesdeclast => |cpu, op| binary::<Xmm>(cpu, op, aes::decrypt_last),
        Aesimc => |cpu, op| unary::<Xmm>(cpu, op, aes::inverse_mix_columns),
        Aeskeygenassist => |cpu, op| unary::<Xmm>(cpu, op, |b| aes::key_assist(b, op.imm as u8)),
        Pclmulqdq => |cpu, op| binary_imm::<Xmm>(cpu, op, carryless::multiply_selected),
        Sha1rnds4 => |cpu, op| sha(cpu, op, |a, b| sha::sha1_four_rounds(a, b, op.imm as u8)),
        Sha1nexte => |cpu, op| sha(cpu, op, sha::sha1_next_e),
        Sha1msg1 => |cpu, op| sha(cpu, op, sha::sha1_message1),
        Sha1msg2 => |cpu, op| sha(cpu, op, sha::sha1_message2),
        Sha256rnds2 => |cpu, op| {
            let words = cpu.xmm(0);
            sha(cpu, op, |a, b| sha::sha256_two_rounds(a, b, words))
        },
        Sha256msg1 => |cpu, op| sha(cpu, op, sha::sha256_message1),
        Sha256msg2 => |cpu, op| sha(cpu, op, sha::sha256_message2),
        Gf2p8mulb => |cpu, op| binary::<Xmm>(cpu, op, galois::multiply_bytes),
        Gf2p8affineqb => |cpu, op| binary_imm::<Xmm>(cpu, op, galois::affine),
        Gf2p8affineinvqb => |cpu, op| binary_imm::<Xmm>(cpu, op, galois::affine_of_inverse),
        _ => return None,
    };
    Some(handler)
}
