//! Which instructions a set of features brings.

use super::features::{Feature, Features};
use iced_x86::{CpuidFeature, Instruction, Mnemonic};

/// Size of a table indexed by [`CpuidFeature`].
pub(crate) const TABLE: usize = 256;

/// What an instruction set extension, as iced-x86 names it, depends on.
enum Needs {
    /// Every processor that is emulated has it.
    Nothing,
    /// A CPUID bit.
    One(Feature),
    /// Any of two CPUID bits.
    Either(Feature, Feature),
    /// It is not implemented.
    Unavailable,
}

fn needs(extension: CpuidFeature) -> Needs {
    use CpuidFeature::*;
    use Needs::{Either, Nothing, One, Unavailable};
    match extension {
        INTEL8086 | INTEL186 | INTEL286 | INTEL386 | INTEL486 | FPU | FPU287 | FPU387 | CPUID => Nothing,
        // RSM is an instruction outside SMM, too: one that raises #UD.
        SMM => Nothing,
        // Hints in the space of reserved NOPs, which P6 made valid.
        MULTIBYTENOP => Either(Feature::Cmov, Feature::Lm),
        // REP NOP, and REP WBINVD, on processors without the prefix's meaning.
        PAUSE | WBNOINVD => Nothing,
        // Without CET, ENDBR is a reserved NOP.
        CET_IBT => Either(Feature::Cmov, Feature::Lm),
        // NOPs by design where not supported.
        CLDEMOTE | PREFETCHITI | PREFETCHWT1 => One(Feature::Lm),
        // #GP from RDPMC says that there are no counters.
        RDPMC => One(Feature::Mmx),
        X64 => One(Feature::Lm),
        CMOV => One(Feature::Cmov),
        CX8 => One(Feature::Cx8),
        CMPXCHG16B => One(Feature::Cx16),
        TSC => One(Feature::Tsc),
        MSR => One(Feature::Msr),
        MMX => One(Feature::Mmx),
        FXSR => One(Feature::Fxsr),
        SSE => One(Feature::Sse),
        SSE2 => One(Feature::Sse2),
        SSE3 => One(Feature::Sse3),
        SSSE3 => One(Feature::Ssse3),
        SSE4_1 => One(Feature::Sse41),
        SSE4_2 => One(Feature::Sse42),
        SSE4A => One(Feature::Sse4a),
        POPCNT => One(Feature::Popcnt),
        LZCNT => One(Feature::Lzcnt),
        BMI1 => One(Feature::Bmi1),
        BMI2 => One(Feature::Bmi2),
        ADX => One(Feature::Adx),
        AES => One(Feature::Aes),
        PCLMULQDQ => One(Feature::Pclmulqdq),
        SHA => One(Feature::Sha),
        GFNI => One(Feature::Gfni),
        AVX => One(Feature::Avx),
        AVX2 => One(Feature::Avx2),
        FMA => One(Feature::Fma),
        VAES => One(Feature::Vaes),
        VPCLMULQDQ => One(Feature::Vpclmulqdq),
        F16C => One(Feature::F16c),
        MOVBE => One(Feature::Movbe),
        CLFSH => One(Feature::Clflush),
        CLFLUSHOPT => One(Feature::Clflushopt),
        CLWB => One(Feature::Clwb),
        FSGSBASE => One(Feature::Fsgsbase),
        INVPCID => One(Feature::Invpcid),
        MONITOR => One(Feature::Monitor),
        RDPID => One(Feature::Rdpid),
        RDRAND => One(Feature::Rdrand),
        RDSEED => One(Feature::Rdseed),
        RDTSCP => One(Feature::Rdtscp),
        SEP => One(Feature::Sep),
        SMAP => One(Feature::Smap),
        SYSCALL => One(Feature::Syscall),
        SERIALIZE => One(Feature::Serialize),
        XSAVE => One(Feature::Xsave),
        XSAVEC => One(Feature::Xsavec),
        XSAVEOPT => One(Feature::Xsaveopt),
        XSAVES => One(Feature::Xsaves),
        PREFETCHW => Either(Feature::Prefetchw, Feature::Lm),
        _ => Unavailable,
    }
}

/// Instructions in the space of reserved NOPs, whose extension is not offered:
/// reading the shadow stack pointer (unwinders probe with it), and the
/// prefetches that outlived 3DNow!.
pub(crate) fn is_nop_where_unsupported(instruction: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(instruction.mnemonic(), Rdsspd | Rdsspq | Prefetch | Prefetchw)
}

/// For each [`CpuidFeature`], whether `features` bring it.
pub(crate) fn table(features: &Features) -> [bool; TABLE] {
    let mut table = [false; TABLE];
    for extension in CpuidFeature::values() {
        if let Some(slot) = table.get_mut(extension as usize) {
            *slot = match needs(extension) {
                Needs::Nothing => true,
                Needs::One(feature) => features.has(feature),
                Needs::Either(a, b) => features.has(a) || features.has(b),
                Needs::Unavailable => false,
            };
        }
    }
    table
}
