//! Page-table entry bits and page-fault error code bits.

/// Present.
pub const P: u64 = 1 << 0;
/// Writable.
pub const RW: u64 = 1 << 1;
/// User.
pub const US: u64 = 1 << 2;
/// Accessed.
pub const A: u64 = 1 << 5;
/// Dirty.
pub const D: u64 = 1 << 6;
/// Page size: the entry maps a large page.
pub const PS: u64 = 1 << 7;
/// Global.
pub const G: u64 = 1 << 8;
/// Execute disable.
pub const NX: u64 = 1 << 63;

/// Page-fault error code: the page was present.
pub const PF_P: u32 = 1 << 0;
/// Page-fault error code: a write.
pub const PF_W: u32 = 1 << 1;
/// Page-fault error code: an access in user mode.
pub const PF_U: u32 = 1 << 2;
/// Page-fault error code: a reserved bit was set.
pub const PF_RSVD: u32 = 1 << 3;
/// Page-fault error code: an instruction fetch.
pub const PF_I: u32 = 1 << 4;
