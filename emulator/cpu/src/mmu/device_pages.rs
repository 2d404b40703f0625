//! Pages that were found to be no memory: an access to a device asks twice, and the
//! map of memory is behind a lock.

use glassbox_memory::{Gpa, PAGE_SIZE};

/// A power of two: a program that scrolls reads and writes different pages.
const PAGES: usize = 16;

/// Recently found pages without memory, as of one generation of the memory's map.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DevicePages {
    generation: u64,
    /// Page numbers, each at its low bits, plus one.
    pages: [u64; PAGES],
}

impl DevicePages {
    fn slot(at: Gpa) -> (usize, u64) {
        let page = at.0 / PAGE_SIZE;
        (page as usize % PAGES, page + 1)
    }

    /// Whether the page of `at` is known to have no memory in this generation of the map.
    #[inline]
    pub fn contains(&self, at: Gpa, generation: u64) -> bool {
        let (slot, page) = Self::slot(at);
        self.pages[slot] == page && self.generation == generation
    }

    /// Notes that the map of this generation has no memory at the page of `at`.
    pub fn insert(&mut self, at: Gpa, generation: u64) {
        if self.generation != generation {
            *self = Self { generation, ..Self::default() };
        }
        let (slot, page) = Self::slot(at);
        self.pages[slot] = page;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_until_the_map_changes() {
        let mut pages = DevicePages::default();
        assert!(!pages.contains(Gpa(0), 0));
        pages.insert(Gpa(0xA_0123), 7);
        pages.insert(Gpa(0x1000), 7);
        assert!(pages.contains(Gpa(0xA_0FFF), 7) && pages.contains(Gpa(0x1234), 7));
        assert!(!pages.contains(Gpa(0xA_1000), 7) && !pages.contains(Gpa(0xA_0000), 8));
        pages.insert(Gpa(0xB_0000), 7);
        assert!(!pages.contains(Gpa(0xA_0000), 7), "another page took its place");
        pages.insert(Gpa(0xC_1000), 8);
        assert!(!pages.contains(Gpa(0xB_0000), 8) && !pages.contains(Gpa(0xB_0000), 7));
    }
}
