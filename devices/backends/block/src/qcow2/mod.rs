//! qcow2, version 2 and 3, read and written.
//!
//! **Why this is ours.** A process that is killed must leave an image in which
//! `qemu-img check` finds nothing: no wrong count, and no leaked cluster either.
//! A writer in place cannot promise that, as a count and the entry that refers
//! to the cluster lie in different tables, and one is written before the other.
//! So nothing the image on disk refers to is ever overwritten but guest data:
//!
//! - Guest data that has no cluster of its own yet goes to free clusters, at once.
//! - Changed tables (L2, L1, refcount blocks, refcount table) stay in memory until
//!   a [commit](commit), at the guest's flush or by and by. It writes them to free
//!   clusters, waits for stable storage, and then writes the *root*: 20 bytes of
//!   the header that say where L1 table and refcount table are.
//! - Clusters that lost their last reference are not given out again before the
//!   root that does without them is stable.
//!
//! The image on disk is therefore at every moment the one of the last commit, with
//! all its counts. What was written behind it lies in clusters that are counted as
//! free, and is overwritten by the next writer. There is nothing to repair.
//!
//! | file | what it has |
//! | --- | --- |
//! | [`header`] | the header |
//! | [`node`] | a table and its places in the file |
//! | [`space`] | reference counts, the allocator |
//! | [`read`], [`write`] | guest data |
//! | [`commit`] | a new root |
//! | [`create`] | empty images |
//! | [`check`] | `image check` |

pub(crate) mod check;
pub(crate) mod commit;
pub(crate) mod create;
pub(crate) mod header;
mod node;
mod read;
mod space;
#[cfg(test)]
mod tests;
mod unpack;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::ImageError;
use crate::error::corrupt;
use crate::image::{Extent, Image};
use crate::storage::Storage;
use header::{AUTOCLEAR_AT, AUTOCLEAR_BITMAPS, Header, INCOMPATIBLE_CORRUPT, INCOMPATIBLE_DIRTY};
use node::{Node, Place};
use space::Space;

/// L1 and L2 entries: nobody else refers to the cluster.
const COPIED: u64 = 1 << 63;
/// L2 entries: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// L2 entries of version 3: the cluster reads as zeroes.
const ZERO: u64 = 1;
/// Where an entry has the offset in the file.
const OFFSET: u64 = 0x00FF_FFFF_FFFF_FE00;

/// L2 tables are kept up to so many bytes, if there are at least [`MIN_TABLES`].
const TABLE_BYTES: u64 = 32 << 20;
const MIN_TABLES: u64 = 32;

/// What an L2 entry says of a cluster of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cluster {
    /// Not here: in the backing image, or zeroes.
    Absent,
    /// Zeroes; with clusters kept for it or not.
    Zero(Option<u64>),
    /// At this offset, and whether nobody else refers to it.
    Data { offset: u64, alone: bool },
    /// So many bytes from this offset, compressed.
    Compressed { offset: u64, len: u64 },
}

/// What the image looks like to the guest: the running state.
struct Meta {
    l1: Node,
    /// The L2 tables that are loaded, by their index in L1.
    l2: BTreeMap<usize, Node>,
    /// None where the image is only read.
    space: Option<Space>,
    /// Behind this offset the file has never been written.
    file_end: u64,
}

/// Why something cannot be done with what is in memory.
enum Miss {
    /// This L2 table has to be loaded.
    Table(usize),
    Io(io::Error),
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An open qcow2 image.
pub(crate) struct Qcow2<S: Storage> {
    storage: S,
    path: PathBuf,
    header: Header,
    backing: Option<Box<dyn Image>>,
    meta: RwLock<Meta>,
    /// Held by who commits: one at a time.
    committing: Mutex<()>,
    /// Stable storage failed once: what is there now is unknown, so nothing more
    /// is written or promised.
    failed: AtomicBool,
    /// Counts accesses, to tell which L2 tables are idle.
    time: AtomicU64,
    /// The compressed cluster that was read last, by its offset.
    unpacked: Mutex<Option<(u64, Arc<Vec<u8>>)>>,
}

impl<S: Storage> Qcow2<S> {
    /// Opens the image in `storage` whose header was read. `path` is for messages.
    ///
    /// # Errors
    /// Where the image cannot be used like this.
    pub fn open(
        storage: S,
        path: &Path,
        header: Header,
        backing: Option<Box<dyn Image>>,
        writable: bool,
    ) -> Result<Self, ImageError> {
        let io = |error| ImageError::io(path, error);
        if writable {
            Self::check_writable(&storage, path, &header)?;
        }
        let cluster = header.cluster_size();
        let l1_bytes = u64::from(header.l1_entries) * 8;
        let l1_clusters = l1_bytes.div_ceil(cluster);
        let mut bytes = vec![0; (l1_clusters * cluster) as usize];
        // What follows the table in its last cluster is nobody's.
        storage.read_at(header.l1_offset, &mut bytes[..l1_bytes as usize]).map_err(io)?;
        let space = if writable { Some(Space::load(&storage, &header).map_err(io)?) } else { None };
        let meta = Meta {
            l1: Node::loaded(bytes, Place { offset: header.l1_offset, clusters: l1_clusters }),
            l2: BTreeMap::new(),
            space,
            file_end: storage.len().map_err(io)?,
        };
        Ok(Self {
            storage,
            path: path.to_owned(),
            header,
            backing,
            meta: RwLock::new(meta),
            committing: Mutex::new(()),
            failed: AtomicBool::new(false),
            time: AtomicU64::new(0),
            unpacked: Mutex::new(None),
        })
    }

