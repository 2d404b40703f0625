//! The disc in the drive: one session with one data track.

use glassbox_device_api::Medium;

/// Bytes of a sector's user data.
pub const DATA: u64 = 2048;

/// Sectors before LBA 0: the pregap of two seconds.
const PREGAP: u32 = 150;
/// Frames of a second, seconds of a minute.
const FRAMES: u32 = 75;
const SECONDS: u32 = 60;
/// Discs with more sectors (80 minutes) are DVDs.
const CD_SECTORS: u32 = 80 * SECONDS * FRAMES;

/// What the drive knows of the disc in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disc {
    /// Sectors of 2048 bytes, at least 1.
    pub sectors: u32,
}

impl Disc {
    /// The disc that a medium is; `None` when it has no sector.
    pub fn of(medium: Medium) -> Option<Self> {
        let sectors = (medium.bytes / DATA).min(u32::MAX.into()) as u32;
        (sectors > 0).then_some(Self { sectors })
    }

    /// Whether it is a DVD rather than a CD.
    pub const fn is_dvd(self) -> bool {
        self.sectors > CD_SECTORS
    }

    /// The profile of GET CONFIGURATION.
    pub const fn profile(self) -> u16 {
        if self.is_dvd() { PROFILE_DVD } else { PROFILE_CD }
    }

    /// Whether `count` sectors from `lba` on exist.
    pub fn contains(self, lba: u32, count: u32) -> bool {
        lba.checked_add(count).is_some_and(|end| end <= self.sectors)
    }
}

/// Profiles: CD-ROM and DVD-ROM.
pub const PROFILE_CD: u16 = 0x0008;
/// DVD-ROM.
pub const PROFILE_DVD: u16 = 0x0010;

/// An address as minute, second and frame. On DVDs minutes end at 255.
pub fn msf(lba: u32) -> [u8; 3] {
    let frames = lba.saturating_add(PREGAP);
    let (seconds, frame) = (frames / FRAMES, frames % FRAMES);
    [(seconds / SECONDS).min(255) as u8, (seconds % SECONDS) as u8, frame as u8]
}

/// The address of minute, second and frame; `None` before LBA 0 or when there is none such.
pub fn lba_of_msf([minute, second, frame]: [u8; 3]) -> Option<u32> {
    if u32::from(second) >= SECONDS || u32::from(frame) >= FRAMES {
        return None;
    }
    ((u32::from(minute) * SECONDS + u32::from(second)) * FRAMES + u32::from(frame)).checked_sub(PREGAP)
}

/// An address field of four bytes, in either form.
pub fn address(lba: u32, as_msf: bool) -> [u8; 4] {
    if !as_msf {
        return lba.to_be_bytes();
    }
    let [minute, second, frame] = msf(lba);
    [0, minute, second, frame]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_begin_two_seconds_in() {
        assert_eq!((msf(0), msf(74), msf(75)), ([0, 2, 0], [0, 2, 74], [0, 3, 0]));
        assert_eq!(msf(359_849), [79, 59, 74]);
        assert_eq!(msf(u32::MAX)[0], 255);
        for lba in [0, 1, 4350, 300_000] {
            assert_eq!(lba_of_msf(msf(lba)), Some(lba));
        }
        assert_eq!(
            (lba_of_msf([0, 1, 74]), lba_of_msf([0, 60, 0]), lba_of_msf([0, 2, 75])),
            (None, None, None)
        );
    }

    #[test]
    fn large_discs_are_dvds() {
        let disc = |bytes| Disc::of(Medium { bytes, read_only: true, generation: 1 });
        assert_eq!(disc(2047), None);
        assert_eq!(disc(700 << 20).unwrap().profile(), PROFILE_CD);
        assert_eq!(disc(4 << 30).unwrap().profile(), PROFILE_DVD);
        assert!(disc(2048).unwrap().contains(0, 1) && !disc(2048).unwrap().contains(u32::MAX, 2));
    }
}
