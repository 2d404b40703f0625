//! What CPUID returns, leaf by leaf (Intel SDM Vol. 2A "CPUID"; AMD APM Vol. 3
//! Appendix E).

use super::features::{Feature, word};
use super::{CpuModel, Vendor};
use crate::Cpu;

/// EAX, EBX, ECX and EDX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// The parts of the processor's state that show in CPUID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dynamic {
    /// IA32_APIC_BASE.EN.
    pub apic_enabled: bool,
    /// CR4.OSXSAVE.
    pub osxsave: bool,
    /// XCR0.
    pub xcr0: u64,
}

/// Bytes of an XSAVE area with x87 and SSE state, header included.
const XSAVE_BYTES: u32 = 512 + 64;
/// Components of the XSAVE area, as bits of XCR0.
const XCR0_X87: u64 = 1 << 0;
const XCR0_SSE: u64 = 1 << 1;
const XCR0_AVX: u64 = 1 << 2;
/// Bytes of the AVX component, behind the header in either form.
const AVX_BYTES: u32 = 256;

/// Bytes of an XSAVE area, of either form, that holds the components of `xcr0`.
fn xsave_bytes(xcr0: u64) -> u32 {
    XSAVE_BYTES + if xcr0 & XCR0_AVX != 0 { AVX_BYTES } else { 0 }
}
/// Leaf 8000_0001h EDX bits that repeat leaf 1 EDX on AMD processors.
const AMD_REPEATED: u32 = 0x0183_F3FF;
/// Bit of HTT in leaf 1 EDX and of CmpLegacy in leaf 8000_0001h ECX.
const HTT: u32 = 1 << 28;
const CMP_LEGACY: u32 = 1 << 1;
const OSXSAVE: u32 = 1 << 27;
const APIC: u32 = 1 << 9;
const LINE: u32 = 64;

/// One cache: `kind` 1 data, 2 code, 3 both; sizes in KiB.
struct Cache {
    kind: u32,
    level: u32,
    kib: u32,
    ways: u32,
    shared: bool,
}

/// C libraries copy by REP MOVSB, which is one copy of the host's here, what is smaller
/// than the second level.
const CACHES: [Cache; 4] = [
    Cache { kind: 1, level: 1, kib: 32, ways: 8, shared: false },
    Cache { kind: 2, level: 1, kib: 32, ways: 8, shared: false },
    Cache { kind: 3, level: 2, kib: 2048, ways: 16, shared: false },
    Cache { kind: 3, level: 3, kib: 16384, ways: 16, shared: true },
];

impl Cache {
    /// Leaf 4 and leaf 8000_001Dh, but for the core count in Intel's EAX.
    fn registers(&self, processors: u32) -> Registers {
        let sharing = if self.shared { processors - 1 } else { 0 };
        let sets = self.kib * 1024 / LINE / self.ways;
        Registers {
            eax: self.kind | self.level << 5 | 1 << 8 | (sharing & 0xFFF) << 14,
            ebx: (LINE - 1) | (self.ways - 1) << 22,
            ecx: sets - 1,
            edx: 0,
        }
    }
}

impl CpuModel {
    fn highest_basic(&self) -> u32 {
        if self.has(Feature::Xsave) {
            0xD
        } else if self.has(Feature::X2apic) || self.has(Feature::Lm) {
            0xB
        } else if self.has(Feature::Cmov) {
            2
        } else {
            1
        }
    }

    fn highest_extended(&self) -> u32 {
        match self.vendor {
            Vendor::Amd => 0x8000_0021,
            Vendor::Intel if self.has(Feature::Lm) => 0x8000_0008,
            Vendor::Intel => 0,
        }
    }

