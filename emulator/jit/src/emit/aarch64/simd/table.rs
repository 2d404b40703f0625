//! Which instruction is translated to what.

use super::convert::Conversion;
use super::float::{Arithmetic, Format};
use super::fused::Fused;
use super::lanes::*;
use super::moves::Move;
use super::{Translation, host_has};
use iced_x86::{Code, CpuidFeature, Mnemonic, OpCodeOperandKind as Kind};

const SS: Format = Format { double: false, packed: false };
const SD: Format = Format { double: true, packed: false };
const PS: Format = Format { double: false, packed: true };
const PD: Format = Format { double: true, packed: true };

/// Whether an instruction has an immediate.
fn has_immediate(code: Code) -> bool {
    let info = code.op_code();
    (0..info.op_count()).any(|n| info.op_kind(n) == Kind::imm8)
}

/// Whether it has a general-purpose operand of 64 bits.
pub fn is_wide(code: Code) -> bool {
    let info = code.op_code();
    (0..info.op_count()).any(|n| matches!(info.op_kind(n), Kind::r64_or_mem | Kind::r64_reg | Kind::r64_rm))
}

/// How an instruction is translated, if it is.
pub fn translation(code: Code) -> Option<Translation> {
    use Mnemonic::*;
    let mnemonic = code.mnemonic();
    let plain = lanes(mnemonic).map(Translation::Lanes);
    plain.or_else(|| moves(mnemonic).map(Translation::Move)).or_else(|| numbers(mnemonic)).or_else(|| {
        let shift = |shift, bits| {
            let kind = if has_immediate(code) { Lanes::ShiftBy } else { Lanes::ShiftAll };
            Some(Translation::Lanes(kind(shift, bits)))
        };
        match mnemonic {
            Psllw | Vpsllw => shift(Shift::Left, 16),
            Pslld | Vpslld => shift(Shift::Left, 32),
            Psllq | Vpsllq => shift(Shift::Left, 64),
            Psrlw | Vpsrlw => shift(Shift::Right, 16),
            Psrld | Vpsrld => shift(Shift::Right, 32),
            Psrlq | Vpsrlq => shift(Shift::Right, 64),
            Psraw | Vpsraw => shift(Shift::Signed, 16),
            Psrad | Vpsrad => shift(Shift::Signed, 32),
            _ => Fused::of(mnemonic).map(Translation::Fused),
        }
    })
}

fn moves(mnemonic: Mnemonic) -> Option<Move> {
    use Mnemonic::*;
    use Move::*;
    let widen = |signed, from, to| Widen { signed, from, to };
    Some(match mnemonic {
        Movaps | Movapd | Movups | Movupd | Movdqa | Movdqu | Lddqu | Movntdq | Movntps | Movntpd
        | Movntdqa | Vmovaps | Vmovapd | Vmovups | Vmovupd | Vmovdqa | Vmovdqu | Vlddqu | Vmovntdq
        | Vmovntps | Vmovntpd | Vmovntdqa => Whole,
        Movq | Vmovq => Low(8),
        Movd | Vmovd => Low(4),
        Movss | Vmovss => Scalar(4),
        Movsd | Vmovsd => Scalar(8),
        Movlps | Movlpd | Vmovlps | Vmovlpd => Half { to: 0, of: 0 },
        Movhps | Movhpd | Vmovhps | Vmovhpd | Movlhps | Vmovlhps => Half { to: 1, of: 0 },
        Movhlps | Vmovhlps => Half { to: 0, of: 1 },
        Pmovsxbw | Vpmovsxbw => widen(true, 8, 16),
        Pmovsxbd | Vpmovsxbd => widen(true, 8, 32),
        Pmovsxbq | Vpmovsxbq => widen(true, 8, 64),
        Pmovsxwd | Vpmovsxwd => widen(true, 16, 32),
        Pmovsxwq | Vpmovsxwq => widen(true, 16, 64),
        Pmovsxdq | Vpmovsxdq => widen(true, 32, 64),
        Pmovzxbw | Vpmovzxbw => widen(false, 8, 16),
        Pmovzxbd | Vpmovzxbd => widen(false, 8, 32),
        Pmovzxbq | Vpmovzxbq => widen(false, 8, 64),
        Pmovzxwd | Vpmovzxwd => widen(false, 16, 32),
        Pmovzxwq | Vpmovzxwq => widen(false, 16, 64),
        Pmovzxdq | Vpmovzxdq => widen(false, 32, 64),
        Pinsrb | Vpinsrb => Insert(1),
        Pinsrw | Vpinsrw => Insert(2),
        Pinsrd | Vpinsrd => Insert(4),
        Pinsrq | Vpinsrq => Insert(8),
        Pextrb | Vpextrb => Extract(1),
        Pextrw | Vpextrw => Extract(2),
        Pextrd | Vpextrd | Extractps | Vextractps => Extract(4),
        Pextrq | Vpextrq => Extract(8),
        Insertps | Vinsertps => InsertSingle,
        Vpbroadcastb => Broadcast(1),
        Vpbroadcastw => Broadcast(2),
        Vpbroadcastd | Vbroadcastss => Broadcast(4),
        Vpbroadcastq | Vbroadcastsd => Broadcast(8),
        Movddup | Vmovddup => Duplicate,
        Vbroadcastf128 | Vbroadcasti128 => BroadcastHalf,
        Vextractf128 | Vextracti128 => ExtractHalf,
        Vinsertf128 | Vinserti128 => InsertHalf,
        Vperm2f128 | Vperm2i128 => PermuteHalves,
        Vpermq | Vpermpd => PermuteQuads,
        Vzeroupper => ClearUppers,
        _ => return None,
    })
}

