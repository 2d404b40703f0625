//! That no encoding was forgotten.

use crate::interp;
use iced_x86::{Code, CpuidFeature, Decoder, DecoderOptions, EncodingKind, Instruction};
use std::collections::BTreeSet;

const FEATURES: [CpuidFeature; 8] = {
    use CpuidFeature::*;
    [AVX, AVX2, FMA, F16C, VAES, VPCLMULQDQ, AES, PCLMULQDQ]
};

/// VEX-encoded, and of an extension that is ours.
fn is_ours(i: &Instruction) -> bool {
    i.encoding() == EncodingKind::VEX
        && i.cpuid_features().iter().all(|f| FEATURES.contains(f) || *f == CpuidFeature::GFNI)
}

#[test]
fn every_vex_encoding_of_avx_has_a_handler() {
    let (mut missing, mut seen) = (BTreeSet::new(), BTreeSet::new());
    // Register, memory, and memory with an index.
    let modrms = (0..8u8).flat_map(|reg| [0xC1, 0x01, 0x04].map(|m| m | reg << 3)).collect::<Vec<_>>();
    let opcodes = (1..=3u8).flat_map(|map| (0..=255u8).map(move |opcode| (map, opcode)));
    // W, vvvv (unused or register 2), L and pp.
    let thirds = (0..=255u8).filter(|third| matches!(third >> 3 & 15, 13 | 15));
    for ((map, opcode), third) in opcodes.flat_map(|o| thirds.clone().map(move |t| (o, t))) {
        for &modrm in &modrms {
            let bytes = [0xC4, 0xE0 | map, third, opcode, modrm, 0x25, 0, 0, 0, 0];
            let i = Decoder::new(64, &bytes, DecoderOptions::AMD).decode();
            if i.is_invalid() || !is_ours(&i) {
                continue;
            }
            seen.insert(i.code() as usize);
            if !interp::is_implemented(&i) {
                missing.insert(format!("{:?}", i.code()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let unseen: Vec<_> = Code::values()
        .filter(|code| {
            let mut i = Instruction::default();
            i.set_code(*code);
            is_ours(&i) && !seen.contains(&(*code as usize))
        })
        .collect();
    assert!(unseen.is_empty(), "not tried: {unseen:?}");
}
