//! What all image formats have in common.

use std::io;

/// Where the bytes of a range come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtentKind {
    /// Stored in this image or one behind it.
    Data,
    /// Reads as zeroes and takes no room.
    Zero,
}

/// A piece of a disk that is stored alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How.
    pub kind: ExtentKind,
    /// Bytes, at least one.
    pub len: u64,
}

/// The disk in an image: positioned, blocking, from several threads at once.
///
/// Callers stay within [`len`](Self::len).
pub trait Image: Send + Sync {
    /// Bytes of the disk.
    fn len(&self) -> u64;

    /// Whether it is a disk of no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// Of the host, or `InvalidData` where the image contradicts itself.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Stores `data` at `offset`.
    ///
    /// # Errors
    /// As [`read`](Self::read); nothing of the rest of the disk has changed then.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Returns when all completed writes are on the host's stable storage.
    ///
    /// # Errors
    /// Of the host: what was written is not safe.
    fn flush(&self) -> io::Result<()>;

    /// The range's contents are needed no more: it reads as before or as zeroes.
    ///
    /// # Errors
    /// Of the host.
    fn discard(&self, offset: u64, len: u64) -> io::Result<()>;

    /// The range reads as zeroes; with `may_unmap` its room may go back to the host.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn write_zeroes(&self, offset: u64, len: u64, may_unmap: bool) -> io::Result<()>;

    /// How the disk is stored at `offset`, for up to `len` bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn extent(&self, offset: u64, len: u64) -> io::Result<Extent>;

    /// Called now and then by a thread that may wait: work that was put off.
    fn tidy(&self) {}
}

/// Writes zeroes as data, for hosts and formats that have no better way.
pub(crate) fn write_zeroes_as_data(image: &dyn Image, mut offset: u64, mut len: u64) -> io::Result<()> {
    let zeroes = vec![0; len.min(1 << 20) as usize];
    while len != 0 {
        let part = len.min(zeroes.len() as u64);
        image.write(offset, &zeroes[..part as usize])?;
        offset += part;
        len -= part;
    }
    Ok(())
}
