//! Formats of diskettes, which an image's size tells, and types of drives.

use glassbox_device_api::Medium;

/// Bytes of a sector in every format (N = 2).
pub const SECTOR: usize = 512;

/// Recording density: with the drive it gives the data rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Density {
    /// Double density: 250 kbit/s; 300 kbit/s in a 1.2 MB drive, which turns faster.
    Double,
    /// High density: 500 kbit/s.
    High,
    /// Extra density: 1 Mbit/s.
    Extra,
}

/// How a diskette is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisketteFormat {
    /// Cylinders.
    pub cylinders: u8,
    /// Sides: 1 or 2.
    pub heads: u8,
    /// Sectors of a track, numbered from 1.
    pub sectors: u8,
    /// Recording density.
    pub density: Density,
}

const fn format(cylinders: u8, heads: u8, sectors: u8, density: Density) -> DisketteFormat {
    DisketteFormat { cylinders, heads, sectors, density }
}

/// The formats that are known by their size, by size.
const FORMATS: [DisketteFormat; 22] = [
    format(40, 1, 8, Density::Double),  // 160 KiB
    format(40, 1, 9, Density::Double),  // 180 KiB
    format(40, 2, 8, Density::Double),  // 320 KiB
    format(40, 2, 9, Density::Double),  // 360 KiB
    format(80, 2, 8, Density::Double),  // 640 KiB
    format(80, 2, 9, Density::Double),  // 720 KiB
    format(80, 2, 10, Density::Double), // 800 KiB
    format(82, 2, 10, Density::Double), // 820 KiB
    format(80, 2, 15, Density::High),   // 1200 KiB: "1.2M"
    format(80, 2, 18, Density::High),   // 1440 KiB: "1.44M"
    format(82, 2, 18, Density::High),   // 1476 KiB
    format(83, 2, 18, Density::High),   // 1494 KiB
    format(80, 2, 20, Density::High),   // 1600 KiB
    format(80, 2, 21, Density::High),   // 1680 KiB: DMF
    format(82, 2, 21, Density::High),   // 1722 KiB
    format(83, 2, 21, Density::High),   // 1743 KiB
    format(80, 2, 22, Density::High),   // 1760 KiB
    format(80, 2, 23, Density::High),   // 1840 KiB
    format(80, 2, 24, Density::High),   // 1920 KiB
    format(80, 2, 36, Density::Extra),  // 2880 KiB: "2.88M"
    format(80, 2, 39, Density::Extra),  // 3120 KiB
    format(80, 2, 40, Density::Extra),  // 3200 KiB
];

/// What an image that is no diskette's size is padded to, in its reader's mind.
const PADDED: [DisketteFormat; 3] =
    [format(80, 2, 18, Density::High), format(80, 2, 21, Density::High), format(80, 2, 36, Density::Extra)];

impl DisketteFormat {
    /// The format of an image of this many bytes. An odd size is that of a
    /// truncated image: it is taken for the smallest of 1.44M, 1.68M and 2.88M
    /// that holds it. `None` for more than a diskette holds.
    pub fn of_size(bytes: u64) -> Option<Self> {
        let exact = FORMATS.into_iter().find(|format| format.bytes() == bytes);
        exact.or_else(|| PADDED.into_iter().find(|format| format.bytes() >= bytes))
    }

    /// The format of what is in a drive.
    pub fn of(medium: Medium) -> Option<Self> {
        Self::of_size(medium.bytes)
    }

    /// Bytes of the whole diskette.
    pub const fn bytes(&self) -> u64 {
        self.cylinders as u64 * self.heads as u64 * self.sectors as u64 * SECTOR as u64
    }

    /// The byte where a track begins in the image.
    pub const fn track_offset(&self, cylinder: u8, head: u8) -> u64 {
        (cylinder as u64 * self.heads as u64 + head as u64) * self.sectors as u64 * SECTOR as u64
    }

    /// The data rate code (DSR and CCR bits 1 and 0) at which a drive reads it.
    pub const fn rate(&self, drive: DriveType) -> u8 {
        match (self.density, drive) {
            (Density::Double, DriveType::Inch5Hd) => RATE_300K,
            (Density::Double, _) => RATE_250K,
            (Density::High, _) => RATE_500K,
            (Density::Extra, _) => RATE_1M,
        }
    }

