//! CPUID feature bits, and sets of them.

/// The registers that feature bits are reported in. A feature's number is its
/// word x 32 + its bit.
pub(crate) mod word {
    /// Leaf 1 EDX.
    pub const L1_EDX: u16 = 0;
    /// Leaf 1 ECX.
    pub const L1_ECX: u16 = 1;
    /// Leaf 6 EAX.
    pub const L6_EAX: u16 = 2;
    /// Leaf 7, subleaf 0, EBX.
    pub const L7_EBX: u16 = 3;
    /// Leaf 7, subleaf 0, ECX.
    pub const L7_ECX: u16 = 4;
    /// Leaf 7, subleaf 0, EDX.
    pub const L7_EDX: u16 = 5;
    /// Leaf 0Dh, subleaf 1, EAX.
    pub const LD_EAX: u16 = 6;
    /// Leaf 8000_0001h EDX.
    pub const X1_EDX: u16 = 7;
    /// Leaf 8000_0001h ECX.
    pub const X1_ECX: u16 = 8;
    /// Leaf 8000_0007h EDX.
    pub const X7_EDX: u16 = 9;
    /// Leaf 8000_0008h EBX.
    pub const X8_EBX: u16 = 10;
    /// Leaf 8000_0021h EAX.
    pub const X21_EAX: u16 = 11;
    /// Leaf 8000_0021h ECX.
    pub const X21_ECX: u16 = 12;
    /// How many there are.
    pub const COUNT: usize = 13;
}

macro_rules! features {
    ($($name:ident = $text:literal, $word:ident, $bit:literal;)*) => {
        /// A feature, as CPUID reports it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub enum Feature {
            $($name = word::$word * 32 + $bit,)*
        }

        /// Every feature with the name it is configured by.
        pub const NAMES: &[(Feature, &str)] = &[$((Feature::$name, $text),)*];
    };
}

