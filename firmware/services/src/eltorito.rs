//! The boot catalog of a CD (El Torito Bootable CD-ROM Format 1.0).

use crate::drive::{Drive, Geometry, SECTOR};
use std::fmt;

/// Bytes of a CD's sector.
pub const CD_SECTOR: u64 = 2048;
/// Where the boot record volume descriptor is.
const BOOT_RECORD: u64 = 17;
/// Sector of the catalog in it.
const CATALOG_POINTER: usize = 0x47;
/// Entries of a catalog that are looked at: a sector's worth.
const MOST_ENTRIES: usize = 64;
const BOOTABLE: u8 = 0x88;
const X86: u8 = 0;
/// Where an image is loaded if the catalog does not say.
pub const DEFAULT_SEGMENT: u16 = 0x07C0;

/// What a CD boots as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// As itself.
    None,
    /// A floppy of 1.2, 1.44 or 2.88 MB.
    Floppy(Geometry),
    /// A hard disk.
    Disk(Geometry),
}

/// An entry of the catalog that can be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// What the image is.
    pub media: Media,
    /// The media byte as it is in the catalog.
    pub media_byte: u8,
    /// Where it is loaded.
    pub segment: u16,
    /// Sectors of 512 bytes to load.
    pub count: u16,
    /// The image's first sector on the CD.
    pub lba: u32,
}

/// What is being emulated: INT 13h AX=4B01h tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emulation {
    /// What it looks like.
    pub media: Media,
    /// The media byte of the catalog.
    pub media_byte: u8,
    /// Index of the CD-ROM drive.
    pub drive: usize,
    /// The drive number that software sees.
    pub number: u8,
    /// The image's first sector on the CD.
    pub lba: u32,
    /// Where it was loaded.
    pub segment: u16,
    /// Sectors of 512 bytes that were loaded.
    pub count: u16,
}

/// Why a CD does not boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogError {
    /// The drive is empty.
    NoMedium,
    /// A sector cannot be read.
    Unreadable,
    /// There is no boot record.
    NotBootable,
    /// The catalog's first entry is not valid.
    Invalid,
    /// No entry is for this kind of machine.
    OtherPlatform,
    /// The image does not fit into memory, or is nowhere on the disc.
    Misplaced,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMedium => "no disc in the drive",
            Self::Unreadable => "the disc cannot be read",
            Self::NotBootable => "no El Torito boot record",
            Self::Invalid => "the boot catalog is damaged",
            Self::OtherPlatform => "nothing on the disc boots a PC BIOS",
            Self::Misplaced => "the boot image is not where the catalog says",
        })
    }
}

fn sector(drive: &mut Drive, lba: u64) -> Result<Vec<u8>, CatalogError> {
    let offset = lba.checked_mul(CD_SECTOR).ok_or(CatalogError::Unreadable)?;
    drive.read(offset, CD_SECTOR as usize).map_err(|_| CatalogError::Unreadable)
}

/// The sector of a disc's boot catalog.
///
/// # Errors
/// [`CatalogError`] where there is none.
pub fn catalog_sector(drive: &mut Drive) -> Result<u32, CatalogError> {
    if drive.medium().is_none() {
        return Err(CatalogError::NoMedium);
    }
    let record = sector(drive, BOOT_RECORD)?;
    if record[0] != 0 || record[1..6] != *b"CD001" || !record[7..].starts_with(b"EL TORITO SPECIFICATION") {
        return Err(CatalogError::NotBootable);
    }
    let p = &record[CATALOG_POINTER..CATALOG_POINTER + 4];
    Ok(u32::from_le_bytes([p[0], p[1], p[2], p[3]]))
}

