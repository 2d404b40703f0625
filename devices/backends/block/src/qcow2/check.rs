//! Whether the tables of an image agree with each other.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use super::header::Header;
use super::space::count_in;
use super::{COMPRESSED, COPIED, OFFSET, ZERO};
use crate::storage::Storage;

/// Findings that are kept as text.
const MAX_MESSAGES: usize = 50;

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What endangers data: clusters counted too low, entries that lead nowhere.
    pub errors: u64,
    /// Clusters that are counted as used and are not: lost room, but no danger.
    pub leaks: u64,
    /// Clusters of the disk that are stored here.
    pub allocated: u64,
    /// Those of them that are compressed.
    pub compressed: u64,
    /// Clusters of the disk.
    pub clusters: u64,
    /// The first findings, as text.
    pub messages: Vec<String>,
}

impl CheckReport {
    fn error(&mut self, what: impl FnOnce() -> String) {
        self.errors += 1;
        self.say(what);
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if self.messages.len() < MAX_MESSAGES {
            self.messages.push(what());
        }
    }
}

const CHUNK: u64 = 1024;

struct Check<'a> {
    storage: &'a dyn Storage,
    header: &'a Header,
    file: u64,
    /// References found, in pieces of [`CHUNK`] clusters.
    references: HashMap<u64, Box<[u32; CHUNK as usize]>>,
    refcount_table: Vec<u8>,
    block: Option<(u64, Vec<u8>)>,
    report: CheckReport,
}