    fn check_writable(storage: &S, path: &Path, header: &Header) -> Result<(), ImageError> {
        if header.incompatible & (INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT) != 0 {
            return Err(ImageError::damaged(
                path,
                format!(
                    "another program left it unfinished: repair it with `qemu-img check -r all {}`",
                    path.display()
                ),
            ));
        }
        if header.autoclear & AUTOCLEAR_BITMAPS != 0 {
            return Err(ImageError::unsupported(
                path,
                "it has persistent bitmaps, which writing here would make wrong: remove them with `qemu-img bitmap \
                 --remove`, or open it with `ephemeral`",
            ));
        }
        if header.autoclear != 0 {
            // A writer clears what it does not know, before it writes anything else.
            storage
                .write_at(AUTOCLEAR_AT, &[0; 8])
                .and_then(|()| storage.sync())
                .map_err(|error| ImageError::io(path, error))?;
        }
        Ok(())
    }

    fn cluster_size(&self) -> u64 {
        self.header.cluster_size()
    }

    /// Entries of an L2 table.
    fn l2_entries(&self) -> u64 {
        self.cluster_size() / 8
    }

    /// Which L1 and which L2 entry lead to a byte of the disk.
    fn indices(&self, offset: u64) -> (usize, usize) {
        let cluster = offset >> self.header.cluster_bits;
        ((cluster / self.l2_entries()) as usize, (cluster % self.l2_entries()) as usize)
    }

    fn read_meta(&self) -> RwLockReadGuard<'_, Meta> {
        self.meta.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_meta(&self) -> RwLockWriteGuard<'_, Meta> {
        self.meta.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an L2 entry says.
    fn decode(&self, entry: u64) -> io::Result<Cluster> {
        if entry & COMPRESSED != 0 {
            // Intel byte of the format: the offset has `62 - (cluster_bits - 8)` bits,
            // and above it is the number of further sectors.
            let offset_bits = 62 - (self.header.cluster_bits - 8);
            let offset = entry & ((1 << offset_bits) - 1);
            let sectors = ((entry & !(COPIED | COMPRESSED)) >> offset_bits) + 1;
            return Ok(Cluster::Compressed { offset, len: sectors * 512 - offset % 512 });
        }
        let offset = entry & OFFSET;
        if !offset.is_multiple_of(self.cluster_size()) {
            return Err(corrupt(format!("L2 entry {entry:#x} leads into the middle of a cluster")));
        }
        Ok(if self.header.version >= 3 && entry & ZERO != 0 {
            Cluster::Zero((offset != 0).then_some(offset))
        } else if offset == 0 {
            Cluster::Absent
        } else {
            Cluster::Data { offset, alone: entry & COPIED != 0 }
        })
    }

    /// What is said of the cluster of the disk that has `offset`.
    fn lookup(&self, meta: &Meta, offset: u64) -> Result<Cluster, Miss> {
        let (index, entry) = self.indices(offset);
        match meta.l2.get(&index) {
            Some(table) => {
                table.used.store(self.time.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                Ok(self.decode(table.get(entry))?)
            }
            None if meta.l1.get(index) & OFFSET == 0 => Ok(Cluster::Absent),
            None => Err(Miss::Table(index)),
        }
    }

    /// Loads an L2 table, if there is one.
    fn load_table(&self, meta: &mut Meta, index: usize) -> io::Result<()> {
        let offset = meta.l1.get(index) & OFFSET;
        if offset == 0 || meta.l2.contains_key(&index) {
            return Ok(());
        }
        let cluster = self.cluster_size();
        if !offset.is_multiple_of(cluster) || offset >= meta.file_end {
            return Err(corrupt(format!("L2 table {index} is in no possible place ({offset:#x})")));
        }
        let mut bytes = vec![0; cluster as usize];
        self.storage.read_at(offset, &mut bytes)?;
        if meta.l2.len() as u64 >= (TABLE_BYTES / cluster).max(MIN_TABLES) {
            evict(meta);
        }
        meta.l2.insert(index, Node::loaded(bytes, Place { offset, clusters: 1 }));
        Ok(())
    }

    fn check_usable(&self) -> io::Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(io::Error::other(
                "the host failed to store this image before: it is closed to writing",
            ));
        }
        Ok(())
    }
}

/// Forgets the L2 table that was not looked at for the longest time.
fn evict(meta: &mut Meta) {
    let idle = meta.l2.iter().filter(|(_, table)| !table.is_dirty() && table.home() == table.durable());
    let oldest = idle.min_by_key(|(_, table)| table.used.load(Ordering::Relaxed)).map(|(index, _)| *index);
    let table = oldest.and_then(|index| meta.l2.remove(&index));
    if let (Some(mut table), Some(space)) = (table, &mut meta.space)
        && let Some(spare) = table.take_spare()
    {
        space.give_up(spare);
    }
}

impl<S: Storage> Image for Qcow2<S> {
    fn len(&self) -> u64 {
        self.header.size
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_guest(offset, buffer)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_guest(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        self.commit()
    }

    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        self.discard_guest(offset, len)
    }

    fn write_zeroes(&self, offset: u64, len: u64, _may_unmap: bool) -> io::Result<()> {
        self.zero_guest(offset, len)
    }

    fn extent(&self, offset: u64, len: u64) -> io::Result<Extent> {
        self.extent_guest(offset, len)
    }

    fn tidy(&self) {
        if self.is_dirty()
            && let Err(error) = self.commit()
        {
            log::debug!("{}: putting off a commit: {error}", self.path.display());
        }
    }
}

impl<S: Storage> Drop for Qcow2<S> {
    fn drop(&mut self) {
        if self.is_dirty()
            && let Err(error) = self.commit()
        {
            log::error!("{}: what was not flushed is lost: {error}", self.path.display());
        }
    }
}
