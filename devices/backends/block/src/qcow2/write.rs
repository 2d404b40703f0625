//! Writing guest data.

use std::io;

use super::node::{Node, Place};
use super::{COPIED, Cluster, Meta, Miss, Qcow2, ZERO};
use crate::error::corrupt;
use crate::storage::Storage;

/// Changed L2 tables before a commit that nobody asked for.
const MAX_DIRTY_TABLES: usize = 128;

impl<S: Storage> Qcow2<S> {
    pub(super) fn write_guest(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_usable()?;
        let mut done = 0;
        let mut changes = false;
        while done < data.len() {
            // Data that has its place is written beside others; only who changes
            // tables is alone.
            done += self.overwrite(offset + done as u64, &data[done..])?;
            if done < data.len() {
                changes = true;
                let mut meta = self.write_meta();
                done += self.write_new(&mut meta, offset + done as u64, &data[done..])?;
            }
        }
        if changes { self.limit_dirty() } else { Ok(()) }
    }

    /// Writes as much as has clusters of its own, and says how much that was.
    fn overwrite(&self, offset: u64, data: &[u8]) -> io::Result<usize> {
        let mut done = 0;
        self.with_tables(|meta| {
            while done < data.len() {
                let at = offset + done as u64;
                let Some(place) = self.own_place(meta, at)? else { return Ok(()) };
                let mut count = self.cluster_size() - at % self.cluster_size();
                while done as u64 + count < data.len() as u64
                    && self.own_place(meta, at + count)? == Some(place + count)
                {
                    count += self.cluster_size();
                }
                let count = (count as usize).min(data.len() - done);
                self.storage.write_at(place, &data[done..done + count])?;
                done += count;
            }
            Ok(())
        })?;
        Ok(done)
    }

    /// Where a byte of the disk can be written in place.
    fn own_place(&self, meta: &Meta, offset: u64) -> Result<Option<u64>, Miss> {
        match self.lookup(meta, offset)? {
            Cluster::Data { offset: place, alone: true } if place < meta.file_end => {
                Ok(Some(place + offset % self.cluster_size()))
            }
            Cluster::Data { offset: place, alone: true } => {
                Err(Miss::Io(corrupt(format!("the cluster at {place:#x} is behind the end of the file"))))
            }
            _ => Ok(None),
        }
    }