fn lanes(mnemonic: Mnemonic) -> Option<Lanes> {
    use Lanes::*;
    use Mnemonic::*;
    logic(mnemonic).or_else(|| integers(mnemonic)).or_else(|| {
        Some(match mnemonic {
            Pslldq | Vpslldq => ShiftBytes { left: true },
            Psrldq | Vpsrldq => ShiftBytes { left: false },
            Vpsllvd => ShiftEach(Shift::Left, 32),
            Vpsllvq => ShiftEach(Shift::Left, 64),
            Vpsrlvd => ShiftEach(Shift::Right, 32),
            Vpsrlvq => ShiftEach(Shift::Right, 64),
            Vpsravd => ShiftEach(Shift::Signed, 32),
            Pshufd | Vpshufd => Words,
            Pshuflw | Vpshuflw => HalfWords { high: false },
            Pshufhw | Vpshufhw => HalfWords { high: true },
            Shufps | Vshufps => OfBoth { double: false },
            Shufpd | Vshufpd => OfBoth { double: true },
            Pshufb | Vpshufb => Bytes,
            Palignr | Vpalignr => Align,
            Pblendw | Vpblendw => Blend(2),
            Blendps | Vblendps | Vpblendd => Blend(4),
            Blendpd | Vblendpd => Blend(8),
            Pblendvb | Vpblendvb => BlendBy(8),
            Blendvps | Vblendvps => BlendBy(32),
            Blendvpd | Vblendvpd => BlendBy(64),
            Pmovmskb | Vpmovmskb => Signs(8),
            Movmskps | Vmovmskps => Signs(32),
            Movmskpd | Vmovmskpd => Signs(64),
            Ptest | Vptest => TestBits,
            Aesenc | Aesenclast | Aesdec | Aesdeclast | Vaesenc | Vaesenclast | Vaesdec | Vaesdeclast
                if host_has(CpuidFeature::AES) =>
            {
                Cipher {
                    decrypt: matches!(mnemonic, Aesdec | Aesdeclast | Vaesdec | Vaesdeclast),
                    last: matches!(mnemonic, Aesenclast | Aesdeclast | Vaesenclast | Vaesdeclast),
                }
            }
            Aesimc | Vaesimc if host_has(CpuidFeature::AES) => InverseColumns,
            Pclmulqdq | Vpclmulqdq if host_has(CpuidFeature::PCLMULQDQ) => CarryLess,
            _ => return None,
        })
    })
}

fn logic(mnemonic: Mnemonic) -> Option<Lanes> {
    use Lanes::*;
    use Mnemonic::*;
    Some(match mnemonic {
        Pand | Andps | Andpd | Vpand | Vandps | Vandpd => Both(AND),
        Por | Orps | Orpd | Vpor | Vorps | Vorpd => Both(ORR),
        Pxor | Xorps | Xorpd | Vpxor | Vxorps | Vxorpd => Both(EOR),
        Pandn | Andnps | Andnpd | Vpandn | Vandnps | Vandnpd => Swapped(BIC),
        Punpcklbw | Vpunpcklbw => Both(ZIP1 | B),
        Punpcklwd | Vpunpcklwd => Both(ZIP1 | H),
        Punpckldq | Vpunpckldq | Unpcklps | Vunpcklps => Both(ZIP1 | S),
        Punpcklqdq | Vpunpcklqdq | Unpcklpd | Vunpcklpd => Both(ZIP1 | D),
        Punpckhbw | Vpunpckhbw => Both(ZIP2 | B),
        Punpckhwd | Vpunpckhwd => Both(ZIP2 | H),
        Punpckhdq | Vpunpckhdq | Unpckhps | Vunpckhps => Both(ZIP2 | S),
        Punpckhqdq | Vpunpckhqdq | Unpckhpd | Vunpckhpd => Both(ZIP2 | D),
        Movsldup | Vmovsldup => Twice(TRN1 | S),
        Movshdup | Vmovshdup => Twice(TRN2 | S),
        Packsswb | Vpacksswb => Pack(SQXTN | B),
        Packssdw | Vpackssdw => Pack(SQXTN | H),
        Packuswb | Vpackuswb => Pack(SQXTUN | B),
        Packusdw | Vpackusdw => Pack(SQXTUN | H),
        _ => return None,
    })
}

