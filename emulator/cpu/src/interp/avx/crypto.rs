//! AES, carry-less multiplication and Galois-field arithmetic in VEX encoding,
//! each lane for itself.

use super::operand::{binary, binary_imm, unary, unary_imm, vex};
use crate::Handler;
use crate::interp::simd::crypto::{aes, carryless, galois};
use iced_x86::{Instruction, Mnemonic};

pub(super) fn select(i: &Instruction, long: bool) -> Option<Handler> {
    use Mnemonic::*;
    let handler: Handler = match i.mnemonic() {
        Vaesenc => vex!(long, binary, aes::encrypt),
        Vaesenclast => vex!(long, binary, aes::encrypt_last),
        Vaesdec => vex!(long, binary, aes::decrypt),
        Vaesdeclast => vex!(long, binary, aes::decrypt_last),
        Vaesimc => |cpu, op| unary::<u128>(cpu, op, aes::inverse_mix_columns),
        Vaeskeygenassist => |cpu, op| unary_imm::<u128>(cpu, op, 0, aes::key_assist),
        Vpclmulqdq => vex!(long, binary_imm, 0, carryless::multiply_selected),
        Vgf2p8mulb => vex!(long, binary, galois::multiply_bytes),
        Vgf2p8affineqb => vex!(long, binary_imm, 0, galois::affine),
        Vgf2p8affineinvqb => vex!(long, binary_imm, 0, galois::affine_of_inverse),
        _ => return None,
    };
    Some(handler)
}
