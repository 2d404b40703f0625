//! The named processor models.

use super::features::{Feature, Features};

/// Who made it: decides the vendor string, cache leaves, and how SYSCALL and
/// SYSENTER behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// "GenuineIntel".
    Intel,
    /// "AuthenticAMD".
    Amd,
}

/// A model as it is listed, before modifiers.
pub(crate) struct Listed {
    pub name: &'static str,
    pub vendor: Vendor,
    pub brand: &'static str,
    /// Leaf 1 EAX.
    pub signature: u32,
    pub features: Features,
}

use Feature::*;

const I486: Features = Features::of(&[Fpu, Vme, Pse]);
const PENTIUM: Features = I486.with(&[De, Tsc, Msr, Mce, Cx8, Apic]);
const PENTIUM3: Features =
    PENTIUM.with(&[Pae, Sep, Mtrr, Pge, Mca, Cmov, Pat, Pse36, Mmx, Fxsr, Sse, Hypervisor]);
const CORE2: Features =
    PENTIUM3.with(&[Sse2, Clflush, Sse3, Ssse3, Sse41, Monitor, Cx16, Syscall, Nx, Lm, Lahf64]);
/// The x86-64 psABI's levels, with what every 64-bit system software expects.
const V1: Features = PENTIUM3.with(&[Sse2, Clflush, Syscall, Nx, Lm, AltMovCr8, MmxExt, TopoExt]).with(SOUND);
/// Freedom from what kernels work around in software, at a cost in every
/// system call or branch; and clocks that they can trust.
const SOUND: &[Feature] = &[
    SsbNo,
    BtcNo,
    TsaSqNo,
    TsaL1No,
    LfenceSerializing,
    NullSelectorClearsBase,
    AutoIbrs,
    SrsoNo,
    XsaveErPtr,
    InvariantTsc,
    Arat,
];

const V2: Features = V1.with(&[Sse3, Ssse3, Sse41, Sse42, Popcnt, Cx16, Lahf64]);
const V3: Features = V2.with(&[Avx, Avx2, Bmi1, Bmi2, F16c, Fma, Lzcnt, Movbe, Xsave]);
const MAX: Features = V2.with(&[
    Sse4a,
    Monitor,
    Movbe,
    Pcid,
    X2apic,
    TscDeadline,
    Xsave,
    Rdrand,
    Fsgsbase,
    TscAdjust,
    Smep,
    Erms,
    Invpcid,
    Rdseed,
    Smap,
    Clflushopt,
    Clwb,
    Umip,
    La57,
    Rdpid,
    Fsrm,
    Serialize,
    Xsaveopt,
    Xsavec,
    Xgetbv1,
    Xsaves,
    Pdpe1gb,
    Rdtscp,
    Prefetchw,
    Wbnoinvd,
    Lzcnt,
    Bmi1,
    Bmi2,
    Adx,
    Aes,
    Pclmulqdq,
    Sha,
    Gfni,
    Avx,
    Avx2,
    Fma,
    F16c,
    Vaes,
    Vpclmulqdq,
]);

/// Features that build on others: taking away the second takes the first along.
const DEPENDS: &[(Feature, Feature)] = &[
    (MmxExt, Mmx),
    (Sse, Fxsr),
    (Sse2, Sse),
    (Sse3, Sse2),
    (Ssse3, Sse3),
    (Sse41, Ssse3),
    (Sse42, Sse41),
    (Sse4a, Sse3),
    (Aes, Sse2),
    (Pclmulqdq, Sse2),
    (Sha, Sse2),
    (Gfni, Sse2),
    (Xsave, Fxsr),
    (Xsaveopt, Xsave),
    (Xsavec, Xsave),
    (Xgetbv1, Xsave),
    (Xsaves, Xsavec),
    (Avx, Xsave),
    (Avx2, Avx),
    (Fma, Avx),
    (F16c, Avx),
    (Vaes, Avx),
    (Vaes, Aes),
    (Vpclmulqdq, Avx),
    (Vpclmulqdq, Pclmulqdq),
    (X2apic, Apic),
    (TscDeadline, Apic),
    (TscDeadline, Tsc),
    (TscAdjust, Tsc),
    (InvariantTsc, Tsc),
    (Rdtscp, Tsc),
    (Nx, Pae),
    (Lm, Pae),
    (Lm, Syscall),
    (Cx16, Cx8),
    (Cx16, Lm),
    (Lahf64, Lm),
    (Pcid, Lm),
    (Fsgsbase, Lm),
    (La57, Lm),
    (Pdpe1gb, Lm),
    (AltMovCr8, Lm),
    (Clflushopt, Clflush),
    (Clwb, Clflush),
    (Fsrm, Erms),
    (Mca, Mce),
];

/// Removes what lacks what it builds on.
pub(crate) fn drop_dependants(features: &mut Features) {
    // Chains are followed until nothing changes; each round removes at least one.
    loop {
        let before = *features;
        for &(feature, needed) in DEPENDS {
            if !features.has(needed) {
                features.set(feature, false);
            }
        }
        if *features == before {
            return;
        }
    }
}

/// What is implemented: the most that a model may be given.
pub(crate) const IMPLEMENTED: Features = MAX.with(&[Ibpb]);

/// Family 17h, model 1, stepping 2. Together with AutoIBRS, SRSO_NO and the
/// other bits of [`SOUND`] it is a processor for which kernels apply no software
/// mitigations: retpolines and untrained returns would slow every guest for
/// nothing. From model 30h on, Linux expects collaborative power control in the
/// ACPI tables, and complains where there is none.
const AMD_SIGNATURE: u32 = 0x0080_0F12;
const AMD_BRAND: &str = "Glassbox x86-64 Processor";

/// Every model that can be named.
pub(crate) const LIST: &[Listed] = &[
    Listed { name: "486", vendor: Vendor::Intel, brand: "", signature: 0x0480, features: I486 },
    Listed { name: "pentium", vendor: Vendor::Intel, brand: "", signature: 0x0525, features: PENTIUM },
    Listed { name: "pentium3", vendor: Vendor::Intel, brand: "", signature: 0x0683, features: PENTIUM3 },
    Listed {
        name: "core2",
        vendor: Vendor::Intel,
        brand: "Intel(R) Core(TM)2 Duo CPU (Glassbox)",
        signature: 0x0001_0676,
        features: CORE2,
    },
    Listed {
        name: "x86-64-v1",
        vendor: Vendor::Amd,
        brand: AMD_BRAND,
        signature: AMD_SIGNATURE,
        features: V1,
    },
    Listed {
        name: "x86-64-v2",
        vendor: Vendor::Amd,
        brand: AMD_BRAND,
        signature: AMD_SIGNATURE,
        features: V2,
    },
    Listed {
        name: "x86-64-v3",
        vendor: Vendor::Amd,
        brand: AMD_BRAND,
        signature: AMD_SIGNATURE,
        features: V3,
    },
    Listed { name: "max", vendor: Vendor::Amd, brand: AMD_BRAND, signature: AMD_SIGNATURE, features: MAX },
];
