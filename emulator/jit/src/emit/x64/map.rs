//! The fixed register map: where each guest register lives while compiled code
//! runs.

/// Host RAX, scratch: addresses, exit reasons, [`crate::ir::ACC`].
pub const RAX: u8 = 0;
/// Host RCX, scratch: what turns a guest address into a host's, shift counts.
pub const RCX: u8 = 1;
/// Host RDX, scratch: values.
pub const RDX: u8 = 2;
/// Host R14: instructions left before the budget is used up.
pub const FUEL: u8 = 14;

/// Host registers of guest RAX to RDI, R8 and R12; the others stay in memory. RSP
/// is the host's stack and R15 points to the processor.
const PINNED: [(u8, u8); 10] =
    [(0, 3), (1, 6), (2, 7), (3, 5), (4, 8), (5, 9), (6, 10), (7, 11), (8, 12), (12, 13)];

/// Those of them that a call of a function does not keep.
pub const CALLER_SAVED: [u8; 6] = [6, 7, 8, 9, 10, 11];

const MAP: [u8; 32] = {
    let mut map = [NOWHERE; 32];
    let mut n = 0;
    while n < PINNED.len() {
        map[PINNED[n].0 as usize] = PINNED[n].1;
        n += 1;
    }
    map[crate::ir::ACC as usize] = RAX;
    map
};
const NOWHERE: u8 = 255;

/// The host register that holds guest register `n`, if it is pinned.
pub const fn pinned(n: u8) -> Option<u8> {
    let host = MAP[n as usize & 31];
    if host == NOWHERE { None } else { Some(host) }
}

/// Every pinned pair: guest number, host number.
pub fn pairs() -> impl Iterator<Item = (u8, u8)> {
    PINNED.into_iter()
}
