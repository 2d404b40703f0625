//! Reading guest data.

use std::io;

use super::{Cluster, Meta, Miss, Qcow2};
use crate::image::{Extent, ExtentKind};
use crate::storage::Storage;

impl<S: Storage> Qcow2<S> {
    /// Does something that only looks at tables, and loads those that it misses.
    pub(super) fn with_tables<T>(&self, mut attempt: impl FnMut(&Meta) -> Result<T, Miss>) -> io::Result<T> {
        loop {
            let missing = match attempt(&self.read_meta()) {
                Ok(done) => return Ok(done),
                Err(Miss::Io(error)) => return Err(error),
                Err(Miss::Table(index)) => index,
            };
            self.load_table(&mut self.write_meta(), missing)?;
        }
    }

    pub(super) fn read_guest(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        self.with_tables(|meta| {
            while done < buffer.len() {
                done += self.read_some(meta, offset + done as u64, &mut buffer[done..])?;
            }
            Ok(())
        })
    }

    /// Reads as much as is stored in one piece, with the tables in memory.
    pub(super) fn read_some(&self, meta: &Meta, offset: u64, buffer: &mut [u8]) -> Result<usize, Miss> {
        let first = self.lookup(meta, offset)?;
        let inside = offset % self.cluster_size();
        let count = self.run(meta, offset, first, buffer.len() as u64) as usize;
        let part = &mut buffer[..count];
        match first {
            Cluster::Absent => self.read_backing(offset, part)?,
            Cluster::Zero(_) => part.fill(0),
            Cluster::Data { offset, .. } => self.storage.read_at(offset + inside, part)?,
            Cluster::Compressed { offset, len } => {
                let bytes = self.unpack(offset, len)?;
                part.copy_from_slice(&bytes[inside as usize..inside as usize + count]);
            }
        }
        Ok(count)
    }

    /// For how many bytes from `offset`, `len` at most, the disk goes on as in
    /// its cluster `first`. A table that is not loaded ends it.
    fn run(&self, meta: &Meta, offset: u64, first: Cluster, len: u64) -> u64 {
        let cluster = self.cluster_size();
        let mut count = cluster - offset % cluster;
        while count < len {
            let next = self.lookup(meta, offset + count);
            let follows = match (first, next) {
                (Cluster::Absent, Ok(Cluster::Absent)) | (Cluster::Zero(_), Ok(Cluster::Zero(_))) => true,
                (Cluster::Data { offset: start, .. }, Ok(Cluster::Data { offset: next, .. })) => {
                    next == start + offset % cluster + count
                }
                _ => false,
            };
            if !follows {
                break;
            }
            count += cluster;
        }
        count.min(len)
    }

    /// Reads from the image behind this one, which may be shorter.
    pub(super) fn read_backing(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let backed = self.backing.as_ref().map_or(0, |backing| backing.len().saturating_sub(offset));
        let (there, behind) = buffer.split_at_mut((buffer.len() as u64).min(backed) as usize);
        behind.fill(0);
        match &self.backing {
            Some(backing) if !there.is_empty() => backing.read(offset, there),
            _ => Ok(()),
        }
    }

    pub(super) fn extent_guest(&self, offset: u64, len: u64) -> io::Result<Extent> {
        let (cluster, len) = self.with_tables(|meta| {
            let first = self.lookup(meta, offset)?;
            Ok((first, self.run(meta, offset, first, len)))
        })?;
        let kind = match cluster {
            Cluster::Absent => match &self.backing {
                Some(backing) if offset < backing.len() => {
                    return backing.extent(offset, len.min(backing.len() - offset));
                }
                _ => ExtentKind::Zero,
            },
            Cluster::Zero(_) => ExtentKind::Zero,
            Cluster::Data { .. } | Cluster::Compressed { .. } => ExtentKind::Data,
        };
        Ok(Extent { kind, len })
    }

    /// Whether this image itself, and not the one behind it, says what is at
    /// `offset`, and for how many bytes that stays so.
    pub(crate) fn is_present(&self, offset: u64, len: u64) -> io::Result<(bool, u64)> {
        self.with_tables(|meta| {
            let first = self.lookup(meta, offset)?;
            Ok((first != Cluster::Absent, self.run(meta, offset, first, len)))
        })
    }
}
