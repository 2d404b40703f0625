//! `cargo xtask check`: what the compiler does not see.

use crate::quotes;
use crate::shell::{self, cargo, root};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files longer than this have to be split.
const MAX_LINES: usize = 800;

/// Which workspace crates a crate may depend on, by folder: a rule that fails
/// keeps devices from the processor and the processor from devices.
const LAYERS: &[(&str, &[&str])] = &[
    ("emulator/x86-spec", &[]),
    ("emulator/memory", &[]),
    ("emulator/softfloat", &[]),
    ("emulator/cpu", &["x86-spec", "memory", "softfloat"]),
    ("emulator/jit", &["x86-spec", "memory", "cpu"]),
    ("emulator/oracle", &["x86-spec", "memory", "cpu"]),
    ("devices/api", &["x86-spec", "memory"]),
    ("devices/", &["x86-spec", "memory", "device-api", "testkit", "chipset", "input", "pci"]),
    ("firmware/", &["x86-spec", "memory", "device-api", "tables"]),
];

/// Runs every check.
///
/// # Errors
/// The first check that fails.
pub fn run() -> Result<()> {
    shell::run(cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    shell::run(cargo().env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--workspace",
        "--no-deps",
        "--quiet",
    ]))?;
    let mut faults = layers()?;
    faults.extend(sizes()?);
    faults.extend(links()?);
    for file in files("md")? {
        faults.extend(quotes::check(&root(), &file)?);
    }
    for fault in &faults {
        eprintln!("check: {fault}");
    }
    if !faults.is_empty() {
        bail!("{} checks failed", faults.len());
    }
    println!("check: all good");
    Ok(())
}

/// Dependencies that point the wrong way.
fn layers() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for manifest in files("toml")? {
        let dir =
            manifest.parent().unwrap_or(Path::new("")).strip_prefix(root())?.to_string_lossy().into_owned();
        let Some((_, allowed)) = LAYERS.iter().find(|(prefix, _)| dir.starts_with(prefix)) else { continue };
        let text = fs::read_to_string(&manifest)?;
        let dependencies = text.split("[dependencies]").nth(1).unwrap_or_default();
        for line in dependencies.lines().take_while(|line| !line.starts_with('[')) {
            let Some(name) = line.strip_prefix("glassbox-") else { continue };
            let name = name.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed.contains(&name) {
                faults.push(format!("{dir} must not depend on glassbox-{name}"));
            }
        }
    }
    Ok(faults)
}

/// Source files that have grown too long.
fn sizes() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in files("rs")? {
        let lines = fs::read_to_string(&file)?.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{}: {lines} lines, split it below {MAX_LINES}", file.display()));
        }
    }
    Ok(faults)
}

/// Relative links in Markdown that lead nowhere.
fn links() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in files("md")? {
        let text = fs::read_to_string(&file)?;
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !file.parent().unwrap_or(Path::new("")).join(path).exists() {
                faults.push(format!("{}: the link to {target} is broken", file.display()));
            }
        }
    }
    Ok(faults)
}

/// The files with an extension that git tracks or would track.
fn files(extension: &str) -> Result<Vec<PathBuf>> {
    let listing = shell::output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root()),
    )
    .context("listing the files of the checkout")?;
    let wanted = |path: &PathBuf| path.extension().is_some_and(|e| e == extension) && path.exists();
    Ok(listing.lines().map(|line| root().join(line)).filter(wanted).collect())
}
