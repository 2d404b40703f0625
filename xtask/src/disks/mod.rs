//! The disk images that tests boot: made of unmodified Debian packages, without
//! root's loop devices and without a running emulator.

mod debian;
mod grub;
mod installer;
mod ready_made;

use crate::{guests, shell};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// An image and how it is made.
struct Image {
    /// File under `target/guests/disks/`.
    file: &'static str,
    build: fn(&Path) -> Result<()>,
}

const IMAGES: &[Image] = &[
    Image { file: "debian.qcow2", build: debian::bios_disk },
    Image { file: "debian-efi.qcow2", build: debian::efi_disk },
    Image { file: "installer.iso", build: installer::menu_cd },
    Image { file: "installer-serial.iso", build: installer::serial_cd },
    Image { file: "grub.iso", build: grub::cd },
    Image { file: "grub.img", build: grub::floppy },
    Image { file: "memtest.iso", build: ready_made::memtest_cd },
    Image { file: "memtest.bin", build: ready_made::memtest_kernel },
    Image { file: "ipxe.iso", build: ready_made::ipxe_cd },
    Image { file: "ipxe.img", build: ready_made::ipxe_floppy },
];

/// The folder that images are made in.
pub fn folder() -> PathBuf {
    guests::folder().join("disks")
}

/// The image of that name, if it was made.
pub fn image(file: &str) -> Option<PathBuf> {
    Some(folder().join(file)).filter(|path| path.exists())
}

/// Makes the images that are missing, of those that are `wanted`, or all; the
/// first error is returned when all were tried.
///
/// # Errors
/// Where a tool is missing (the message names its Debian package) or fails.
pub fn build(wanted: Option<&[&str]>) -> Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder)?;
    let mut result = Ok(());
    let wanted = |image: &&Image| wanted.is_none_or(|files| files.contains(&image.file));
    for image in IMAGES.iter().filter(wanted).filter(|image| !folder.join(image.file).exists()) {
        eprintln!("making {}", image.file);
        let built = make(&folder, image).with_context(|| format!("image {}", image.file));
        result = result.and(built);
    }
    result
}

/// Under another name first: an image that is there is whole.
fn make(folder: &Path, image: &Image) -> Result<()> {
    let part = folder.join(format!("{}.part", image.file));
    (image.build)(&part)?;
    Ok(fs::rename(part, folder.join(image.file))?)
}

/// A folder for intermediate files that vanishes with the value.
fn scratch() -> Result<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(folder())?)
}

/// A program that a Debian package brings.
fn tool(program: &str, package: &str) -> Result<std::process::Command> {
    let found = shell::has(program) || Path::new("/usr/sbin").join(program).is_file();
    found
        .then(|| std::process::Command::new(program))
        .with_context(|| format!("{program} is missing: apt-get install {package}"))
}

/// A file that a Debian package brings.
fn packaged(path: &str, package: &str) -> Result<PathBuf> {
    let path = PathBuf::from(path);
    path.exists()
        .then(|| path.clone())
        .with_context(|| format!("{} is missing: apt-get install {package}", path.display()))
}
