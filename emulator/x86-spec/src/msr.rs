//! Model-specific register numbers (Intel SDM Vol. 4; AMD APM Vol. 2 Appendix A).

macro_rules! msrs {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => { $($(#[$doc])* pub const $name: u32 = $value;)* };
}

msrs! {
    /// Time stamp counter.
    TSC = 0x10;
    /// Local APIC base.
    APIC_BASE = 0x1B;
    /// Intel: platform ID.
    PLATFORM_ID = 0x17;
    /// TSC adjust.
    TSC_ADJUST = 0x3B;
    /// Speculation control.
    SPEC_CTRL = 0x48;
    /// Prediction command.
    PRED_CMD = 0x49;
    /// Microcode revision.
    BIOS_SIGN_ID = 0x8B;
    /// MTRR capability.
    MTRR_CAP = 0xFE;
    /// Architectural capabilities.
    ARCH_CAPABILITIES = 0x10A;
    /// SYSENTER code segment.
    SYSENTER_CS = 0x174;
    /// SYSENTER stack pointer.
    SYSENTER_ESP = 0x175;
    /// SYSENTER instruction pointer.
    SYSENTER_EIP = 0x176;
    /// Machine check capability.
    MCG_CAP = 0x179;
    /// Machine check status.
    MCG_STATUS = 0x17A;
    /// Miscellaneous enables.
    MISC_ENABLE = 0x1A0;
    /// Debug control.
    DEBUG_CTL = 0x1D9;
    /// Source of the last branch; its target and the last exception's pair follow.
    LAST_BRANCH_FROM = 0x1DB;
    /// Target of the last exception.
    LAST_EXCEPTION_TO = 0x1DE;
    /// First variable-range MTRR base.
    MTRR_PHYS_BASE0 = 0x200;
    /// Fixed-range MTRR for 0 to 512 KiB.
    MTRR_FIX64K = 0x250;
    /// First of two fixed-range MTRRs for 512 KiB to 768 KiB.
    MTRR_FIX16K = 0x258;
    /// First of eight fixed-range MTRRs for 768 KiB to 1 MiB.
    MTRR_FIX4K = 0x268;
    /// Page attribute table.
    PAT = 0x277;
    /// MTRR default type.
    MTRR_DEF_TYPE = 0x2FF;
    /// TSC deadline of the local APIC timer.
    TSC_DEADLINE = 0x6E0;
    /// First x2APIC register.
    X2APIC_FIRST = 0x800;
    /// Last x2APIC register.
    X2APIC_LAST = 0x8FF;
    /// Extended supervisor states.
    XSS = 0xDA0;
    /// Extended features.
    EFER = 0xC000_0080;
    /// SYSCALL segments and legacy target.
    STAR = 0xC000_0081;
    /// SYSCALL target in 64-bit mode.
    LSTAR = 0xC000_0082;
    /// SYSCALL target from compatibility mode.
    CSTAR = 0xC000_0083;
    /// SYSCALL flag mask.
    FMASK = 0xC000_0084;
    /// FS base.
    FS_BASE = 0xC000_0100;
    /// GS base.
    GS_BASE = 0xC000_0101;
    /// GS base that SWAPGS brings in.
    KERNEL_GS_BASE = 0xC000_0102;
    /// What RDTSCP and RDPID return.
    TSC_AUX = 0xC000_0103;
    /// AMD: system configuration.
    SYSCFG = 0xC001_0010;
    /// AMD: hardware configuration.
    HWCR = 0xC001_0015;
    /// AMD: first of four legacy performance event selectors.
    K7_EVENT_FIRST = 0xC001_0000;
    /// AMD: last of four legacy performance counters.
    K7_COUNTER_LAST = 0xC001_0007;
    /// AMD: first I/O range register.
    IORR_FIRST = 0xC001_0016;
    /// AMD: last I/O range register.
    IORR_LAST = 0xC001_0019;
    /// AMD: top of memory below 4 GiB.
    TOP_MEM = 0xC001_001A;
    /// AMD: top of memory.
    TOP_MEM2 = 0xC001_001D;
    /// AMD: northbridge configuration.
    NB_CFG = 0xC001_001F;
    /// AMD: microcode patch loader.
    PATCH_LOADER = 0xC001_0020;
    /// AMD: interrupt pending and C1E message.
    INT_PENDING_MSG = 0xC001_0055;
    /// AMD: where PCI configuration space is mapped.
    MMIO_CONFIG_BASE = 0xC001_0058;
    /// AMD: highest P-state allowed.
    PSTATE_CURRENT_LIMIT = 0xC001_0061;
    /// AMD: current P-state.
    PSTATE_STATUS = 0xC001_0063;
    /// AMD: SMM memory base.
    SMM_ADDR = 0xC001_0112;
    /// AMD: SMM memory mask.
    SMM_MASK = 0xC001_0113;
    /// AMD: virtual machine control.
    VM_CR = 0xC001_0114;
    /// AMD: load-store configuration.
    LS_CFG = 0xC001_1020;
    /// AMD: instruction cache configuration.
    IC_CFG = 0xC001_1021;
    /// AMD: data cache configuration.
    DC_CFG = 0xC001_1022;
    /// AMD: bus unit configuration.
    BU_CFG = 0xC001_1023;
    /// AMD: floating point configuration.
    FP_CFG = 0xC001_1028;
    /// AMD: decode configuration.
    DE_CFG = 0xC001_1029;
    /// AMD: bus unit configuration 2.
    BU_CFG2 = 0xC001_102A;
}
