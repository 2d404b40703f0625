//! CPUID as guests see it, and what it lets execute.

use super::leaves::Dynamic;
use super::*;
use iced_x86::{Code, Decoder};

const BOOTED: Dynamic = Dynamic { apic_enabled: true, osxsave: false, xcr0: 1 };

fn model(text: &str) -> CpuModel {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn runs(model: &CpuModel, bytes: &[u8]) -> bool {
    let instruction = Decoder::new(64, bytes, model.decoder_options()).decode();
    assert_ne!(instruction.code(), Code::INVALID, "{bytes:x?}");
    model.implements(&instruction)
}

#[test]
fn every_model_can_be_had() {
    for name in CpuModel::names() {
        assert_eq!(model(name).name(), name);
    }
}

#[test]
fn level_3_needs_its_parts_and_loses_them_together() {
    let level3 = model("x86-64-v3");
    let parts = ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"];
    for name in parts {
        let feature = features::by_name(name).expect(name);
        assert!(level3.has(feature) && CpuModel::default().has(feature), "{name}");
    }
    let without = model("max,-xsave");
    for gone in [Feature::Avx, Feature::Avx2, Feature::Fma, Feature::F16c, Feature::Vaes, Feature::Vpclmulqdq]
    {
        assert!(!without.has(gone));
    }
    assert!(!model("max,-aes").has(Feature::Vaes) && model("max,-aes").has(Feature::Vpclmulqdq));
    // vaesenc ymm1, ymm2, ymm3 and its 128-bit form, which needs AES and AVX only
    let (long, short) = ([0xC4, 0xE2, 0x6D, 0xDC, 0xCB], [0xC4, 0xE2, 0x69, 0xDC, 0xCB]);
    let no_vaes = model("max,-vaes");
    assert!(!runs(&no_vaes, &long) && runs(&no_vaes, &short) && runs(&CpuModel::default(), &long));
}

#[test]
fn refusals_list_the_choices() {
    let unknown = "i9".parse::<CpuModel>().unwrap_err();
    assert_eq!(unknown, ModelError::UnknownModel("i9".into()));
    assert!(unknown.to_string().contains("x86-64-v2"));
    let feature = "max,+warp".parse::<CpuModel>().unwrap_err();
    assert!(matches!(feature, ModelError::UnknownFeature(_)) && feature.to_string().contains("popcnt"));
    assert!("max,popcnt".parse::<CpuModel>().is_err(), "a modifier needs its sign");
    assert!("max,".parse::<CpuModel>().is_err());
}

#[test]
fn a_feature_that_is_taken_away_takes_its_dependants_along() {
    let model = model("max,-sse3");
    for gone in [Feature::Sse3, Feature::Ssse3, Feature::Sse42] {
        assert!(!model.has(gone));
    }
    assert!(model.has(Feature::Sse2) && model.has(Feature::Popcnt));
    assert_eq!(model.cpuid(1, 0, BOOTED).ecx & 1, 0);
}

#[test]
fn the_processor_is_an_amd_one_with_our_name_as_hypervisor() {
    let max = CpuModel::default();
    let leaf0 = max.cpuid(0, 0, BOOTED);
    let text = [leaf0.ebx, leaf0.edx, leaf0.ecx].map(u32::to_le_bytes).concat();
    assert_eq!((text.as_slice(), leaf0.eax), (b"AuthenticAMD".as_slice(), 0xD));
    let hypervisor = max.cpuid(0x4000_0000, 0, BOOTED);
    let text = [hypervisor.ebx, hypervisor.ecx, hypervisor.edx].map(u32::to_le_bytes).concat();
    assert_eq!(text, b"GlassboxVM  ");
    assert_eq!(max.under_vmware().cpuid(0x4000_0000, 0, BOOTED).ebx, u32::from_le_bytes(*b"VMwa"));
    let eax = max.signature();
    let family = (eax >> 8 & 15) + (eax >> 20 & 255);
    assert_eq!((family, eax >> 12 & 0xF0 | eax >> 4 & 15, eax & 15), (0x17, 1, 2));
}

#[test]
fn osxsave_and_the_apic_bit_follow_the_state() {
    let max = CpuModel::default();
    let off = max.cpuid(1, 0, Dynamic { apic_enabled: false, osxsave: false, xcr0: 1 });
    let on = max.cpuid(1, 0, Dynamic { apic_enabled: true, osxsave: true, xcr0: 1 });
    assert_eq!((off.edx >> 9 & 1, off.ecx >> 27 & 1), (0, 0));
    assert_eq!((on.edx >> 9 & 1, on.ecx >> 27 & 1), (1, 1));
    let amd = max.cpuid(0x8000_0001, 0, BOOTED);
    assert_eq!(amd.edx & 0x3FF, on.edx & 0x3FF, "the low bits are repeated");
}

#[test]
fn all_ways_to_ask_for_the_topology_agree() {
    let cpu = CpuModel::default().with_topology(Topology { apic_id: 5, processors: 6 });
    let leaf1 = cpu.cpuid(1, 0, BOOTED);
    assert_eq!((leaf1.ebx >> 24, leaf1.ebx >> 16 & 255, leaf1.edx >> 28 & 1), (5, 6, 1));
    let cores = cpu.cpuid(0xB, 1, BOOTED);
    assert_eq!((cores.eax, cores.ebx, cores.ecx, cores.edx), (3, 6, 0x201, 5));
    assert_eq!(cpu.cpuid(0xB, 2, BOOTED).ebx, 0);
    assert_eq!(cpu.cpuid(0x8000_0008, 0, BOOTED).ecx, 3 << 12 | 5);
    assert_eq!(cpu.cpuid(0x8000_001E, 0, BOOTED).eax, 5);
    let l3 = cpu.cpuid(0x8000_001D, 3, BOOTED);
    assert_eq!((l3.eax >> 5 & 7, l3.eax >> 14 & 0xFFF), (3, 5), "shared by all six");
    assert_eq!((l3.ebx >> 22) + 1, 16);
    assert_eq!(((l3.ebx >> 22) + 1) * 64 * (l3.ecx + 1), 16 << 20);
}

#[test]
fn the_xsave_area_grows_by_the_upper_halves_of_ymm() {
    let max = CpuModel::default();
    for (xcr0, bytes) in [(1, 576), (3, 576), (7, 832)] {
        let now = Dynamic { xcr0, ..BOOTED };
        let size = max.cpuid(0xD, 0, now);
        assert_eq!((size.eax, size.ebx, size.ecx, size.edx), (7, bytes, 832, 0));
        let compacted = max.cpuid(0xD, 1, now);
        assert_eq!((compacted.eax & 0xF, compacted.ebx), (0xF, bytes));
    }
    let upper = max.cpuid(0xD, 2, BOOTED);
    assert_eq!((upper.eax, upper.ebx, upper.ecx, upper.edx), (256, 576, 0, 0));
    let without = model("max,-avx");
    let size = without.cpuid(0xD, 0, BOOTED);
    assert_eq!((size.eax, size.ebx, size.ecx, size.edx), (3, 576, 576, 0));
    assert_eq!(without.cpuid(0xD, 2, BOOTED), Registers::default());
    assert_eq!(model("max,-xsave").cpuid(0xD, 0, BOOTED), Registers::default());
}

#[test]
fn xcr0_takes_known_bits_that_fit_together() {
    let accepted = |model: CpuModel| (0..16).filter(|&xcr0| model.accepts_xcr0(xcr0)).collect::<Vec<_>>();
    assert_eq!(accepted(CpuModel::default()), [1, 3, 7]);
    assert_eq!(accepted(model("max,-avx")), [1, 3]);
    assert!(!CpuModel::default().accepts_xcr0(1 << 9 | 7));
}

#[test]
fn leaves_past_the_end_are_zero_on_amd_and_repeat_on_intel() {
    let max = CpuModel::default();
    assert_eq!(max.cpuid(0x20, 0, BOOTED), Registers::default());
    assert_eq!(max.cpuid(0x9000_0000, 0, BOOTED), Registers::default());
    let old = model("pentium3");
    assert_eq!(old.cpuid(0x1234, 0, BOOTED), old.cpuid(2, 0, BOOTED));
    assert_eq!(model("486").cpuid(0, 0, BOOTED).eax, 1);
}

#[test]
fn instructions_exist_as_the_model_says() {
    let (max, v1, old) = (CpuModel::default(), model("x86-64-v1"), model("486"));
    let cases: [(&[u8], bool, bool, bool); 12] = [
        (&[0x90], true, true, true),                           // nop
        (&[0x0F, 0x44, 0xC1], true, true, false),              // cmove
        (&[0x0F, 0x58, 0xC1], true, true, false),              // addps
        (&[0x66, 0x0F, 0x38, 0x17, 0xC1], true, false, false), // ptest
        (&[0xF3, 0x0F, 0xB8, 0xC1], true, false, false),       // popcnt
        (&[0xC5, 0xF8, 0x58, 0xC1], true, false, false),       // vaddps
        (&[0x0F, 0x31], true, true, false),                    // rdtsc
        (&[0x0F, 0x1F, 0x00], true, true, false),              // long nop
        (&[0xF3, 0x0F, 0x1E, 0xFA], true, true, false),        // endbr64
        (&[0xF3, 0x48, 0x0F, 0x1E, 0xC8], true, true, true),   // rdsspq
        (&[0x0F, 0x01, 0xD9], false, false, false),            // vmmcall
        (&[0x0F, 0x0D, 0x08], true, true, true),               // prefetchw
    ];
    for (bytes, on_max, on_v1, on_486) in cases {
        let got = (runs(&max, bytes), runs(&v1, bytes), runs(&old, bytes));
        assert_eq!(got, (on_max, on_v1, on_486), "{bytes:x?}");
    }
}

#[test]
fn without_bmi1_and_lzcnt_their_encodings_are_bsf_and_bsr() {
    let model = model("max,-bmi1,-lzcnt");
    let decode = |bytes| Decoder::new(64, bytes, model.decoder_options()).decode().code();
    assert_eq!(decode(&[0xF3, 0x0F, 0xBC, 0xC1]), Code::Bsf_r32_rm32);
    assert_eq!(decode(&[0xF3, 0x0F, 0xBD, 0xC1]), Code::Bsr_r32_rm32);
}

#[test]
fn general_purpose_and_cryptographic_extensions_show_and_execute() {
    let max = CpuModel::default();
    let bit = |leaf, pick: fn(Registers) -> u32, n: u32| pick(max.cpuid(leaf, 0, BOOTED)) >> n & 1 == 1;
    let ebx = |r: Registers| r.ebx;
    let ecx = |r: Registers| r.ecx;
    // Leaf, register and bit, the feature's name, an instruction.
    let cases: [(bool, &str, &[u8]); 8] = [
        (bit(7, ebx, 3), "bmi1", &[0xC4, 0xE2, 0x60, 0xF2, 0xC1]),
        (bit(7, ebx, 8), "bmi2", &[0xC4, 0xE3, 0x7B, 0xF0, 0xC1, 3]),
        (bit(7, ebx, 19), "adx", &[0x66, 0x0F, 0x38, 0xF6, 0xC3]),
        (bit(7, ebx, 29), "sha", &[0x0F, 0x38, 0xC8, 0xC1]),
        (bit(7, ecx, 8), "gfni", &[0x66, 0x0F, 0x38, 0xCF, 0xC1]),
        (bit(1, ecx, 1), "pclmulqdq", &[0x66, 0x0F, 0x3A, 0x44, 0xC1, 0]),
        (bit(1, ecx, 25), "aes", &[0x66, 0x0F, 0x38, 0xDC, 0xC1]),
        (bit(0x8000_0001, ecx, 5), "lzcnt", &[0xF3, 0x0F, 0xBD, 0xC1]),
    ];
    for (shown, name, bytes) in cases {
        assert!(shown && runs(&max, bytes), "{name}");
        if name != "lzcnt" {
            assert!(!runs(&model(&format!("max,-{name}")), bytes), "{name} hidden");
        }
    }
}
