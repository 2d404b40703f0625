//! Debug registers: code, data and I/O breakpoints (Intel SDM Vol. 3B ch. 18).

use crate::Cpu;
use glassbox_x86_spec::control::{Cr4, dr7};

impl Cpu {
    /// Whether any enabled breakpoint watches data.
    pub(crate) fn data_breakpoints_armed(&self) -> bool {
        (0..4).any(|n| self.breakpoint_enabled(n) && matches!(self.breakpoint_kind(n), 1 | 3))
    }

    /// Whether any enabled breakpoint watches ports.
    pub(crate) fn io_breakpoints_armed(&self) -> bool {
        self.state.cr4.contains(Cr4::DE)
            && (0..4).any(|n| self.breakpoint_enabled(n) && self.breakpoint_kind(n) == 2)
    }

    fn breakpoint_enabled(&self, n: u32) -> bool {
        self.state.dr[7] >> (2 * n) & 3 != 0
    }

    /// The R/W field: 0 execution, 1 writes, 2 I/O (with CR4.DE), 3 reads and writes.
    fn breakpoint_kind(&self, n: u32) -> u64 {
        self.state.dr[7] >> (16 + 4 * n) & 3
    }

    fn breakpoint_range(&self, n: u32) -> (u64, u64) {
        let len = match self.state.dr[7] >> (18 + 4 * n) & 3 {
            0 => 1,
            1 => 2,
            2 => 8,
            _ => 4,
        };
        (self.state.dr[n as usize] & !(len - 1), len)
    }

    /// DR6 bits of the execution breakpoints at CS:RIP.
    pub(crate) fn code_breakpoints(&self) -> u64 {
        if self.state.dr[7] & dr7::ENABLES == 0 {
            return 0;
        }
        let at = self.code_address();
        (0..4)
            .filter(|&n| self.breakpoint_enabled(n) && self.breakpoint_kind(n) == 0)
            .filter(|&n| self.state.dr[n as usize] == at)
            .fold(0, |bits, n| bits | 1 << n)
    }

    /// Notes data breakpoints that an access hits; #DB follows the instruction.
    pub(crate) fn check_data_breakpoints(&mut self, at: u64, len: u64, write: bool) {
        if self.state.dr[7] & dr7::ENABLES == 0 {
            return;
        }
        for n in 0..4 {
            let watches = match self.breakpoint_kind(n) {
                1 => write,
                3 => true,
                _ => false,
            };
            let (start, size) = self.breakpoint_range(n);
            if watches && self.breakpoint_enabled(n) && overlap(at, len, start, size) {
                self.pending_db |= 1 << n;
            }
        }
    }

    /// Notes I/O breakpoints that a port access hits.
    pub(crate) fn check_io_breakpoints(&mut self, port: u16, len: u64) {
        if self.state.dr[7] & dr7::ENABLES == 0 || !self.state.cr4.contains(Cr4::DE) {
            return;
        }
        let at = u64::from(port);
        for n in 0..4 {
            let (start, size) = self.breakpoint_range(n);
            let watches = self.breakpoint_kind(n) == 2;
            if watches && self.breakpoint_enabled(n) && overlap(at, len, start, size) {
                self.pending_db |= 1 << n;
            }
        }
    }
}

/// Whether two ranges meet, either of which may end at the top of the address space.
fn overlap(a: u64, a_len: u64, b: u64, b_len: u64) -> bool {
    a.wrapping_sub(b) < b_len || b.wrapping_sub(a) < a_len
}
