//! That no encoding was forgotten.

use crate::interp;
use iced_x86::{CpuidFeature, Decoder, DecoderOptions, EncodingKind, OpKind};
use std::collections::BTreeSet;

fn is_ours(feature: CpuidFeature) -> bool {
    use CpuidFeature::*;
    matches!(
        feature,
        MMX | SSE
            | SSE2
            | SSE3
            | SSSE3
            | SSE4_1
            | SSE4_2
            | SSE4A
            | FXSR
            | XSAVE
            | XSAVEC
            | XSAVEOPT
            | XSAVES
            | AES
            | PCLMULQDQ
            | SHA
            | GFNI
    )
}

#[test]
fn every_legacy_simd_encoding_has_a_handler() {
    let mut missing = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let prefixes: [&[u8]; 4] = [&[], &[0x66], &[0xF3], &[0xF2]];
    let maps: [&[u8]; 3] = [&[0x0F], &[0x0F, 0x38], &[0x0F, 0x3A]];
    for (prefix, map) in prefixes.iter().flat_map(|&p| maps.map(|m| (p, m))) {
        for (opcode, modrm, wide) in (0..=0xFF)
            .flat_map(|o| {
                (0..8).flat_map(move |reg| [reg << 3, 0xC0 | reg << 3].map(|m| [(o, m, false), (o, m, true)]))
            })
            .flatten()
        {
            let rex: &[u8] = if wide { &[0x48] } else { &[] };
            let bytes = [prefix, rex, map, &[opcode, modrm, 0, 0, 0, 0]].concat();
            let i = Decoder::new(64, &bytes, DecoderOptions::AMD).decode();
            let ours = i.cpuid_features().iter().any(|&f| is_ours(f));
            if i.is_invalid() || !ours || i.encoding() != EncodingKind::Legacy {
                continue;
            }
            seen.insert(format!("{:?}", i.code()));
            if !interp::is_implemented(&i) {
                let place = if i.op0_kind() == OpKind::Memory { "store" } else { "" };
                missing.insert(format!("{:?} {place}", i.code()));
            }
        }
    }
    assert!(seen.len() > 300, "{}", seen.len());
    assert!(missing.is_empty(), "{missing:#?}");
}
