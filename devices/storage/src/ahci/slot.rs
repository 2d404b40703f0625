//! Command slots: header, table and physical regions (AHCI 1.3.1 4.2.2 and 4.2.3).

use glassbox_memory::{Gpa, GuestMemory};
use serde::{Deserialize, Serialize};

use super::fis::HostToDevice;

/// Bytes of a command header.
const HEADER: u64 = 32;
/// Offsets in a command table.
const PACKET: u64 = 0x40;
const REGIONS: u64 = 0x80;
/// Bytes of a region's entry.
const ENTRY: u64 = 16;

/// Guest memory could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError;

/// How far a command's data has come through its regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The header, for the count of bytes.
    header: u64,
    /// The table.
    table: u64,
    /// Regions in the table.
    entries: u16,
    /// The next region, and what of it was moved.
    entry: u16,
    offset: u32,
    /// Bytes moved.
    moved: u32,
}

/// A command as the guest laid it out.
#[derive(Clone, Copy, Debug)]
pub struct SlotCommand {
    /// Its FIS; `None` when it is not one that a host sends.
    pub fis: Option<HostToDevice>,
    /// Its regions.
    pub cursor: Cursor,
}

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To guest memory.
    ToHost,
    /// From guest memory.
    FromHost,
}

/// What came of moving a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes.
    pub bytes: usize,
    /// A region whose entry asks for an interrupt was used up.
    pub interrupt: bool,
}

impl SlotCommand {
    /// Fetches slot `slot` of the list at `list`.
    pub fn fetch(memory: &GuestMemory, list: u64, slot: u8) -> Result<Self, BusError> {
        let header = list.wrapping_add(HEADER * u64::from(slot));
        let bytes: [u8; 16] = memory.read_at(Gpa(header)).map_err(|_| BusError)?;
        let words: [u32; 4] = std::array::from_fn(|i| {
            u32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
        });
        let table = u64::from(words[3]) << 32 | u64::from(words[2] & !0x7f);
        let fis: [u8; 20] = memory.read_at(Gpa(table)).map_err(|_| BusError)?;
        let entries = (words[0] >> 16) as u16;
        // A register FIS has five dwords; shorter ones are not sent.
        let long_enough = words[0] & 0x1f >= 5;
        let cursor = Cursor { header, table, entries, ..Cursor::default() };
        cursor.store_count(memory)?;
        Ok(Self { fis: HostToDevice::from_bytes(fis).filter(|_| long_enough), cursor })
    }
}

impl Cursor {
    /// The command packet of the table.
    pub fn packet(&self, memory: &GuestMemory) -> Result<[u8; 12], BusError> {
        memory.read_at(Gpa(self.table.wrapping_add(PACKET))).map_err(|_| BusError)
    }

    /// Moves `data`, as far as there are regions.
    pub fn transfer(
        &mut self,
        memory: &GuestMemory,
        direction: Direction,
        data: &mut [u8],
    ) -> Result<Moved, BusError> {
        let mut moved = Moved::default();
        while moved.bytes < data.len() && self.entry < self.entries {
            let at = self.table.wrapping_add(REGIONS + ENTRY * u64::from(self.entry));
            let entry: [u8; 16] = memory.read_at(Gpa(at)).map_err(|_| BusError)?;
            let entry = u128::from_le_bytes(entry);
            let (address, control) = (entry as u64 & !1, (entry >> 96) as u32);
            // The count is that of the last byte; it is always odd.
            let size = (control & 0x3f_ffff | 1) + 1;
            let left = (size - self.offset.min(size)) as usize;
            let len = left.min(data.len() - moved.bytes);
            let block = &mut data[moved.bytes..moved.bytes + len];
            let place = Gpa(address.wrapping_add(self.offset.into()));
            match direction {
                Direction::ToHost => memory.write_bytes(place, block),
                Direction::FromHost => memory.read_bytes(place, block),
            }
            .map_err(|_| BusError)?;
            moved.bytes += len;
            self.offset += len as u32;
            if len == left {
                moved.interrupt |= control >> 31 != 0;
                self.entry += 1;
                self.offset = 0;
            }
        }
        self.moved = self.moved.wrapping_add(moved.bytes as u32);
        self.store_count(memory)?;
        Ok(moved)
    }

    /// Tells the guest how many bytes were moved (PRDBC).
    fn store_count(&self, memory: &GuestMemory) -> Result<(), BusError> {
        let at = Gpa(self.header.wrapping_add(4));
        memory.write_bytes(at, &self.moved.to_le_bytes()).map_err(|_| BusError)
    }

    /// Whether a transfer can be at this point.
    pub fn is_possible(&self) -> bool {
        self.offset <= 1 << 22
    }
}
