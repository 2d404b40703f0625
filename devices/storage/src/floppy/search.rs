//! What passes under the head: which sector a command finds, and why it finds none.

use super::Floppy;
use super::command::Access;
use super::drive::Diskette;
use super::execution::{Execution, SectorId};
use super::format::SECTOR;
use super::transfer::SECTOR_TIME;

/// ST1: end of cylinder, data error, overrun, no data, not writable, missing address mark.
pub(super) const ST1_END_OF_CYLINDER: u8 = 1 << 7;
pub(super) const ST1_DATA_ERROR: u8 = 1 << 5;
pub(super) const ST1_OVERRUN: u8 = 1 << 4;
pub(super) const ST1_NO_DATA: u8 = 1 << 2;
pub(super) const ST1_NOT_WRITABLE: u8 = 1 << 1;
pub(super) const ST1_MISSING_ADDRESS_MARK: u8 = 1 << 0;
/// ST2: control mark, data error in data, wrong cylinder, scan equal hit, scan not satisfied.
pub(super) const ST2_CONTROL_MARK: u8 = 1 << 6;
pub(super) const ST2_DATA_ERROR: u8 = 1 << 5;
pub(super) const ST2_WRONG_CYLINDER: u8 = 1 << 4;
pub(super) const ST2_SCAN_EQUAL: u8 = 1 << 3;
pub(super) const ST2_SCAN_NOT_SATISFIED: u8 = 1 << 2;

/// N of 512-byte sectors.
pub(super) const SIZE_CODE: u8 = 2;

/// Why nothing was found: bits of ST1 and ST2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotFound {
    pub st1: u8,
    pub st2: u8,
}

const fn not_found(st1: u8, st2: u8) -> NotFound {
    NotFound { st1, st2 }
}

/// The track under a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    pub diskette: Diskette,
    pub cylinder: u8,
    pub head: u8,
}

impl Track {
    /// The byte of the image where a sector (from 1) begins.
    pub fn sector_offset(&self, sector: u8) -> u64 {
        let track = self.diskette.format.track_offset(self.cylinder, self.head);
        track + u64::from(sector.saturating_sub(1)) * SECTOR as u64
    }

    /// The identification of a sector.
    pub fn id(&self, sector: u8) -> SectorId {
        SectorId { cylinder: self.cylinder, head: self.head, sector, size: SIZE_CODE }
    }
}

impl Floppy {
    /// The formatted track under the head. Without a turning diskette, at another
    /// data rate than the diskette's, in FM, on the second side of a single-sided
    /// diskette and behind its last cylinder there are no address marks. (Where
    /// index pulses are missing too, the data sheet lets the controller wait for
    /// ever; it gives up here.)
    pub(super) fn track(&mut self, x: &Execution) -> Result<Track, NotFound> {
        let missing = not_found(ST1_MISSING_ADDRESS_MARK, 0);
        let motor = self.motor_is_on(x.drive.into());
        let rate = self.r.rate;
        let drive = self.drive(x.drive).ok_or(missing)?;
        let diskette = drive.diskette().filter(|_| motor).ok_or(missing)?;
        let format = diskette.format;
        let cylinder = drive.track(format).ok_or(missing)?;
        let readable = x.is_mfm && rate == format.rate(drive.kind) && x.head < format.heads;
        readable.then_some(Track { diskette, cylinder, head: x.head }).ok_or(missing)
    }

    /// The byte of the image where the sector begins that the command is for.
    pub(super) fn sector(&mut self, x: &Execution, track: Track) -> Result<u64, NotFound> {
        let format = track.diskette.format;
        let wanted = x.id;
        if x.access == Access::ReadTrack {
            // Sector by sector from the index hole, whatever their identifications.
            let next = (x.sectors_done % u16::from(format.sectors)) as u8 + 1;
            let fits = wanted.size == SIZE_CODE;
            return fits.then(|| track.sector_offset(next)).ok_or(not_found(ST1_NO_DATA, 0));
        }
        if wanted.cylinder != track.cylinder {
            return Err(not_found(ST1_NO_DATA, ST2_WRONG_CYLINDER));
        }
        let exists = (1..=format.sectors).contains(&wanted.sector);
        if !exists || wanted != track.id(wanted.sector) {
            return Err(not_found(ST1_NO_DATA, 0));
        }
        let offset = track.sector_offset(wanted.sector);
        if x.access.writes() && offset >= track.diskette.bytes {
            // The image ends before: there is no place to put it.
            return Err(not_found(ST1_NO_DATA, 0));
        }
        Ok(offset)
    }

    /// The identification that READ ID sees next.
    pub(super) fn next_id(&self, track: Track) -> SectorId {
        let passed = self.clock.now().0 / SECTOR_TIME.0;
        let sectors = u64::from(track.diskette.format.sectors);
        track.id((passed % sectors) as u8 + 1)
    }
}