fn integers(mnemonic: Mnemonic) -> Option<Lanes> {
    use Lanes::*;
    use Mnemonic::*;
    Some(match mnemonic {
        Paddb | Vpaddb => Both(ADD | B),
        Paddw | Vpaddw => Both(ADD | H),
        Paddd | Vpaddd => Both(ADD | S),
        Paddq | Vpaddq => Both(ADD | D),
        Psubb | Vpsubb => Both(SUB | B),
        Psubw | Vpsubw => Both(SUB | H),
        Psubd | Vpsubd => Both(SUB | S),
        Psubq | Vpsubq => Both(SUB | D),
        Paddsb | Vpaddsb => Both(SQADD | B),
        Paddsw | Vpaddsw => Both(SQADD | H),
        Paddusb | Vpaddusb => Both(UQADD | B),
        Paddusw | Vpaddusw => Both(UQADD | H),
        Psubsb | Vpsubsb => Both(SQSUB | B),
        Psubsw | Vpsubsw => Both(SQSUB | H),
        Psubusb | Vpsubusb => Both(UQSUB | B),
        Psubusw | Vpsubusw => Both(UQSUB | H),
        Pavgb | Vpavgb => Both(URHADD | B),
        Pavgw | Vpavgw => Both(URHADD | H),
        Pcmpeqb | Vpcmpeqb => Both(CMEQ | B),
        Pcmpeqw | Vpcmpeqw => Both(CMEQ | H),
        Pcmpeqd | Vpcmpeqd => Both(CMEQ | S),
        Pcmpeqq | Vpcmpeqq => Both(CMEQ | D),
        Pcmpgtb | Vpcmpgtb => Both(CMGT | B),
        Pcmpgtw | Vpcmpgtw => Both(CMGT | H),
        Pcmpgtd | Vpcmpgtd => Both(CMGT | S),
        Pcmpgtq | Vpcmpgtq => Both(CMGT | D),
        Pmaxub | Vpmaxub => Both(UMAX | B),
        Pmaxuw | Vpmaxuw => Both(UMAX | H),
        Pmaxud | Vpmaxud => Both(UMAX | S),
        Pmaxsb | Vpmaxsb => Both(SMAX | B),
        Pmaxsw | Vpmaxsw => Both(SMAX | H),
        Pmaxsd | Vpmaxsd => Both(SMAX | S),
        Pminub | Vpminub => Both(UMIN | B),
        Pminuw | Vpminuw => Both(UMIN | H),
        Pminud | Vpminud => Both(UMIN | S),
        Pminsb | Vpminsb => Both(SMIN | B),
        Pminsw | Vpminsw => Both(SMIN | H),
        Pminsd | Vpminsd => Both(SMIN | S),
        Pmullw | Vpmullw => Both(MUL | H),
        Pmulld | Vpmulld => Both(MUL | S),
        Pabsb | Vpabsb => One(ABS | B),
        Pabsw | Vpabsw => One(ABS | H),
        Pabsd | Vpabsd => One(ABS | S),
        Psignb | Vpsignb => Sign(B),
        Psignw | Vpsignw => Sign(H),
        Psignd | Vpsignd => Sign(S),
        Phaddw | Vphaddw => Both(ADDP | H),
        Phaddd | Vphaddd => Both(ADDP | S),
        Phaddsw | Vphaddsw => Horizontal(SQADD, H),
        Phsubw | Vphsubw => Horizontal(SUB, H),
        Phsubd | Vphsubd => Horizontal(SUB, S),
        Phsubsw | Vphsubsw => Horizontal(SQSUB, H),
        Pmulhw | Vpmulhw => MultiplyHigh { signed: true },
        Pmulhuw | Vpmulhuw => MultiplyHigh { signed: false },
        Pmaddwd | Vpmaddwd => MultiplyAdd,
        Pmuldq | Vpmuldq => MultiplyEven { signed: true },
        Pmuludq | Vpmuludq => MultiplyEven { signed: false },
        Psadbw | Vpsadbw => Differences,
        _ => return None,
    })
}

