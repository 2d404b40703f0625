//! Bit layouts, MSR numbers, vectors and CPUID leaves of the x86-64
//! architecture: names and numbers, no logic.
#![no_std]

pub mod control;
pub mod msr;
pub mod paging;
pub mod segment;
pub mod vector;

/// VMware's backdoor: a call from guest to host by `IN EAX, DX`.
pub mod backdoor {
    /// In DX: the port.
    pub const PORT: u16 = 0x5658;
    /// In EAX, so that no probing of ports is taken for a call.
    pub const MAGIC: u32 = 0x564D_5868;
}
