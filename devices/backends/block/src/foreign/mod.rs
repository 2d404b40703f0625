//! Formats of other programs, which are read and not written.
//!
//! They are alike: a table says for each block of the disk where in the file it
//! is. A format is a [`Layout`], which answers that; [`Foreign`] does the rest.
//! No crate that is kept up reads the files that these programs make by default
//! (imago reads of VMDK only flat extents), and each is a page of code.

pub(crate) mod vdi;
pub(crate) mod vhd;
pub(crate) mod vhdx;
pub(crate) mod vmdk;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::image::{Extent, ExtentKind, Image};
use crate::storage::{HostFile, Storage};

/// Tables of formats are loaded as a whole, up to so many bytes.
const MAX_TABLE_BYTES: u64 = 64 << 20;

/// Where a block of the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Nowhere: zeroes.
    Zero,
    /// At this byte of the file.
    At(u64),
    /// There, as a zlib stream of so many bytes.
    Packed { offset: u64, len: u64 },
}

/// An image that is read only.
pub(crate) trait Readable: Send + Sync {
    /// As [`Image::len`].
    fn len(&self) -> u64;

    /// As [`Image::read`].
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// As [`Image::extent`].
    fn extent(&self, offset: u64, len: u64) -> io::Result<Extent>;
}

impl<R: Readable> Image for R {
    fn len(&self) -> u64 {
        Readable::len(self)
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        Readable::read(self, offset, buffer)
    }

    fn write(&self, _offset: u64, _data: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn write_zeroes(&self, _offset: u64, _len: u64, _may_unmap: bool) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn extent(&self, offset: u64, len: u64) -> io::Result<Extent> {
        Readable::extent(self, offset, len)
    }
}

/// The answer to where each block of a disk is.
pub(crate) trait Layout: Send + Sync {
    /// Bytes of the disk.
    fn len(&self) -> u64;

    /// Bytes of a block, a multiple of 512.
    fn block(&self) -> u64;

    /// Where a block is in `file`.
    fn locate(&self, file: &HostFile, block: u64) -> io::Result<Stored>;
}

/// A disk in a file with a [`Layout`].
pub(crate) struct Foreign<L> {
    file: HostFile,
    layout: L,
    /// The packed block that was read last, by its offset in the file.
    unpacked: Mutex<Option<(u64, Arc<Vec<u8>>)>>,
}

impl<L: Layout> Foreign<L> {
    /// The disk in `file`.
    pub fn new(file: HostFile, layout: L) -> Self {
        Self { file, layout, unpacked: Mutex::new(None) }
    }

    fn unpack(&self, offset: u64, len: u64) -> io::Result<Arc<Vec<u8>>> {
        let recent = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, bytes)) = recent.filter(|(at, _)| *at == offset) {
            return Ok(bytes);
        }
        let mut packed = vec![0; len as usize];
        self.file.read_at(offset, &mut packed)?;
        let mut bytes = Vec::new();
        let block = self.layout.block();
        let stream = flate2::read::ZlibDecoder::new(&*packed);
        io::Read::read_to_end(&mut io::Read::take(stream, block), &mut bytes)?;
        // The disk's last block may be stored without what is behind the end.
        bytes.resize(block as usize, 0);
        let bytes = Arc::new(bytes);
        *self.unpacked.lock().unwrap_or_else(PoisonError::into_inner) = Some((offset, Arc::clone(&bytes)));
        Ok(bytes)
    }
}

impl<L: Layout> Readable for Foreign<L> {
    fn len(&self) -> u64 {
        self.layout.len()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let block = self.layout.block();
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let inside = at % block;
            let count = ((block - inside) as usize).min(buffer.len() - done);
            let part = &mut buffer[done..done + count];
            match self.layout.locate(&self.file, at / block)? {
                Stored::Zero => part.fill(0),
                Stored::At(start) => self.file.read_at(start + inside, part)?,
                Stored::Packed { offset, len } => {
                    let bytes = self.unpack(offset, len)?;
                    part.copy_from_slice(&bytes[inside as usize..inside as usize + count]);
                }
            }
            done += count;
        }
        Ok(())
    }

    fn extent(&self, offset: u64, len: u64) -> io::Result<Extent> {
        let block = self.layout.block();
        let kind = |at: u64| {
            self.layout.locate(&self.file, at / block).map(|stored| match stored {
                Stored::Zero => ExtentKind::Zero,
                _ => ExtentKind::Data,
            })
        };
        let first = kind(offset)?;
        let mut count = block - offset % block;
        while count < len && kind(offset + count)? == first {
            count += block;
        }
        Ok(Extent { kind: first, len: count.min(len) })
    }
}

/// Numbers at fixed places of a header. Headers are read with a fixed length
/// that covers all places asked for.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }

    pub fn le16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    pub fn le32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    pub fn le64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }

    pub fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.bytes(at))
    }

    pub fn be64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.bytes(at))
    }
}

/// Reads a table of 32-bit entries.
pub(crate) fn read_table(
    file: &HostFile,
    offset: u64,
    entries: u64,
    from: fn([u8; 4]) -> u32,
) -> io::Result<Vec<u32>> {
    let mut bytes = vec![0; (entries * 4) as usize];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|entry| from(*entry)).collect())
}
