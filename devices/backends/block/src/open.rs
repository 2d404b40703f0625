//! From a path to the disk in it.

use std::path::{Path, PathBuf};

use crate::format::{self, Format, Found};
use crate::image::Image;
use crate::lock::Access;
use crate::raw::Raw;
use crate::storage::HostFile;
use crate::{ImageError, vmdk_hint};

/// What to open, and how.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The file or block device.
    pub path: PathBuf,
    /// Its format; found by content when this is not said.
    pub format: Option<Format>,
    /// Whether it is going to be written.
    pub writable: bool,
    /// What a raw image's size is rounded up to, in bytes.
    pub sector: u64,
}

impl OpenOptions {
    /// A disk that is read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), format: None, writable: false, sector: 512 }
    }
}

/// Names that say raw as plainly as a word can.
fn is_named_raw(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| ["raw", "iso"].iter().any(|raw| e.eq_ignore_ascii_case(raw)))
}

/// The format of an open file: what the user said, or what its content says.
///
/// # Errors
/// [`ImageError::Unsupported`] for a format that is not read, and for a file
/// that is named as a raw image and begins as another one.
pub(crate) fn format_of(file: &HostFile, said: Option<Format>) -> Result<Format, ImageError> {
    if let Some(format) = said {
        return Ok(format);
    }
    let path = file.path();
    match format::probe(file).map_err(|error| ImageError::io(path, error))? {
        None if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("vhd")) => Ok(Format::Vhd),
        None => Ok(Format::Raw),
        Some(found) if is_named_raw(path) => Err(ImageError::unsupported(
            path,
            format!("named as a raw image, but it begins as a {found} image: say which with `format=`"),
        )),
        Some(Found::Known(format)) => Ok(format),
        Some(Found::Foreign(name)) => Err(ImageError::unsupported(
            path,
            format!(
                "a {name} image, which is not read here: convert it with `qemu-img convert -O qcow2 {} NEW.qcow2` \
                 (or say `format=raw` if it is a raw disk)",
                path.display()
            ),
        )),
    }
}

/// Opens the disk in a file, and with it all the files that it stands on.
///
/// # Errors
/// Every [`ImageError`] of files.
pub fn open(options: &OpenOptions) -> Result<Box<dyn Image>, ImageError> {
    let access = if options.writable { Access::Write } else { Access::Read };
    let file = HostFile::open(&options.path, access)?;
    let path = options.path.clone();
    let format = format_of(&file, options.format)?;
    if options.writable && !format.is_writable() {
        return Err(ImageError::ReadOnlyFormat { path, format });
    }
    match format {
        Format::Raw => {
            let raw = Raw::new(file, options.sector, options.format.is_none());
            Ok(Box::new(raw.map_err(|error| ImageError::io(&path, error))?))
        }
        other => Err(ImageError::unsupported(&path, vmdk_hint(other))),
    }
}
