//! The host's file below an image: positioned access, stable storage, holes, locks.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::ImageError;
use crate::lock::{self, Access};

/// Bytes that survive, as an image format sees them. A trait so that tests can
/// cut the power between any two calls.
pub(crate) trait Storage: Send + Sync {
    /// Bytes there are.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer`; what lies behind the end reads as zeroes.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Stores all of `data`, and lengthens the file where that is needed.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Returns when all that was written is on stable storage.
    fn sync(&self) -> io::Result<()>;

    /// Makes a hole that reads as zeroes. False where the host cannot.
    fn punch(&self, range: Range<u64>) -> io::Result<bool>;

    /// Zeroes a range that stays allocated. False where the host cannot.
    fn zero(&self, range: Range<u64>) -> io::Result<bool>;

    /// Cuts or lengthens the file.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The first stored range at or behind `offset`, or nothing but a hole.
    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>>;
}

/// A file or block device of the host, locked while it is open.
#[derive(Debug)]
pub(crate) struct HostFile {
    file: File,
    path: PathBuf,
    is_device: bool,
}

impl HostFile {
    /// Opens `path` for what `access` says and locks it.
    pub fn open(path: &Path, access: Access) -> Result<Self, ImageError> {
        let writable = access == Access::Write;
        if path.is_dir() {
            return Err(ImageError::unsupported(path, "a folder, not a disk image"));
        }
        let file = OpenOptions::new().read(true).write(writable).open(path).map_err(|error| {
            let refused =
                matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
            if writable && refused && File::open(path).is_ok() {
                ImageError::NotWritable { path: path.to_owned() }
            } else {
                ImageError::io(path, error)
            }
        })?;
        let metadata = file.metadata().map_err(|error| ImageError::io(path, error))?;
        lock::acquire(&file, path, access)?;
        Ok(Self { file, path: path.to_owned(), is_device: !metadata.is_file() })
    }

    /// Makes a new file of `len` bytes, all hole, locked for writing.
    pub fn create(path: &Path, len: u64, replace: bool) -> Result<Self, ImageError> {
        let io = |error| ImageError::io(path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // Not truncated before it is locked: it may be somebody's disk.
        let options = if replace { options.create(true).truncate(false) } else { options.create_new(true) };
        let file = options.open(path).map_err(io)?;
        let is_device = !file.metadata().map_err(io)?.is_file();
        lock::acquire(&file, path, Access::Write)?;
        if !is_device {
            file.set_len(0).and_then(|()| file.set_len(len)).map_err(io)?;
        }
        Ok(Self { file, path: path.to_owned(), is_device })
    }

    /// Bytes that it takes on the host, which are fewer where it has holes.
    pub fn stored(&self) -> io::Result<u64> {
        #[cfg(unix)]
        if !self.is_device {
            use std::os::unix::fs::MetadataExt;
            return Ok(self.file.metadata()?.blocks() * 512);
        }
        self.len()
    }

    /// Its name, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(unix)]
fn read_some(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_some(file: &File, offset: u64, data: &[u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, data, offset)
}

#[cfg(windows)]
fn read_some(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
        // ERROR_HANDLE_EOF: what others answer with zero bytes.
        Err(error) if error.raw_os_error() == Some(38) => Ok(0),
        result => result,
    }
}

#[cfg(windows)]
fn write_some(file: &File, offset: u64, data: &[u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, data, offset)
}

/// Fills `buffer` from `offset`, with zeroes behind the file's end.
pub(crate) fn read_padded(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match read_some(file, offset, buffer) {
            Ok(0) => {
                buffer.fill(0);
                return Ok(());
            }
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Stores all of `data` at `offset`.
pub(crate) fn write_all(file: &File, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match write_some(file, offset, data) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                data = &data[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, range: Range<u64>, how: nix::fcntl::FallocateFlags) -> io::Result<bool> {
    use nix::errno::Errno;
    let (Ok(offset), Ok(len)) = (i64::try_from(range.start), i64::try_from(range.end - range.start)) else {
        return Ok(false);
    };
    match nix::fcntl::fallocate(file, how, offset, len) {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL | Errno::ENODEV | Errno::EPERM) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

impl Storage for HostFile {
    fn len(&self) -> io::Result<u64> {
        if self.is_device {
            // A block device's metadata say 0; its end is where seeking stops.
            return (&self.file).seek(SeekFrom::End(0));
        }
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_padded(&self.file, offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_all(&self.file, offset, data)
    }

    fn sync(&self) -> io::Result<()> {
        // `fdatasync`; on macOS `F_FULLFSYNC`, on Windows `FlushFileBuffers`.
        self.file.sync_data()
    }

    #[cfg(target_os = "linux")]
    fn punch(&self, range: Range<u64>) -> io::Result<bool> {
        use nix::fcntl::FallocateFlags as Flags;
        if range.is_empty() {
            return Ok(true);
        }
        allocate(&self.file, range, Flags::FALLOC_FL_PUNCH_HOLE | Flags::FALLOC_FL_KEEP_SIZE)
    }

    #[cfg(not(target_os = "linux"))]
    fn punch(&self, range: Range<u64>) -> io::Result<bool> {
        Ok(range.is_empty())
    }

    #[cfg(target_os = "linux")]
    fn zero(&self, range: Range<u64>) -> io::Result<bool> {
        use nix::fcntl::FallocateFlags as Flags;
        if range.is_empty() {
            return Ok(true);
        }
        allocate(&self.file, range, Flags::FALLOC_FL_ZERO_RANGE | Flags::FALLOC_FL_KEEP_SIZE)
    }

    #[cfg(not(target_os = "linux"))]
    fn zero(&self, range: Range<u64>) -> io::Result<bool> {
        Ok(range.is_empty())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.is_device { Ok(()) } else { self.file.set_len(len) }
    }

    #[cfg(target_os = "linux")]
    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        use nix::errno::Errno;
        use nix::unistd::{Whence, lseek};
        let end = self.len()?;
        if self.is_device || offset >= end {
            return Ok((offset < end).then_some(offset..end));
        }
        let at = i64::try_from(offset).map_err(io::Error::other)?;
        // The file's position is nobody's: all access is positioned.
        let start = match lseek(&self.file, at, Whence::SeekData) {
            Ok(start) => start,
            Err(Errno::ENXIO) => return Ok(None),
            Err(_) => return Ok(Some(offset..end)),
        };
        let stop = lseek(&self.file, start, Whence::SeekHole).map_or(end, |stop| stop as u64);
        Ok(Some(start as u64..stop.min(end).max(start as u64)))
    }

    #[cfg(not(target_os = "linux"))]
    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let end = self.len()?;
        Ok((offset < end).then_some(offset..end))
    }
}
