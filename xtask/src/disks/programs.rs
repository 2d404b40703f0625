//! A file system with the programs that `cargo xtask bench --programs` runs, and what they
//! work on.

use super::{debian, folder, scratch};
use crate::shell;
use anyhow::Result;
use std::fs::{self, File};
use std::path::Path;

/// The programs.
const PACKAGES: &str = "bzip2,gcc,libc6-dev,luajit,nodejs,openssl,perl-base,python3-minimal,libpython3-stdlib,sqlite3,xz-utils,zstd";
const SIZE: u64 = 900 << 20;
/// How much of a large library is compressed.
const SAMPLE: usize = 4 << 20;
/// A large file with code, constants and text, by the beginning of its name.
const SAMPLED: &str = "libnode.so.";

/// An ext4 file system on a disk of its own, without a partition table.
pub fn disk(to: &Path) -> Result<()> {
    let scratch = scratch()?;
    let root = scratch.path().join("root");
    fs::create_dir(&root)?;
    debian::unpack(&debian::archive("programs-root", PACKAGES, &[])?, &root)?;
    let work = root.join("work");
    fs::create_dir(&work)?;
    let sources = shell::root().join("benches/guest");
    fs::copy(sources.join("workloads.c"), work.join("workloads.c"))?;
    for entry in fs::read_dir(sources.join("programs"))? {
        let path = entry?.path();
        fs::copy(&path, work.join(path.file_name().unwrap_or_default()))?;
    }
    fs::write(work.join("sample"), sample(&root.join("usr/lib/x86_64-linux-gnu"))?)?;
    File::create(to)?.set_len(SIZE)?;
    debian::write_root(to, &root, 0, SIZE)
}

/// The middle of the sampled library.
fn sample(libraries: &Path) -> Result<Vec<u8>> {
    let mut files = fs::read_dir(libraries)?.flatten();
    let found = files.find(|file| file.file_name().to_string_lossy().starts_with(SAMPLED));
    let path = found.map(|file| file.path());
    let path = path.ok_or_else(|| {
        anyhow::anyhow!("{} has no {SAMPLED}*: is it in {}?", libraries.display(), folder().display())
    })?;
    let bytes = fs::read(path)?;
    let start = bytes.len().saturating_sub(SAMPLE) / 2;
    Ok(bytes[start..bytes.len().min(start + SAMPLE)].to_vec())
}