/// The entry that a BIOS boots: the default one, else the first of a section for
/// this kind of machine.
///
/// # Errors
/// [`CatalogError`].
pub fn boot_entry(drive: &mut Drive) -> Result<BootEntry, CatalogError> {
    let catalog = catalog_sector(drive)?;
    let catalog = sector(drive, catalog.into())?;
    let chosen = choose(&catalog)?;
    let mut found = parse(chosen);
    let image = u64::from(found.lba).checked_mul(CD_SECTOR).ok_or(CatalogError::Misplaced)?;
    if found.lba == 0 || drive.check(image, CD_SECTOR).is_err() {
        return Err(CatalogError::Misplaced);
    }
    if found.media_byte & 15 == 4 {
        // The geometry of a hard disk is in its partition table.
        let first = drive.read(image, SECTOR as usize).map_err(|_| CatalogError::Unreadable)?;
        let left = drive.medium().map_or(0, |m| (m.bytes - image) / SECTOR);
        found.media = Media::Disk(disk_geometry(&first, left));
    }
    Ok(found)
}

/// The 32 bytes of the entry to boot.
fn choose(catalog: &[u8]) -> Result<&[u8], CatalogError> {
    let validation = &catalog[..32];
    let sum = validation.chunks_exact(2).fold(0u16, |s, w| s.wrapping_add(u16::from_le_bytes([w[0], w[1]])));
    if validation[0] != 1 || validation[30..] != [0x55, 0xAA] || sum != 0 {
        return Err(CatalogError::Invalid);
    }
    let mut entries = catalog.chunks_exact(32).take(MOST_ENTRIES).skip(1);
    let default = entries.next().ok_or(CatalogError::Invalid)?;
    if validation[1] == X86 && default[0] == BOOTABLE {
        return Ok(default);
    }
    // Section headers, each with its entries.
    while let Some(header) = entries.next() {
        if !matches!(header[0], 0x90 | 0x91) {
            break;
        }
        let count = u16::from_le_bytes([header[2], header[3]]);
        let mut seen = 0;
        while seen < count {
            let Some(entry) = entries.next() else { return Err(CatalogError::OtherPlatform) };
            // Extensions of an entry do not count.
            if entry[0] == 0x44 {
                continue;
            }
            seen += 1;
            if header[1] == X86 && entry[0] == BOOTABLE {
                return Ok(entry);
            }
        }
        if header[0] == 0x91 {
            break;
        }
    }
    Err(CatalogError::OtherPlatform)
}

fn parse(entry: &[u8]) -> BootEntry {
    let floppy = |sectors| Media::Floppy(Geometry { cylinders: 80, heads: 2, sectors });
    let media = match entry[1] & 15 {
        1 => floppy(15),
        2 => floppy(18),
        3 => floppy(36),
        _ => Media::None,
    };
    let word = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
    let segment = if word(2) == 0 { DEFAULT_SEGMENT } else { word(2) };
    BootEntry {
        media,
        media_byte: entry[1] & 15,
        segment,
        count: word(6).max(1),
        lba: u32::from_le_bytes([entry[8], entry[9], entry[10], entry[11]]),
    }
}

