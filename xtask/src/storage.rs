//! `cargo xtask bench --storage`: what a Linux guest gets from a disk on each bus, beside
//! QEMU TCG with the same image.

use crate::bench::{APPEND, Options, boot, guest_program, median, ours, qemu, whole};
use crate::disk_guests::qemu::needed as needs_qemu;
use crate::screens::modules;
use crate::table::{Row, Table};
use crate::{guests, initramfs};
use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const INIT: &str = include_str!("../guest/storage.sh");
const MODULES: &[&str] = &["ata_piix", "ahci", "sd_mod", "virtio_pci", "virtio_blk", "nvme"];
const WORKS: [&str; 4] = ["read", "dd", "random", "write"];
/// Where a disk is connected, and what QEMU calls that.
const BUSES: [(&str, &[&str]); 4] = [
    ("ide", &["-device", "ide-hd,drive=d,bus=ide.0"]),
    ("ahci", &["-device", "ich9-ahci,id=a", "-device", "ide-hd,drive=d,bus=a.0"]),
    ("virtio", &["-device", "virtio-blk-pci,drive=d"]),
    ("nvme", &["-device", "nvme,drive=d,serial=1"]),
];
const MEMORY: &str = "512M";
/// Bytes of the disk.
const SIZE: usize = 320 << 20;

/// Runs the works on each bus in turns and prints medians and their ratios.
///
/// # Errors
/// Where something is missing or a guest fails.
pub fn run(options: &Options) -> Result<()> {
    guests::fetch()?;
    needs_qemu()?;
    let glassbox = options.binary()?;
    let kernel = guests::kernel("generic").context("the generic kernel was not fetched")?;
    let (initrd, disk) = (initrd()?, disk()?);
    let our_command = |bus: &str| {
        let mut command = ours(&glassbox, &kernel, &initrd, MEMORY);
        command.arg("--drive").arg(format!("file={},format=raw,bus={bus}", disk.display()));
        command
    };
    let their_command = |device: &[&str]| {
        let mut command = qemu(&kernel, &initrd, MEMORY);
        command.arg("-drive").arg(format!("file={},format=raw,if=none,id=d", disk.display()));
        command.args(device);
        command
    };
    let mut table = Table::default();
    for (bus, device) in BUSES.iter().filter(|(bus, _)| options.wants(bus)) {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for _ in 0..options.runs.max(1) {
            here.push(whole(boot(our_command(bus), APPEND)?, &WORKS).context(*bus)?);
            there.push(whole(boot(their_command(device), APPEND)?, &WORKS).context(*bus)?);
        }
        for work in WORKS {
            let ours = median(&here, work).context("it ran")?;
            let name = format!("{bus}-{work}");
            table.rows.push(Row { name, ours, theirs: median(&there, work), least: 1.0, unit: "s" });
        }
    }
    options.show(&table)
}

fn initrd() -> Result<PathBuf> {
    let busybox = fs::read(guests::busybox("busybox").context("busybox was not fetched")?)?;
    let works = fs::read(guest_program("storage")?)?;
    let modules = modules::numbered("generic", MODULES)?;
    let mut files: Vec<(&str, &[u8])> = vec![("works", &works)];
    files.extend(modules.iter().map(|(name, data)| (name.as_str(), data.as_slice())));
    let initrd = guests::folder().join("initrd-storage.gz");
    fs::write(&initrd, initramfs::busybox(&busybox, INIT, &files)?)?;
    Ok(initrd)
}

/// A disk without holes: those would be read without the host's file.
fn disk() -> Result<PathBuf> {
    let path = guests::folder().join("storage.img");
    if fs::metadata(&path).is_ok_and(|meta| meta.len() == SIZE as u64) {
        return Ok(path);
    }
    write_noise(&path).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn write_noise(path: &Path) -> Result<()> {
    let mut file = fs::File::create(path)?;
    let mut state = 1u64;
    let mut piece = vec![0; 1 << 20];
    for _ in 0..SIZE / piece.len() {
        for word in piece.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&piece)?;
    }
    Ok(())
}
