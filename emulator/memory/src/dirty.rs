//! Which pages of watched memory, such as a frame buffer, were written.

use crate::{PAGE_SHIFT, PAGE_SIZE};
use std::sync::atomic::{AtomicU64, Ordering};

/// Two bits a page behind RAM: whether anybody wants to know, and whether it
/// was written since it was asked last.
#[derive(Debug)]
pub(crate) struct DirtyMap {
    /// RAM offset of the first page.
    start: u64,
    watched: Box<[AtomicU64]>,
    dirty: Box<[AtomicU64]>,
}

impl DirtyMap {
    pub fn new(start: u64, len: u64) -> Self {
        let words = || (0..(len >> PAGE_SHIFT).div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { start, watched: words(), dirty: words() }
    }

    /// Word and bit of the page at a RAM offset behind RAM.
    #[inline]
    fn place(&self, offset: u64) -> Option<(usize, u64)> {
        let page = offset.checked_sub(self.start)? >> PAGE_SHIFT;
        let word = (page / 64) as usize;
        (word < self.dirty.len()).then_some((word, 1 << (page % 64)))
    }

    pub fn watch(&self, offset: u64, len: u64) {
        self.each(offset, len, |word, bit| {
            self.dirty[word].fetch_or(bit, Ordering::Relaxed);
            self.watched[word].fetch_or(bit, Ordering::Relaxed);
        });
    }

    /// Whether the page can be written without anybody being told.
    #[inline]
    pub fn is_open(&self, offset: u64) -> bool {
        let Some((word, bit)) = self.place(offset) else { return true };
        self.watched[word].load(Ordering::Relaxed) & bit == 0
            || self.dirty[word].load(Ordering::Relaxed) & bit != 0
    }

    #[inline]
    pub fn mark(&self, offset: u64, len: u64) {
        if offset.saturating_add(len) > self.start {
            self.each(offset, len, |word, bit| {
                self.dirty[word].fetch_or(bit, Ordering::Relaxed);
            });
        }
    }

    /// Calls `each` with the RAM offset of every dirty page in the range, which
    /// are clean then. True if there were any.
    pub fn take(&self, offset: u64, len: u64, mut each: impl FnMut(u64)) -> bool {
        let mut any = false;
        self.each(offset, len, |word, bit| {
            if self.dirty[word].load(Ordering::Relaxed) & bit != 0 {
                self.dirty[word].fetch_and(!bit, Ordering::Relaxed);
                any = true;
                let page = word as u64 * 64 + u64::from(bit.trailing_zeros());
                each(self.start + (page << PAGE_SHIFT));
            }
        });
        any
    }

    fn each(&self, offset: u64, len: u64, mut each: impl FnMut(usize, u64)) {
        let Some(last) = offset.checked_add(len.wrapping_sub(1)).filter(|_| len != 0) else { return };
        let mut at = offset.max(self.start) & !(PAGE_SIZE - 1);
        while at <= last {
            let Some((word, bit)) = self.place(at) else { return };
            each(word, bit);
            at += PAGE_SIZE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_dirty_until_taken_and_open_while_dirty() {
        let map = DirtyMap::new(0x10_0000, 1 << 20);
        assert!(map.is_open(0x5000) && map.is_open(0x10_3000), "nobody watches");
        map.watch(0x10_2000, 0x3000);
        let take = |map: &DirtyMap| {
            let mut pages = Vec::new();
            map.take(0x10_0000, 1 << 20, |page| pages.push(page));
            pages
        };
        assert_eq!(take(&map), [0x10_2000, 0x10_3000, 0x10_4000], "all of it is new");
        assert!(!map.is_open(0x10_3FFF));
        map.mark(0x10_3FFF, 2);
        assert!(map.is_open(0x10_3000) && !map.is_open(0x10_2000));
        assert_eq!(take(&map), [0x10_3000, 0x10_4000]);
        assert_eq!(take(&map), []);
        map.mark(0, 0x1000);
        map.mark(u64::MAX, 5);
        assert_eq!(take(&map), []);
    }
}
