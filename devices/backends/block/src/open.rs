//! From a path to the disk in it.

use std::path::{Path, PathBuf};

use crate::ImageError;
use crate::foreign::vdi::Vdi;
use crate::foreign::vhd::Vhd;
use crate::foreign::vhdx::Vhdx;
use crate::foreign::{Foreign, vmdk};
use crate::format::{self, Format, Found};
use crate::image::Image;
use crate::lock::Access;
use crate::qcow2::Qcow2;
use crate::qcow2::header::Header;
use crate::raw::Raw;
use crate::storage::HostFile;

/// What to open, and how.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The file or block device.
    pub path: PathBuf,
    /// Its format; found by content when this is not said.
    pub format: Option<Format>,
    /// Whether it is going to be written.
    pub writable: bool,
    /// Whether others are kept from writing it meanwhile.
    pub lock: bool,
    /// What a raw image's size is rounded up to, in bytes.
    pub sector: u64,
}

impl OpenOptions {
    /// A disk that is read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), format: None, writable: false, lock: true, sector: 512 }
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

/// Images that stand on each other, at most.
const MAX_CHAIN: usize = 64;

/// Opens the disk in a file, and with it all the files that it stands on.
///
/// # Errors
/// Every [`ImageError`] of files.
pub fn open(options: &OpenOptions) -> Result<Box<dyn Image>, ImageError> {
    open_above(options, &mut Vec::new())
}

/// Opens an image whose overlays are `above`.
fn open_above(options: &OpenOptions, above: &mut Vec<PathBuf>) -> Result<Box<dyn Image>, ImageError> {
    let path = &options.path;
    let access = match (options.writable, options.lock) {
        (true, _) => Access::Write,
        (false, true) => Access::Read,
        (false, false) => Access::Look,
    };
    let file = HostFile::open(path, access)?;
    let format = format_of(&file, options.format)?;
    if options.writable && !format.is_writable() {
        return Err(ImageError::ReadOnlyFormat { path: path.clone(), format });
    }
    match format {
        Format::Raw => {
            let raw = Raw::new(file, options.sector, options.format.is_none());
            Ok(Box::new(raw.map_err(|error| ImageError::io(path, error))?))
        }
        Format::Qcow2 => {
            let header = Header::read(&file, path)?;
            let backing = match backing_of(path, &header)? {
                Some(backing) => Some(open_backing(&backing, path, above)?),
                None => None,
            };
            Ok(Box::new(Qcow2::open(file, path, header, backing, options.writable)?))
        }
        Format::Vmdk => vmdk::open(file, access),
        Format::Vdi => {
            let layout = Vdi::read(&file)?;
            Ok(Box::new(Foreign::new(file, layout)))
        }
        Format::Vhd => {
            let layout = Vhd::read(&file)?;
            Ok(Box::new(Foreign::new(file, layout)))
        }
        Format::Vhdx => {
            let layout = Vhdx::read(&file)?;
            Ok(Box::new(Foreign::new(file, layout)))
        }
    }
}

/// The image behind a qcow2 image: its path from here, and its format where it is said.
///
/// # Errors
/// Where it names what is no file.
pub(crate) fn backing_of(path: &Path, header: &Header) -> Result<Option<OpenOptions>, ImageError> {
    let Some((name, format)) = &header.backing else { return Ok(None) };
    // `json:...`, `nbd://...`: names that another program would open for us.
    let scheme = name.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme =
        scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if name.contains('\0') || (is_scheme && !Path::new(name).is_absolute()) {
        return Err(ImageError::unsupported(
            path,
            format!("its backing file `{name}` is no file of this host"),
        ));
    }
    let format = match format.as_deref() {
        None | Some("") => None,
        Some(said) => Some(said.parse().map_err(|error: String| {
            ImageError::unsupported(path, format!("its backing file has an {error}"))
        })?),
    };
    let backing = path.parent().unwrap_or(Path::new("")).join(name);
    Ok(Some(OpenOptions { format, ..OpenOptions::new(backing) }))
}

fn open_backing(
    backing: &OpenOptions,
    path: &Path,
    above: &mut Vec<PathBuf>,
) -> Result<Box<dyn Image>, ImageError> {
    let real = path.canonicalize().map_err(|error| ImageError::io(path, error))?;
    above.push(real);
    let found = backing.path.canonicalize().map_err(|error| {
        ImageError::unsupported(
            path,
            format!("its backing file {} cannot be opened: {error}", backing.path.display()),
        )
    })?;
    if above.contains(&found) {
        return Err(ImageError::damaged(path, format!("it stands on itself, by {}", found.display())));
    }
    if above.len() > MAX_CHAIN {
        return Err(ImageError::unsupported(path, format!("it stands on more than {MAX_CHAIN} images")));
    }
    open_above(backing, above)
}