// Intel SDM Vol. 2A "CPUID"; AMD APM Vol. 3 Appendix E.
features! {
    Fpu = "fpu", L1_EDX, 0;
    Vme = "vme", L1_EDX, 1;
    De = "de", L1_EDX, 2;
    Pse = "pse", L1_EDX, 3;
    Tsc = "tsc", L1_EDX, 4;
    Msr = "msr", L1_EDX, 5;
    Pae = "pae", L1_EDX, 6;
    Mce = "mce", L1_EDX, 7;
    Cx8 = "cx8", L1_EDX, 8;
    Apic = "apic", L1_EDX, 9;
    Sep = "sep", L1_EDX, 11;
    Mtrr = "mtrr", L1_EDX, 12;
    Pge = "pge", L1_EDX, 13;
    Mca = "mca", L1_EDX, 14;
    Cmov = "cmov", L1_EDX, 15;
    Pat = "pat", L1_EDX, 16;
    Pse36 = "pse36", L1_EDX, 17;
    Clflush = "clflush", L1_EDX, 19;
    Mmx = "mmx", L1_EDX, 23;
    Fxsr = "fxsr", L1_EDX, 24;
    Sse = "sse", L1_EDX, 25;
    Sse2 = "sse2", L1_EDX, 26;
    Sse3 = "sse3", L1_ECX, 0;
    Pclmulqdq = "pclmulqdq", L1_ECX, 1;
    Monitor = "monitor", L1_ECX, 3;
    Ssse3 = "ssse3", L1_ECX, 9;
    Fma = "fma", L1_ECX, 12;
    Cx16 = "cx16", L1_ECX, 13;
    Pcid = "pcid", L1_ECX, 17;
    Sse41 = "sse4.1", L1_ECX, 19;
    Sse42 = "sse4.2", L1_ECX, 20;
    X2apic = "x2apic", L1_ECX, 21;
    Movbe = "movbe", L1_ECX, 22;
    Popcnt = "popcnt", L1_ECX, 23;
    TscDeadline = "tsc-deadline", L1_ECX, 24;
    Aes = "aes", L1_ECX, 25;
    Xsave = "xsave", L1_ECX, 26;
    Avx = "avx", L1_ECX, 28;
    F16c = "f16c", L1_ECX, 29;
    Rdrand = "rdrand", L1_ECX, 30;
    Hypervisor = "hypervisor", L1_ECX, 31;
    Arat = "arat", L6_EAX, 2;
    Fsgsbase = "fsgsbase", L7_EBX, 0;
    TscAdjust = "tsc-adjust", L7_EBX, 1;
    Bmi1 = "bmi1", L7_EBX, 3;
    Avx2 = "avx2", L7_EBX, 5;
    Smep = "smep", L7_EBX, 7;
    Bmi2 = "bmi2", L7_EBX, 8;
    Erms = "erms", L7_EBX, 9;
    Invpcid = "invpcid", L7_EBX, 10;
    Rdseed = "rdseed", L7_EBX, 18;
    Adx = "adx", L7_EBX, 19;
    Smap = "smap", L7_EBX, 20;
    Clflushopt = "clflushopt", L7_EBX, 23;
    Clwb = "clwb", L7_EBX, 24;
    Sha = "sha", L7_EBX, 29;
    Umip = "umip", L7_ECX, 2;
    Gfni = "gfni", L7_ECX, 8;
    Vaes = "vaes", L7_ECX, 9;
    Vpclmulqdq = "vpclmulqdq", L7_ECX, 10;
    La57 = "la57", L7_ECX, 16;
    Rdpid = "rdpid", L7_ECX, 22;
    Fsrm = "fsrm", L7_EDX, 4;
    Serialize = "serialize", L7_EDX, 14;
    Xsaveopt = "xsaveopt", LD_EAX, 0;
    Xsavec = "xsavec", LD_EAX, 1;
    Xgetbv1 = "xgetbv1", LD_EAX, 2;
    Xsaves = "xsaves", LD_EAX, 3;
    Syscall = "syscall", X1_EDX, 11;
    Nx = "nx", X1_EDX, 20;
    MmxExt = "mmxext", X1_EDX, 22;
    Pdpe1gb = "pdpe1gb", X1_EDX, 26;
    Rdtscp = "rdtscp", X1_EDX, 27;
    Lm = "lm", X1_EDX, 29;
    Lahf64 = "lahf-lm", X1_ECX, 0;
    AltMovCr8 = "cr8-legacy", X1_ECX, 4;
    Lzcnt = "lzcnt", X1_ECX, 5;
    Sse4a = "sse4a", X1_ECX, 6;
    Prefetchw = "3dnowprefetch", X1_ECX, 8;
    TopoExt = "topoext", X1_ECX, 22;
    InvariantTsc = "invtsc", X7_EDX, 8;
    XsaveErPtr = "xsaveerptr", X8_EBX, 2;
    Wbnoinvd = "wbnoinvd", X8_EBX, 9;
    Ibpb = "ibpb", X8_EBX, 12;
    SsbNo = "amd-no-ssb", X8_EBX, 26;
    BtcNo = "btc-no", X8_EBX, 29;
    LfenceSerializing = "lfence-always-serializing", X21_EAX, 2;
    NullSelectorClearsBase = "null-sel-clr-base", X21_EAX, 6;
    AutoIbrs = "auto-ibrs", X21_EAX, 8;
    SrsoNo = "srso-no", X21_EAX, 29;
    TsaSqNo = "tsa-sq-no", X21_ECX, 1;
    TsaL1No = "tsa-l1-no", X21_ECX, 2;
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features([u32; word::COUNT]);

impl Features {
    /// The set of `features`.
    pub const fn of(features: &[Feature]) -> Self {
        Self([0; word::COUNT]).with(features)
    }

    /// This set and `features`.
    #[must_use]
    pub const fn with(mut self, features: &[Feature]) -> Self {
        let mut n = 0;
        while n < features.len() {
            let number = features[n] as usize;
            self.0[number / 32] |= 1 << (number % 32);
            n += 1;
        }
        self
    }

    /// Whether `feature` is in the set.
    #[inline]
    pub const fn has(&self, feature: Feature) -> bool {
        let number = feature as usize;
        self.0[number / 32] >> (number % 32) & 1 != 0
    }

    /// Adds or removes one feature.
    pub fn set(&mut self, feature: Feature, on: bool) {
        let (word, bit) = (feature as usize / 32, 1 << (feature as usize % 32));
        if on {
            self.0[word] |= bit;
        } else {
            self.0[word] &= !bit;
        }
    }

    /// One register of feature bits, see [`word`].
    pub(crate) const fn word(&self, word: u16) -> u32 {
        self.0[word as usize]
    }
}

/// The feature that is configured by `name`.
pub fn by_name(name: &str) -> Option<Feature> {
    NAMES.iter().find(|(_, text)| *text == name).map(|&(feature, _)| feature)
}
