//! A new root: how what is in memory becomes what is on disk.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::header::ROOT;
use super::node::{Node, Place};
use super::space::Space;
use super::{COPIED, Meta, Qcow2};
use crate::storage::Storage;

/// What a commit still has to do when the tables are written.
struct Pending {
    root: [u8; (ROOT.end - ROOT.start) as usize],
    freed: Vec<u64>,
}

impl<S: Storage> Qcow2<S> {
    /// Whether tables have changed since the last commit.
    pub(super) fn is_dirty(&self) -> bool {
        let meta = self.read_meta();
        meta.space.is_some() && is_dirty(&meta)
    }

    /// Makes stable all writes that were completed, data and tables.
    ///
    /// Guest data was written when the guest's write was answered. The order is:
    /// changed tables to free clusters; stable storage; the root; stable storage;
    /// only then are freed clusters given out again. The guest goes on while the
    /// host stores.
    ///
    /// # Errors
    /// `StorageFull` where there is no room for the tables: nothing is lost then,
    /// and the next commit tries again. When the host fails to store, what is
    /// there is unknown, and the image takes no more writes.
    pub(crate) fn commit(&self) -> io::Result<()> {
        let _one = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_usable()?;
        let pending = {
            let mut meta = self.write_meta();
            if meta.space.is_none() {
                return Ok(());
            }
            if is_dirty(&meta) { Some(self.write_tables(&mut meta)?) } else { None }
        };
        let stored = self.storage.sync().and_then(|()| match &pending {
            None => Ok(()),
            Some(pending) => {
                self.storage.write_at(ROOT.start, &pending.root).and_then(|()| self.storage.sync())
            }
        });
        if let Err(error) = stored {
            self.failed.store(true, Ordering::Relaxed);
            return Err(error);
        }
        if let Some(Pending { mut freed, .. }) = pending {
            freed.sort_unstable();
            self.punch(&freed);
            if let Some(space) = &mut self.write_meta().space {
                space.reuse(&freed);
            }
        }
        Ok(())
    }

    /// Writes all changed tables to clusters that the root on disk knows nothing of.
    fn write_tables(&self, meta: &mut Meta) -> io::Result<Pending> {
        let storage = &self.storage;
        let Meta { l1, l2, space: Some(space), file_end } = meta else {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        };
        for (index, table) in l2.iter_mut() {
            if table.must_move() {
                let place = move_table(storage, space, table, 1)?;
                l1.set(*index, place.offset | COPIED);
            }
        }
        if l1.must_move() {
            let clusters = l1.bytes().len() as u64 >> self.header.cluster_bits;
            move_table(storage, space, l1, clusters)?;
        }
        self.move_counts(space)?;

        let tables = l2.values_mut().chain([l1, &mut space.table]).chain(space.blocks.values_mut());
        let mut all: Vec<&mut Node> = tables.collect();
        for table in &mut all {
            for (offset, range) in table.writes() {
                *file_end = (*file_end).max(offset + range.len() as u64);
                storage.write_at(offset, &table.bytes()[range])?;
            }
        }
        // From here on these are what the next root leads to; whoever changes them
        // moves them first, and there is no other commit before this one is done.
        all.into_iter().for_each(Node::written);

        let mut root = [0; (ROOT.end - ROOT.start) as usize];
        let l1_offset = meta.l1.home().map_or(0, |place| place.offset);
        let table = space.table.home().unwrap_or(Place { offset: 0, clusters: 0 });
        root[..8].copy_from_slice(&l1_offset.to_be_bytes());
        root[8..16].copy_from_slice(&table.offset.to_be_bytes());
        root[16..].copy_from_slice(&(table.clusters as u32).to_be_bytes());
        Ok(Pending { root, freed: space.take_freed() })
    }

    /// Moves refcount blocks and the refcount table. Each move changes counts,
    /// so it goes on until no block is changed that has not moved.
    fn move_counts(&self, space: &mut Space) -> io::Result<()> {
        let storage = &self.storage;
        loop {
            let block = space.blocks.iter().find(|(_, block)| block.must_move()).map(|(index, _)| *index);
            if let Some(index) = block {
                move_block(storage, space, index)?;
                continue;
            }
            let clusters = space.table.bytes().len() as u64 >> self.header.cluster_bits;
            if space.table.must_move() {
                let (old, spare) = (space.table.durable(), space.table.take_spare());
                let (to, from_spare) = take_place(storage, space, old, spare, clusters)?;
                let left = old.is_some_and(|old| space.vacate(old));
                space.table.move_to(to, from_spare, left);
            } else if let Some(home) = space.table.home().filter(|home| home.clusters != clusters) {
                // Its own clusters needed a count, and that made it longer.
                let to = space.allocate(storage, clusters, true)?;
                space.release(home);
                space.table.relocate(to);
            } else {
                return Ok(());
            }
        }
    }

    /// Gives the room of freed clusters back to the host.
    fn punch(&self, sorted: &[u64]) {
        for run in sorted.chunk_by(|a, b| a + 1 == *b) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let bits = self.header.cluster_bits;
            if let Err(error) = self.storage.punch(first << bits..(last + 1) << bits) {
                log::debug!("{}: keeping freed clusters: {error}", self.path.display());
                return;
            }
        }
    }
}

fn is_dirty(meta: &Meta) -> bool {
    meta.l1.is_dirty()
        || meta.l2.values().any(Node::is_dirty)
        || meta.space.as_ref().is_some_and(Space::is_dirty)
}

/// Finds a place for a table that leaves `old`: its spare one or new clusters.
fn take_place(
    storage: &dyn Storage,
    space: &mut Space,
    old: Option<Place>,
    spare: Option<Place>,
    clusters: u64,
) -> io::Result<(Place, bool)> {
    let spare = match spare {
        Some(place) if place.clusters == clusters => Some(place),
        Some(place) => {
            space.give_up(place);
            None
        }
        None => None,
    };
    if let Some(old) = old
        && let Err(error) = space.check_used(storage, old)
    {
        spare.into_iter().for_each(|place| space.give_up(place));
        return Err(error);
    }
    match spare {
        Some(place) => {
            space.reoccupy(place);
            Ok((place, true))
        }
        None => Ok((space.allocate(storage, clusters, true)?, false)),
    }
}

fn move_table(
    storage: &dyn Storage,
    space: &mut Space,
    table: &mut Node,
    clusters: u64,
) -> io::Result<Place> {
    let (old, spare) = (table.durable(), table.take_spare());
    let (to, from_spare) = take_place(storage, space, old, spare, clusters)?;
    let left = old.is_some_and(|old| space.vacate(old));
    table.move_to(to, from_spare, left);
    Ok(to)
}

fn move_block(storage: &dyn Storage, space: &mut Space, index: usize) -> io::Result<()> {
    let Some(block) = space.blocks.get_mut(&index) else { return Ok(()) };
    let (old, spare) = (block.durable(), block.take_spare());
    let (to, from_spare) = take_place(storage, space, old, spare, 1)?;
    let left = old.is_some_and(|old| space.vacate(old));
    // Its own count may be in itself, so it is looked up again.
    if let Some(block) = space.blocks.get_mut(&index) {
        block.move_to(to, from_spare, left);
    }
    space.table.set(index, to.offset);
    Ok(())
}
