//! Kernel modules with what they depend on.

use crate::guests;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Names and contents of `wanted` and all that they need, in the order to load them.
fn with_dependencies(kernel: &str, wanted: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = BTreeMap::new();
    collect(&guests::folder().join(kernel).join("lib/modules"), &mut files)?;
    let mut loaded = Vec::new();
    for name in wanted {
        add(name, &files, &mut loaded)?;
    }
    Ok(loaded)
}

/// The same as files `module-00-name` on, so that a shell's pattern has them in order.
pub fn numbered(kernel: &str, wanted: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
    let modules = with_dependencies(kernel, wanted)?.into_iter().enumerate();
    Ok(modules.map(|(n, (name, data))| (format!("module-{n:02}-{name}"), data)).collect())
}

fn collect(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "ko")
            && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
        {
            files.insert(stem.replace('-', "_"), path);
        }
    }
    Ok(())
}

fn add(name: &str, files: &BTreeMap<String, PathBuf>, loaded: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let name = name.replace('-', "_");
    // What is built in has no file.
    let Some(path) = files.get(&name).filter(|_| !loaded.iter().any(|(other, _)| *other == name)) else {
        return Ok(());
    };
    let bytes = fs::read(path)?;
    for dependency in dependencies(&bytes) {
        add(&dependency, files, loaded)?;
    }
    loaded.push((name, bytes));
    Ok(())
}

/// The names in `depends=` of the section `.modinfo`.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|bytes| bytes == KEY) else { return Vec::new() };
    let list = module[at + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let list = String::from_utf8_lossy(list).into_owned();
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::dependencies;

    #[test]
    fn dependencies_are_read_from_the_section() {
        assert_eq!(dependencies(b"x\0license=GPL\0depends=drm,ttm\0name=bochs\0"), ["drm", "ttm"]);
        assert!(dependencies(b"\0depends=\0").is_empty() && dependencies(b"").is_empty());
    }
}
