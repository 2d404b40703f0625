//! What is done with images while no machine runs.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::ImageError;
use crate::format::Format;
use crate::image::{ExtentKind, Image};
use crate::lock::Access;
use crate::open::{OpenOptions, backing_of, format_of, open};
use crate::qcow2::Qcow2;
use crate::qcow2::check::{CheckReport, check as check_qcow2};
use crate::qcow2::create::{CLUSTER_BITS, create as create_qcow2};
use crate::qcow2::header::{Compression, Header, INCOMPATIBLE_CORRUPT, INCOMPATIBLE_DIRTY};
use crate::storage::{HostFile, Storage};

/// Bytes that are copied at a time.
const CHUNK: u64 = 2 << 20;
/// Zeroes of this length, at such a place, are left out of a copy.
const GRAIN: usize = 4096;

/// Is told how many bytes of how many are done, and says whether to go on.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// A new image.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// [`Format::Raw`] or [`Format::Qcow2`].
    pub format: Format,
    /// Bytes of the disk; those of the backing image when this is not said.
    pub size: Option<u64>,
    /// The image that a qcow2 image stands on, as the new image will name it: a
    /// relative path counts from the new image's folder.
    pub backing: Option<(PathBuf, Option<Format>)>,
    /// Replaces a file that is there.
    pub replace: bool,
}

/// What is known of an image without looking at its content.
#[derive(Clone, Debug)]
pub struct ImageInfo {
    /// Its file.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Bytes of the disk.
    pub size: u64,
    /// Bytes that the file takes on the host.
    pub stored: u64,
    /// Details of the qcow2 format.
    pub qcow2: Option<Qcow2Info>,
}

/// What a qcow2 header says.
#[derive(Clone, Debug)]
pub struct Qcow2Info {
    /// 2 or 3.
    pub version: u32,
    /// Bytes.
    pub cluster_size: u64,
    /// `zlib` or `zstd`.
    pub compression: &'static str,
    /// Internal snapshots.
    pub snapshots: u32,
    /// Bits of a reference count.
    pub refcount_bits: u32,
    /// Another program left it unfinished.
    pub needs_repair: bool,
    /// The backing file as it is named, its path from here, and its format where it is said.
    pub backing: Option<(String, PathBuf, Option<Format>)>,
}

fn refuse_format(path: &Path, format: Format) -> ImageError {
    ImageError::unsupported(path, format!("{format} images are read but not written: give raw or qcow2"))
}

fn create_file(path: &Path, replace: bool) -> Result<HostFile, ImageError> {
    HostFile::create(path, 0, replace).map_err(|error| match error {
        ImageError::Io { path, source } if source.kind() == io::ErrorKind::AlreadyExists => {
            ImageError::unsupported(
                &path,
                "there is such a file already: give another name, or --force to replace it",
            )
        }
        other => other,
    })
}

/// Makes an image without content.
///
/// # Errors
/// Where there is such a file (without `replace`) or somebody uses it, where the
/// backing image cannot be opened, or of the host.
pub fn create(path: &Path, options: &CreateOptions) -> Result<(), ImageError> {
    let io = |error| ImageError::io(path, error);
    let mut size = options.size;
    let mut backing = None;
    if let Some((name, format)) = &options.backing {
        if options.format != Format::Qcow2 {
            return Err(ImageError::unsupported(path, "only a qcow2 image can stand on another"));
        }
        let behind = path.parent().unwrap_or(Path::new("")).join(name);
        let format = match format {
            Some(format) => *format,
            None => format_of(&HostFile::open(&behind, Access::Read)?, None)?,
        };
        let image = open(&OpenOptions { format: Some(format), ..OpenOptions::new(behind) })?;
        size = size.or(Some(image.len()));
        let Some(name) = name.to_str() else {
            return Err(ImageError::unsupported(path, "the backing file's name is no Unicode text"));
        };
        backing = Some((name.to_owned(), format.name().to_owned()));
    }
    let size = size.ok_or_else(|| ImageError::unsupported(path, "a new image has to have a size"))?;
    let size = size.checked_next_multiple_of(512).filter(|size| i64::try_from(*size).is_ok());
    let size = size.ok_or_else(|| ImageError::unsupported(path, "no image can be that large"))?;
    match options.format {
        Format::Raw => {
            let file = create_file(path, options.replace)?;
            file.set_len(size).and_then(|()| file.sync()).map_err(io)
        }
        Format::Qcow2 => {
            let file = create_file(path, options.replace)?;
            create_qcow2(&file, size, CLUSTER_BITS, backing).map_err(io)
        }
        other => Err(refuse_format(path, other)),
    }
}

