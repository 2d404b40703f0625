//! Descriptor attributes as bytes 5 and 6 of a descriptor hold them
//! (Intel SDM Vol. 3A 3.4.5): bits 0-3 type, 4 S, 5-6 DPL, 7 P, 12 AVL, 13 L,
//! 14 D/B, 15 G.

/// Accessed (code and data).
pub const ACCESSED: u16 = 1 << 0;
/// Writable (data) or readable (code).
pub const RW: u16 = 1 << 1;
/// Expand-down (data) or conforming (code).
pub const DC: u16 = 1 << 2;
/// Code segment.
pub const CODE: u16 = 1 << 3;
/// Code or data, not a system descriptor.
pub const S: u16 = 1 << 4;
/// Present.
pub const P: u16 = 1 << 7;
/// 64-bit code.
pub const L: u16 = 1 << 13;
/// Default operand size / big.
pub const DB: u16 = 1 << 14;
/// Limit counts 4 KiB units.
pub const G: u16 = 1 << 15;

/// System descriptor types (bits 0-3 with S clear).
pub mod system {
    /// 16-bit TSS, available.
    pub const TSS16: u8 = 1;
    /// LDT.
    pub const LDT: u8 = 2;
    /// 16-bit TSS, busy.
    pub const TSS16_BUSY: u8 = 3;
    /// 16-bit call gate.
    pub const CALL_GATE16: u8 = 4;
    /// Task gate.
    pub const TASK_GATE: u8 = 5;
    /// 16-bit interrupt gate.
    pub const INT_GATE16: u8 = 6;
    /// 16-bit trap gate.
    pub const TRAP_GATE16: u8 = 7;
    /// 32/64-bit TSS, available.
    pub const TSS: u8 = 9;
    /// 32/64-bit TSS, busy.
    pub const TSS_BUSY: u8 = 11;
    /// 32/64-bit call gate.
    pub const CALL_GATE: u8 = 12;
    /// 32/64-bit interrupt gate.
    pub const INT_GATE: u8 = 14;
    /// 32/64-bit trap gate.
    pub const TRAP_GATE: u8 = 15;
}