    fn vendor_string(&self) -> &'static [u8; 12] {
        match self.vendor {
            Vendor::Intel => b"GenuineIntel",
            Vendor::Amd => b"AuthenticAMD",
        }
    }

    /// Bits of an APIC ID that number the processors of the package.
    fn core_id_bits(&self) -> u32 {
        self.topology.processors.next_power_of_two().trailing_zeros()
    }

    /// What CPUID returns for `leaf` and `subleaf`.
    pub(crate) fn cpuid(&self, leaf: u32, subleaf: u32, now: Dynamic) -> Registers {
        match leaf {
            0x4000_0000..=0x4FFF_FFFF if self.has(Feature::Hypervisor) => self.hypervisor_leaf(leaf),
            0x8000_0000.. if leaf <= self.highest_extended() => self.extended(leaf, subleaf, now),
            _ if leaf <= self.highest_basic() => self.basic(leaf, subleaf, now),
            // Intel answers with the highest basic leaf, AMD with zeros.
            _ if self.vendor == Vendor::Intel => self.basic(self.highest_basic(), subleaf, now),
            _ => Registers::default(),
        }
    }

    /// The leaves that hypervisors own: a name and no interface.
    fn hypervisor_leaf(&self, leaf: u32) -> Registers {
        if leaf != 0x4000_0000 {
            return Registers::default();
        }
        let (ebx, ecx, edx) = text(self.hypervisor);
        Registers { eax: leaf, ebx, ecx, edx }
    }

    fn basic(&self, leaf: u32, subleaf: u32, now: Dynamic) -> Registers {
        let intel = self.vendor == Vendor::Intel;
        let features = &self.features;
        match leaf {
            0 => {
                let (ebx, edx, ecx) = text(self.vendor_string());
                Registers { eax: self.highest_basic(), ebx, ecx, edx }
            }
            1 => self.leaf1(now),
            // All caches and TLBs are described by leaf 4, or as on a Pentium III.
            2 if intel && self.has(Feature::Lm) => Registers { eax: 0x00FE_FF01, ..Registers::default() },
            2 if intel => Registers { eax: 0x0302_0101, edx: 0x0C04_0843, ..Registers::default() },
            4 if intel => self.intel_cache(subleaf),
            5 if self.has(Feature::Monitor) => Registers { eax: LINE, ebx: LINE, ecx: 3, edx: 0 },
            6 => Registers { eax: features.word(word::L6_EAX), ..Registers::default() },
            7 if subleaf == 0 => Registers {
                eax: 0,
                ebx: features.word(word::L7_EBX),
                ecx: features.word(word::L7_ECX),
                edx: features.word(word::L7_EDX),
            },
            0xB => self.topology_level(subleaf),
            0xD => self.xsave_leaf(subleaf, now),
            _ => Registers::default(),
        }
    }

    fn leaf1(&self, now: Dynamic) -> Registers {
        let count = self.topology.processors;
        let mut edx = self.features.word(word::L1_EDX);
        let mut ecx = self.features.word(word::L1_ECX);
        if !now.apic_enabled {
            edx &= !APIC;
        }
        if count > 1 {
            edx |= HTT;
        }
        if now.osxsave {
            ecx |= OSXSAVE;
        }
        let line = if self.has(Feature::Clflush) { LINE / 8 } else { 0 };
        let ebx = (self.topology.apic_id & 0xFF) << 24 | count.min(255) << 16 | line << 8;
        Registers { eax: self.signature, ebx, ecx, edx }
    }

    fn intel_cache(&self, subleaf: u32) -> Registers {
        let Some(cache) = CACHES.get(subleaf as usize) else { return Registers::default() };
        let mut registers = cache.registers(self.topology.processors);
        registers.eax |= (((1 << self.core_id_bits()) - 1) & 0x3F) << 26;
        registers
    }

    /// Leaf 0Bh: threads, then cores.
    fn topology_level(&self, subleaf: u32) -> Registers {
        let edx = self.topology.apic_id;
        match subleaf {
            0 => Registers { eax: 0, ebx: 1, ecx: 1 << 8, edx },
            1 => Registers { eax: self.core_id_bits(), ebx: self.topology.processors, ecx: 2 << 8 | 1, edx },
            _ => Registers { ecx: subleaf & 0xFF, edx, ..Registers::default() },
        }
    }

    /// The XCR0 bits that exist: x87, SSE, and AVX where there is AVX.
    fn xcr0_supported(&self) -> u64 {
        XCR0_X87 | XCR0_SSE | if self.has(Feature::Avx) { XCR0_AVX } else { 0 }
    }

    /// Whether XSETBV may write `value` to XCR0: known bits, x87 always, and AVX
    /// only with SSE (Intel SDM Vol. 1 13.3).
    pub(crate) fn accepts_xcr0(&self, value: u64) -> bool {
        value & !self.xcr0_supported() == 0
            && value & XCR0_X87 != 0
            && (value & XCR0_AVX == 0 || value & XCR0_SSE != 0)
    }

    /// Leaf 0Dh.
    fn xsave_leaf(&self, subleaf: u32, now: Dynamic) -> Registers {
        let supported = self.xcr0_supported();
        match subleaf {
            0 => Registers {
                eax: supported as u32,
                ebx: xsave_bytes(now.xcr0),
                ecx: xsave_bytes(supported),
                edx: (supported >> 32) as u32,
            },
            1 => {
                let eax = self.features.word(word::LD_EAX);
                let compacts = self.has(Feature::Xsavec) || self.has(Feature::Xsaves);
                Registers {
                    eax,
                    ebx: if compacts { xsave_bytes(now.xcr0) } else { 0 },
                    ..Registers::default()
                }
            }
            // Size and offset; nothing to align, and enabled by XCR0.
            2 if supported & XCR0_AVX != 0 => {
                Registers { eax: AVX_BYTES, ebx: XSAVE_BYTES, ..Registers::default() }
            }
            _ => Registers::default(),
        }
    }

    fn extended(&self, leaf: u32, subleaf: u32, now: Dynamic) -> Registers {
        let amd = self.vendor == Vendor::Amd;
        let features = &self.features;
        let count = self.topology.processors;
        match leaf & 0xFFFF {
            0 if amd => {
                let (ebx, edx, ecx) = text(self.vendor_string());
                Registers { eax: self.highest_extended(), ebx, ecx, edx }
            }
            0 => Registers { eax: self.highest_extended(), ..Registers::default() },
            1 => {
                let mut edx = features.word(word::X1_EDX);
                let mut ecx = features.word(word::X1_ECX);
                if amd {
                    edx |= self.leaf1(now).edx & AMD_REPEATED;
                    if count > 1 {
                        ecx |= CMP_LEGACY;
                    }
                }
                Registers { eax: if amd { self.signature } else { 0 }, ebx: 0, ecx, edx }
            }
            part @ 2..=4 => brand(self.brand, part as usize - 2),
            // L1 TLBs: 64 entries, fully associative; caches as above.
            5 if amd => {
                let l1 = CACHES[0].kib << 24 | CACHES[0].ways << 16 | 1 << 8 | LINE;
                Registers { eax: 0xFF40_FF40, ebx: 0xFF40_FF40, ecx: l1, edx: l1 }
            }
            6 => {
                // Associativity codes 6 and 8 mean 8 and 16 ways.
                let l2 = CACHES[2].kib << 16 | 6 << 12 | 1 << 8 | LINE;
                let l3 = (CACHES[3].kib / 512) << 18 | 8 << 12 | 1 << 8 | LINE;
                if amd {
                    Registers { eax: 0x6800_6400, ebx: 0x6800_6400, ecx: l2, edx: l3 }
                } else {
                    Registers { ecx: l2, ..Registers::default() }
                }
            }
            7 => Registers { edx: features.word(word::X7_EDX), ..Registers::default() },
            8 => {
                let linear = if self.has(Feature::La57) { 57 } else { 48 };
                let cores = (count - 1).min(0xFF) | self.core_id_bits() << 12;
                Registers {
                    eax: Cpu::PHYSICAL_BITS | linear << 8,
                    ebx: features.word(word::X8_EBX),
                    ecx: if amd { cores } else { 0 },
                    edx: 0,
                }
            }
            0x19 => Registers { eax: 0xF040_F040, ..Registers::default() },
            0x1D if self.has(Feature::TopoExt) => {
                CACHES.get(subleaf as usize).map(|c| c.registers(count)).unwrap_or_default()
            }
            0x1E if self.has(Feature::TopoExt) => {
                let id = self.topology.apic_id;
                Registers { eax: id, ebx: id & 0xFF, ecx: 0, edx: 0 }
            }
            0x21 => Registers {
                eax: features.word(word::X21_EAX),
                ecx: features.word(word::X21_ECX),
                ..Registers::default()
            },
            _ => Registers::default(),
        }
    }
}

/// Three registers of text.
fn text(bytes: &[u8; 12]) -> (u32, u32, u32) {
    let word = |n: usize| u32::from_le_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]);
    (word(0), word(4), word(8))
}

/// 16 bytes of the brand string, which is padded with zeros.
fn brand(brand: &str, part: usize) -> Registers {
    let mut bytes = [0; 48];
    for (to, from) in bytes[..47].iter_mut().zip(brand.bytes()) {
        *to = from;
    }
    let word = |n: usize| {
        let at = part * 16 + n * 4;
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    Registers { eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) }
}