    /// Whether the drive has to step twice for each of its tracks.
    pub const fn is_double_stepped(&self, drive: DriveType) -> bool {
        matches!(drive, DriveType::Inch5Hd) && self.cylinders <= 40
    }
}

pub(super) const RATE_500K: u8 = 0;
pub(super) const RATE_300K: u8 = 1;
pub(super) const RATE_250K: u8 = 2;
pub(super) const RATE_1M: u8 = 3;

/// The types of drives that a PC's CMOS knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveType {
    /// 5¼ inch, 360 KB.
    Inch5Dd,
    /// 5¼ inch, 1.2 MB.
    Inch5Hd,
    /// 3½ inch, 720 KB.
    Inch3Dd,
    /// 3½ inch, 1.44 MB.
    Inch3Hd,
    /// 3½ inch, 2.88 MB.
    Inch3Ed,
}

impl DriveType {
    /// The code in CMOS register 10h (high nibble: drive A) and of INT 13h AH=08h.
    pub const fn cmos_code(self) -> u8 {
        match self {
            Self::Inch5Dd => 1,
            Self::Inch5Hd => 2,
            Self::Inch3Dd => 3,
            Self::Inch3Hd => 4,
            Self::Inch3Ed => 5,
        }
    }

    /// The type that suits the diskette that is in the drive at power-on; that of
    /// an empty drive is [`Inch3Hd`](Self::Inch3Hd).
    pub fn suiting(medium: Option<Medium>) -> Self {
        let Some(format) = medium.and_then(DisketteFormat::of) else { return Self::Inch3Hd };
        match (format.density, format.cylinders, format.sectors) {
            (Density::Double, 40, _) => Self::Inch5Dd,
            (Density::High, _, 15) => Self::Inch5Hd,
            (Density::Extra, ..) => Self::Inch3Ed,
            _ => Self::Inch3Hd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_tell_formats() {
        for (kib, cylinders, heads, sectors) in [
            (160, 40, 1, 8),
            (180, 40, 1, 9),
            (320, 40, 2, 8),
            (360, 40, 2, 9),
            (720, 80, 2, 9),
            (1200, 80, 2, 15),
            (1440, 80, 2, 18),
            (1680, 80, 2, 21),
            (1722, 82, 2, 21),
            (2880, 80, 2, 36),
        ] {
            let f = DisketteFormat::of_size(kib * 1024).unwrap();
            assert_eq!((f.cylinders, f.heads, f.sectors), (cylinders, heads, sectors), "{kib} KiB");
        }
        assert!(FORMATS.windows(2).all(|pair| pair[0].bytes() < pair[1].bytes()));
    }

    #[test]
    fn odd_sizes_are_truncated_images() {
        assert_eq!(DisketteFormat::of_size(512).unwrap().sectors, 18);
        assert_eq!(DisketteFormat::of_size(1440 * 1024 + 512).unwrap().sectors, 21);
        assert_eq!(DisketteFormat::of_size(4 << 20), None);
    }

    #[test]
    fn rate_depends_on_the_drive() {
        let dd = DisketteFormat::of_size(360 * 1024).unwrap();
        assert_eq!((dd.rate(DriveType::Inch5Dd), dd.rate(DriveType::Inch5Hd)), (RATE_250K, RATE_300K));
        assert!(dd.is_double_stepped(DriveType::Inch5Hd) && !dd.is_double_stepped(DriveType::Inch5Dd));
        assert_eq!(DisketteFormat::of_size(2880 * 1024).unwrap().rate(DriveType::Inch3Ed), RATE_1M);
    }

    #[test]
    fn a_drive_suits_its_first_diskette() {
        let medium = |kib: u64| Some(Medium { bytes: kib * 1024, read_only: false, generation: 1 });
        for (kib, code) in [(160, 1), (360, 1), (1200, 2), (720, 4), (1440, 4), (1680, 4), (2880, 5)] {
            assert_eq!(DriveType::suiting(medium(kib)).cmos_code(), code, "{kib} KiB");
        }
        assert_eq!(DriveType::suiting(None).cmos_code(), 4);
    }
}
