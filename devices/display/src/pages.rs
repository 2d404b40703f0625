//! Which pages of video memory changed, for any number of readers.
//!
//! Guest memory tells once which pages were written. Here each gets the number of the
//! collection that found it, and a [`Frame`](crate::Frame) remembers the last collection
//! that it has seen.

/// Bytes of a page, as guest memory counts them.
const PAGE: u32 = glassbox_memory::PAGE_SIZE as u32;
/// Every so many updates a reader looks at everything, whatever was told.
const FULL_LOOK: u32 = 64;

/// Pages and when they changed.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Nobody tells of writes: everything may always have changed.
    tracked: bool,
    /// The number of the collection that found each page, from 1.
    stamps: Vec<u64>,
    collections: u64,
    /// A reader has seen the last collection.
    wanted: bool,
}

/// What a reader has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    collections: u64,
    updates: u32,
}

impl Pages {
    /// Pages of `len` bytes.
    pub fn new(len: u32, tracked: bool) -> Self {
        Self { tracked, stamps: vec![1; (len / PAGE) as usize], collections: 1, wanted: tracked }
    }

    /// Whether it is time for another collection.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// A collection: `each` calls its argument with the offset of every page that was
    /// written since the last.
    pub fn collect(&mut self, each: impl FnOnce(&mut dyn FnMut(u64))) {
        let next = self.collections + 1;
        let mut any = false;
        each(&mut |offset| {
            if let Some(stamp) = self.stamps.get_mut((offset / u64::from(PAGE)) as usize) {
                *stamp = next;
                any = true;
            }
        });
        if any {
            self.collections = next;
        }
        self.wanted = false;
    }

    /// A reader begins an update; what it has seen moves on.
    pub fn look(&mut self, seen: &mut Seen) -> Changed<'_> {
        seen.updates = seen.updates.wrapping_add(1);
        let all = !self.tracked || seen.updates % FULL_LOOK == 1;
        let before = std::mem::replace(&mut seen.collections, self.collections);
        self.wanted = self.tracked;
        Changed { stamps: &self.stamps, before, all }
    }
}

/// What changed since a reader's last update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed<'a> {
    stamps: &'a [u64],
    before: u64,
    all: bool,
}

impl Changed<'_> {
    /// Everything is to be looked at.
    pub fn all(self) -> Self {
        Self { all: true, ..self }
    }

    /// Whether some of these bytes may have changed.
    pub fn any(&self, start: u32, len: u32) -> bool {
        let first = (start / PAGE) as usize;
        let last = (start.saturating_add(len.max(1) - 1) / PAGE) as usize;
        let pages = self.stamps.get(first..=last.min(self.stamps.len().saturating_sub(1)));
        self.all || pages.is_some_and(|pages| pages.iter().any(|stamp| *stamp > self.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_sees_a_page_once() {
        let mut pages = Pages::new(0x10_0000, true);
        let (mut one, mut other) = (Seen::default(), Seen::default());
        assert!(pages.look(&mut one).any(0x5000, 1), "the first look is at everything");
        pages.collect(|each| [0x3000, 0x4000, u64::MAX].into_iter().for_each(each));
        assert!(!pages.is_wanted());
        let changed = pages.look(&mut one);
        assert!(changed.any(0x2fff, 2) && changed.any(0x4800, 8) && !changed.any(0x5000, 0x1000));
        assert!(pages.is_wanted());
        pages.collect(|_| {});
        assert!(!pages.look(&mut one).any(0, 0x10_0000));
        assert!(pages.look(&mut other).any(0x3000, 1));
        assert!(!pages.look(&mut other).any(0x3000, 1));
    }

    #[test]
    fn without_tracking_and_now_and_then_everything_is_looked_at() {
        let mut seen = Seen::default();
        let mut pages = Pages::new(0x10_0000, false);
        assert!((0..3).all(|_| pages.look(&mut seen).any(0, 1)) && !pages.is_wanted());
        let mut pages = Pages::new(0x10_0000, true);
        let mut seen = Seen::default();
        let looks: Vec<bool> = (0..130).map(|_| pages.look(&mut seen).any(u32::MAX, 1)).collect();
        assert_eq!(looks.iter().filter(|look| **look).count(), 3);
    }
}