/// Heads and sectors are the end of the first partition.
fn disk_geometry(first: &[u8], sectors: u64) -> Geometry {
    let entry = &first[446..462];
    let (heads, spt) = (u16::from(entry[5]).min(254) + 1, (entry[6] & 63).max(1));
    let end = u16::from(entry[7]) | u16::from(entry[6] & 0xC0) << 2;
    let most = (sectors / (u64::from(heads) * u64::from(spt))).clamp(1, 1024) as u16;
    Geometry { cylinders: (end + 1).min(most), heads, sectors: spt }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::drive::DriveKind;
    use glassbox_testkit::MemoryDisk;
    use proptest::prelude::*;

    /// A disc with its catalog in sector 20 and a boot image in sector 24.
    pub fn disc(media: u8, segment: u16, count: u16) -> Vec<u8> {
        let mut disc = vec![0; 40 * 2048];
        let record = &mut disc[17 * 2048..];
        record[..7].copy_from_slice(b"\0CD001\x01");
        record[7..30].copy_from_slice(b"EL TORITO SPECIFICATION");
        record[0x47] = 20;
        let catalog = &mut disc[20 * 2048..];
        catalog[0] = 1;
        catalog[30..32].copy_from_slice(&[0x55, 0xAA]);
        let sum =
            catalog[..32].chunks_exact(2).fold(0u16, |s, w| s.wrapping_add(u16::from_le_bytes([w[0], w[1]])));
        let fixed = u16::from_le_bytes([catalog[28], catalog[29]]).wrapping_sub(sum);
        catalog[28..30].copy_from_slice(&fixed.to_le_bytes());
        catalog[32] = 0x88;
        catalog[33] = media;
        catalog[34..36].copy_from_slice(&segment.to_le_bytes());
        catalog[38..40].copy_from_slice(&count.to_le_bytes());
        catalog[40] = 24;
        for (n, sector) in disc[24 * 2048..].chunks_exact_mut(512).enumerate() {
            sector[0] = n as u8;
            sector[1] = 0xCD;
        }
        disc
    }

    pub fn drive(bytes: Vec<u8>) -> Drive {
        Drive::new(DriveKind::CdRom, "cd.iso", Box::new(MemoryDisk::new(bytes)))
    }

    #[test]
    fn the_default_entry_is_found() {
        let entry = boot_entry(&mut drive(disc(0, 0, 4))).unwrap();
        assert_eq!((entry.media, entry.segment, entry.count, entry.lba), (Media::None, 0x07C0, 4, 24));
        let entry = boot_entry(&mut drive(disc(2, 0x1000, 1))).unwrap();
        assert_eq!((entry.media, entry.segment), (Media::Floppy(Geometry::FLOPPY_1440), 0x1000));
    }

    #[test]
    fn a_section_for_this_platform_is_found_behind_one_for_another() {
        let mut bytes = disc(0, 0, 4);
        let at = 20 * 2048;
        let entry: Vec<u8> = bytes[at + 32..at + 64].to_vec();
        bytes[at + 32] = 0;
        bytes[at + 64..at + 68].copy_from_slice(&[0x90, 0xEF, 1, 0]);
        bytes[at + 96..at + 128].copy_from_slice(&entry);
        assert_eq!(boot_entry(&mut drive(bytes.clone())), Err(CatalogError::OtherPlatform));
        bytes[at + 128..at + 132].copy_from_slice(&[0x91, 0x00, 1, 0]);
        bytes[at + 160..at + 192].copy_from_slice(&entry);
        assert_eq!(boot_entry(&mut drive(bytes)).unwrap().lba, 24);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |change: fn(&mut Vec<u8>)| {
            let mut bytes = disc(0, 0, 4);
            change(&mut bytes);
            boot_entry(&mut drive(bytes)).unwrap_err()
        };
        assert_eq!(error(|b| b[17 * 2048 + 1] = 0), CatalogError::NotBootable);
        assert_eq!(error(|b| b[17 * 2048 + 0x48] = 1), CatalogError::Unreadable);
        assert_eq!(error(|b| b[20 * 2048 + 5] = 1), CatalogError::Invalid);
        assert_eq!(error(|b| b[20 * 2048 + 32 + 9] = 1), CatalogError::Misplaced);
        let mut empty = Drive::new(DriveKind::CdRom, "", Box::new(MemoryDisk::empty()));
        assert_eq!(boot_entry(&mut empty), Err(CatalogError::NoMedium));
    }

    proptest! {
        #[test]
        fn no_catalog_does_harm(bytes in prop::collection::vec(any::<u8>(), 512)) {
            let mut image = disc(4, 0, 1);
            image[20 * 2048 + 32..20 * 2048 + 512].copy_from_slice(&bytes[..480]);
            image[24 * 2048..24 * 2048 + 512].copy_from_slice(&bytes);
            let _ = boot_entry(&mut drive(image));
        }
    }
}
