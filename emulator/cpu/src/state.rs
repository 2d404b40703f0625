//! The architectural state of one logical processor.

use crate::flags::LazyFlags;
use glassbox_x86_spec::control::{Cr0, Cr4, Efer, Flags};
use glassbox_x86_spec::segment as attr;

/// Index of the pseudo register that is always zero: the base or index that a
/// memory operand does not have.
pub const REG_ZERO: u8 = 16;
/// Index of the pseudo register that holds the RIP of the running block's first
/// instruction: the base of RIP-relative operands and of branch targets.
pub const REG_BLOCK: u8 = 17;

/// General-purpose register numbers.
#[allow(missing_docs)]
pub mod gpr {
    pub const RAX: usize = 0;
    pub const RCX: usize = 1;
    pub const RDX: usize = 2;
    pub const RBX: usize = 3;
    pub const RSP: usize = 4;
    pub const RBP: usize = 5;
    pub const RSI: usize = 6;
    pub const RDI: usize = 7;
    pub const R11: usize = 11;
}

/// A segment register, numbered as instructions encode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum SegReg {
    Es = 0,
    Cs = 1,
    Ss = 2,
    Ds = 3,
    Fs = 4,
    Gs = 5,
}

/// Pseudo segment of an operand whose segment has base 0 and no limit.
pub const SEG_FLAT: u8 = 6;
/// As [`SEG_FLAT`], for operands based on the stack: faults are #SS.
pub const SEG_FLAT_STACK: u8 = 7;

impl SegReg {
    /// The register that an encoding or an `Op`'s operand names; 0 to 5.
    pub const fn from_index(index: u8) -> Self {
        match index {
            0 => Self::Es,
            1 => Self::Cs,
            2 => Self::Ss,
            3 => Self::Ds,
            4 => Self::Fs,
            _ => Self::Gs,
        }
    }
}

/// A segment register with its hidden part. Also LDTR and TR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// Base linear address.
    pub base: u64,
    /// Limit in bytes: the last valid offset (the first invalid one less 1 for expand-down).
    pub limit: u32,
    /// Attributes, see [`glassbox_x86_spec::segment`]. P is clear for a null selector.
    pub attr: u16,
    /// The visible selector.
    pub selector: u16,
}

impl Segment {
    const FLAT: u16 = attr::P | attr::S | attr::RW | attr::ACCESSED | attr::G;
    /// What SYSCALL and its kin load CS of 64-bit code with, but for selector and DPL.
    pub const FLAT_CODE64: Self = Self::flat(Self::FLAT | attr::CODE | attr::L);
    /// The same for 32-bit code.
    pub const FLAT_CODE32: Self = Self::flat(Self::FLAT | attr::CODE | attr::DB);
    /// The same for SS.
    pub const FLAT_STACK: Self = Self::flat(Self::FLAT | attr::DB);

    const fn flat(attr: u16) -> Self {
        Self { base: 0, limit: u32::MAX, attr, selector: 0 }
    }

    /// Limit, attributes and selector as one number, as they lie in memory.
    pub const fn packed(self) -> u64 {
        self.limit as u64 | (self.attr as u64) << 32 | (self.selector as u64) << 48
    }

    /// What loading `selector` in real or virtual-8086 mode gives
    /// (`dpl` 0 or 3 respectively): base selector x 16, limit FFFFh, writable data.
    pub const fn real(selector: u16, dpl: u16) -> Self {
        let attr = attr::P | attr::S | attr::RW | attr::ACCESSED | dpl << 5;
        Self { base: (selector as u64) << 4, limit: 0xFFFF, attr, selector }
    }

    /// Descriptor privilege level.
    pub const fn dpl(&self) -> u8 {
        (self.attr >> 5 & 3) as u8
    }

    /// Present.
    pub const fn present(&self) -> bool {
        self.attr & attr::P != 0
    }

    /// The 4-bit type field.
    pub const fn kind(&self) -> u8 {
        (self.attr & 0xF) as u8
    }