fn entry(table: &[u8], index: usize) -> u64 {
    table[index * 8..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Counts all references of the image and compares them with what is stored.
///
/// # Errors
/// Of the host.
pub(crate) fn check(storage: &dyn Storage, header: &Header) -> io::Result<CheckReport> {
    let mut check = Check {
        storage,
        header,
        file: storage.len()?,
        references: HashMap::new(),
        refcount_table: Vec::new(),
        block: None,
        report: CheckReport { clusters: header.size.div_ceil(header.cluster_size()), ..Default::default() },
    };
    check.walk()?;
    check.compare()?;
    Ok(check.report)
}

impl Check<'_> {
    /// Counts a reference to each cluster of `range`. False where it is outside the file.
    fn refer(&mut self, range: Range<u64>, what: &str) -> bool {
        let size = self.header.cluster_size();
        if range.end > self.file.next_multiple_of(size) || range.start >= range.end {
            self.report.error(|| format!("{what} at {:#x} is outside the file", range.start));
            return false;
        }
        for cluster in range.start / size..range.end.div_ceil(size) {
            let chunk =
                self.references.entry(cluster / CHUNK).or_insert_with(|| Box::new([0; CHUNK as usize]));
            let count = &mut chunk[(cluster % CHUNK) as usize];
            *count = count.saturating_add(1);
        }
        true
    }

    fn refer_aligned(&mut self, offset: u64, len: u64, what: &str) -> bool {
        if !offset.is_multiple_of(self.header.cluster_size()) {
            self.report.error(|| format!("{what} at {offset:#x} is not at the beginning of a cluster"));
            return false;
        }
        self.refer(offset..offset.saturating_add(len), what)
    }

    fn read(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        self.storage.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn walk(&mut self) -> io::Result<()> {
        let header = self.header;
        let cluster = header.cluster_size();
        self.refer(0..cluster, "the header");
        let len = u64::from(header.refcount_clusters) * cluster;
        if self.refer_aligned(header.refcount_offset, len, "the refcount table") {
            self.refcount_table = self.read(header.refcount_offset, len)?;
        }
        for index in 0..self.refcount_table.len() / 8 {
            let offset = entry(&self.refcount_table, index);
            if offset != 0 && !self.refer_aligned(offset, cluster, "a refcount block") {
                self.refcount_table[index * 8..index * 8 + 8].fill(0);
            }
        }
        if header.l1_entries != 0 {
            self.walk_l1(header.l1_offset, header.l1_entries, true)?;
        }
        self.walk_snapshots()
    }

    fn walk_l1(&mut self, offset: u64, entries: u32, active: bool) -> io::Result<()> {
        let len = u64::from(entries) * 8;
        if !self.refer_aligned(offset, len, "an L1 table") {
            return Ok(());
        }
        let table = self.read(offset, len)?;
        for index in 0..entries as usize {
            let l2 = entry(&table, index);
            let offset = l2 & OFFSET;
            if offset != 0 && self.refer_aligned(offset, self.header.cluster_size(), "an L2 table") {
                if active {
                    self.check_copied(l2, offset, "L2 table")?;
                }
                self.walk_l2(offset, active)?;
            }
        }
        Ok(())
    }

    fn walk_l2(&mut self, offset: u64, active: bool) -> io::Result<()> {
        let cluster = self.header.cluster_size();
        let table = self.read(offset, cluster)?;
        for index in 0..table.len() / 8 {
            let value = entry(&table, index);
            if value & COMPRESSED != 0 {
                let bits = 62 - (self.header.cluster_bits - 8);
                let start = value & ((1 << bits) - 1);
                let sectors = ((value & !(COPIED | COMPRESSED)) >> bits) + 1;
                self.refer(start..start + sectors * 512 - start % 512, "a compressed cluster");
                self.report.compressed += u64::from(active);
                self.report.allocated += u64::from(active);
                if value & COPIED != 0 {
                    self.report
                        .error(|| format!("the compressed cluster at {start:#x} says that it is alone"));
                }
                continue;
            }
            let data = value & OFFSET;
            if data == 0 {
                continue;
            }
            if self.refer_aligned(data, cluster, "a data cluster") && active {
                self.report.allocated += u64::from(self.header.version < 3 || value & ZERO == 0);
                self.check_copied(value, data, "data cluster")?;
            }
        }
        Ok(())
    }

    /// An entry says that its cluster is alone exactly when its count is one.
    fn check_copied(&mut self, value: u64, offset: u64, what: &str) -> io::Result<()> {
        let count = self.stored(offset >> self.header.cluster_bits)?;
        if (count == 1) != (value & COPIED != 0) {
            self.report.error(|| {
                format!("the {what} at {offset:#x} has {count} references, and its entry says otherwise")
            });
        }
        Ok(())
    }

    fn walk_snapshots(&mut self) -> io::Result<()> {
        let mut at = self.header.snapshots_offset;
        let start = at;
        for _ in 0..self.header.snapshots {
            let head = self.read(at, 40)?;
            let be =
                |range: Range<usize>| head[range].iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
            let (l1_offset, l1_entries) = (be(0..8), be(8..12));
            let len = 40 + be(36..40) + be(12..14) + be(14..16);
            at = at.saturating_add(len.next_multiple_of(8));
            if at > self.file {
                self.report.error(|| "the snapshot table is outside the file".into());
                return Ok(());
            }
            if l1_entries > 4 << 20 {
                self.report.error(|| "a snapshot's L1 table is too large".into());
            } else if l1_entries != 0 {
                self.walk_l1(l1_offset, l1_entries as u32, false)?;
            }
        }
        if at > start {
            self.refer_aligned(start, at - start, "the snapshot table");
        }
        Ok(())
    }

    /// The count that the image has for a cluster.
    fn stored(&mut self, cluster: u64) -> io::Result<u64> {
        let order = self.header.refcount_order;
        let counts = (self.header.cluster_size() * 8) >> order;
        let index = (cluster / counts) as usize;
        if index >= self.refcount_table.len() / 8 {
            return Ok(0);
        }
        let offset = entry(&self.refcount_table, index);
        if offset == 0 {
            return Ok(0);
        }
        let bytes = match self.block.take() {
            Some((at, bytes)) if at == offset => bytes,
            _ => self.read(offset, self.header.cluster_size())?,
        };
        let count = count_in(&bytes, (cluster % counts) as usize, order);
        self.block = Some((offset, bytes));
        Ok(count)
    }

    fn compare(&mut self) -> io::Result<()> {
        let mut chunks: Vec<u64> = self.references.keys().copied().collect();
        chunks.sort_unstable();
        for chunk in chunks {
            for index in 0..CHUNK {
                let found = u64::from(self.references[&chunk][index as usize]);
                if found != 0 {
                    self.compare_one(chunk * CHUNK + index, found)?;
                }
            }
        }
        // What is counted and never referred to. What is counted behind the end of
        // the file takes no room.
        let counts = (self.header.cluster_size() * 8) >> self.header.refcount_order;
        let end = self.file.div_ceil(self.header.cluster_size());
        for index in 0..self.refcount_table.len() as u64 / 8 {
            if entry(&self.refcount_table, index as usize) == 0 {
                continue;
            }
            for cluster in index * counts..((index + 1) * counts).min(end) {
                let chunk = self.references.get(&(cluster / CHUNK));
                if chunk.is_none_or(|chunk| chunk[(cluster % CHUNK) as usize] == 0) {
                    self.compare_one(cluster, 0)?;
                }
            }
        }
        Ok(())
    }

    fn compare_one(&mut self, cluster: u64, found: u64) -> io::Result<()> {
        let stored = self.stored(cluster)?;
        let text = || format!("cluster {cluster:#x} has {found} references and is counted with {stored}");
        if found > stored {
            self.report.error(text);
        } else if found < stored {
            self.report.leaks += 1;
            self.report.say(text);
        }
        Ok(())
    }
}
