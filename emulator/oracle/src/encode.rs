//! Random encodings of a given form.
//!
//! Bytes are put together from the form's description and random fields, then
//! decoded: what does not decode to the form is thrown away. So redundant
//! prefixes and unusual addressing forms come up as well, which an assembler
//! would never write.

use crate::rng::Rng;
use iced_x86::{
    Code, ConstantOffsets, Decoder, DecoderOptions, EncodingKind, Instruction, MandatoryPrefix,
    OpCodeOperandKind, OpCodeTableKind,
};

/// An encoded instruction.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they mean.
    pub instruction: Instruction,
    /// Where immediates and displacements are in `bytes`.
    pub offsets: ConstantOffsets,
}

/// Decodes `bytes` as they would lie at `at`, in code of `bits` bits.
pub fn decode(bytes: &[u8], at: u64, bits: u32) -> Option<Encoded> {
    let mut decoder = Decoder::with_ip(bits, bytes, at, DecoderOptions::AMD);
    let instruction = decoder.decode();
    if instruction.is_invalid() {
        return None;
    }
    let offsets = decoder.get_constant_offsets(&instruction);
    Some(Encoded { bytes: bytes[..instruction.len()].to_vec(), instruction, offsets })
}

/// A random encoding of `code` at the address `at`, if chance finds one.
pub fn random(code: Code, at: u64, bits: u32, rng: &mut Rng) -> Option<Encoded> {
    for _ in 0..300 {
        let bytes = attempt(code, bits, rng);
        if let Some(encoded) = decode(&bytes, at, bits)
            && encoded.instruction.code() == code
        {
            return Some(encoded);
        }
    }
    None
}

fn attempt(code: Code, bits: u32, rng: &mut Rng) -> Vec<u8> {
    let op = code.op_code();
    let mut bytes = match op.encoding() {
        EncodingKind::VEX => vex(code, bits, rng),
        _ => legacy(code, bits, rng),
    };
    let embedded = (0..op.op_count()).any(|n| {
        matches!(
            op.op_kind(n),
            OpCodeOperandKind::r8_opcode
                | OpCodeOperandKind::r16_opcode
                | OpCodeOperandKind::r32_opcode
                | OpCodeOperandKind::r64_opcode
                | OpCodeOperandKind::sti_opcode
        )
    });
    let register = if embedded { rng.below(8) as u8 } else { 0 };
    if op.op_code_len() == 2 {
        bytes.push((op.op_code() >> 8) as u8);
    }
    bytes.push(op.op_code() as u8 | register);
    let mut modrm = rng.bits() as u8;
    if op.is_group() {
        modrm = modrm & 0xC7 | (op.group_index() as u8) << 3;
    }
    if op.is_rm_group() {
        modrm = modrm & 0xF8 | op.rm_group_index() as u8;
    }
    bytes.push(modrm);
    for _ in 0..12 {
        bytes.push(rng.bits() as u8);
    }
    bytes
}

fn legacy(code: Code, bits: u32, rng: &mut Rng) -> Vec<u8> {
    let op = code.op_code();
    let mut bytes = Vec::with_capacity(24);
    if op.can_use_lock_prefix() && rng.one_in(3) {
        bytes.push(0xF0);
    }
    if op.can_use_rep_prefix() && rng.one_in(2) {
        bytes.push(0xF3);
    } else if op.can_use_repne_prefix() && rng.one_in(2) {
        bytes.push(0xF2);
    }
    match op.mandatory_prefix() {
        MandatoryPrefix::P66 => bytes.push(0x66),
        MandatoryPrefix::PF3 => bytes.push(0xF3),
        MandatoryPrefix::PF2 => bytes.push(0xF2),
        _ => {}
    }
    let other_operand = if bits == 16 { 32 } else { 16 };
    if op.operand_size() == other_operand {
        bytes.push(0x66);
    }
    let other_size = if bits == 32 { 16 } else { 32 };
    if op.address_size() == other_size || op.address_size() == 0 && rng.one_in(16) {
        bytes.push(0x67);
    }
    if rng.one_in(16) {
        bytes.push(rng.pick(&[0x26, 0x2E, 0x36, 0x3E]));
    }
    let wide = match op.operand_size() {
        64 => !(op.default_op_size64() || op.force_op_size64()) || rng.one_in(2),
        0 => rng.one_in(4),
        _ => false,
    };
    if bits == 64 && (wide || rng.one_in(2)) {
        let fields = if rng.one_in(4) { 0 } else { rng.bits() as u8 & 7 };
        bytes.push(0x40 | u8::from(wide) << 3 | fields);
    }
    match op.table() {
        OpCodeTableKind::T0F => bytes.push(0x0F),
        OpCodeTableKind::T0F38 => bytes.extend([0x0F, 0x38]),
        OpCodeTableKind::T0F3A => bytes.extend([0x0F, 0x3A]),
        _ => {}
    }
    bytes
}