    /// Whether this is code.
    pub const fn is_code(&self) -> bool {
        self.attr & (attr::S | attr::CODE) == attr::S | attr::CODE
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DescriptorTable {
    /// Linear base address.
    pub base: u64,
    /// Last valid byte offset.
    pub limit: u16,
}

/// An x87 register: 80-bit extended real. MMX uses the significand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct X87Register {
    /// Bits 0 to 63.
    pub significand: u64,
    /// Bits 64 to 79.
    pub sign_exponent: u16,
}

/// x87 state. Registers are numbered physically: ST(i) is `(top + i) & 7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FpuState {
    /// R0 to R7.
    pub regs: [X87Register; 8],
    /// Control word.
    pub control: u16,
    /// Status word, TOP included.
    pub status: u16,
    /// Full tag word: two bits a physical register, 3 = empty.
    pub tag: u16,
    /// Last instruction opcode, 11 bits.
    pub opcode: u16,
    /// Last instruction pointer.
    pub ip: u64,
    /// Last operand pointer.
    pub dp: u64,
    /// Selector of the last instruction.
    pub cs: u16,
    /// Selector of the last operand.
    pub ds: u16,
}

impl Default for FpuState {
    /// The state after FNINIT.
    fn default() -> Self {
        Self {
            regs: [X87Register::default(); 8],
            control: 0x037F,
            status: 0,
            tag: 0xFFFF,
            opcode: 0,
            ip: 0,
            dp: 0,
            cs: 0,
            ds: 0,
        }
    }
}

/// A vector register, YMM width: lane 0 holds bits 0 to 63.
pub type VectorRegister = [u64; 4];

/// Whether the processor executes, and if not, what it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Activity {
    /// Executing.
    #[default]
    Active,
    /// HLT or MWAIT: waits for an interrupt, NMI or reset.
    Halted,
    /// An application processor after INIT.
    WaitForSipi,
    /// Triple fault: nothing but a reset helps.
    Shutdown,
}

/// MSRs that hold plain values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Msrs {
    pub star: u64,
    pub lstar: u64,
    pub cstar: u64,
    pub fmask: u64,
    pub kernel_gs_base: u64,
    pub sysenter_cs: u64,
    pub sysenter_esp: u64,
    pub sysenter_eip: u64,
    pub tsc_aux: u64,
    /// Added to the bus's counter.
    pub tsc_offset: u64,
    pub tsc_adjust: u64,
    pub pat: u64,
    pub misc_enable: u64,
    pub spec_ctrl: u64,
    pub xss: u64,
    pub hwcr: u64,
    pub syscfg: u64,
    pub debug_ctl: u64,
    pub mcg_status: u64,
    pub mtrr_def_type: u64,
    pub mtrr_fixed: [u64; 11],
    pub mtrr_variable: [u64; 16],
}

impl Default for Msrs {
    fn default() -> Self {
        Self {
            star: 0,
            lstar: 0,
            cstar: 0,
            fmask: 0,
            kernel_gs_base: 0,
            sysenter_cs: 0,
            sysenter_esp: 0,
            sysenter_eip: 0,
            tsc_aux: 0,
            tsc_offset: 0,
            tsc_adjust: 0,
            pat: 0x0007_0406_0007_0406,
            misc_enable: 1,
            spec_ctrl: 0,
            xss: 0,
            hwcr: 0,
            syscfg: 0,
            debug_ctl: 0,
            mcg_status: 0,
            mtrr_def_type: 0,
            mtrr_fixed: [0; 11],
            mtrr_variable: [0; 16],
        }
    }
}

/// Everything architectural of one logical processor: what a snapshot holds and
/// what compiled code addresses.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct CpuState {
    /// RAX to R15, then [`REG_ZERO`] and [`REG_BLOCK`]. The length is a power of
    /// two so that a masked index needs no bounds check.
    pub regs: [u64; 32],
    /// CF, PF, AF, ZF, SF, OF.
    pub status: LazyFlags,
    /// All other flags at their EFLAGS positions.
    pub system_flags: Flags,
    /// Instruction pointer: offset in CS.
    pub rip: u64,
    /// Instructions retired since power-on.
    pub retired: u64,
    /// ES, CS, SS, DS, FS, GS; [`SEG_FLAT`] and [`SEG_FLAT_STACK`] stay zero.
    pub segs: [Segment; 8],
    /// LDTR.
    pub ldtr: Segment,
    /// TR.
    pub tr: Segment,
    /// GDTR.
    pub gdtr: DescriptorTable,
    /// IDTR.
    pub idtr: DescriptorTable,
    /// CR0.
    pub cr0: Cr0,
    /// CR2.
    pub cr2: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: Cr4,
    /// XCR0.
    pub xcr0: u64,
    /// EFER.
    pub efer: Efer,
    /// DR0 to DR3, DR6 and DR7 at their numbers.
    pub dr: [u64; 8],
    /// Current privilege level.
    pub cpl: u8,
    /// MOV SS or STI: no interrupt before the next instruction has completed.
    pub interrupt_shadow: bool,
    /// The shadow came from MOV SS or POP SS: it holds off #DB too.
    pub debug_shadow: bool,
    /// NMIs are blocked until IRET.
    pub nmi_blocked: bool,
    /// Executing or waiting.
    pub activity: Activity,
    /// The A20 gate: false masks bit 20 of physical addresses.
    pub a20: bool,
    /// SSE control and status.
    pub mxcsr: u32,
    /// XMM0 to XMM15 with their YMM halves.
    pub vec: [VectorRegister; 16],
    /// x87 and MMX.
    pub fpu: FpuState,
    /// Model-specific registers.
    pub msr: Msrs,
    /// State of the generator behind RDRAND and RDSEED.
    pub entropy: u64,
}

