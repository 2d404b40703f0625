//! Which guest RAM is still free while a kernel and what it needs are placed.

use crate::BootError;
use glassbox_memory::{Gpa, GuestMemory, PAGE_SIZE};
use glassbox_tables::{E820Entry, E820Kind};

/// Loaders and 32-bit kernels reach no further.
pub const FOUR_GIB: u64 = 1 << 32;
/// Structures go above the real-mode vectors and the BIOS data area, in case
/// the kernel still looks at those.
pub const LOWEST: u64 = 0x1000;

/// The free RAM: ascending, disjoint ranges `start..end`.
#[derive(Clone, Debug)]
pub struct Placement {
    free: Vec<(u64, u64)>,
    taken: Vec<(u64, u64)>,
}

impl Placement {
    /// All RAM of the memory map is free, apart from the first page.
    pub fn new(e820: &[E820Entry]) -> Self {
        let mut free: Vec<(u64, u64)> = Vec::new();
        let mut ram: Vec<&E820Entry> = e820.iter().filter(|e| e.kind == E820Kind::Ram).collect();
        ram.sort_by_key(|e| e.start);
        for entry in ram {
            let (start, end) = (entry.start.0.max(LOWEST), entry.end());
            match free.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ if start < end => free.push((start, end)),
                _ => {}
            }
        }
        Self { free, taken: Vec::new() }
    }

    /// Takes exactly this range, because the kernel says so.
    ///
    /// # Errors
    /// [`BootError::Overlap`] where it was taken before,
    /// [`BootError::OutsideRam`] where it is not all RAM.
    pub fn claim(&mut self, start: u64, len: u64, what: &'static str) -> Result<(), BootError> {
        let outside = BootError::OutsideRam { what, start, len };
        let Some(end) = start.checked_add(len) else { return Err(outside) };
        if self.taken.iter().any(|&(s, e)| start < e && s < end) {
            return Err(BootError::Overlap { what, start, len });
        }
        if !self.free.iter().any(|&(s, e)| s <= start && end <= e) {
            return Err(outside);
        }
        self.take(start, end);
        Ok(())
    }

    /// Whether [`claim`](Self::claim) would succeed.
    pub fn is_free(&self, start: u64, len: u64) -> bool {
        start.checked_add(len).is_some_and(|end| self.free.iter().any(|&(s, e)| s <= start && end <= e))
    }

    /// Takes the lowest free range at or above `from`, below 4 GiB.
    pub fn lowest(&mut self, len: u64, align: u64, from: u64) -> Option<u64> {
        let start = self.free.iter().find_map(|&(s, e)| {
            let start = s.max(from).checked_next_multiple_of(align)?;
            (start.checked_add(len)? <= e.min(FOUR_GIB)).then_some(start)
        })?;
        self.take(start, start + len);
        Some(start)
    }

    /// Takes the highest free range in extended memory that ends at or below
    /// `below`.
    pub fn highest(&mut self, len: u64, align: u64, below: u64) -> Option<u64> {
        let start = self.free.iter().rev().find_map(|&(s, e)| {
            let start = e.min(below).checked_sub(len)?;
            let start = start - start % align;
            (start >= s.max(0x10_0000)).then_some(start)
        })?;
        self.take(start, start + len);
        Some(start)
    }

    /// Takes room for a structure of ours, as low as possible, and writes it.
    ///
    /// # Errors
    /// [`BootError::MemoryTooSmall`] where no range is left.
    pub fn store(
        &mut self,
        memory: &GuestMemory,
        bytes: &[u8],
        align: u64,
        what: &'static str,
    ) -> Result<Gpa, BootError> {
        let at = self.reserve(bytes.len() as u64, align, what)?;
        memory.write_bytes(at, bytes)?;
        Ok(at)
    }

    /// Takes room for a structure of ours that is written later.
    ///
    /// # Errors
    /// As [`store`](Self::store).
    pub fn reserve(&mut self, len: u64, align: u64, what: &'static str) -> Result<Gpa, BootError> {
        let at = self.lowest(len, align, LOWEST).ok_or(BootError::MemoryTooSmall { what, need: len })?;
        Ok(Gpa(at))
    }

    fn take(&mut self, start: u64, end: u64) {
        if start == end {
            return;
        }
        let old = std::mem::take(&mut self.free);
        self.free = old
            .into_iter()
            .flat_map(|(s, e)| [(s, e.min(start)), (s.max(end), e)])
            .filter(|(s, e)| s < e)
            .collect();
        self.taken.push((start, end));
    }
}

/// Zeroes a range of guest RAM without making the host commit pages that are
/// zero already.
///
/// # Errors
/// [`BootError::Memory`] where the range is not RAM.
pub fn zero(memory: &GuestMemory, start: u64, len: u64) -> Result<(), BootError> {
    const ZEROES: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];
    let mut chunk = ZEROES;
    let end = start.saturating_add(len);
    let mut at = start;
    while at < end {
        let stop = end.min(Gpa(at).page().0.saturating_add(PAGE_SIZE));
        let run = (stop - at) as usize;
        memory.read_bytes(Gpa(at), &mut chunk[..run])?;
        if chunk[..run].iter().any(|&b| b != 0) {
            memory.write_bytes(Gpa(at), &ZEROES[..run])?;
        }
        at = stop;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_tables::pc_memory_map;

    #[test]
    fn structures_go_low_and_the_initrd_goes_high() {
        let mut p = Placement::new(&pc_memory_map(16 << 20, 0, &[]));
        assert_eq!(p.lowest(10, 8, LOWEST), Some(0x1000));
        assert_eq!(p.lowest(10, 8, LOWEST), Some(0x1010));
        assert_eq!(p.highest(0x1001, 0x1000, FOUR_GIB), Some(0xFF_E000));
        assert_eq!(p.highest(0x1000, 0x1000, 0x80_0000), Some(0x7F_F000));
        assert_eq!(p.highest(16 << 20, 0x1000, FOUR_GIB), None);
    }

    #[test]
    fn claims_may_touch_but_not_overlap_or_leave_ram() {
        let mut p = Placement::new(&pc_memory_map(16 << 20, 0, &[]));
        p.claim(0x10_0000, 0x1000, "a").unwrap();
        p.claim(0x10_1000, 0x1000, "b").unwrap();
        assert!(matches!(p.claim(0x10_0FFF, 2, "c"), Err(BootError::Overlap { .. })));
        assert!(matches!(p.claim(0x9_F000, 0x1000, "d"), Err(BootError::OutsideRam { .. })));
        assert!(matches!(p.claim(u64::MAX, 2, "e"), Err(BootError::OutsideRam { .. })));
        assert!(matches!(p.claim(0xFF_F000, 0x1001, "f"), Err(BootError::OutsideRam { .. })));
    }

    #[test]
    fn zeroing_clears_what_an_earlier_boot_left() {
        let memory = GuestMemory::new(1 << 20).unwrap();
        memory.write_bytes(Gpa(0x1FFF), &[1, 2, 3]).unwrap();
        zero(&memory, 0x2000, 1).unwrap();
        assert_eq!(memory.read_at::<3>(Gpa(0x1FFF)).unwrap(), [1, 0, 3]);
    }
}
