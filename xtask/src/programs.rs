//! `cargo xtask bench --programs`: compilers, compressors, interpreters, a database and
//! cryptography out of Debian's packages, run from a disk, beside QEMU TCG.

use crate::bench::{APPEND, Options, Times, console, median, ours, qemu, whole};
use crate::disk_guests::qemu::needed as needs_qemu;
use crate::screens::modules;
use crate::table::{Row, Table};
use crate::{disks, guests, initramfs};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const INIT: &str = include_str!("../guest/programs.sh");
const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "ext4", "crc32c_generic"];
const MEMORY: &str = "1G";
/// `benches/guest/programs/run.sh` has what they do.
const PROGRAMS: [&str; 16] = [
    "gcc", "as", "gzip", "bzip2", "xz", "zstd", "python", "perl", "luajit", "node", "sqlite", "sha256",
    "aes", "prime", "kdf", "shell",
];

/// Runs the programs in turns and prints medians and their ratios.
///
/// # Errors
/// Where something is missing, a program fails, or one prints on one machine what it does
/// not on the other.
pub fn run(options: &Options) -> Result<()> {
    guests::fetch()?;
    needs_qemu()?;
    let glassbox = options.binary()?;
    let kernel = guests::kernel("cloud").context("the cloud kernel was not fetched")?;
    let (initrd, disk) = (initrd()?, disks::programs()?);
    let names: Vec<&str> = PROGRAMS.into_iter().filter(|name| options.wants(name)).collect();
    let append = format!("{APPEND} bench={}", names.join(","));
    let drive = format!("file={},format=raw", disk.display());
    let mut table = Table::default();
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for run in 0..options.runs.max(1) {
        eprintln!("run {} of {}", run + 1, options.runs.max(1));
        let mut command = ours(&glassbox, &kernel, &initrd, MEMORY);
        command.arg("--drive").arg(format!("{drive},bus=virtio,readonly=on"));
        let (times, found) = results(command, &append, &names).context("Glassbox")?;
        here.push(times);
        let mut command = qemu(&kernel, &initrd, MEMORY);
        command.arg("-drive").arg(format!("{drive},if=virtio,readonly=on"));
        let (times, expected) = results(command, &append, &names).context("QEMU")?;
        there.push(times);
        if found != expected {
            bail!("the programs printed {found:#?} here, and {expected:#?} there");
        }
    }
    for name in names {
        let ours = median(&here, name).context("it ran")?;
        let theirs = median(&there, name);
        table.rows.push(Row { name: name.into(), ours, theirs, least: 1.0, unit: "s" });
    }
    options.show(&table)
}

/// The times of all programs, and the sums of what each printed.
fn results(command: Command, append: &str, names: &[&str]) -> Result<(Times, Vec<String>)> {
    let (times, text) = console(command, append)?;
    if let Some(line) = text.lines().find(|line| line.contains("GUEST-FAILED")) {
        bail!("in the guest: {line}");
    }
    let times = whole(times, names)?;
    let sums = text.lines().filter(|line| line.starts_with("RESULT ")).map(|line| line.trim().to_owned());
    Ok((times, sums.collect()))
}

fn initrd() -> Result<PathBuf> {
    let busybox = fs::read(guests::busybox("busybox").context("busybox was not fetched")?)?;
    let modules = modules::numbered("cloud", MODULES)?;
    let files: Vec<(&str, &[u8])> =
        modules.iter().map(|(name, data)| (name.as_str(), data.as_slice())).collect();
    let initrd = guests::folder().join("initrd-programs.gz");
    fs::write(&initrd, initramfs::busybox(&busybox, INIT, &files)?)?;
    Ok(initrd)
}
