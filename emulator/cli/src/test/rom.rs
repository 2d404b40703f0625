//! Reading ROMs and telling what they are.

use super::case::{Case, RomKind};
use crate::drives::{self, DriveSpec, Kind, Media};
use crate::run::file_name;
use anyhow::{Context, bail};
use glassbox_boot::{ImageKind, detect};
use glassbox_machine::{
    BiosImage, BootSector, BootSource, BuiltInBios, Control, DriveConfig, FlatImage, Kernel,
};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Larger files are no ROMs, and are not read.
const LARGEST_ROM: u64 = 2 << 30;
/// Sizes of a file that may be a BIOS image without anybody saying so.
const BIOS_SIZES: [usize; 2] = [64 << 10, 128 << 10];
/// Bytes from the reset vector to the end of a BIOS image.
const RESET_VECTOR: usize = 16;

/// Reads a whole file that is not too large.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let about = || format!("cannot read {shown}: check the path and its permissions");
    let meta = std::fs::metadata(path).with_context(about)?;
    if !meta.is_file() {
        bail!("{shown} is not a file: give a ROM");
    }
    if meta.len() == 0 {
        bail!("{shown} is empty: build the ROM again");
    }
    if meta.len() > LARGEST_ROM {
        bail!("{shown} has {} bytes, too many for a ROM: give one of at most 2 GiB", meta.len());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(about)?;
    file.take(LARGEST_ROM + 1).read_to_end(&mut bytes).with_context(about)?;
    Ok(bytes)
}

/// Tells what a ROM that goes into no drive is by its content; a flat one cannot
/// be told.
pub fn recognise(image: &[u8]) -> Option<RomKind> {
    match detect(image) {
        ImageKind::BzImage | ImageKind::Pvh | ImageKind::Multiboot => return Some(RomKind::Kernel),
        // These have a meaning of their own whatever their size is.
        ImageKind::Elf | ImageKind::Compressed(_) | ImageKind::Foreign(_) => return None,
        ImageKind::DiskImage(_) | ImageKind::Unknown => {}
    }
    if image.len() == BootSector::SIZE && image.ends_with(&BootSector::SIGNATURE) {
        return Some(RomKind::BootSector);
    }
    // An empty chip has zeros or ones where the processor starts.
    let starts = |at: usize| image.get(at).is_some_and(|&byte| byte != 0 && byte != 0xFF);
    if BIOS_SIZES.contains(&image.len()) && starts(image.len() - RESET_VECTOR) {
        return Some(RomKind::Bios);
    }
    None
}

/// What a test boots.
///
/// # Errors
/// Files that cannot be read or are not what they should be.
pub fn boot_source(case: &Case) -> anyhow::Result<BootSource> {
    if medium(case).is_some() {
        if case.initrd.is_some() || !case.cmdline.is_empty() {
            bail!("`initrd` and `arguments` are for kernels, not for {}", case.rom.display());
        }
        return Ok(BuiltInBios::default().into());
    }
    let image = read(&case.rom)?;
    let initrd = case.initrd.as_deref().map(read).transpose()?;
    let kind = match case.kind.or_else(|| recognise(&image)) {
        Some(kind) => kind,
        // The loader says best what is wrong with something that looks like a kernel.
        None if detect(&image) != ImageKind::Unknown => RomKind::Kernel,
        None => bail!(
            "{} is no ROM that is recognised: describe it in a manifest.toml (kind = \"flat\" and its address)",
            case.rom.display()
        ),
    };
    if kind != RomKind::Kernel && (initrd.is_some() || !case.cmdline.is_empty()) {
        bail!("`initrd` and `arguments` are for kernels, not for {}", case.rom.display());
    }
    Ok(match kind {
        RomKind::Kernel => {
            let (name, cmdline) = (file_name(&case.rom), case.cmdline.clone());
            Kernel { image: image.into(), name, initrd: initrd.map(Into::into), cmdline, modules: Vec::new() }
                .into()
        }
        RomKind::Flat => FlatImage { image, address: case.address, ebx: 0 }.into(),
        RomKind::Bios => BiosImage(image).into(),
        RomKind::Disk | RomKind::Floppy | RomKind::Cdrom => BuiltInBios::default().into(),
        RomKind::BootSector => match image.try_into() {
            Ok(sector) => BootSector(sector).into(),
            Err(_) => bail!("{} is no boot sector: give one of 512 bytes", case.rom.display()),
        },
    })
}

/// What drive a ROM goes into: as the case says, else as its content says.
fn medium(case: &Case) -> Option<Media> {
    match case.kind {
        Some(RomKind::Disk) => Some(Media::Disk),
        Some(RomKind::Floppy) => Some(Media::Floppy),
        Some(RomKind::Cdrom) => Some(Media::Cdrom),
        Some(_) => None,
        None => {
            let size = case.rom.metadata().ok()?.len() as usize;
            let is_chip = size == BootSector::SIZE || BIOS_SIZES.contains(&size);
            // What cannot be read is complained about where it is read.
            match drives::recognise(&case.rom) {
                Ok(Kind::Drive(media)) if !is_chip => Some(media),
                _ => None,
            }
        }
    }
}

/// The drives of a test: what it boots, where that is a disk. What the guest
/// writes is forgotten at the end.
///
/// # Errors
/// An image that cannot be used.
pub fn drives(case: &Case, control: &Control) -> anyhow::Result<Vec<DriveConfig>> {
    let Some(media) = medium(case) else { return Ok(Vec::new()) };
    let drive = DriveSpec { media: Some(media), ephemeral: true, ..DriveSpec::of(&case.rom) };
    let opened = drives::open_all(&[drive], &[], case.clock, control)?;
    Ok(opened.into_iter().map(|opened| opened.config).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_content() {
        let mut sector = vec![0; 512];
        assert_eq!(recognise(&sector), None);
        sector[510..].copy_from_slice(&[0x55, 0xAA]);
        assert_eq!(recognise(&sector), Some(RomKind::BootSector));
        sector.push(0);
        assert_eq!(recognise(&sector), None, "that is a disk");
        for size in [64 << 10, 128 << 10] {
            let mut bios = vec![0; size];
            assert_eq!(recognise(&bios), None, "nothing is at the reset vector");
            bios[size - 16] = 0xEA;
            assert_eq!(recognise(&bios), Some(RomKind::Bios));
        }
        assert_eq!(recognise(b"\x1f\x8b\x08"), None);
        assert_eq!(recognise(&[]), None);
    }
}