impl CpuState {
    /// The state after RESET (Intel SDM Vol. 3A 10.1.1, Table 10-1), with
    /// `signature` (CPUID leaf 1 EAX) in EDX.
    pub fn reset(signature: u32) -> Self {
        let mut regs = [0; 32];
        regs[gpr::RDX] = u64::from(signature);
        let mut segs = [Segment::real(0, 0); 8];
        segs[SegReg::Cs as usize] = Segment {
            base: 0xFFFF_0000,
            attr: attr::P | attr::S | attr::CODE | attr::RW | attr::ACCESSED,
            ..Segment::real(0xF000, 0)
        };
        let mut dr = [0; 8];
        dr[6] = glassbox_x86_spec::control::dr6::FIXED_ONE;
        dr[7] = glassbox_x86_spec::control::dr7::FIXED_ONE;
        let system = |kind: u16| Segment { limit: 0xFFFF, attr: attr::P | kind, ..Segment::default() };
        Self {
            regs,
            status: LazyFlags::from_bits(0),
            system_flags: Flags::ONE,
            rip: 0xFFF0,
            retired: 0,
            segs,
            ldtr: system(2),
            tr: system(11),
            gdtr: DescriptorTable { base: 0, limit: 0xFFFF },
            idtr: DescriptorTable { base: 0, limit: 0xFFFF },
            cr0: Cr0::ET | Cr0::NW | Cr0::CD,
            cr2: 0,
            cr3: 0,
            cr4: Cr4::empty(),
            xcr0: 1,
            efer: Efer::empty(),
            dr,
            cpl: 0,
            interrupt_shadow: false,
            debug_shadow: false,
            nmi_blocked: false,
            activity: Activity::Active,
            a20: true,
            mxcsr: 0x1F80,
            vec: [[0; 4]; 16],
            fpu: FpuState { control: 0x0040, tag: 0x5555, ..FpuState::default() },
            msr: Msrs::default(),
            entropy: 0,
        }
    }

    /// RFLAGS with everything in place.
    #[inline]
    pub fn rflags(&self) -> Flags {
        (self.system_flags - Flags::STATUS) | Flags::from_bits_truncate(self.status.bits()) | Flags::ONE
    }

    /// Replaces RFLAGS whole; bits that do not exist are dropped.
    #[inline]
    pub fn set_rflags(&mut self, flags: Flags) {
        self.status = LazyFlags::from_bits(flags.bits());
        self.system_flags = (flags - Flags::STATUS) | Flags::ONE;
    }

    /// I/O privilege level.
    #[inline]
    pub fn iopl(&self) -> u8 {
        (self.system_flags.bits() >> 12 & 3) as u8
    }

    /// CR0.PE is set and EFLAGS.VM is clear.
    #[inline]
    pub fn protected(&self) -> bool {
        self.cr0.contains(Cr0::PE) && !self.system_flags.contains(Flags::VM)
    }

    /// Virtual-8086 mode.
    #[inline]
    pub fn v86(&self) -> bool {
        self.cr0.contains(Cr0::PE) && self.system_flags.contains(Flags::VM)
    }

    /// EFER.LMA.
    #[inline]
    pub fn long_mode(&self) -> bool {
        self.efer.contains(Efer::LMA)
    }

    /// Long mode with CS.L: 64-bit code.
    #[inline]
    pub fn is_64bit(&self) -> bool {
        self.long_mode() && self.segs[SegReg::Cs as usize].attr & attr::L != 0
    }

    /// A segment register.
    pub fn seg(&self, seg: SegReg) -> &Segment {
        &self.segs[seg as usize]
    }
}
