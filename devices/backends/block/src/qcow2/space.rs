//! Which clusters of the file are used: reference counts and the allocator.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;

use super::header::{Header, MAX_REFCOUNT_TABLE_BYTES};
use super::node::{Node, Place};
use crate::error::corrupt;
use crate::storage::Storage;

/// Reference counts in memory. Blocks of them are loaded when they are looked at
/// and stay: they are 1/32768 of the file with the usual sizes.
#[derive(Debug)]
pub struct Space {
    /// The refcount table.
    pub table: Node,
    /// The refcount blocks that are loaded.
    pub blocks: BTreeMap<usize, Node>,
    cluster_bits: u32,
    order: u32,
    /// No cluster below it is free, but for `reusable`.
    cursor: u64,
    /// Free clusters below the cursor.
    reusable: BTreeSet<u64>,
    /// Clusters without references that may not be given out: the root on disk
    /// still leads to them, or a table keeps them as its spare place.
    held: HashSet<u64>,
    /// Clusters that have lost their last reference since the last commit; held.
    freed: Vec<u64>,
}

/// A count of `1 << order` bits in a refcount block. Counts narrower than a
/// byte begin at its least significant bit.
pub fn count_in(bytes: &[u8], index: usize, order: u32) -> u64 {
    if order < 3 {
        let bits = 1 << order;
        let at = index * bits;
        let byte = bytes.get(at / 8).copied().unwrap_or(0);
        return u64::from(byte >> (at % 8)) & ((1 << bits) - 1);
    }
    let width = 1 << (order - 3);
    let entry = bytes.get(index * width..(index + 1) * width).unwrap_or_default();
    entry.iter().fold(0, |count, byte| count << 8 | u64::from(*byte))
}

fn set_count(node: &mut Node, index: usize, order: u32, count: u64) {
    if order < 3 {
        let bits = 1 << order;
        let at = index * bits;
        let mask = ((1_u8 << bits) - 1) << (at % 8);
        let byte = &mut node.bytes_mut(at / 8..at / 8 + 1)[0];
        *byte = *byte & !mask | (count << (at % 8)) as u8 & mask;
        return;
    }
    let width = 1 << (order - 3);
    node.bytes_mut(index * width..(index + 1) * width).copy_from_slice(&count.to_be_bytes()[8 - width..]);
}

impl Space {
    /// Loads the refcount table that `header` names.
    pub fn load(storage: &dyn Storage, header: &Header) -> io::Result<Self> {
        let clusters = u64::from(header.refcount_clusters);
        let mut bytes = vec![0; (clusters << header.cluster_bits) as usize];
        storage.read_at(header.refcount_offset, &mut bytes)?;
        Ok(Self {
            table: Node::loaded(bytes, Place { offset: header.refcount_offset, clusters }),
            blocks: BTreeMap::new(),
            cluster_bits: header.cluster_bits,
            order: header.refcount_order,
            cursor: 0,
            reusable: BTreeSet::new(),
            held: HashSet::new(),
            freed: Vec::new(),
        })
    }

    fn cluster_size(&self) -> usize {
        1 << self.cluster_bits
    }

    /// Counts in one block.
    fn counts(&self) -> u64 {
        (self.cluster_size() as u64 * 8) >> self.order
    }

    fn block_of(&self, cluster: u64) -> (usize, usize) {
        ((cluster / self.counts()) as usize, (cluster % self.counts()) as usize)
    }

    /// Loads the block that has `cluster`'s count, if there is one.
    fn load_block(&mut self, storage: &dyn Storage, cluster: u64) -> io::Result<()> {
        let (block, _) = self.block_of(cluster);
        let offset = self.table.get(block);
        if self.blocks.contains_key(&block) || offset == 0 {
            return Ok(());
        }
        if !offset.is_multiple_of(self.cluster_size() as u64) || offset >= storage.len()? {
            return Err(corrupt(format!("refcount block {block} is in no possible place ({offset:#x})")));
        }
        let mut bytes = vec![0; self.cluster_size()];
        storage.read_at(offset, &mut bytes)?;
        self.blocks.insert(block, Node::loaded(bytes, Place { offset, clusters: 1 }));
        Ok(())
    }

    /// How many references a cluster has.
    pub fn count(&mut self, storage: &dyn Storage, cluster: u64) -> io::Result<u64> {
        self.load_block(storage, cluster)?;
        let (block, index) = self.block_of(cluster);
        Ok(self.blocks.get(&block).map_or(0, |node| count_in(node.bytes(), index, self.order)))
    }

    /// Changes a count, and makes the block for it where there is none. The block
    /// was loaded, so nothing can go wrong.
    fn set(&mut self, cluster: u64, count: u64) {
        let (block, index) = self.block_of(cluster);
        let (size, order) = (self.cluster_size(), self.order);
        if block >= self.table.entries() {
            self.table.grow(((block + 1) * 8).next_multiple_of(size));
        }
        let node = self.blocks.entry(block).or_insert_with(|| Node::created(vec![0; size]));
        set_count(node, index, order, count);
    }

