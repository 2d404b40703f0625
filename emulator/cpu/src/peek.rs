//! Looking at guest memory without disturbing the guest: debuggers and traces.

use crate::Cpu;
use glassbox_memory::{Gpa, PAGE_MASK};
use glassbox_x86_spec::control::{Cr0, Cr4};
use glassbox_x86_spec::paging;

impl Cpu {
    /// The physical address behind a linear one, as the page tables say; no
    /// rights are checked and no bit is set.
    pub fn peek_translate(&self, gva: u64) -> Option<Gpa> {
        if !self.state.cr0.contains(Cr0::PG) {
            return Some(self.a20(gva & 0xFFFF_FFFF));
        }
        let pae = self.state.long_mode() || self.state.cr4.contains(Cr4::PAE);
        let (mut shift, bits, size) = match (self.state.long_mode(), pae) {
            (true, _) if self.state.cr4.contains(Cr4::LA57) => (48, 9, 8),
            (true, _) => (39, 9, 8),
            (_, true) => (30, 9, 8),
            _ => (22, 10, 4),
        };
        let mut base =
            self.state.cr3 & if self.state.long_mode() { 0x000F_FFFF_FFFF_F000 } else { 0xFFFF_FFE0 };
        loop {
            let mask = if pae && !self.state.long_mode() && shift == 30 { 3 } else { (1 << bits) - 1 };
            let at = self.a20(base + (gva >> shift & mask) * size);
            let offset = self.memory.lookup(at)?.offset;
            let entry = if pae {
                self.memory.read::<u64>(offset)
            } else {
                u64::from(self.memory.read::<u32>(offset))
            };
            if entry & paging::P == 0 {
                return None;
            }
            let frame = entry & 0x000F_FFFF_FFFF_F000;
            if shift == 12 || entry & paging::PS != 0 && shift <= 30 {
                let low = (1u64 << shift) - 1;
                return Some(self.a20(frame & !low | gva & low));
            }
            base = frame;
            shift -= bits;
        }
    }

    /// Copies guest memory at a linear address; returns how many bytes could be read.
    pub fn peek_code(&self, gva: u64, to: &mut [u8]) -> usize {
        for (n, byte) in to.iter_mut().enumerate() {
            let at = gva.wrapping_add(n as u64);
            let backing = self.peek_translate(at & PAGE_MASK).and_then(|page| self.memory.lookup(page));
            match backing {
                Some(b) => *byte = self.memory.read(b.offset + (at & !PAGE_MASK)),
                None => return n,
            }
        }
        to.len()
    }
}
