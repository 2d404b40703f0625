//! Which instruction forms are compared.

use iced_x86::{Code, CpuidFeature, EncodingKind, FlowControl, MemorySize, Mnemonic, OpCodeOperandKind};

/// All forms that user code of `bits` bits (64, 32 or 16) can execute on this host and
/// whose outcome depends on nothing but the state that a case has.
pub fn forms(bits: u32) -> Vec<Code> {
    Code::values().filter(|&code| is_comparable(code, bits)).collect()
}

fn is_comparable(code: Code, bits: u32) -> bool {
    let op = code.op_code();
    op.is_instruction()
        && match bits {
            64 => op.mode64(),
            32 => op.mode32() && op.compatibility_mode(),
            _ => op.mode16() && op.compatibility_mode(),
        }
        && op.cpl3()
        && !op.must_be_cpl0()
        && !op.is_privileged()
        && !op.is_input_output()
        // FINIT and its like are two instructions, WAIT and FNINIT.
        && !op.fwait()
        && matches!(op.encoding(), EncodingKind::Legacy | EncodingKind::VEX)
        && code.cpuid_features().iter().all(|&feature| host_has(feature))
        && !is_excluded(code)
}

/// Forms whose outcome is not comparable, and why.
fn is_excluded(code: Code) -> bool {
    use Mnemonic::*;
    // Far transfers need descriptors: the host's GDT is the operating system's.
    let far =
        matches!(
            code.op_code().memory_size(),
            MemorySize::SegPtr16 | MemorySize::SegPtr32 | MemorySize::SegPtr64
        ) || matches!(code.op_code().op0_kind(), OpCodeOperandKind::farbr2_2 | OpCodeOperandKind::farbr4_2);
    // INT n and the like enter the operating system.
    let system = matches!(code.flow_control(), FlowControl::Interrupt | FlowControl::XbeginXabortXend);
    far || system
        || match code.mnemonic() {
            // Enter or leave the operating system, or return from it.
            Syscall | Sysenter | Sysret | Sysretq | Sysexit | Sysexitq | Iret | Iretd | Iretq | Retf => true,
            // Differ from one execution to the next, or from one host to the other.
            Rdtsc | Rdtscp | Rdrand | Rdseed | Cpuid | Rdpid | Rdpmc | Rdpru | Xgetbv | Rdpkru | Wrpkru => {
                true
            }
            // Layout depends on the host's XCR0 and its optimisations.
            Xsave | Xsave64 | Xsaveopt | Xsaveopt64 | Xsavec | Xsavec64 | Xsaves | Xsaves64 | Xrstor
            | Xrstor64 | Xrstors | Xrstors64 => true,
            // Images with the last instruction and operand pointers, which AMD
            // processors keep only for unmasked exceptions.
            Fxrstor | Fxrstor64 | Fxsave | Fxsave64 => true,
            // FS and GS belong to the host's C library, and selectors to its GDT.
            Rdfsbase | Rdgsbase | Wrfsbase | Wrgsbase | Lds | Les | Lfs | Lgs | Lss | Lar | Lsl | Verr
            | Verw => true,
            // Emulated by the host's kernel (UMIP).
            Smsw | Sgdt | Sidt | Sldt | Str => true,
            // Wait for something.
            Monitor | Mwait | Monitorx | Mwaitx | Umonitor | Umwait | Tpause | Hlt => true,
            // To the hypervisor.
            Vmcall | Vmmcall | Vmfunc | Vmrun | Vmload | Vmsave => true,
            // Control-flow enforcement: no-operations unless the kernel enables them.
            Incsspd | Incsspq | Rdsspd | Rdsspq | Saveprevssp | Rstorssp | Wrussd | Wrussq | Wrssd
            | Wrssq | Clrssbsy | Setssbsy | Endbr32 | Endbr64 => true,
            // Loads of segment registers.
            Mov => matches!(code, Code::Mov_Sreg_rm16 | Code::Mov_Sreg_r32m16 | Code::Mov_Sreg_r64m16),
            Pop => matches!(
                code.op_code().op0_kind(),
                OpCodeOperandKind::es
                    | OpCodeOperandKind::ss
                    | OpCodeOperandKind::ds
                    | OpCodeOperandKind::fs
                    | OpCodeOperandKind::gs
            ),
            // The INT3 that ends every case.
            Int3 => true,
            _ => false,
        }
}

/// Whether this host has a feature that forms may need. Features that are not
/// listed are taken as absent.
pub fn host_has(feature: CpuidFeature) -> bool {
    use CpuidFeature::*;
    macro_rules! host {
        ($name:tt) => {{
            #[cfg(target_arch = "x86_64")]
            let has = std::arch::is_x86_feature_detected!($name);
            #[cfg(not(target_arch = "x86_64"))]
            let has = false;
            has
        }};
    }
    match feature {
        INTEL8086 | INTEL186 | INTEL286 | INTEL386 | INTEL486 | X64 | CMOV | CX8 | FPU | FPU287 | FPU387
        | FXSR | MMX | SSE | SSE2 | CLFSH | MULTIBYTENOP | PAUSE | PREFETCHW => true,
        CMPXCHG16B => host!("cmpxchg16b"),
        SSE3 => host!("sse3"),
        SSSE3 => host!("ssse3"),
        SSE4_1 => host!("sse4.1"),
        SSE4_2 => host!("sse4.2"),
        SSE4A => host!("sse4a"),
        POPCNT => host!("popcnt"),
        LZCNT => host!("lzcnt"),
        BMI1 => host!("bmi1"),
        BMI2 => host!("bmi2"),
        ADX => host!("adx"),
        MOVBE => host!("movbe"),
        AES => host!("aes"),
        PCLMULQDQ => host!("pclmulqdq"),
        SHA => host!("sha"),
        GFNI => host!("gfni"),
        AVX => host!("avx"),
        AVX2 => host!("avx2"),
        FMA => host!("fma"),
        F16C => host!("f16c"),
        VAES => host!("vaes"),
        VPCLMULQDQ => host!("vpclmulqdq"),
        AVX_VNNI => host!("avx512vnni"),
        // Without a name in the standard library: where AVX2 is, they are.
        CLFLUSHOPT | CLWB => host!("avx2"),
        _ => false,
    }
}
