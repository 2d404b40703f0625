//! The disk images that tests boot: made of unmodified Debian packages, without
//! root's loop devices and without a running emulator.

mod debian;
mod grub;
mod installer;
mod programs;
mod ready_made;

use crate::apt::{self, Apt};
use crate::{guests, shell};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An image and how it is made.
struct Image {
    /// File under `target/guests/disks/`.
    file: &'static str,
    build: fn(&Path) -> Result<()>,
    /// The source that says how: an image is made anew when it has changed.
    recipe: &'static str,
}

const DEBIAN: &str = include_str!("debian.rs");
const INSTALLER: &str = include_str!("installer.rs");
const GRUB: &str = include_str!("grub.rs");
const READY_MADE: &str = include_str!("ready_made.rs");
/// Not one of those that tests boot.
const PROGRAMS: Image = Image {
    file: "programs.img",
    build: programs::disk,
    recipe: concat!(
        include_str!("programs.rs"),
        include_str!("../../../benches/guest/workloads.c"),
        include_str!("../../../benches/guest/programs/run.sh"),
        include_str!("../../../benches/guest/programs/work.js"),
        include_str!("../../../benches/guest/programs/work.lua"),
        include_str!("../../../benches/guest/programs/work.pl"),
        include_str!("../../../benches/guest/programs/work.py"),
        include_str!("../../../benches/guest/programs/work.sql"),
    ),
};

const IMAGES: &[Image] = &[
    Image { file: "debian.qcow2", build: debian::bios_disk, recipe: DEBIAN },
    Image { file: "debian-efi.qcow2", build: debian::efi_disk, recipe: DEBIAN },
    Image { file: "installer.iso", build: installer::menu_cd, recipe: INSTALLER },
    Image { file: "installer-serial.iso", build: installer::serial_cd, recipe: INSTALLER },
    Image { file: "installer-gtk.iso", build: installer::graphical_cd, recipe: INSTALLER },
    Image { file: "grub.iso", build: grub::cd, recipe: GRUB },
    Image { file: "grub.img", build: grub::floppy, recipe: GRUB },
    Image { file: "grub-legacy.img", build: grub::legacy_floppy, recipe: GRUB },
    Image { file: "memdisk.iso", build: grub::memdisk_cd, recipe: GRUB },
    Image { file: "memtest.iso", build: ready_made::memtest_cd, recipe: READY_MADE },
    Image { file: "memtest.bin", build: ready_made::memtest_kernel, recipe: READY_MADE },
    Image { file: "ipxe.iso", build: ready_made::ipxe_cd, recipe: READY_MADE },
    Image { file: "ipxe.img", build: ready_made::ipxe_floppy, recipe: READY_MADE },
];

impl Image {
    /// What the image that is there was made by.
    fn stamp(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.recipe", self.file))
    }

    fn is_current(&self, folder: &Path) -> bool {
        let made_by = fs::read_to_string(self.stamp(folder));
        folder.join(self.file).exists() && made_by.is_ok_and(|recipe| recipe == self.recipe)
    }
}

/// The folder that images are made in.
pub fn folder() -> PathBuf {
    guests::folder().join("disks")
}

/// The image of that name, if it was made.
pub fn image(file: &str) -> Option<PathBuf> {
    Some(folder().join(file)).filter(|path| path.exists())
}

/// Makes the images that are missing or out of date, of those that are `wanted`, or all; the
/// first error is returned when all were tried.
///
/// # Errors
/// Where a tool is missing (the message names its Debian package) or fails.
pub fn build(wanted: Option<&[&str]>) -> Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder)?;
    let mut result = Ok(());
    let wanted = |image: &&Image| wanted.is_none_or(|files| files.contains(&image.file));
    for image in IMAGES.iter().filter(wanted).filter(|image| !image.is_current(&folder)) {
        eprintln!("making {}", image.file);
        let built = make(&folder, image).with_context(|| format!("image {}", image.file));
        result = result.and(built);
    }
    result
}

/// The disk of `cargo xtask bench --programs`, made if need be.
///
/// # Errors
/// As [`build`].
pub fn programs() -> Result<PathBuf> {
    let folder = folder();
    fs::create_dir_all(&folder)?;
    if !PROGRAMS.is_current(&folder) {
        eprintln!("making {}", PROGRAMS.file);
        make(&folder, &PROGRAMS)?;
    }
    Ok(folder.join(PROGRAMS.file))
}

/// Under another name first: an image that is there is whole.
fn make(folder: &Path, image: &Image) -> Result<()> {
    let part = folder.join(format!("{}.part", image.file));
    (image.build)(&part)?;
    fs::rename(part, folder.join(image.file))?;
    Ok(fs::write(image.stamp(folder), image.recipe)?)
}

/// A folder for intermediate files that vanishes with the value.
fn scratch() -> Result<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(folder())?)
}

/// When all files of an image were written: 2026-01-01, in seconds of Unix time.
const DATE: &str = "1767225600";

/// A program that a Debian package brings; where it can, it takes [`DATE`] for the date.
fn tool(program: &str, package: &str) -> Result<Command> {
    let found = shell::has(program) || Path::new("/usr/sbin").join(program).is_file();
    anyhow::ensure!(found, "{program} is missing: apt-get install {package}");
    let mut command = Command::new(program);
    command.env("SOURCE_DATE_EPOCH", DATE).env("E2FSPROGS_FAKE_TIME", DATE);
    Ok(command)
}

/// A file out of a package that need not be installed.
fn from_package(package: &str, file: &str) -> Result<PathBuf> {
    let at = guests::folder().join(package);
    let path = at.join(file);
    if !path.exists() {
        Apt::new(&guests::folder(), &apt::GUESTS)?.unpack(package, &at)?;
    }
    path.exists().then_some(path).with_context(|| format!("{package} has no {file}"))
}

/// A file that a Debian package brings.
fn packaged(path: &str, package: &str) -> Result<PathBuf> {
    let path = PathBuf::from(path);
    path.exists()
        .then(|| path.clone())
        .with_context(|| format!("{} is missing: apt-get install {package}", path.display()))
}
