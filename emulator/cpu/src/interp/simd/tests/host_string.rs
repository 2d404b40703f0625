//! PCMPxSTRx against the host, for all immediates: result, mask and flags.
#![allow(unsafe_code)]

use super::host::Lanes;
use super::*;
use std::arch::asm;

/// What the host answers: ECX, XMM0 and the status flags of PCMPESTRI, and of
/// the mask form, with the immediate in the code.
macro_rules! on_host {
    ($instruction:literal, $imm:expr, $a:expr, $b:expr, $lengths:expr) => {{
        let (a, b): (u128, u128) = ($a, $b);
        let (eax, edx): (u64, u64) = $lengths;
        let (index, flags): (u64, u64);
        let mut mask = 0u128;
        // SAFETY: only the named registers and memory are touched.
        unsafe {
            asm!(
                "movdqu xmm1, [{a}]",
                "movdqu xmm2, [{b}]",
                "pxor xmm0, xmm0",
                concat!($instruction, " xmm1, xmm2, {imm}"),
                "pushfq",
                "pop {flags}",
                "movdqu [{mask}], xmm0",
                a = in(reg) &a,
                b = in(reg) &b,
                mask = in(reg) &mut mask,
                flags = out(reg) flags,
                imm = const $imm,
                inout("rcx") 0u64 => index,
                in("rax") eax,
                in("rdx") edx,
                out("xmm0") _,
                out("xmm1") _,
                out("xmm2") _,
            );
        }
        (index, mask, flags as u32 & 0x8D5)
    }};
}

/// Short strings over a small alphabet, so that there is something to find.
fn string(random: &mut Lanes) -> u128 {
    let word = random.word();
    let bytes = std::array::from_fn::<u8, 16, _>(|_| match random.word() % 16 {
        0 => 0,
        1 => random.word() as u8,
        n => 0x7E + (n % (1 + word % 4)) as u8,
    });
    // Words have an upper byte of zero now and then.
    let mask = if word & 16 != 0 { 0x00FF_00FF_00FF_00FF_00FF_00FF_00FF_00FF } else { u128::MAX };
    u128::from_le_bytes(bytes) & mask
}

fn ours(code: [u8; 5], a: u128, b: u128, lengths: (u64, u64)) -> (u64, u128, u32) {
    let mut cpu = bench(a, b);
    cpu.state.regs[crate::gpr::RAX] = lengths.0;
    cpu.state.regs[crate::gpr::RDX] = lengths.1;

    let code = [&[0x66], &code[..]].concat();
    one(&mut cpu, &code);
    (cpu.state.regs[crate::gpr::RCX], cpu.xmm(0), cpu.state.status.bits())
}

fn agree<const IMM: u8>(random: &mut Lanes) {
    let (a, b) = (string(random), string(random));
    let length = |word: u64| (word % 41).wrapping_sub(20);
    let lengths = (length(random.word()), length(random.word()));
    let zero = (0, 0);
    let cases = [
        (
            "estri",
            ours([0x0F, 0x3A, 0x61, 0xCA, IMM], a, b, lengths),
            on_host!("pcmpestri", IMM, a, b, lengths),
        ),
        (
            "estrm",
            ours([0x0F, 0x3A, 0x60, 0xCA, IMM], a, b, lengths),
            on_host!("pcmpestrm", IMM, a, b, lengths),
        ),
        ("istri", ours([0x0F, 0x3A, 0x63, 0xCA, IMM], a, b, zero), on_host!("pcmpistri", IMM, a, b, zero)),
        ("istrm", ours([0x0F, 0x3A, 0x62, 0xCA, IMM], a, b, zero), on_host!("pcmpistrm", IMM, a, b, zero)),
    ];
    for (name, ours, theirs) in cases {
        assert_eq!(ours, theirs, "{name} {IMM:#x} of {a:x} {b:x} {lengths:x?}");
    }
}

macro_rules! all_immediates {
    ($random:expr; $($imm:literal)*) => { $(agree::<$imm>($random);)* };
}

#[test]
fn string_comparisons_agree_with_the_host() {
    if !is_x86_feature_detected!("sse4.2") {
        return;
    }
    let mut random = Lanes(5);
    for _ in 0..60 {
        all_immediates!(&mut random;
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
            64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95
            96 97 98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118 119 120
            121 122 123 124 125 126 127);
    }
}
