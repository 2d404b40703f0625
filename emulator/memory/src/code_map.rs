//! Which lines of RAM hold code that an engine has cached.
//!
//! One `u64` a page, one bit a 64-byte line. A page with any bit set is
//! write-protected in the software TLBs, so that a store to it takes the slow
//! path, which asks [`CodeMap::written`]. Stores beside the code on the same
//! page cost that check and nothing else.

use crate::{PAGE_SHIFT, PAGE_SIZE};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

const LINE_SHIFT: u32 = 6;

/// An engine's inbox of RAM ranges whose cached code went stale.
#[derive(Debug, Default)]
pub struct CodeWatcher {
    pending: AtomicBool,
    ranges: Mutex<Vec<(u64, u64)>>,
}

impl CodeWatcher {
    /// Whether [`take`](Self::take) would return anything. One relaxed load.
    #[inline(always)]
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// The stale ranges since the last call: RAM offset and length in bytes.
    pub fn take(&self) -> Vec<(u64, u64)> {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        self.pending.store(false, Ordering::Release);
        std::mem::take(&mut *ranges)
    }

    fn push(&self, start: u64, len: u64) {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        ranges.push((start, len));
        self.pending.store(true, Ordering::Release);
    }
}

#[derive(Debug)]
pub(crate) struct CodeMap {
    pages: Box<[AtomicU64]>,
    /// Counts writes that hit cached code.
    stale: AtomicU64,
    watchers: Mutex<Vec<Weak<CodeWatcher>>>,
}

impl CodeMap {
    pub fn new(bytes: u64) -> Self {
        let pages = (0..bytes >> PAGE_SHIFT).map(|_| AtomicU64::new(0)).collect();
        Self { pages, stale: AtomicU64::new(0), watchers: Mutex::default() }
    }

    pub fn watch(&self) -> Arc<CodeWatcher> {
        let watcher = Arc::new(CodeWatcher::default());
        let mut watchers = self.watchers();
        // Engines that are gone must not collect reports for ever.
        watchers.retain(|w| w.strong_count() != 0);
        watchers.push(Arc::downgrade(&watcher));
        watcher
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Weak<CodeWatcher>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks `len` bytes at RAM offset `start` as holding cached code. Says
    /// whether a page among them held none before.
    pub fn mark(&self, start: u64, len: u64) -> bool {
        let mut fresh = false;
        for_pages(start, len, |page, lines| {
            if let Some(word) = self.pages.get(page) {
                fresh |= word.fetch_or(lines, Ordering::AcqRel) == 0;
            }
        });
        fresh
    }

    #[inline(always)]
    pub fn has_code(&self, offset: u64) -> bool {
        self.pages.get((offset >> PAGE_SHIFT) as usize).is_some_and(|w| w.load(Ordering::Relaxed) != 0)
    }

    #[inline(always)]
    pub fn stale(&self) -> u64 {
        self.stale.load(Ordering::Acquire)
    }

    /// Records a write of `len` bytes at RAM offset `start`: lines with cached
    /// code in it are unmarked and reported to every watcher.
    pub fn written(&self, start: u64, len: u64) -> bool {
        let mut hit = false;
        for_pages(start, len, |page, lines| {
            let Some(word) = self.pages.get(page) else { return };
            if word.load(Ordering::Acquire) & lines == 0 {
                return;
            }
            let mut stale = word.fetch_and(!lines, Ordering::AcqRel) & lines;
            hit |= stale != 0;
            while stale != 0 {
                let line = stale.trailing_zeros();
                stale &= stale - 1;
                let at = ((page as u64) << PAGE_SHIFT) + (u64::from(line) << LINE_SHIFT);
                for watcher in self.watchers().iter().filter_map(Weak::upgrade) {
                    watcher.push(at, 1 << LINE_SHIFT);
                }
            }
        });
        if hit {
            self.stale.fetch_add(1, Ordering::Release);
        }
        hit
    }
}

/// Calls `each` with every page index that the range touches and the mask of
/// its lines.
fn for_pages(start: u64, len: u64, mut each: impl FnMut(usize, u64)) {
    let Some(last) = start.checked_add(len.wrapping_sub(1)).filter(|_| len != 0) else { return };
    for page in start >> PAGE_SHIFT..=last >> PAGE_SHIFT {
        let base = page << PAGE_SHIFT;
        let from = (start.max(base) - base) >> LINE_SHIFT;
        let to = (last.min(base + PAGE_SIZE - 1) - base) >> LINE_SHIFT;
        let lines = (u64::MAX >> (63 - (to - from))) << from;
        each(page as usize, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_to_a_code_line_is_reported_once_and_its_neighbours_are_not() {
        let map = CodeMap::new(4 * PAGE_SIZE);
        let watcher = map.watch();
        assert!(map.mark(0xfc0, 0x80), "both pages were clean");
        assert!(!map.mark(0xfc0, 0x40));
        assert!(map.has_code(0x10) && map.has_code(0x1800) && !map.has_code(0x2000));
        assert!(!map.written(0xf80, 0x40));
        assert!(!watcher.is_pending());
        assert!(map.written(0xfff, 2));
        assert_eq!(watcher.take(), vec![(0xfc0, 64), (0x1000, 64)]);
        assert!(!map.written(0xfff, 2) && !map.has_code(0x10));
    }

    #[test]
    fn a_whole_page_is_sixty_four_lines() {
        let mut seen = Vec::new();
        for_pages(0, 2 * PAGE_SIZE, |page, lines| seen.push((page, lines)));
        assert_eq!(seen, vec![(0, u64::MAX), (1, u64::MAX)]);
        for_pages(5, 0, |_, _| panic!("an empty range touches nothing"));
        for_pages(u64::MAX, 2, |_, _| panic!("a range that wraps touches nothing"));
    }
}
