//! Tells what a kernel file is by its content, never by its name.

use crate::bytes::{array, u16_at, u32_at};
use crate::{elf, multiboot};

/// What a file given as kernel turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// A Linux/x86 boot image with a setup header.
    BzImage,
    /// An x86 ELF file with a PVH entry note.
    Pvh,
    /// A multiboot 1 kernel, ELF or with load addresses in its header.
    Multiboot,
    /// An x86 ELF file that names no way to be started.
    Elf,
    /// A compressed file, of this format.
    Compressed(&'static str),
    /// A disk or CD image, of this kind.
    DiskImage(&'static str),
    /// A known kind of program that is not for this loader.
    Foreign(&'static str),
    /// Nothing known.
    Unknown,
}

const COMPRESSED: [(&[u8], &str); 7] = [
    (b"\x1F\x8B", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xFD7zXZ\0", "xz"),
    (b"\x5D\0\0", "lzma"),
    (b"\x28\xB5\x2F\xFD", "zstd"),
    (b"\x04\x22\x4D\x18", "lz4"),
    (b"\x02\x21\x4C\x18", "lz4"),
];

/// Recognises a kernel file. Of a file that could be started in several ways
/// the one that tells the kernel most is chosen: bzImage, PVH, multiboot.
pub fn detect(image: &[u8]) -> ImageKind {
    if is_bzimage(image) {
        return ImageKind::BzImage;
    }
    let is_elf = image.starts_with(b"\x7FELF");
    if is_elf {
        let Ok(headers) = elf::Headers::parse(image) else {
            return ImageKind::Foreign("a damaged ELF file or one for another processor");
        };
        if matches!(headers.pvh_entry(image), Ok(Some(_))) {
            return ImageKind::Pvh;
        }
    }
    if multiboot::find_header(image).is_some() {
        return ImageKind::Multiboot;
    }
    if is_elf {
        return ImageKind::Elf;
    }
    if let Some((_, format)) = COMPRESSED.iter().find(|(magic, _)| image.starts_with(magic)) {
        return ImageKind::Compressed(format);
    }
    if array(image, 0x38) == Some(*b"ARM\x64") || array(image, 0x38) == Some(*b"RSC\x05") {
        return ImageKind::Foreign("a kernel for another processor");
    }
    if array(image, 0x8001) == Some(*b"CD001") {
        return ImageKind::DiskImage("a CD image (ISO 9660)");
    }
    if image.starts_with(b"QFI\xFB") {
        return ImageKind::DiskImage("a qcow2 disk image");
    }
    if is_portable_executable(image) {
        return ImageKind::Foreign("an EFI program without a Linux setup header");
    }
    if u16_at(image, 0x1FE) == Some(0xAA55) {
        return ImageKind::DiskImage("a disk image or boot sector");
    }
    ImageKind::Unknown
}

fn is_bzimage(image: &[u8]) -> bool {
    u16_at(image, 0x1FE) == Some(0xAA55) && array(image, 0x202) == Some(*b"HdrS")
}

fn is_portable_executable(image: &[u8]) -> bool {
    image.starts_with(b"MZ")
        && u32_at(image, 0x3C).is_some_and(|at| array(image, at as usize) == Some(*b"PE\0\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(len: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut image = vec![0; len];
        for (at, bytes) in parts {
            image[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        image
    }

    #[test]
    fn files_are_told_apart_by_content() {
        let boot_sector: (usize, &[u8]) = (0x1FE, &[0x55, 0xAA]);
        assert_eq!(detect(&with(1024, &[boot_sector, (0x202, b"HdrS")])), ImageKind::BzImage);
        assert!(matches!(detect(&with(1024, &[boot_sector])), ImageKind::DiskImage(_)));
        assert!(matches!(detect(&with(0x9000, &[boot_sector, (0x8001, b"CD001")])), ImageKind::DiskImage(_)));
        assert_eq!(detect(&with(64, &[(0, b"\x1F\x8B\x08")])), ImageKind::Compressed("gzip"));
        assert_eq!(detect(&with(64, &[(0, b"\x28\xB5\x2F\xFD")])), ImageKind::Compressed("zstd"));
        let efi = with(128, &[(0, b"MZ"), (0x3C, &[0x40]), (0x40, b"PE\0\0")]);
        assert!(matches!(detect(&efi), ImageKind::Foreign(_)));
        assert!(matches!(detect(&with(64, &[(0x38, b"ARM\x64")])), ImageKind::Foreign(_)));
        assert!(matches!(detect(&with(64, &[(0, b"\x7FELF")])), ImageKind::Foreign(_)));
        assert_eq!(detect(&[]), ImageKind::Unknown);
        assert_eq!(detect(&[0; 4096]), ImageKind::Unknown);
    }
}
