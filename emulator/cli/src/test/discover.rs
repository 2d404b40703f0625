//! Finds tests: manifests and ROMs below folders.

use super::case::{Case, RomKind};
use super::{manifest, rom};
use crate::args::TestArgs;
use anyhow::{Context, bail};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The name of a manifest in a folder.
const MANIFEST: &str = "manifest.toml";
/// Folders are not followed deeper than this.
const DEEPEST: usize = 64;
/// Bytes of a file that are looked at before it is read whole.
const HEAD: u64 = 128 << 10;

/// All tests that the command line names.
///
/// # Errors
/// Paths that do not exist, folders without tests, manifests that make no sense.
pub fn cases(args: &TestArgs) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in &args.paths {
        let shown = path.display();
        let meta = fs::metadata(path).with_context(|| format!("cannot read {shown}: check the path"))?;
        if meta.is_dir() {
            cases.extend(in_folder(path, args)?);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            cases.extend(manifest::load(path, "", args)?);
        } else {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            cases.push(Case::of_rom(path.clone(), name, args));
        }
    }
    Ok(cases)
}

/// The file's name without its ending.
pub fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn in_folder(folder: &Path, args: &TestArgs) -> anyhow::Result<Vec<Case>> {
    let mut files = Vec::new();
    walk(folder, 0, &mut files)?;
    let is_manifest = |path: &PathBuf| path.file_name().is_some_and(|name| name == MANIFEST);
    let mut cases = Vec::new();
    if files.iter().any(is_manifest) {
        for path in files.iter().filter(|path| is_manifest(path)) {
            let within = path.parent().map(|parent| relative(parent, folder)).unwrap_or_default();
            let prefix = if within.is_empty() { within } else { within + "/" };
            cases.extend(manifest::load(path, &prefix, args)?);
        }
    } else {
        for path in files {
            if is_bootable(&path) {
                let name = relative(&path, folder);
                cases.push(Case::of_rom(path, name, args));
            }
        }
    }
    if cases.is_empty() {
        bail!("{} has neither a {MANIFEST} nor a file that boots", folder.display());
    }
    Ok(cases)
}

/// The way from `folder` to `path`, written with `/` on every host.
fn relative(path: &Path, folder: &Path) -> String {
    let inner = path.strip_prefix(folder).unwrap_or(path);
    inner.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// All files below a folder, in order. Links to folders are not followed, and
/// hidden ones (build caches, version control) left out.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let about = || format!("cannot read {}", folder.display());
    let mut entries =
        fs::read_dir(folder).with_context(about)?.collect::<Result<Vec<_>, _>>().with_context(about)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().with_context(about)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            if depth < DEEPEST {
                walk(&path, depth + 1, files)?;
            }
        } else if fs::metadata(&path).is_ok_and(|meta| meta.is_file()) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a file is a ROM by its content; not more of it is read than needed.
fn is_bootable(path: &Path) -> bool {
    let head = || -> std::io::Result<(Vec<u8>, u64)> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head)?;
        Ok((head, len))
    };
    let Ok((head, len)) = head() else { return false };
    if head.len() as u64 == len {
        return rom::recognise(&head).is_some();
    }
    // What an ELF file is may be said anywhere in it.
    if head.starts_with(b"\x7FELF") {
        return rom::read(path).is_ok_and(|image| rom::recognise(&image).is_some());
    }
    rom::recognise(&head) == Some(RomKind::Kernel)
}
