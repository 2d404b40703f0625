//! The guests that tests boot: unmodified Debian kernels and busybox.

use crate::apt::Apt;
use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

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
    let apt = Apt::new(&folder)?;
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
    let boot = folder().join(name).join("boot");
    fs::read_dir(boot).ok()?.filter_map(|e| Some(e.ok()?.path())).find(|path| is_kernel(path))
}

fn is_kernel(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("vmlinuz-"))
}

/// The busybox of guest `name`, if it was fetched.
pub fn busybox(name: &str) -> Option<PathBuf> {
    Some(folder().join(name).join("bin/busybox")).filter(|path| path.exists())
}
