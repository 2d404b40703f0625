//! A table of metadata in memory, and the places where it lives in the file.

use std::ops::Range;
use std::sync::atomic::AtomicU64;

/// Tables are written in pieces of this size (or of a cluster, if that is smaller).
pub const PAGE: usize = 4096;

/// A set of pages of one table.
#[derive(Clone, Debug, Default)]
pub struct Pages(Vec<u64>);

impl Pages {
    fn all(count: usize) -> Self {
        let mut pages = Self(vec![u64::MAX; count / 64]);
        if !count.is_multiple_of(64) {
            pages.0.push((1 << (count % 64)) - 1);
        }
        pages
    }

    fn insert(&mut self, page: usize) {
        if self.0.len() <= page / 64 {
            self.0.resize(page / 64 + 1, 0);
        }
        self.0[page / 64] |= 1 << (page % 64);
    }

    fn contains(&self, page: usize) -> bool {
        self.0.get(page / 64).is_some_and(|word| word >> (page % 64) & 1 != 0)
    }

    fn extend(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Its pages as ranges of as many as follow each other.
    fn runs(&self) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for page in (0..self.0.len() * 64).filter(|page| self.contains(*page)) {
            match runs.last_mut() {
                Some(run) if run.end == page => run.end += 1,
                _ => runs.push(page..page + 1),
            }
        }
        runs
    }
}

/// Clusters of the file that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Byte of the file.
    pub offset: u64,
    /// How many clusters.
    pub clusters: u64,
}

/// A table: L1, L2, refcount table or refcount block. It is big-endian, as in the file.
///
/// It is never changed where the root on disk has it. A commit writes a changed
/// table to another place (the `spare` one, where it was before its last move and
/// where only some pages are out of date, or a new one), and the header's root
/// then leads there.
#[derive(Debug)]
pub struct Node {
    bytes: Vec<u8>,
    /// Where the running state has it. None for a new table until it is placed.
    home: Option<Place>,
    /// Where the root on disk has it.
    durable: Option<Place>,
    /// Free clusters in which it was before.
    spare: Option<Place>,
    /// Pages that have changed since they were written to `durable`.
    dirty: Pages,
    /// Pages of `spare` that are older than those of `durable`.
    stale: Pages,
    /// Pages that are still to be written to `home`.
    todo: Pages,
    /// When it was last looked at.
    pub used: AtomicU64,
}

impl Node {
    /// A table that is in the file.
    pub fn loaded(bytes: Vec<u8>, place: Place) -> Self {
        Self { home: Some(place), durable: Some(place), ..Self::new(bytes) }
    }

    /// A new table, in no place yet. It counts as changed.
    pub fn created(bytes: Vec<u8>) -> Self {
        let mut node = Self::new(bytes);
        node.dirty = node.all_pages();
        node
    }

    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            home: None,
            durable: None,
            spare: None,
            dirty: Pages::default(),
            stale: Pages::default(),
            todo: Pages::default(),
            used: AtomicU64::new(0),
        }
    }

    fn all_pages(&self) -> Pages {
        Pages::all(self.bytes.len().div_ceil(PAGE))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes from `range`, to be changed.
    pub fn bytes_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        for page in range.start / PAGE..=(range.end - 1) / PAGE {
            self.dirty.insert(page);
        }
        &mut self.bytes[range]
    }

    /// Entries of 8 bytes.
    pub fn entries(&self) -> usize {
        self.bytes.len() / 8
    }

    /// An entry of 8 bytes; 0 behind the end.
    pub fn get(&self, index: usize) -> u64 {
        let entry = self.bytes.get(index * 8..index * 8 + 8);
        entry.and_then(|entry| entry.try_into().ok()).map_or(0, u64::from_be_bytes)
    }

    /// Changes an entry of 8 bytes.
    pub fn set(&mut self, index: usize, value: u64) {
        if self.get(index) != value {
            self.bytes_mut(index * 8..index * 8 + 8).copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Lengthens the table with zeroes, to `len` bytes. It has to move then.
    pub fn grow(&mut self, len: usize) {
        self.bytes.resize(len, 0);
        self.dirty = self.all_pages();
    }

    /// Where the running state has it.
    pub fn home(&self) -> Option<Place> {
        self.home
    }

    /// Where the root on disk has it.
    pub fn durable(&self) -> Option<Place> {
        self.durable
    }

    /// Whether it differs from what is on disk.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether it has changed and stands where the root on disk has it, or nowhere.
    pub fn must_move(&self) -> bool {
        self.is_dirty() && self.home == self.durable
    }

    /// Takes the spare place, if there is one of that many clusters.
    pub fn take_spare(&mut self) -> Option<Place> {
        self.spare.take()
    }

    /// Moves to `to`; `from_spare` says that it is the place that
    /// [`take_spare`](Self::take_spare) gave, `left` that the old place is free then.
    pub fn move_to(&mut self, to: Place, from_spare: bool, left: bool) {
        self.todo = if from_spare {
            let mut pages = self.stale.clone();
            pages.extend(&self.dirty);
            pages
        } else {
            self.all_pages()
        };
        self.spare = self.durable.filter(|_| left);
        self.home = Some(to);
    }

    /// Moves once more, from a home that has become too small and was never durable.
    pub fn relocate(&mut self, to: Place) {
        self.todo = self.all_pages();
        self.home = Some(to);
    }

    /// What is to be written to its home, as offsets in the file and ranges of its bytes.
    pub fn writes(&mut self) -> Vec<(u64, Range<usize>)> {
        let Some(home) = self.home.filter(|home| Some(*home) != self.durable) else { return Vec::new() };
        self.todo.extend(&self.dirty);
        let len = self.bytes.len();
        let piece = |run: Range<usize>| run.start * PAGE..(run.end * PAGE).min(len);
        self.todo.runs().into_iter().map(piece).map(|run| (home.offset + run.start as u64, run)).collect()
    }

    /// Its home has all of it, and the next root leads there.
    pub fn written(&mut self) {
        if self.home != self.durable {
            self.durable = self.home;
            self.stale = std::mem::take(&mut self.dirty);
            self.todo = Pages::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_moves_back_writes_what_changed_in_two_commits() {
        let place = |offset| Place { offset, clusters: 1 };
        let mut node = Node::loaded(vec![0; 65536], place(0x10000));
        assert!(!node.must_move() && node.writes().is_empty());

        node.set(0, 1);
        assert!(node.must_move());
        assert_eq!(node.take_spare(), None);
        node.move_to(place(0x20000), false, true);
        assert_eq!(node.writes(), [(0x20000, 0..65536)]);
        node.written();

        node.set(8191, 2);
        let spare = node.take_spare().unwrap();
        assert_eq!(spare, place(0x10000));
        node.move_to(spare, true, true);
        assert_eq!(node.writes(), [(0x10000, 0..4096), (0x1F000, 61440..65536)]);
        // The writing failed, and more changed: all of it is tried again.
        node.set(512, 3);
        assert!(!node.must_move());
        assert_eq!(node.writes(), [(0x10000, 0..8192), (0x1F000, 61440..65536)]);
        node.written();
        assert!(!node.is_dirty() && node.writes().is_empty());
        assert_eq!((node.get(0), node.get(512), node.get(8191), node.get(9999)), (1, 3, 2, 0));
    }
}