    fn is_free(&mut self, storage: &dyn Storage, cluster: u64) -> io::Result<bool> {
        Ok(self.count(storage, cluster)? == 0 && !self.held.contains(&cluster))
    }

    /// Clusters behind this one cannot be counted.
    fn limit(&self) -> u64 {
        let table = MAX_REFCOUNT_TABLE_BYTES.max(self.cluster_size() as u64) / 8;
        (table * self.counts()).min(1 << (55 - self.cluster_bits))
    }

    /// Gives out clusters that follow each other, with one reference each: `want`,
    /// or where not `exact` as many as there are in one piece.
    ///
    /// # Errors
    /// `StorageFull`, or of the host. Nothing has changed then.
    pub fn allocate(&mut self, storage: &dyn Storage, want: u64, exact: bool) -> io::Result<Place> {
        let (start, count) = match self.reusable.first() {
            Some(&first) if !exact || want == 1 => {
                let mut count = 1;
                while count < want && self.reusable.contains(&(first + count)) {
                    count += 1;
                }
                (first, count)
            }
            _ => self.scan(storage, want, exact)?,
        };
        for cluster in start..start + count {
            self.reusable.remove(&cluster);
            self.set(cluster, 1);
        }
        Ok(Place { offset: start << self.cluster_bits, clusters: count })
    }

    fn scan(&mut self, storage: &dyn Storage, want: u64, exact: bool) -> io::Result<(u64, u64)> {
        let mut start = self.cursor;
        let mut skipped = false;
        loop {
            while !self.is_free(storage, start)? {
                start += 1;
            }
            let mut count = 1;
            while count < want && self.is_free(storage, start + count)? {
                count += 1;
            }
            if start + count > self.limit() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if count == want || !exact {
                if !skipped {
                    self.cursor = start + count;
                }
                return Ok((start, count));
            }
            skipped = true;
            start += count;
        }
    }

    /// Makes sure that `release` of these clusters will go well.
    ///
    /// # Errors
    /// Of the host, or where the clusters are not counted as used.
    pub fn check_used(&mut self, storage: &dyn Storage, place: Place) -> io::Result<()> {
        let first = place.offset >> self.cluster_bits;
        for cluster in first..first + place.clusters {
            if self.count(storage, cluster)? == 0 {
                return Err(corrupt(format!("cluster {cluster:#x} is in use but counted as free")));
            }
        }
        Ok(())
    }

    /// Takes one reference from each of these clusters, which
    /// [`check_used`](Self::check_used) has seen. Those without another are given
    /// out again after the next commit.
    pub fn release(&mut self, place: Place) {
        for cluster in self.drop_references(place) {
            self.freed.push(cluster);
        }
    }

    /// As [`release`](Self::release) for a table that keeps its place as a spare
    /// one. True where it can: nobody else refers to it.
    pub fn vacate(&mut self, place: Place) -> bool {
        let left = self.drop_references(place);
        let all = left.len() as u64 == place.clusters;
        if !all {
            self.freed.extend(left);
        }
        all
    }

    /// A table moves back to its spare place.
    pub fn reoccupy(&mut self, place: Place) {
        let first = place.offset >> self.cluster_bits;
        for cluster in first..first + place.clusters {
            self.held.remove(&cluster);
            self.set(cluster, 1);
        }
    }

    /// A table gives up its spare place, which is held, until the next commit.
    pub fn give_up(&mut self, place: Place) {
        let first = place.offset >> self.cluster_bits;
        self.freed.extend(first..first + place.clusters);
    }

    fn drop_references(&mut self, place: Place) -> Vec<u64> {
        let first = place.offset >> self.cluster_bits;
        let mut left = Vec::new();
        for cluster in first..first + place.clusters {
            let (block, index) = self.block_of(cluster);
            let order = self.order;
            let Some(node) = self.blocks.get_mut(&block) else { continue };
            match count_in(node.bytes(), index, order) {
                0 => {}
                1 => {
                    set_count(node, index, order, 0);
                    self.held.insert(cluster);
                    left.push(cluster);
                }
                count => set_count(node, index, order, count - 1),
            }
        }
        left
    }

    /// What was freed before this commit.
    pub fn take_freed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.freed)
    }

    /// The commit is stable: they may be given out again.
    pub fn reuse(&mut self, clusters: &[u64]) {
        for cluster in clusters {
            self.held.remove(cluster);
            if *cluster < self.cursor {
                self.reusable.insert(*cluster);
            }
        }
    }

    /// Whether the counts differ from those on disk.
    pub fn is_dirty(&self) -> bool {
        self.table.is_dirty() || self.blocks.values().any(Node::is_dirty)
    }
}
