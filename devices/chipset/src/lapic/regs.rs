//! Register numbers and fields (Intel SDM Vol. 3A table 11-1 and table 11-6).
//!
//! A number is the MMIO offset divided by 16, which is also the x2APIC MSR less 800h.

pub const ID: u8 = 0x02;
pub const VERSION: u8 = 0x03;
pub const TPR: u8 = 0x08;
pub const APR: u8 = 0x09;
pub const PPR: u8 = 0x0a;
pub const EOI: u8 = 0x0b;
pub const RRD: u8 = 0x0c;
pub const LDR: u8 = 0x0d;
pub const DFR: u8 = 0x0e;
pub const SVR: u8 = 0x0f;
pub const ISR: u8 = 0x10;
pub const ISR_LAST: u8 = ISR + 7;
pub const TMR: u8 = 0x18;
pub const TMR_LAST: u8 = TMR + 7;
pub const IRR: u8 = 0x20;
pub const IRR_LAST: u8 = IRR + 7;
pub const ESR: u8 = 0x28;
pub const ICR: u8 = 0x30;
pub const ICR_HIGH: u8 = 0x31;
pub const LVT_TIMER: u8 = 0x32;
pub const LVT_ERROR: u8 = 0x37;
pub const INITIAL_COUNT: u8 = 0x38;
pub const CURRENT_COUNT: u8 = 0x39;
pub const DIVIDE: u8 = 0x3e;
pub const SELF_IPI: u8 = 0x3f;

/// Version 14h (integrated APIC), six LVT entries.
pub const VERSION_VALUE: u32 = 0x0005_0014;

/// SVR bit 8: the software enable.
pub const SVR_ENABLE: u32 = 1 << 8;
/// SVR bits that can be written: vector, enable, focus checking.
pub const SVR_WRITABLE: u32 = 0x3ff;

/// LVT bits.
pub const LVT_MASKED: u32 = 1 << 16;
pub const LVT_LEVEL: u32 = 1 << 15;
pub const LVT_REMOTE_IRR: u32 = 1 << 14;
pub const LVT_ACTIVE_LOW: u32 = 1 << 13;

/// ESR bits (Intel SDM Vol. 3A 11.5.3).
pub const ESR_SEND_VECTOR: u32 = 1 << 5;
pub const ESR_RECEIVE_VECTOR: u32 = 1 << 6;
pub const ESR_REGISTER: u32 = 1 << 7;
/// The bits that this APIC can ever set.
pub const ESR_ALL: u32 = ESR_SEND_VECTOR | ESR_RECEIVE_VECTOR | ESR_REGISTER;

/// ICR bits that can be written in the low half: all but delivery status and reserved.
pub const ICR_WRITABLE: u32 = 0x000c_cfff;

/// The local vector table, in register order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lvt {
    Timer = 0,
    Thermal,
    Performance,
    Lint0,
    Lint1,
    Error,
}

impl Lvt {
    pub const COUNT: usize = 6;

    /// The entry behind a register number.
    pub const fn of_register(register: u8) -> Option<Self> {
        Some(match register {
            LVT_TIMER => Self::Timer,
            0x33 => Self::Thermal,
            0x34 => Self::Performance,
            0x35 => Self::Lint0,
            0x36 => Self::Lint1,
            LVT_ERROR => Self::Error,
            _ => return None,
        })
    }

    /// The bits that software can write (Intel SDM Vol. 3A figure 11-8).
    pub const fn writable(self) -> u32 {
        LVT_MASKED
            | match self {
                Self::Timer => 0x6_00ff,
                Self::Error => 0xff,
                Self::Thermal | Self::Performance => 0x7ff,
                Self::Lint0 | Self::Lint1 => 0x7ff | LVT_LEVEL | LVT_ACTIVE_LOW,
            }
    }

    /// Read-only bits, which an x2APIC write may hold either way.
    pub const fn read_only(self) -> u32 {
        match self {
            Self::Lint0 | Self::Lint1 => 1 << 12 | LVT_REMOTE_IRR,
            _ => 1 << 12,
        }
    }
}

/// `IA32_APIC_BASE`.
pub const APIC_BASE_MSR: u32 = 0x1b;
pub const APIC_BASE_BSP: u64 = 1 << 8;
pub const APIC_BASE_X2APIC: u64 = 1 << 10;
pub const APIC_BASE_ENABLE: u64 = 1 << 11;
/// Where the registers are after reset.
pub const APIC_BASE_DEFAULT: u64 = 0xfee0_0000;
/// `IA32_TSC_DEADLINE`.
pub const TSC_DEADLINE_MSR: u32 = 0x6e0;
/// The first x2APIC MSR.
pub const X2APIC_MSR_FIRST: u32 = 0x800;
/// The last MSR of the block that is reserved for the x2APIC.
pub const X2APIC_MSR_LAST: u32 = 0x8ff;
