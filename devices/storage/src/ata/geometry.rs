//! Cylinders, heads and sectors (ATA-5 6.2).

use serde::{Deserialize, Serialize};

/// Bytes of a sector.
pub const SECTOR: u64 = 512;

/// How sectors are numbered by cylinder, head and sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// Cylinders, up to 65,535.
    pub cylinders: u16,
    /// Heads, 1 to 16.
    pub heads: u8,
    /// Sectors of a track, 1 to 255.
    pub sectors: u8,
}

impl Geometry {
    /// The geometry that a drive of `sectors` sectors reports: 16 heads, 63
    /// sectors, and at most 16,383 cylinders, which stand for "use LBA".
    pub fn of_capacity(sectors: u64) -> Self {
        let cylinders = (sectors / (16 * 63)).clamp(1, 16_383);
        Self { cylinders: cylinders as u16, heads: 16, sectors: 63 }
    }

    /// The geometry that INITIALIZE DEVICE PARAMETERS sets on such a drive; `None`
    /// when it cannot be (no sectors in a track).
    pub fn chosen(capacity: u64, heads: u8, sectors: u8) -> Option<Self> {
        let cylinder = u64::from(heads) * u64::from(sectors);
        let cylinders = capacity.min(Self::MOST).checked_div(cylinder)?.clamp(1, 65_535);
        Some(Self { cylinders: cylinders as u16, heads, sectors })
    }

    /// Sectors that 16,383 cylinders of 16 heads and 63 sectors have.
    const MOST: u64 = 16_383 * 16 * 63;

    /// Sectors that can be addressed.
    pub fn capacity(self) -> u32 {
        u32::from(self.cylinders) * u32::from(self.heads) * u32::from(self.sectors)
    }

    /// The LBA of a sector; `None` when there is no such sector.
    pub fn lba(self, cylinder: u16, head: u8, sector: u8) -> Option<u64> {
        let exists = cylinder < self.cylinders && head < self.heads && (1..=self.sectors).contains(&sector);
        let track = u64::from(cylinder) * u64::from(self.heads) + u64::from(head);
        exists.then(|| track * u64::from(self.sectors) + u64::from(sector) - 1)
    }

    /// Cylinder, head and sector of an LBA.
    pub fn of_lba(self, lba: u64) -> (u16, u8, u8) {
        let (track, sector) = (lba / u64::from(self.sectors.max(1)), lba % u64::from(self.sectors.max(1)));
        let (cylinder, head) = (track / u64::from(self.heads.max(1)), track % u64::from(self.heads.max(1)));
        (cylinder as u16, head as u8, sector as u8 + 1)
    }

    /// Whether a drive can have it.
    pub fn is_possible(self) -> bool {
        self.cylinders > 0 && (1..=16).contains(&self.heads) && self.sectors > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_are_numbered_from_one_and_heads_from_zero() {
        let geometry = Geometry { cylinders: 10, heads: 4, sectors: 17 };
        assert_eq!(geometry.lba(0, 0, 1), Some(0));
        assert_eq!(geometry.lba(1, 2, 3), Some(68 + 34 + 2));
        assert_eq!(geometry.of_lba(104), (1, 2, 3));
        for wrong in [(10, 0, 1), (0, 4, 1), (0, 0, 0), (0, 0, 18)] {
            assert_eq!(geometry.lba(wrong.0, wrong.1, wrong.2), None, "{wrong:?}");
        }
    }

    #[test]
    fn large_drives_report_the_largest_geometry() {
        let largest = Geometry { cylinders: 16_383, heads: 16, sectors: 63 };
        assert_eq!(Geometry::of_capacity(1 << 40), largest);
        assert_eq!(Geometry::of_capacity(1_008_000).cylinders, 1000);
        assert_eq!(Geometry::chosen(1_008_000, 8, 32).unwrap().cylinders, 3937);
        assert_eq!(Geometry::chosen(1_008_000, 8, 0), None);
    }
}
