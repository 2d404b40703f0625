//! Virtual PC and Hyper-V disk images of the first kind: fixed and dynamic
//! ("Virtual Hard Disk Image Format Specification", Microsoft, 2006).

use std::io;

use super::{Fields, Layout, MAX_TABLE_BYTES, Stored, read_table};
use crate::ImageError;
use crate::storage::{HostFile, Storage};

const FOOTER: u64 = 512;
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const NOWHERE: u32 = u32::MAX;

pub(crate) struct Vhd {
    len: u64,
    block: u64,
    /// None for a fixed image, whose disk begins with the file.
    map: Option<Vec<u32>>,
}

/// One's complement of the sum of all bytes but the checksum itself.
fn checksum(bytes: &[u8], at: usize) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_add((*byte).into()));
    !sum(&bytes[..at]).wrapping_add(sum(&bytes[at + 4..]))
}

impl Vhd {
    pub fn read(file: &HostFile) -> Result<Self, ImageError> {
        let path = file.path();
        let io = |error| ImageError::io(path, error);
        let damaged = |what: &str| ImageError::damaged(path, what);
        let end = file.len().map_err(io)?;
        let mut footer = [0; FOOTER as usize];
        file.read_at(end.saturating_sub(FOOTER), &mut footer).map_err(io)?;
        if !footer.starts_with(b"conectix") {
            // A dynamic image has a copy of its footer in front.
            file.read_at(0, &mut footer).map_err(io)?;
        }
        let fields = Fields(&footer);
        if !footer.starts_with(b"conectix") || fields.be32(64) != checksum(&footer, 64) {
            return Err(damaged("it has no vhd footer"));
        }
        let len = fields.be64(48);
        if len == 0 || len % 512 != 0 || len > 2 << 40 {
            return Err(damaged("impossible disk size"));
        }
        match fields.be32(60) {
            FIXED if len <= end => Ok(Self { len, block: 1 << 20, map: None }),
            FIXED => Err(damaged("the file is shorter than its disk")),
            DYNAMIC => Self::read_dynamic(file, len, fields.be64(16)),
            _ => Err(ImageError::unsupported(
                path,
                "a differencing vhd image, which stands on another: merge them with the program that made it",
            )),
        }
    }

    fn read_dynamic(file: &HostFile, len: u64, at: u64) -> Result<Self, ImageError> {
        let path = file.path();
        let io = |error| ImageError::io(path, error);
        let mut header = [0; 1024];
        file.read_at(at, &mut header).map_err(io)?;
        let fields = Fields(&header);
        let (table, entries, block) =
            (fields.be64(16), u64::from(fields.be32(28)), u64::from(fields.be32(32)));
        if !header.starts_with(b"cxsparse")
            || fields.be32(36) != checksum(&header, 36)
            || !block.is_power_of_two()
            || !(4096..=256 << 20).contains(&block)
            || entries * 4 > MAX_TABLE_BYTES
            || len > entries * block
        {
            return Err(ImageError::damaged(path, "impossible sizes in its dynamic header"));
        }
        Ok(Self { len, block, map: Some(read_table(file, table, entries, u32::from_be_bytes).map_err(io)?) })
    }
}

impl Layout for Vhd {
    fn len(&self) -> u64 {
        self.len
    }

    fn block(&self) -> u64 {
        self.block
    }

    fn locate(&self, _file: &HostFile, block: u64) -> io::Result<Stored> {
        let Some(map) = &self.map else { return Ok(Stored::At(block * self.block)) };
        // A bitmap of its sectors is in front of each block; sectors that are not
        // set in it are zeroes in the block too.
        let bitmap = (self.block / 512).div_ceil(8).next_multiple_of(512);
        Ok(match map.get(block as usize) {
            Some(&sector) if sector != NOWHERE => Stored::At(u64::from(sector) * 512 + bitmap),
            _ => Stored::Zero,
        })
    }
}