    /// The table for `offset`, made where there is none.
    fn table<'a>(&self, meta: &'a mut Meta, offset: u64) -> io::Result<(&'a mut Node, usize)> {
        let (index, entry) = self.indices(offset);
        self.load_table(meta, index)?;
        let size = self.cluster_size() as usize;
        let table = meta.l2.entry(index).or_insert_with(|| Node::created(vec![0; size]));
        Ok((table, entry))
    }

    /// Gives new clusters to as many as follow each other and have none of
    /// their own, fills them, and says how many bytes of `data` that were.
    fn write_new(&self, meta: &mut Meta, offset: u64, data: &[u8]) -> io::Result<usize> {
        let cluster = self.cluster_size();
        let (index, entry) = self.indices(offset);
        self.load_table(meta, index)?;
        let start = offset - offset % cluster;
        let in_table = self.l2_entries() - entry as u64;
        let wanted = (offset + data.len() as u64 - start).div_ceil(cluster).min(in_table);
        // What the clusters had before is given back when the new ones are filled.
        let mut old = Vec::new();
        for n in 0..wanted {
            match self.lookup(meta, start + n * cluster) {
                // Somebody was faster; this one is overwritten in place.
                Ok(Cluster::Data { alone: true, .. }) if n == 0 => return Ok(0),
                Ok(Cluster::Data { alone: true, .. }) => break,
                Ok(before) => old.push(self.place_of(before)),
                Err(Miss::Table(_)) => break,
                Err(Miss::Io(error)) => return Err(error),
            }
        }
        let counts = space(meta)?;
        for place in old.iter().flatten() {
            counts.check_used(&self.storage, *place)?;
        }
        let place = counts.allocate(&self.storage, old.len() as u64, false)?;
        let end = (start + place.clusters * cluster).min(offset + data.len() as u64);
        let count = (end - offset) as usize;
        if let Err(error) = self.fill(meta, place, offset, &data[..count]) {
            space(meta)?.release(place);
            return Err(error);
        }
        let (table, entry) = self.table(meta, offset)?;
        for n in 0..place.clusters {
            table.set(entry + n as usize, (place.offset + n * cluster) | COPIED);
        }
        let counts = space(meta)?;
        for before in old.iter().take(place.clusters as usize).flatten() {
            self.forget_unpacked();
            counts.release(*before);
        }
        Ok(count)
    }

    /// Fills new clusters with `data`, and around it with what the disk has there.
    fn fill(&self, meta: &mut Meta, place: Place, offset: u64, data: &[u8]) -> io::Result<()> {
        let cluster = self.cluster_size();
        let inside = offset % cluster;
        let end = inside + data.len() as u64;
        let tail = (place.clusters * cluster) - end;
        let fresh = place.offset >= meta.file_end;
        // Behind the file's end there are zeroes already.
        let head_is_zero = inside == 0 || self.reads_as_zero(meta, offset - inside)?;
        let tail_is_zero = tail == 0 || self.reads_as_zero(meta, offset - inside + end)?;
        let (head, tail) =
            (if fresh && head_is_zero { 0 } else { inside }, if fresh && tail_is_zero { 0 } else { tail });
        // Said before it is written: what fails half-way is not fresh any more.
        meta.file_end = meta.file_end.max(place.offset + end + tail);
        if head == 0 && tail == 0 {
            self.storage.write_at(place.offset + inside, data)?;
        } else {
            let mut bytes = vec![0; head as usize + data.len() + tail as usize];
            self.read_old(meta, offset - head, &mut bytes[..head as usize])?;
            let data_end = head as usize + data.len();
            bytes[head as usize..data_end].copy_from_slice(data);
            self.read_old(meta, offset + data.len() as u64, &mut bytes[data_end..])?;
            self.storage.write_at(place.offset + inside - head, &bytes)?;
        }
        Ok(())
    }

    /// Whether the cluster at `offset` is known to be zeroes, without looking into it.
    fn reads_as_zero(&self, meta: &Meta, offset: u64) -> io::Result<bool> {
        match self.lookup(meta, offset) {
            Ok(Cluster::Zero(_)) => Ok(true),
            Ok(Cluster::Absent) => Ok(self.backing.as_ref().is_none_or(|backing| offset >= backing.len())),
            Ok(_) | Err(Miss::Table(_)) => Ok(false),
            Err(Miss::Io(error)) => Err(error),
        }
    }

    /// Reads what the disk has, within one cluster; behind its end there are zeroes.
    fn read_old(&self, meta: &Meta, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let there = self.header.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        buffer[there..].fill(0);
        let mut done = 0;
        while done < there {
            done += match self.read_some(meta, offset + done as u64, &mut buffer[done..there]) {
                Ok(count) => count,
                Err(Miss::Io(error)) => return Err(error),
                Err(Miss::Table(index)) => return Err(corrupt(format!("L2 table {index} is not there"))),
            };
        }
        Ok(())
    }

    /// The clusters of the file that an entry refers to.
    fn place_of(&self, cluster: Cluster) -> Option<Place> {
        let size = self.cluster_size();
        match cluster {
            Cluster::Absent | Cluster::Zero(None) => None,
            Cluster::Zero(Some(offset)) | Cluster::Data { offset, .. } => Some(Place { offset, clusters: 1 }),
            Cluster::Compressed { offset, len } => {
                let start = offset - offset % size;
                Some(Place { offset: start, clusters: (offset + len).div_ceil(size) - start / size })
            }
        }
    }

    pub(super) fn discard_guest(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check_usable()?;
        let cluster = self.cluster_size();
        let end = offset + len;
        // Only whole clusters, of which the disk's last may be a shorter one.
        let first = offset.next_multiple_of(cluster);
        let last = if end == self.header.size { end } else { end - end % cluster };
        let mut meta = self.write_meta();
        let mut at = first;
        while at < last {
            at += self.clear(&mut meta, at, last, false)?;
        }
        drop(meta);
        self.limit_dirty()
    }

    pub(super) fn zero_guest(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check_usable()?;
        let cluster = self.cluster_size();
        let end = offset + len;
        let mut at = offset;
        while at < end {
            let whole = at.is_multiple_of(cluster) && (end - at >= cluster || end == self.header.size);
            // Version 2 has no zero clusters; without a backing image absent ones do.
            let clears = whole && (self.header.version >= 3 || self.backing.is_none());
            if clears {
                let mut meta = self.write_meta();
                at += self.clear(&mut meta, at, end, true)?;
                continue;
            }
            let count = (cluster - at % cluster).min(end - at);
            let is_zero = self.with_tables(|meta| {
                let zero = self.lookup(meta, at)?;
                Ok(matches!(zero, Cluster::Zero(_)) || zero == Cluster::Absent && self.backing.is_none())
            })?;
            if !is_zero {
                self.write_guest(at, &vec![0; count as usize])?;
            }
            at += count;
        }
        self.limit_dirty()
    }

    /// Takes the cluster at `offset` out of the image, with `zero` so that it
    /// reads as zeroes. Says how many bytes up to `end` are dealt with.
    fn clear(&self, meta: &mut Meta, offset: u64, end: u64, zero: bool) -> io::Result<u64> {
        let cluster = self.cluster_size();
        let (index, entry) = self.indices(offset);
        let backed = self.backing.as_ref().is_some_and(|backing| offset < backing.len());
        self.load_table(meta, index)?;
        if !(meta.l2.contains_key(&index) || backed && zero) {
            // No table: zeroes already, or what a discard may leave as it is.
            let rest = (self.l2_entries() - entry as u64) * cluster;
            return Ok(rest.min(end - offset));
        }
        let count = cluster.min(end - offset);
        let before = match self.lookup(meta, offset) {
            Ok(before) => before,
            Err(Miss::Table(_)) => Cluster::Absent,
            Err(Miss::Io(error)) => return Err(error),
        };
        let after = match before {
            Cluster::Zero(None) => return Ok(count),
            Cluster::Absent if !(backed && zero) => return Ok(count),
            // What is behind must not come to light.
            _ if backed && self.header.version < 3 => return Ok(count),
            _ if backed => ZERO,
            _ => 0,
        };
        let old = self.place_of(before);
        if let Some(place) = old {
            space(meta)?.check_used(&self.storage, place)?;
        }
        let (table, entry) = self.table(meta, offset)?;
        table.set(entry, after);
        if let Some(place) = old {
            self.forget_unpacked();
            space(meta)?.release(place);
        }
        Ok(count)
    }

    /// Takes everything out of the image, so that it shows what is behind it.
    ///
    /// # Errors
    /// Of the host, or where the image is damaged.
    pub(crate) fn clear_all(&self) -> io::Result<()> {
        self.check_usable()?;
        let mut meta = self.write_meta();
        for index in 0..self.header.l1_entries as usize {
            self.load_table(&mut meta, index)?;
            let Some(table) = meta.l2.get(&index) else { continue };
            let mut places = Vec::new();
            for entry in 0..table.entries() {
                places.extend(self.place_of(self.decode(table.get(entry))?));
            }
            let home = table.home();
            let meta = &mut *meta;
            let counts = space(meta)?;
            // The entries of a table that a snapshot has too are the snapshot's
            // as well, and have a count for each of the two.
            for place in places.iter().chain(home.as_ref()) {
                counts.check_used(&self.storage, *place)?;
            }
            places.into_iter().chain(home).for_each(|place| counts.release(place));
            let spare = meta.l2.remove(&index).and_then(|mut table| table.take_spare());
            if let (Some(spare), Some(counts)) = (spare, &mut meta.space) {
                counts.give_up(spare);
            }
            meta.l1.set(index, 0);
        }
        self.forget_unpacked();
        drop(meta);
        self.commit()
    }

    /// Commits when much has changed, so that memory stays bounded.
    fn limit_dirty(&self) -> io::Result<()> {
        let dirty = self.read_meta().l2.values().filter(|table| table.is_dirty()).count();
        if dirty > MAX_DIRTY_TABLES { self.commit() } else { Ok(()) }
    }
}

/// The counts of an image that is written.
pub(super) fn space(meta: &mut Meta) -> io::Result<&mut super::Space> {
    meta.space.as_mut().ok_or_else(|| io::ErrorKind::ReadOnlyFilesystem.into())
}
