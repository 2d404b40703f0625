//! The guests that tests boot: unmodified Debian kernels and busybox.

use crate::apt::{self, Apt};
use crate::shell;
use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

/// Where a guest comes from.
struct Source {
    /// Folder under `target/guests/`.
    name: &'static str,
    /// Package, or metapackage where `prefix` is given.
    package: &'static str,
    suite: &'static str,
    /// Prefix of the package that the metapackage depends on.
    prefix: Option<&'static str>,
}

const SOURCES: &[Source] = &[
    Source {
        name: "cloud",
        package: "linux-image-cloud-amd64",
        suite: "bookworm",
        prefix: Some("linux-image-"),
    },
    Source { name: "generic", package: "linux-image-amd64", suite: "bookworm", prefix: Some("linux-image-") },
    Source {
        name: "newer",
        package: "linux-image-cloud-amd64",
        suite: "bookworm-backports",
        prefix: Some("linux-image-"),
    },
    Source {
        name: "i686",
        package: "linux-image-686-pae:i386",
        suite: "bookworm",
        prefix: Some("linux-image-"),
    },
    Source { name: "xen", package: "xen-hypervisor-4.17-amd64", suite: "bookworm", prefix: None },
    Source { name: "busybox", package: "busybox-static", suite: "bookworm", prefix: None },
    Source { name: "busybox-i386", package: "busybox-static:i386", suite: "bookworm", prefix: None },
];

/// The folder that guests are unpacked into.
pub fn folder() -> PathBuf {
    shell::target().join("guests")
}

/// Downloads and unpacks what is missing.
///
/// # Errors
/// Where there is no apt or a package cannot be had; says which.
pub fn fetch() -> Result<()> {
    let folder = folder();
    if SOURCES.iter().all(|s| folder.join(s.name).join(".package").exists()) {
        eprintln!("all guests are in {}", folder.display());
        return Ok(());
    }
    let apt = Apt::new(&folder, &apt::GUESTS)?;
    for source in SOURCES {
        let package = match source.prefix {
            Some(prefix) => apt.resolve(source.package, source.suite, prefix)?,
            None => source.package.to_owned(),
        };
        apt.unpack(&package, &folder.join(source.name)).with_context(|| format!("guest {}", source.name))?;
    }
    Ok(())
}

/// The kernel image of guest `name`, if it was fetched.
pub fn kernel(name: &str) -> Option<PathBuf> {
    boot_file(name, |file| file.starts_with("vmlinuz-"))
}

/// The Xen hypervisor, if it was fetched: a multiboot kernel, unpacked.
///
/// # Errors
/// Where it cannot be unpacked.
pub fn xen() -> Result<Option<PathBuf>> {
    let Some(packed) = boot_file("xen", |file| file.ends_with(".gz")) else { return Ok(None) };
    let unpacked = folder().join("xen/xen");
    let mut image = Vec::new();
    GzDecoder::new(fs::File::open(packed)?).read_to_end(&mut image)?;
    fs::write(&unpacked, image)?;
    Ok(Some(unpacked))
}

/// The file of guest `name` in `/boot` whose name is the wanted one.
fn boot_file(name: &str, is_wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let boot = folder().join(name).join("boot");
    let files = fs::read_dir(boot).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_wanted);
    files.into_iter().find(name)
}

/// The busybox of guest `name`, if it was fetched.
pub fn busybox(name: &str) -> Option<PathBuf> {
    Some(folder().join(name).join("bin/busybox")).filter(|path| path.exists())
}