/// What there is to know of an image. Also of one that is in use.
///
/// # Errors
/// Where it cannot be read.
pub fn info(path: &Path, format: Option<Format>) -> Result<ImageInfo, ImageError> {
    let file = HostFile::open(path, Access::Look)?;
    let format = format_of(&file, format)?;
    let stored = file.stored().map_err(|error| ImageError::io(path, error))?;
    let (size, qcow2) = match format {
        Format::Qcow2 => {
            let header = Header::read(&file, path)?;
            let backing = match (&header.backing, backing_of(path, &header)) {
                (Some((name, _)), Ok(Some(at))) => Some((name.clone(), at.path, at.format)),
                (Some((name, _)), _) => Some((name.clone(), PathBuf::new(), None)),
                (None, _) => None,
            };
            let info = Qcow2Info {
                version: header.version,
                cluster_size: header.cluster_size(),
                compression: if header.compression == Compression::Zstd { "zstd" } else { "zlib" },
                snapshots: header.snapshots,
                refcount_bits: 1 << header.refcount_order,
                needs_repair: header.incompatible & (INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT) != 0,
                backing,
            };
            (header.size, Some(info))
        }
        _ => {
            let image = open(&OpenOptions { format: Some(format), lock: false, ..OpenOptions::new(path) })?;
            (image.len(), None)
        }
    };
    Ok(ImageInfo { path: path.to_owned(), format, size, stored, qcow2 })
}

/// Copies the disk in `source` to a new image.
///
/// # Errors
/// As [`create`] and [`open`]; a new target that could not be finished is removed.
pub fn convert(
    source: &OpenOptions,
    target: &Path,
    format: Format,
    replace: bool,
    progress: Progress<'_>,
) -> Result<(), ImageError> {
    let from = open(source)?;
    let was_there = target.exists();
    let options = CreateOptions { format, size: Some(from.len()), backing: None, replace };
    create(target, &options)?;
    let done = open(&OpenOptions { format: Some(format), writable: true, ..OpenOptions::new(target) })
        .and_then(|to| copy(&*from, &*to, (&source.path, target), progress));
    if done.is_err() && !was_there {
        // What it says matters more than what becomes of the half of a file.
        let _ = std::fs::remove_file(target);
    }
    done
}

fn copy(
    from: &dyn Image,
    to: &dyn Image,
    (source, target): (&Path, &Path),
    progress: Progress<'_>,
) -> Result<(), ImageError> {
    let len = from.len();
    // A target that is a device has content already, and may be larger.
    let holds_zeroes = to.extent(0, len.max(1)).is_ok_and(|e| e.kind == ExtentKind::Zero && e.len >= len);
    if to.len() < len {
        return Err(ImageError::unsupported(target, "it is smaller than what is to be copied"));
    }
    let mut at = 0;
    let mut buffer = vec![0; CHUNK.min(len) as usize];
    while at < len {
        if progress(at, len).is_break() {
            return Err(ImageError::Interrupted);
        }
        let extent = from.extent(at, len - at).map_err(|error| ImageError::io(source, error))?;
        if extent.kind == ExtentKind::Zero {
            if !holds_zeroes {
                to.write_zeroes(at, extent.len, true).map_err(|error| ImageError::io(target, error))?;
            }
            at += extent.len;
            continue;
        }
        let part = &mut buffer[..extent.len.min(CHUNK) as usize];
        from.read(at, part).map_err(|error| ImageError::io(source, error))?;
        write_sparse(to, at, part, holds_zeroes).map_err(|error| ImageError::io(target, error))?;
        at += part.len() as u64;
    }
    to.flush().map_err(|error| ImageError::io(target, error))?;
    // It is done: too late to stop.
    let _ = progress(len, len);
    Ok(())
}

