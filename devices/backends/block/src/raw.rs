//! A raw image: the disk's bytes, one after the other, in a file or block device.

use std::io;

use crate::format;
use crate::image::{Extent, ExtentKind, Image, write_zeroes_as_data};
use crate::storage::Storage;

/// A disk stored as it is.
///
/// A file that ends within a sector is padded: the rest of the sector reads as
/// zeroes, and a write to it lengthens the file.
pub(crate) struct Raw<S> {
    storage: S,
    len: u64,
    /// Nobody said that this is a raw image, so the guest may not turn it into
    /// what looks like another.
    guard_magic: bool,
}

impl<S: Storage> Raw<S> {
    /// The disk in `storage`, padded to a multiple of `sector` bytes.
    pub fn new(storage: S, sector: u64, guard_magic: bool) -> io::Result<Self> {
        let len = storage
            .len()?
            .checked_next_multiple_of(sector)
            .filter(|len| i64::try_from(*len).is_ok())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(Self { storage, len, guard_magic })
    }

    /// Refuses what would make the next run take this image for one of another
    /// format, whose header the guest has written: it could name any file of
    /// the host as its backing file.
    fn check_magic(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if !self.guard_magic || offset >= format::MAGIC_BYTES as u64 {
            return Ok(());
        }
        let mut head = [0; format::MAGIC_BYTES];
        self.storage.read_at(0, &mut head)?;
        let at = offset as usize;
        let count = data.len().min(head.len() - at);
        head[at..at + count].copy_from_slice(&data[..count]);
        match format::by_magic(&head) {
            None => Ok(()),
            Some(name) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "the guest wants to make this disk look like a {name} image: give `format=raw` to allow that"
                ),
            )),
        }
    }
}

impl<S: Storage> Image for Raw<S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.storage.read_at(offset, buffer)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_magic(offset, data)?;
        self.storage.write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        self.storage.sync()
    }

    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        self.storage.punch(offset..offset + len).map(drop)
    }

    fn write_zeroes(&self, offset: u64, len: u64, may_unmap: bool) -> io::Result<()> {
        let range = offset..offset + len;
        let within = range.end <= self.storage.len()?;
        if within && may_unmap && self.storage.punch(range.clone())? {
            return Ok(());
        }
        if within && self.storage.zero(range)? {
            return Ok(());
        }
        write_zeroes_as_data(self, offset, len)
    }

    fn extent(&self, offset: u64, len: u64) -> io::Result<Extent> {
        let end = offset + len;
        Ok(match self.storage.next_data(offset)? {
            Some(data) if data.start <= offset => {
                Extent { kind: ExtentKind::Data, len: data.end.clamp(offset + 1, end) - offset }
            }
            Some(data) => Extent { kind: ExtentKind::Zero, len: data.start.min(end) - offset },
            None => Extent { kind: ExtentKind::Zero, len },
        })
    }
}
