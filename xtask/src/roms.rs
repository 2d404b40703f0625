//! `cargo xtask roms`: rebuilds the checked-in guest images from their sources.

use crate::shell;
use anyhow::{Result, bail};
use std::fs;
use std::process::Command;

/// Assembles every `test-roms/*/*.asm` with nasm and compares the result with
/// the image beside it.
///
/// # Errors
/// Where nasm is missing or an image differs.
pub fn run(bless: bool) -> Result<()> {
    let folder = shell::root().join("test-roms");
    let mut sources: Vec<_> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_dir(entry.ok()?.path()).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "asm"))
        .collect();
    sources.sort();
    if sources.is_empty() {
        return Ok(());
    }
    if !shell::has("nasm") {
        bail!("nasm is missing: install the package nasm to rebuild the test ROMs");
    }
    let mut stale = Vec::new();
    for source in sources {
        let image = source.with_extension("bin");
        let built = shell::target().join("rom.bin");
        let dir = source.parent().unwrap_or(&folder);
        shell::output(
            Command::new("nasm").current_dir(dir).args(["-f", "bin", "-o"]).arg(&built).arg(&source),
        )?;
        if fs::read(&built)? == fs::read(&image).unwrap_or_default() {
            continue;
        }
        if bless {
            fs::copy(&built, &image)?;
            println!("wrote {}", image.display());
        } else {
            stale.push(image.display().to_string());
        }
    }
    if !stale.is_empty() {
        bail!("differ from their sources: {}; run cargo xtask roms --bless", stale.join(", "));
    }
    println!("test ROMs match their sources");
    Ok(())
}