/// Writes `bytes`, and leaves out pieces of zeroes where there are zeroes.
fn write_sparse(to: &dyn Image, offset: u64, bytes: &[u8], holds_zeroes: bool) -> io::Result<()> {
    if !holds_zeroes {
        return to.write(offset, bytes);
    }
    let is_data = |grain: &&[u8]| grain.iter().any(|byte| *byte != 0);
    let mut at = 0;
    let grains: Vec<&[u8]> = bytes.chunks(GRAIN).collect();
    for run in grains.chunk_by(|a, b| is_data(a) == is_data(b)) {
        let len: usize = run.iter().map(|grain| grain.len()).sum();
        if run.first().is_some_and(is_data) {
            to.write(offset + at as u64, &bytes[at..at + len])?;
        }
        at += len;
    }
    Ok(())
}

/// Whether an image's tables agree with each other. None for a format that has none.
///
/// # Errors
/// Where it cannot be read, or somebody writes it.
pub fn check(path: &Path, format: Option<Format>) -> Result<Option<CheckReport>, ImageError> {
    let file = HostFile::open(path, Access::Read)?;
    if format_of(&file, format)? != Format::Qcow2 {
        return Ok(None);
    }
    let header = Header::read(&file, path)?;
    check_qcow2(&file, &header).map(Some).map_err(|error| ImageError::io(path, error))
}

/// Writes what an overlay has into the image behind it, and empties the overlay.
/// Gives the path of the image behind.
///
/// # Errors
/// Where the overlay has none, or either is in use, or of the host. Nothing is
/// lost then: the overlay is emptied when all of it is stable in the other.
pub fn commit(path: &Path, format: Option<Format>, progress: Progress<'_>) -> Result<PathBuf, ImageError> {
    let io = |error| ImageError::io(path, error);
    let file = HostFile::open(path, Access::Write)?;
    if format_of(&file, format)? != Format::Qcow2 {
        return Err(ImageError::unsupported(path, "only a qcow2 overlay stands on another image"));
    }
    let header = Header::read(&file, path)?;
    let Some(behind) = backing_of(path, &header)? else {
        return Err(ImageError::unsupported(path, "it stands on no other image"));
    };
    if header.snapshots != 0 {
        return Err(ImageError::unsupported(path, "it has snapshots, which would be lost"));
    }
    let len = header.size;
    grow_raw(&behind, len)?;
    let target = open(&OpenOptions { writable: true, ..behind.clone() })?;
    if target.len() < len {
        return Err(ImageError::unsupported(
            path,
            format!("the image behind it, {}, is smaller", behind.path.display()),
        ));
    }
    // What is absent here is in the other image already, so this one needs none behind it.
    let overlay = Qcow2::open(file, path, header, None, true)?;
    let mut buffer = vec![0; CHUNK.min(len) as usize];
    let mut at = 0;
    while at < len {
        if progress(at, len).is_break() {
            return Err(ImageError::Interrupted);
        }
        let (present, count) = overlay.is_present(at, (len - at).min(CHUNK)).map_err(io)?;
        if present {
            let part = &mut buffer[..count as usize];
            overlay.read(at, part).map_err(io)?;
            let to = |error| ImageError::io(&behind.path, error);
            if part.iter().all(|byte| *byte == 0) {
                target.write_zeroes(at, count, true).map_err(to)?;
            } else {
                target.write(at, part).map_err(to)?;
            }
        }
        at += count;
    }
    target.flush().map_err(|error| ImageError::io(&behind.path, error))?;
    overlay.clear_all().map_err(io)?;
    // It is done: too late to stop.
    let _ = progress(len, len);
    Ok(behind.path)
}

/// Lengthens a raw image file that is shorter than `len`.
fn grow_raw(image: &OpenOptions, len: u64) -> Result<(), ImageError> {
    let file = HostFile::open(&image.path, Access::Write)?;
    let io = |error| ImageError::io(&image.path, error);
    if format_of(&file, image.format)? == Format::Raw && Storage::len(&file).map_err(io)? < len {
        file.set_len(len).map_err(io)?;
    }
    Ok(())
}
