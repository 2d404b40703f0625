//! Which bytes of RAM hold code that an engine has cached.
//!
//! One `u64` a page, one bit a 64-byte line. A page with any bit set is
//! write-protected in the software TLBs, so that a store to it takes the slow
//! path, which asks [`CodeMap::written`]. Stores beside the code on the same
//! page cost that check and nothing else. Of lines with code it is known to the byte
//! where that is: small programs have their variables between their instructions.

use crate::{AddressMap, PAGE_SHIFT, PAGE_SIZE};
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

/// Lines of a page.
const LINES: usize = (PAGE_SIZE >> LINE_SHIFT) as usize;

/// For each line of a page, its bytes.
type Bytes = [u64; LINES];

#[derive(Debug)]
pub(crate) struct CodeMap {
    pages: Box<[AtomicU64]>,
    /// Of pages with code, by number.
    bytes: Mutex<AddressMap<usize, Box<Bytes>>>,
    /// Counts writes that hit cached code.
    stale: AtomicU64,
    watchers: Mutex<Vec<Weak<CodeWatcher>>>,
}

impl CodeMap {
    pub fn new(bytes: u64) -> Self {
        let pages = (0..bytes >> PAGE_SHIFT).map(|_| AtomicU64::new(0)).collect();
        Self { pages, bytes: Mutex::default(), stale: AtomicU64::new(0), watchers: Mutex::default() }
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

    fn bytes(&self) -> MutexGuard<'_, AddressMap<usize, Box<Bytes>>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks `len` bytes at RAM offset `start` as holding cached code. Says
    /// whether a page among them held none before.
    pub fn mark(&self, start: u64, len: u64) -> bool {
        let mut fresh = false;
        let mut bytes = self.bytes();
        for_pages(start, len, |page, from, to| {
            let Some(word) = self.pages.get(page) else { return };
            let known = bytes.entry(page).or_insert_with(|| Box::new([0; LINES]));
            for_lines(from, to, |line, mask| known[line] |= mask);
            fresh |= word.fetch_or(lines(from, to), Ordering::AcqRel) == 0;
        });
        fresh
    }

    #[inline(always)]
    pub fn has_code(&self, offset: u64) -> bool {
        self.pages.get((offset >> PAGE_SHIFT) as usize).is_some_and(|w| w.load(Ordering::Relaxed) != 0)
    }

    /// Whether a write of `len` bytes, which lie on one page, is beside all code of a page
    /// with code.
    #[inline(always)]
    pub fn is_beside(&self, start: u64, len: u64) -> bool {
        let Some(word) = self.pages.get((start >> PAGE_SHIFT) as usize) else { return false };
        let (word, at) = (word.load(Ordering::Relaxed), start & (PAGE_SIZE - 1));
        word != 0 && word & lines(at, at + len - 1) == 0
    }

    /// The address of the first page's lines.
    pub fn lines(&self) -> usize {
        self.pages.as_ptr() as usize
    }

    #[inline(always)]
    pub fn stale(&self) -> u64 {
        self.stale.load(Ordering::Acquire)
    }

    /// Takes the marks of a page's bytes `from` to `to` away. False if there were none.
    fn unmark(&self, page: usize, word: &AtomicU64, from: u64, to: u64) -> bool {
        let mut bytes = self.bytes();
        let Some(known) = bytes.get_mut(&page) else { return false };
        let (mut hit, mut empty) = (false, 0);
        for_lines(from, to, |line, mask| {
            hit |= known[line] & mask != 0;
            known[line] &= !mask;
            empty |= u64::from(known[line] == 0) << line;
        });
        if word.fetch_and(!empty, Ordering::AcqRel) & !empty == 0 {
            bytes.remove(&page);
        }
        hit
    }

    /// Records a write of `len` bytes at RAM offset `start`: if there is cached code in
    /// it, it is unmarked and what was written is reported to every watcher.
    pub fn written(&self, start: u64, len: u64) -> bool {
        let mut hit = false;
        for_pages(start, len, |page, from, to| {
            let Some(word) = self.pages.get(page) else { return };
            if word.load(Ordering::Acquire) & lines(from, to) == 0 || !self.unmark(page, word, from, to) {
                return;
            }
            hit = true;
            let at = ((page as u64) << PAGE_SHIFT) + from;
            for watcher in self.watchers().iter().filter_map(Weak::upgrade) {
                watcher.push(at, to - from + 1);
            }
        });
        if hit {
            self.stale.fetch_add(1, Ordering::Release);
        }
        hit
    }
}

/// Calls `each` with every page index that the range touches, and its first and last
/// byte in that page.
fn for_pages(start: u64, len: u64, mut each: impl FnMut(usize, u64, u64)) {
    let Some(last) = start.checked_add(len.wrapping_sub(1)).filter(|_| len != 0) else { return };
    for page in start >> PAGE_SHIFT..=last >> PAGE_SHIFT {
        let base = page << PAGE_SHIFT;
        each(page as usize, start.max(base) - base, last.min(base + PAGE_SIZE - 1) - base);
    }
}

/// The lines of a page's bytes `from` to `to`.
fn lines(from: u64, to: u64) -> u64 {
    run(from >> LINE_SHIFT, to >> LINE_SHIFT)
}

/// Bits `from` to `to`, both less than 64.
fn run(from: u64, to: u64) -> u64 {
    u64::MAX >> (63 - (to - from)) << from
}

/// Calls `each` with every line of a page's bytes `from` to `to`, and which of the
/// line's bytes.
fn for_lines(from: u64, to: u64, mut each: impl FnMut(usize, u64)) {
    for line in from >> LINE_SHIFT..=to >> LINE_SHIFT {
        let base = line << LINE_SHIFT;
        let last = (1 << LINE_SHIFT) - 1;
        each(line as usize, run(from.max(base) - base, to.min(base + last) - base));
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
        assert_eq!(watcher.take(), vec![(0xfff, 1), (0x1000, 1)]);
        assert!(!map.written(0xfff, 2), "it is no code any more");
        assert!(map.has_code(0x10) && map.written(0xfc0, 8), "what is beside it still is");
        assert_eq!(watcher.take(), vec![(0xfc0, 8)]);
        assert!(map.written(0, 0x2000) && !map.has_code(0x10) && !map.has_code(0x1000));
        assert!(map.bytes().is_empty());
    }

    #[test]
    fn variables_between_instructions_are_no_code() {
        let map = CodeMap::new(PAGE_SIZE);
        let watcher = map.watch();
        map.mark(0x100, 10);
        map.mark(0x10e, 3);
        assert!(!map.written(0x10a, 4) && !map.written(0xfc, 4) && !map.written(0x111, 0x80));
        assert!(!watcher.is_pending());
        assert!(map.written(0x10d, 2));
        assert_eq!(watcher.take(), vec![(0x10d, 2)]);
        assert!(map.is_beside(0xf8, 8) && !map.is_beside(0xfc, 8) && map.is_beside(0x140, 64));
        assert!(!map.is_beside(0x1000, 8), "no such page");
        map.written(0, PAGE_SIZE);
        assert!(!map.is_beside(0xf8, 8), "a page without code is written otherwise");
    }

    #[test]
    fn a_whole_page_is_sixty_four_lines() {
        let mut seen = Vec::new();
        for_pages(0, 2 * PAGE_SIZE, |page, from, to| seen.push((page, lines(from, to))));
        assert_eq!(seen, vec![(0, u64::MAX), (1, u64::MAX)]);
        for_lines(0, PAGE_SIZE - 1, |_, bytes| assert_eq!(bytes, u64::MAX));
        for_pages(5, 0, |_, _, _| panic!("an empty range touches nothing"));
        for_pages(u64::MAX, 2, |_, _, _| panic!("a range that wraps touches nothing"));
    }
}
