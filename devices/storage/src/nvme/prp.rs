//! Physical region pages: where a command's data is (NVM Express 1.4, 4.3).

use glassbox_memory::{Gpa, GuestMemory, MemoryError};

use super::command::{Command, Status};

/// Pieces of guest memory, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pieces(Vec<(u64, usize)>);

impl Pieces {
    /// The `len` bytes that a command's PRP entries describe, with pages of
    /// `page` bytes.
    ///
    /// Lists cannot lead in circles: a list that another one points to begins at a
    /// page's start, so each page of list but the first has data pages in it.
    ///
    /// # Errors
    /// [`Status::PRP_OFFSET_INVALID`] for entries that are not aligned as they
    /// have to be, [`Status::DATA_TRANSFER_ERROR`] for lists outside of memory.
    pub fn of(memory: &GuestMemory, command: &Command, len: usize, page: u64) -> Result<Self, Status> {
        let mut pieces = Self::default();
        let (first, second) = (command.prp1(), command.prp2());
        if first & 3 != 0 {
            return Err(Status::PRP_OFFSET_INVALID);
        }
        let mut left = len as u64;
        let taken = left.min(page - first % page);
        pieces.push(first, taken);
        left -= taken;
        if left == 0 {
            return Ok(pieces);
        }
        if left <= page {
            pieces.push_page(second, left, page)?;
            return Ok(pieces);
        }
        if second & 7 != 0 {
            return Err(Status::PRP_OFFSET_INVALID);
        }
        let mut list = second;
        loop {
            let entries = read_list(memory, list, page)?;
            let (last, data) = entries.split_last().ok_or(Status::PRP_OFFSET_INVALID)?;
            for entry in data {
                let taken = left.min(page);
                pieces.push_page(*entry, taken, page)?;
                left -= taken;
                if left == 0 {
                    return Ok(pieces);
                }
            }
            if left <= page {
                pieces.push_page(*last, left, page)?;
                return Ok(pieces);
            }
            if !last.is_multiple_of(page) {
                return Err(Status::PRP_OFFSET_INVALID);
            }
            list = *last;
        }
    }

    fn push_page(&mut self, address: u64, len: u64, page: u64) -> Result<(), Status> {
        if !address.is_multiple_of(page) {
            return Err(Status::PRP_OFFSET_INVALID);
        }
        self.push(address, len);
        Ok(())
    }

    /// Adds a piece; one that follows the last directly makes it longer.
    fn push(&mut self, address: u64, len: u64) {
        let len = len as usize;
        match self.0.last_mut() {
            Some((start, before)) if start.checked_add(*before as u64) == Some(address) => *before += len,
            _ => self.0.push((address, len)),
        }
    }

    /// Copies `data`, which is as long as all pieces at most, to the pieces.
    ///
    /// # Errors
    /// Where there is no memory; what comes before was written.
    pub fn write(&self, memory: &GuestMemory, data: &[u8]) -> Result<(), MemoryError> {
        let mut rest = data;
        for (address, len) in &self.0 {
            let (now, later) = rest.split_at((*len).min(rest.len()));
            memory.write_bytes(Gpa(*address), now)?;
            rest = later;
        }
        Ok(())
    }

    /// Fills `data`, which is as long as all pieces at most, from the pieces.
    ///
    /// # Errors
    /// Where there is no memory.
    pub fn read(&self, memory: &GuestMemory, data: &mut [u8]) -> Result<(), MemoryError> {
        let mut rest = data;
        for (address, len) in &self.0 {
            let (now, later) = rest.split_at_mut((*len).min(rest.len()));
            memory.read_bytes(Gpa(*address), now)?;
            rest = later;
        }
        Ok(())
    }
}

/// The entries of a list from `start` to the end of its page.
fn read_list(memory: &GuestMemory, start: u64, page: u64) -> Result<Vec<u64>, Status> {
    let mut bytes = vec![0; (page - start % page) as usize];
    memory.read_bytes(Gpa(start), &mut bytes).map_err(|_| Status::DATA_TRANSFER_ERROR)?;
    let entry = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Ok(bytes.chunks_exact(8).map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn memory() -> GuestMemory {
        GuestMemory::new(1 << 20).unwrap()
    }

    fn command(prp1: u64, prp2: u64) -> Command {
        let mut bytes = [0; 64];
        bytes[24..32].copy_from_slice(&prp1.to_le_bytes());
        bytes[32..40].copy_from_slice(&prp2.to_le_bytes());
        Command::parse(&bytes)
    }

    fn put_list(memory: &GuestMemory, at: u64, entries: &[u64]) {
        let bytes: Vec<u8> = entries.iter().flat_map(|e| e.to_le_bytes()).collect();
        memory.write_bytes(Gpa(at), &bytes).unwrap();
    }

    fn pieces(memory: &GuestMemory, prp1: u64, prp2: u64, len: usize) -> Result<Vec<(u64, usize)>, Status> {
        Pieces::of(memory, &command(prp1, prp2), len, PAGE).map(|pieces| pieces.0)
    }

    #[test]
    fn two_entries_are_pages_and_the_first_may_begin_inside() {
        let m = memory();
        assert_eq!(pieces(&m, 0x1200, 0, 512), Ok(vec![(0x1200, 512)]));
        assert_eq!(pieces(&m, 0x1e00, 0x5000, 1024), Ok(vec![(0x1e00, 512), (0x5000, 512)]));
        assert_eq!(pieces(&m, 0x1e00, 0x2000, 1024), Ok(vec![(0x1e00, 1024)]), "joined");
        assert_eq!(pieces(&m, 0x1e00, 0x5008, 1024), Err(Status::PRP_OFFSET_INVALID));
        assert_eq!(pieces(&m, 0x1e02, 0, 4), Err(Status::PRP_OFFSET_INVALID));
    }

    #[test]
    fn longer_data_has_a_list_that_goes_on_in_its_last_entry() {
        let m = memory();
        put_list(&m, 0x8ff0, &[0x2_0000, 0x9000]);
        put_list(&m, 0x9000, &[0x3_0000, 0x4_0000]);
        let expected = vec![(0x1000, 4096), (0x2_0000, 4096), (0x3_0000, 4096), (0x4_0000, 1)];
        assert_eq!(pieces(&m, 0x1000, 0x8ff0, 3 * 4096 + 1), Ok(expected));
        // The last entry of a page is data when nothing comes after it.
        put_list(&m, 0x8ff0, &[0x2_0000, 0x5_0000]);
        let expected = vec![(0x1000, 4096), (0x2_0000, 4096), (0x5_0000, 4096)];
        assert_eq!(pieces(&m, 0x1000, 0x8ff0, 3 * 4096), Ok(expected));
    }

    #[test]
    fn lists_do_not_lead_in_circles() {
        let m = memory();
        put_list(&m, 0x8ff8, &[0x8ff8]);
        assert_eq!(pieces(&m, 0x1000, 0x8ff8, 100 * 4096), Err(Status::PRP_OFFSET_INVALID));
        assert_eq!(pieces(&m, 0x1000, 0x8ffc, 100 * 4096), Err(Status::PRP_OFFSET_INVALID));
        // A page of list that points to itself ends with the data.
        put_list(&m, 0x9000, &vec![0x9000; 512]);
        assert_eq!(pieces(&m, 0x1000, 0x9000, 2000 * 4096).map(|p| p.len()), Ok(2000));
        assert_eq!(pieces(&m, 0x1000, 1 << 40, 100 * 4096), Err(Status::DATA_TRANSFER_ERROR));
    }
}