fn vex(code: Code, bits: u32, rng: &mut Rng) -> Vec<u8> {
    let op = code.op_code();
    let pp = match op.mandatory_prefix() {
        MandatoryPrefix::P66 => 1,
        MandatoryPrefix::PF3 => 2,
        MandatoryPrefix::PF2 => 3,
        _ => 0,
    };
    let map = match op.table() {
        OpCodeTableKind::T0F38 => 2,
        OpCodeTableKind::T0F3A => 3,
        _ => 1,
    };
    let w = if op.is_wig() { rng.below(2) as u8 } else { op.w() as u8 };
    let l = if op.is_lig() { rng.below(2) as u8 } else { op.l() as u8 };
    // Outside 64-bit mode these bits are what tells VEX from LES and LDS.
    let fixed = if bits == 64 { 0 } else { 8 };
    let vvvv = if rng.one_in(2) { 15 } else { rng.below(16) as u8 | fixed };
    let rxb = if bits == 64 { rng.bits() as u8 & 0xE0 } else { 0xE0 };
    let mut bytes = Vec::with_capacity(24);
    // Vectors of indices need addresses of 32 bits at least.
    let prefixed = if bits == 16 && has_vector_index(code) { 15 } else { 1 };
    if rng.below(16) < prefixed {
        bytes.push(0x67);
    }
    if map == 1 && w == 0 && rng.one_in(2) {
        bytes.extend([0xC5, rxb & 0x80 | vvvv << 3 | l << 2 | pp]);
    } else {
        bytes.extend([0xC4, rxb | map, w << 7 | vvvv << 3 | l << 2 | pp]);
    }
    bytes
}

/// Bytes near those of a valid instruction that are none: `None` where chance does
/// not find any.
pub fn malformed(valid: &[u8], bits: u32, rng: &mut Rng) -> Option<Vec<u8>> {
    let mut bytes = valid.to_vec();
    let vex = match valid {
        [0xC4, ..] => Some(2),
        [0xC5, ..] => Some(1),
        _ => None,
    };
    match vex {
        // VEX.L, or one bit of VEX.vvvv: the byte's other bits choose the instruction.
        Some(at) if rng.one_in(2) => *bytes.get_mut(at)? ^= 4 << rng.below(5),
        Some(_) => bytes.insert(0, rng.pick(&[0x66, 0xF2, 0xF3, 0xF0, 0x48])),
        None => bytes.insert(0, 0xF0),
    }
    // What follows could make sense of a cut off instruction.
    let mut padded = bytes.clone();
    padded.resize(15, 0xCC);
    let mut decoder = Decoder::new(bits, &padded, DecoderOptions::AMD);
    let invalid = decoder.decode().is_invalid();
    (bytes.len() <= 15 && invalid).then_some(bytes)
}

fn has_vector_index(code: Code) -> bool {
    let op = code.op_code();
    (0..op.op_count()).any(|n| {
        use OpCodeOperandKind::*;
        matches!(op.op_kind(n), mem_vsib32x | mem_vsib64x | mem_vsib32y | mem_vsib64y)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_encodings_do_not_decode() {
        let mut rng = Rng::new(1);
        let mut found = 0;
        // andn eax,ebx,ecx; add eax,ecx; lock add [rax],ecx
        let valid: [&[u8]; 3] = [&[0xC4, 0xE2, 0x60, 0xF2, 0xC1], &[0x01, 0xC8], &[0xF0, 0x01, 0x08]];
        for bytes in valid.iter().cycle().take(300) {
            if let Some(bytes) = malformed(bytes, 64, &mut rng) {
                found += 1;
                assert!(decode(&bytes, 0, 64).is_none(), "{bytes:02x?}");
            }
        }
        assert!(found > 100, "{found}");
        assert_eq!(malformed(&[0x01, 0x08], 64, &mut rng), None, "LOCK is allowed here");
    }
}
