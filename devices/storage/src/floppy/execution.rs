//! A command under way that works on the data of a track: where it is, and what comes next.

use glassbox_device_api::VmTime;
use serde::{Deserialize, Serialize};

use super::command::{Access, Condition};
use super::control::ST0_ABNORMAL;
use super::search::{
    SIZE_CODE, ST1_END_OF_CYLINDER, ST2_CONTROL_MARK, ST2_SCAN_EQUAL, ST2_SCAN_NOT_SATISFIED, Track,
};

/// What an address mark says: C, H, R, N.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SectorId {
    pub cylinder: u8,
    pub head: u8,
    pub sector: u8,
    pub size: u8,
}

/// What the execution waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// The next sector passes under the head.
    Search,
    /// The back end reads.
    Fetch,
    /// The host takes the buffer.
    ToHost,
    /// The host fills the buffer.
    FromHost,
    /// The back end writes.
    Store,
}

/// A command under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Execution {
    pub access: Access,
    pub drive: u8,
    /// The selected side.
    pub head: u8,
    pub is_multitrack: bool,
    pub is_mfm: bool,
    pub skips: bool,
    pub id: SectorId,
    /// EOT, or SC of FORMAT.
    pub end_of_track: u8,
    /// DTL, STP, SC of VERIFY, or FORMAT's filler byte.
    pub last: u8,
    /// VERIFY's EC: `last` counts sectors.
    pub counts: bool,
    pub sectors_done: u16,
    pub step: Step,
    /// When to go on, if time is what the step waits for.
    pub due: Option<VmTime>,
    pub refusals: u16,
    pub terminal_count: bool,
    /// READ TRACK came across the sector that it was given.
    pub met: bool,
    /// What crosses to or from the host.
    pub buffer: Vec<u8>,
    pub position: usize,
    /// The diskette's side of a comparison.
    pub sector: Vec<u8>,
    /// Where the back end reads or writes.
    pub offset: u64,
    pub st1: u8,
    pub st2: u8,
}

impl Execution {
    /// From a command's bytes, which are complete.
    pub fn new(access: Access, bytes: &[u8]) -> Self {
        let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let (code, select) = (byte(0), byte(1));
        let mut x = Self {
            access,
            drive: select & 3,
            head: select >> 2 & 1,
            is_multitrack: code & 0x80 != 0,
            is_mfm: code & 0x40 != 0,
            skips: code & 0x20 != 0,
            id: SectorId { cylinder: byte(2), head: byte(3), sector: byte(4), size: byte(5) },
            end_of_track: byte(6),
            last: byte(8),
            counts: access == Access::Verify && select & 0x80 != 0,
            sectors_done: 0,
            step: Step::Search,
            due: None,
            refusals: 0,
            terminal_count: false,
            met: false,
            buffer: Vec::new(),
            position: 0,
            sector: Vec::new(),
            offset: 0,
            st1: 0,
            st2: 0,
        };
        if access == Access::Format {
            x.id = SectorId { cylinder: 0, head: 0, sector: 0, size: byte(2) };
            (x.end_of_track, x.last) = (byte(3), byte(5));
        }
        x
    }

    /// The direction in which data waits to cross, in non-DMA mode: true to the host.
    pub fn host_transfer(&self) -> Option<bool> {
        match self.step {
            Step::ToHost => Some(true),
            Step::FromHost => Some(false),
            _ => None,
        }
    }

    pub fn is_crossed(&self) -> bool {
        self.position >= self.buffer.len() || self.terminal_count
    }

    /// The identification after this one; true when it was the last (table 5-5).
    fn advance(&mut self) -> bool {
        let step = if matches!(self.access, Access::Scan(_)) { self.last.clamp(1, 2) } else { 1 };
        let id = &mut self.id;
        let next = id.sector.checked_add(step);
        if id.sector != self.end_of_track
            && let Some(next) = next.filter(|next| step == 1 || *next <= self.end_of_track)
        {
            id.sector = next;
            return false;
        }
        id.sector = 1;
        if self.is_multitrack {
            id.head ^= 1;
            if self.head == 0 {
                self.head = 1;
                return false;
            }
        }
        id.cylinder = id.cylinder.wrapping_add(1);
        true
    }

    /// Whether the sector satisfies SCAN's condition; sets the bits of ST2.
    fn scan(&mut self, condition: Condition) -> bool {
        let pairs = || {
            let compared = self.sector.iter().zip(&self.buffer[..self.position]);
            // All ones on either side match anything.
            compared.filter(|(disk, host)| **disk != 0xff && **host != 0xff)
        };
        let satisfied = match condition {
            Condition::Equal => pairs().all(|(disk, host)| disk == host),
            Condition::LowOrEqual => pairs().all(|(disk, host)| disk <= host),
            Condition::HighOrEqual => pairs().all(|(disk, host)| disk >= host),
        };
        let equal = pairs().all(|(disk, host)| disk == host);
        self.st2 &= !(ST2_SCAN_EQUAL | ST2_SCAN_NOT_SATISFIED);
        if equal {
            self.st2 |= ST2_SCAN_EQUAL;
        } else if !satisfied {
            self.st2 |= ST2_SCAN_NOT_SATISFIED;
        }
        satisfied
    }

    /// A sector is done: the bits of ST0 with which the command ends, if it does.
    pub fn sector_done(&mut self) -> Option<u8> {
        self.sectors_done = self.sectors_done.saturating_add(1);
        if self.access == Access::ReadDeleted && !self.skips {
            // It had a normal mark: it was read, and it is the last.
            self.st2 |= ST2_CONTROL_MARK;
            return Some(0);
        }
        let satisfied = match self.access {
            Access::Scan(condition) => self.scan(condition),
            _ => false,
        };
        let side = self.head;
        let at_end = match self.access {
            Access::ReadTrack => self.sectors_done >= self.end_of_track.into(),
            _ => self.advance(),
        };
        let counted = self.counts && (self.sectors_done & 0xff) as u8 == self.last;
        let verified = self.access == Access::Verify && !self.counts && at_end;
        let scanned = matches!(self.access, Access::Scan(_)) && (satisfied || at_end);
        if self.terminal_count || counted || verified || scanned {
            // The other side was not reached yet.
            self.head = side;
            return Some(0);
        }
        if at_end {
            self.st1 |= ST1_END_OF_CYLINDER;
            return Some(ST0_ABNORMAL);
        }
        self.step = Step::Search;
        None
    }

    /// FORMAT's identifications, if they are those that the track has: a raw image
    /// can hold no others.
    pub fn formats(&self, track: Track) -> bool {
        let format = track.diskette.format;
        let mut seen = [false; 256];
        for id in self.buffer[..self.position].chunks_exact(4) {
            if [id[0], id[1], id[3]] != [track.cylinder, track.head, SIZE_CODE] {
                return false;
            }
            seen[usize::from(id[2])] = true;
        }
        let all = (1..=format.sectors).all(|sector| seen[usize::from(sector)]);
        all && self.position == 4 * usize::from(format.sectors) && self.id.size == SIZE_CODE
    }
}
