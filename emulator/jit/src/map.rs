//! The fixed register map: where each guest register lives while compiled code
//! runs.

/// Host RAX, scratch: addresses, values, exit reasons.
pub const RAX: u8 = 0;
/// Host RCX, scratch: shift counts, TLB entries.
pub const RCX: u8 = 1;
/// Host RDX, scratch.
pub const RDX: u8 = 2;

/// Host registers of guest RAX to R10; R11 to R15 stay in memory. RSP is the
/// host's stack and R15 points to the processor.
const PINNED: [u8; 11] = [3, 6, 7, 5, 8, 9, 10, 11, 12, 13, 14];

/// The host register that holds guest register `n`, if it is pinned.
pub fn pinned(n: u8) -> Option<u8> {
    PINNED.get(n as usize).copied()
}

/// Every pinned pair: guest number, host number.
pub fn pairs() -> impl Iterator<Item = (u8, u8)> {
    PINNED.iter().enumerate().map(|(guest, &host)| (guest as u8, host))
}
