//! What a file that is to be run turns out to be.

use super::spec::Media;
use anyhow::{Context, bail};
use glassbox_boot::{ImageKind, detect};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// So much of a file's beginning tells what it is: up to the first volume
/// descriptor of a CD.
const HEAD: u64 = 0x9000;
/// The first volume descriptor's identifier (ECMA-119 8.4.2, ECMA-167 3/9.1.2).
const VOLUME: usize = 0x8001;
const BOOT_SIGNATURE: usize = 510;
/// Sizes of floppy disks in KiB.
const FLOPPY_KIB: [u64; 12] = [160, 180, 320, 360, 640, 720, 820, 1200, 1440, 1680, 1722, 2880];

/// What to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Started directly.
    Kernel,
    /// Goes into a drive.
    Drive(Media),
    /// The bytes of a disk without anything that could be started.
    Blank,
}

/// Tells what a file is.
///
/// # Errors
/// A file that cannot be read, or is nothing that could be run.
pub fn recognise(path: &Path) -> anyhow::Result<Kind> {
    let shown = path.display();
    let about = || format!("cannot read {shown}: check the path and its permissions");
    let mut file = File::open(path).with_context(about)?;
    let meta = file.metadata().with_context(about)?;
    if meta.is_dir() {
        bail!("{shown} is a folder: give a kernel or a disk image");
    }
    let mut size = meta.len();
    if !meta.is_file() {
        match file.seek(SeekFrom::End(0)) {
            Ok(end) if end != 0 => size = end,
            // A pipe: what comes through it has to be a kernel.
            _ => return Ok(Kind::Kernel),
        }
        file.rewind().with_context(about)?;
    }
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).with_context(about)?;
    if head.is_empty() {
        bail!("{shown} is empty, not a kernel and not a disk: give one of these");
    }
    Ok(kind_of(&head, size))
}

fn kind_of(head: &[u8], size: u64) -> Kind {
    if glassbox_block::is_wrapped(head) {
        return Kind::Drive(Media::Disk);
    }
    // CDs that can be written to USB sticks have a boot sector, too.
    let volume = head.get(VOLUME..VOLUME + 5);
    if matches!(volume, Some(b"CD001" | b"BEA01")) {
        return Kind::Drive(Media::Cdrom);
    }
    // The boot loader behind a disk's first sector may have a multiboot header.
    let kernel = detect(head);
    let has_sector = head.get(BOOT_SIGNATURE..BOOT_SIGNATURE + 2) == Some(&[0x55, 0xAA]);
    let is_floppy = FLOPPY_KIB.contains(&(size / 1024)) && size.is_multiple_of(1024);
    match kernel {
        ImageKind::BzImage => return Kind::Kernel,
        _ if head.starts_with(b"\x7FELF") => return Kind::Kernel,
        _ if has_sector && size.is_multiple_of(512) => {
            return Kind::Drive(if is_floppy { Media::Floppy } else { Media::Disk });
        }
        // Of before there were signatures.
        ImageKind::Unknown if is_floppy && matches!(head[0], 0xEB | 0xE9 | 0xFA) => {
            return Kind::Drive(Media::Floppy);
        }
        ImageKind::Unknown | ImageKind::DiskImage(_) => {}
        _ => return Kind::Kernel,
    }
    if size.is_multiple_of(512) && kernel == ImageKind::Unknown { Kind::Blank } else { Kind::Kernel }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(size: usize, pieces: &[(usize, &[u8])]) -> Kind {
        let mut bytes = vec![0; size];
        for (at, piece) in pieces {
            bytes[*at..at + piece.len()].copy_from_slice(piece);
        }
        kind_of(&bytes[..bytes.len().min(HEAD as usize)], size as u64)
    }

    const SIGNATURE: (usize, &[u8]) = (510, &[0x55, 0xAA]);

    #[test]
    fn a_boot_sector_makes_a_disk_or_by_its_size_a_floppy() {
        assert_eq!(with(4 << 20, &[SIGNATURE]), Kind::Drive(Media::Disk));
        for kib in [160, 360, 720, 1200, 1440, 2880] {
            assert_eq!(with(kib << 10, &[SIGNATURE]), Kind::Drive(Media::Floppy), "{kib} KiB");
        }
        assert_eq!(with(160 << 10, &[(0, &[0xEB, 0x2F])]), Kind::Drive(Media::Floppy), "without signature");
        assert_eq!(with(4 << 20, &[]), Kind::Blank);
    }

    #[test]
    fn a_cd_is_one_with_a_boot_sector_too() {
        assert_eq!(with(1 << 20, &[SIGNATURE, (VOLUME, b"CD001")]), Kind::Drive(Media::Cdrom));
    }

    #[test]
    fn images_of_other_formats_are_disks() {
        assert_eq!(with(4096, &[(0, b"QFI\xfb\0\0\0\x03")]), Kind::Drive(Media::Disk));
        assert_eq!(with(4096, &[(0, b"vhdxfile")]), Kind::Drive(Media::Disk));
    }

    #[test]
    fn kernels_are_kernels_and_a_loader_with_a_multiboot_header_is_none() {
        assert_eq!(with(1440 << 10, &[SIGNATURE, (0x202, b"HdrS")]), Kind::Kernel, "as large as a floppy");
        let header: Vec<u8> = [0x1BAD_B002u32, 0, 0u32.wrapping_sub(0x1BAD_B002)]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        assert_eq!(with(5000, &[(0, &header)]), Kind::Kernel);
        assert_eq!(with(4 << 20, &[SIGNATURE, (0x400, &header)]), Kind::Drive(Media::Disk));
        assert_eq!(with(1 << 20, &[(0, b"\x7FELF")]), Kind::Kernel);
        assert_eq!(with(1 << 20, &[(0, b"\x1F\x8B")]), Kind::Kernel, "the loader says what to do");
    }
}
