//! Writes that nobody keeps: a private file over an image that stays as it is.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use crate::image::{Extent, ExtentKind, Image};
use crate::storage::{read_padded, write_all};

/// Bytes that move to the overlay together.
const BLOCK: u64 = 4096;
/// Blocks in one piece of the map, which is made when one of them is written.
const PIECE: usize = 1024;
/// A block that is still the base's.
const IN_BASE: u32 = 0;
/// A block of zeroes without room in the file.
const ZERO: u32 = u32::MAX;

/// Where each block of the disk is: the base, or a slot of the file.
#[derive(Default)]
struct Map {
    pieces: Vec<Option<Box<[u32; PIECE]>>>,
    slots: u32,
    free: Vec<u32>,
}

impl Map {
    fn get(&self, block: u64) -> u32 {
        let (piece, at) = (block as usize / PIECE, block as usize % PIECE);
        self.pieces.get(piece).and_then(Option::as_ref).map_or(IN_BASE, |piece| piece[at])
    }

    fn set(&mut self, block: u64, slot: u32) {
        let (piece, at) = (block as usize / PIECE, block as usize % PIECE);
        if self.pieces.len() <= piece {
            self.pieces.resize_with(piece + 1, || None);
        }
        self.pieces[piece].get_or_insert_with(|| Box::new([IN_BASE; PIECE]))[at] = slot;
    }

    fn take_slot(&mut self) -> io::Result<u32> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        let slot = self.slots + 1;
        if slot == ZERO {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.slots = slot;
        Ok(slot)
    }
}

fn slot_offset(slot: u32) -> u64 {
    (u64::from(slot) - 1) * BLOCK
}

/// An image whose writes go to a temporary file that has no name (on Unix; on
/// Windows one that is deleted when it is closed): it is gone when the process
/// is, however that ends.
pub(crate) struct Overlay {
    base: Box<dyn Image>,
    file: File,
    map: RwLock<Map>,
}

/// Where temporary disks go: `TMPDIR`, or where the host keeps large ones.
fn directory() -> PathBuf {
    let large = Path::new("/var/tmp");
    if cfg!(unix) && std::env::var_os("TMPDIR").is_none() && large.is_dir() {
        return large.to_owned();
    }
    std::env::temp_dir()
}

impl Overlay {
    /// Puts a new overlay over `base`.
    pub fn new(base: Box<dyn Image>) -> io::Result<Self> {
        Ok(Self { base, file: tempfile::tempfile_in(directory())?, map: RwLock::default() })
    }

    /// Calls `each` with what lies in one block: its number, where in it, and where in the range.
    fn blocks(
        offset: u64,
        len: usize,
        mut each: impl FnMut(u64, std::ops::Range<usize>, usize) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let start = (at % BLOCK) as usize;
            let count = (BLOCK as usize - start).min(len - done);
            each(at / BLOCK, start..start + count, done)?;
            done += count;
        }
        Ok(())
    }

    /// The block as it is now.
    fn read_block(&self, map: &Map, block: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; BLOCK as usize];
        match map.get(block) {
            IN_BASE => {
                let start = block * BLOCK;
                let count = BLOCK.min(self.base.len() - start) as usize;
                self.base.read(start, &mut bytes[..count])?;
            }
            ZERO => {}
            slot => read_padded(&self.file, slot_offset(slot), &mut bytes)?,
        }
        Ok(bytes)
    }

    fn store(
        &self,
        map: &mut Map,
        block: u64,
        inside: std::ops::Range<usize>,
        data: &[u8],
    ) -> io::Result<()> {
        let slot = map.get(block);
        if slot != IN_BASE && slot != ZERO {
            return write_all(&self.file, slot_offset(slot) + inside.start as u64, data);
        }
        let whole;
        let bytes = if data.len() as u64 == BLOCK {
            data
        } else {
            let mut bytes = self.read_block(map, block)?;
            bytes[inside].copy_from_slice(data);
            whole = bytes;
            &whole
        };
        let slot = map.take_slot()?;
        if let Err(error) = write_all(&self.file, slot_offset(slot), bytes) {
            map.free.push(slot);
            return Err(error);
        }
        map.set(block, slot);
        Ok(())
    }
}

impl Image for Overlay {
    fn len(&self) -> u64 {
        self.base.len()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let slot = map.get(at / BLOCK);
            let mut count = ((BLOCK - at % BLOCK) as usize).min(buffer.len() - done);
            // As many blocks as follow each other in the same place are one access.
            let mut next = 1;
            while done + count < buffer.len() {
                let follows = match map.get(at / BLOCK + next) {
                    IN_BASE => slot == IN_BASE,
                    ZERO => slot == ZERO,
                    other => slot != IN_BASE && slot != ZERO && u64::from(other) == u64::from(slot) + next,
                };
                if !follows {
                    break;
                }
                count = (count + BLOCK as usize).min(buffer.len() - done);
                next += 1;
            }
            let part = &mut buffer[done..done + count];
            match slot {
                IN_BASE => self.base.read(at, part)?,
                ZERO => part.fill(0),
                slot => read_padded(&self.file, slot_offset(slot) + at % BLOCK, part)?,
            }
            done += count;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        Self::blocks(offset, data.len(), |block, inside, done| {
            let count = inside.len();
            self.store(&mut map, block, inside, &data[done..done + count])
        })
    }

    fn flush(&self) -> io::Result<()> {
        // It does not outlive the process: there is nothing to make safe.
        Ok(())
    }

    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        let start = offset.next_multiple_of(BLOCK);
        let end = (offset + len) / BLOCK * BLOCK;
        if start < end { self.write_zeroes(start, end - start, true) } else { Ok(()) }
    }

    fn write_zeroes(&self, offset: u64, len: u64, _may_unmap: bool) -> io::Result<()> {
        const ZEROES: [u8; BLOCK as usize] = [0; BLOCK as usize];
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let end = offset + len;
        let mut at = offset;
        while at < end {
            let inside = (at % BLOCK) as usize;
            let count = (BLOCK - inside as u64).min(end - at);
            let block = at / BLOCK;
            if count == BLOCK {
                let slot = map.get(block);
                if slot != IN_BASE && slot != ZERO {
                    map.free.push(slot);
                }
                map.set(block, ZERO);
            } else {
                self.store(&mut map, block, inside..inside + count as usize, &ZEROES[..count as usize])?;
            }
            at += count;
        }
        Ok(())
    }

    fn extent(&self, offset: u64, len: u64) -> io::Result<Extent> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let len = len.min(BLOCK - offset % BLOCK);
        match map.get(offset / BLOCK) {
            IN_BASE => self.base.extent(offset, len),
            ZERO => Ok(Extent { kind: ExtentKind::Zero, len }),
            _ => Ok(Extent { kind: ExtentKind::Data, len }),
        }
    }
}
