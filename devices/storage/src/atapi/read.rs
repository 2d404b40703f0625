//! Sectors on their way to the host: READ, READ CD (MMC-3 6.18 to 6.20).

use serde::{Deserialize, Serialize};

use super::cdb::Cdb;
use super::disc::{DATA, Disc, lba_of_msf};
use super::raw::Layout;
use super::sense::Sense;

/// Sectors of one request of the back end: bounds the memory of a command.
const CHUNK: u32 = 128;
/// The same for PIO.
const PIO_CHUNK: u32 = 32;

/// The sectors that are still to be fetched, and what of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Read {
    pub lba: u32,
    pub left: u32,
    pub layout: Layout,
    /// Sectors of one request: 1 after a failure, to find the sector that failed.
    pub limit: u32,
}

impl Read {
    fn new(disc: Disc, lba: u32, left: u32, layout: Layout) -> Result<Self, Sense> {
        if !disc.contains(lba, left) {
            return Err(Sense::OUT_OF_RANGE.at(lba.max(disc.sectors)));
        }
        Ok(Self { lba, left, layout, limit: CHUNK })
    }

    /// READ (10) and READ (12).
    pub fn of_read(cdb: Cdb, disc: Disc) -> Result<Self, Sense> {
        let count = if cdb.code() == 0xa8 { cdb.be32(6) } else { cdb.be16(7).into() };
        Self::new(disc, cdb.be32(2), count, Layout::DATA)
    }

    /// READ CD.
    pub fn of_read_cd(cdb: Cdb, disc: Disc) -> Result<Self, Sense> {
        Self::new(disc, cdb.be32(2), cdb.be24(6), layout(cdb)?)
    }

    /// READ CD MSF: from one address up to, not including, another.
    pub fn of_read_cd_msf(cdb: Cdb, disc: Disc) -> Result<Self, Sense> {
        let address = |at| lba_of_msf([cdb.byte(at), cdb.byte(at + 1), cdb.byte(at + 2)]);
        let (Some(start), Some(end)) = (address(3), address(6)) else { return Err(Sense::INVALID_FIELD) };
        let count = end.checked_sub(start).ok_or(Sense::INVALID_FIELD)?;
        Self::new(disc, start, count, layout(cdb)?)
    }

    /// Nothing is to be moved.
    pub fn is_empty(&self) -> bool {
        self.left == 0 || self.layout.len() == 0
    }

    /// Sectors of the next request and bytes of a block, with blocks of at most
    /// `limit` bytes by PIO.
    pub fn next(&self, limit: Option<usize>) -> (u32, usize) {
        let bytes = self.layout.len().max(1);
        let most = self.left.min(self.limit);
        match limit {
            None => (most, most as usize * bytes),
            Some(limit) if limit < bytes => (most.min(PIO_CHUNK), limit),
            // Whole sectors in each block.
            Some(limit) => {
                let block = (limit / bytes).min(PIO_CHUNK as usize);
                let chunk = PIO_CHUNK - PIO_CHUNK % block as u32;
                (most.min(chunk), block * bytes)
            }
        }
    }

    /// Takes the data of the next `data.len() / 2048` sectors; gives what the host gets.
    pub fn take(&mut self, data: Vec<u8>) -> Vec<u8> {
        let first = self.lba;
        let sectors = (data.len() as u64 / DATA) as u32;
        self.lba = self.lba.saturating_add(sectors);
        self.left = self.left.saturating_sub(sectors);
        if self.layout == Layout::DATA {
            return data;
        }
        let mut formatted = Vec::with_capacity(sectors as usize * self.layout.len());
        for (lba, sector) in (first..).zip(data.chunks_exact(DATA as usize)) {
            self.layout.append(&mut formatted, lba, sector);
        }
        formatted
    }

    /// Whether a drive can be at this point.
    pub fn is_possible(&self) -> bool {
        (1..=CHUNK).contains(&self.limit)
    }
}

/// The fields that READ CD wants. The only track is of mode 1.
fn layout(cdb: Cdb) -> Result<Layout, Sense> {
    // Any type, or mode 1.
    if !matches!(cdb.byte(1) >> 2 & 7, 0 | 2) {
        return Err(Sense::WRONG_MODE);
    }
    let fields = cdb.byte(9);
    // C2 errors and sub-channels cannot be told.
    if fields & 0x06 != 0 || cdb.byte(10) & 7 != 0 {
        return Err(Sense::INVALID_FIELD);
    }
    Ok(Layout {
        sync: fields & 0x80 != 0,
        header: fields & 0x20 != 0,
        data: fields & 0x10 != 0,
        codes: fields & 0x08 != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_whole_sectors_where_they_fit() {
        let read = Read { lba: 0, left: 100, layout: Layout::DATA, limit: CHUNK };
        assert_eq!(read.next(None), (100, 100 * 2048));
        assert_eq!(read.next(Some(0xfffe)), (31, 31 * 2048));
        assert_eq!(read.next(Some(2048)), (32, 2048));
        assert_eq!(read.next(Some(4100)), (32, 4096));
        assert_eq!(read.next(Some(512)), (32, 512));
        let raw = Layout { sync: true, header: true, data: true, codes: true };
        assert_eq!(Read { layout: raw, ..read }.next(Some(0xfffe)), (27, 27 * 2352));
    }
}