/// What depends on MXCSR.
fn numbers(mnemonic: Mnemonic) -> Option<Translation> {
    use Mnemonic::*;
    use Translation::{Compare, Convert, Extreme, Order, Round};
    let arithmetic = Translation::Arithmetic;
    let extreme = |max, format| Extreme { max, format };
    Some(match mnemonic {
        Addss | Vaddss => arithmetic(Arithmetic::Add, SS),
        Addsd | Vaddsd => arithmetic(Arithmetic::Add, SD),
        Addps | Vaddps => arithmetic(Arithmetic::Add, PS),
        Addpd | Vaddpd => arithmetic(Arithmetic::Add, PD),
        Subss | Vsubss => arithmetic(Arithmetic::Subtract, SS),
        Subsd | Vsubsd => arithmetic(Arithmetic::Subtract, SD),
        Subps | Vsubps => arithmetic(Arithmetic::Subtract, PS),
        Subpd | Vsubpd => arithmetic(Arithmetic::Subtract, PD),
        Mulss | Vmulss => arithmetic(Arithmetic::Multiply, SS),
        Mulsd | Vmulsd => arithmetic(Arithmetic::Multiply, SD),
        Mulps | Vmulps => arithmetic(Arithmetic::Multiply, PS),
        Mulpd | Vmulpd => arithmetic(Arithmetic::Multiply, PD),
        Divss | Vdivss => arithmetic(Arithmetic::Divide, SS),
        Divsd | Vdivsd => arithmetic(Arithmetic::Divide, SD),
        Divps | Vdivps => arithmetic(Arithmetic::Divide, PS),
        Divpd | Vdivpd => arithmetic(Arithmetic::Divide, PD),
        Sqrtss | Vsqrtss => arithmetic(Arithmetic::SquareRoot, SS),
        Sqrtsd | Vsqrtsd => arithmetic(Arithmetic::SquareRoot, SD),
        Sqrtps | Vsqrtps => arithmetic(Arithmetic::SquareRoot, PS),
        Sqrtpd | Vsqrtpd => arithmetic(Arithmetic::SquareRoot, PD),
        Minss | Vminss => extreme(false, SS),
        Minsd | Vminsd => extreme(false, SD),
        Minps | Vminps => extreme(false, PS),
        Minpd | Vminpd => extreme(false, PD),
        Maxss | Vmaxss => extreme(true, SS),
        Maxsd | Vmaxsd => extreme(true, SD),
        Maxps | Vmaxps => extreme(true, PS),
        Maxpd | Vmaxpd => extreme(true, PD),
        Cmpss | Vcmpss => Compare(SS),
        Cmpsd | Vcmpsd => Compare(SD),
        Cmpps | Vcmpps => Compare(PS),
        Cmppd | Vcmppd => Compare(PD),
        Ucomiss | Vucomiss => Order { signals: false, double: false },
        Ucomisd | Vucomisd => Order { signals: false, double: true },
        Comiss | Vcomiss => Order { signals: true, double: false },
        Comisd | Vcomisd => Order { signals: true, double: true },
        Roundss | Vroundss => Round(SS),
        Roundsd | Vroundsd => Round(SD),
        Roundps | Vroundps => Round(PS),
        Roundpd | Vroundpd => Round(PD),
        Cvtsi2ss | Vcvtsi2ss => Convert(Conversion::FromGeneral { double: false }),
        Cvtsi2sd | Vcvtsi2sd => Convert(Conversion::FromGeneral { double: true }),
        Cvtss2si | Vcvtss2si => Convert(Conversion::ToGeneral { double: false, truncates: false }),
        Cvtsd2si | Vcvtsd2si => Convert(Conversion::ToGeneral { double: true, truncates: false }),
        Cvttss2si | Vcvttss2si => Convert(Conversion::ToGeneral { double: false, truncates: true }),
        Cvttsd2si | Vcvttsd2si => Convert(Conversion::ToGeneral { double: true, truncates: true }),
        Cvtsd2ss | Vcvtsd2ss => Convert(Conversion::Other { to_double: false }),
        Cvtss2sd | Vcvtss2sd => Convert(Conversion::Other { to_double: true }),
        Cvtps2pd | Vcvtps2pd => Convert(Conversion::Widen),
        Cvtdq2ps | Vcvtdq2ps => Convert(Conversion::FromIntegers { double: false }),
        Cvtdq2pd | Vcvtdq2pd => Convert(Conversion::FromIntegers { double: true }),
        Cvtps2dq | Vcvtps2dq => Convert(Conversion::ToIntegers { truncates: false }),
        Cvttps2dq | Vcvttps2dq => Convert(Conversion::ToIntegers { truncates: true }),
        _ => return None,
    })
}
