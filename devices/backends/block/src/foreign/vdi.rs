//! VirtualBox disk images: dynamic and fixed ones of version 1.1.

use std::io;

use super::{Fields, Layout, MAX_TABLE_BYTES, Stored, read_table};
use crate::ImageError;
use crate::storage::{HostFile, Storage};

/// Entries from here on are blocks without room: never written, or discarded.
const NOWHERE: u32 = 0xFFFF_FFFE;

pub(crate) struct Vdi {
    len: u64,
    block: u64,
    data: u64,
    /// Bytes before each block's data.
    extra: u64,
    map: Vec<u32>,
}

impl Vdi {
    pub fn read(file: &HostFile) -> Result<Self, ImageError> {
        let path = file.path();
        let io = |error| ImageError::io(path, error);
        let mut bytes = [0; 512];
        file.read_at(0, &mut bytes).map_err(io)?;
        let fields = Fields(&bytes);
        if fields.le32(64) != 0xBEDA_107F || fields.le32(68) >> 16 != 1 {
            return Err(ImageError::damaged(path, "it does not begin as a vdi image of version 1"));
        }
        if !matches!(fields.le32(76), 1 | 2) || bytes[424..456].iter().any(|byte| *byte != 0) {
            return Err(ImageError::unsupported(
                path,
                "a vdi snapshot, which stands on another image: merge them with `VBoxManage clonemedium`",
            ));
        }
        let (len, block, blocks) =
            (fields.le64(368), u64::from(fields.le32(376)), u64::from(fields.le32(384)));
        if !block.is_power_of_two()
            || !(4096..=256 << 20).contains(&block)
            || blocks * 4 > MAX_TABLE_BYTES
            || len > blocks * block
            || len % 512 != 0
        {
            return Err(ImageError::damaged(path, "impossible sizes in its header"));
        }
        let map = read_table(file, fields.le32(340).into(), blocks, u32::from_le_bytes).map_err(io)?;
        Ok(Self { len, block, data: fields.le32(344).into(), extra: fields.le32(380).into(), map })
    }
}

impl Layout for Vdi {
    fn len(&self) -> u64 {
        self.len
    }

    fn block(&self) -> u64 {
        self.block
    }

    fn locate(&self, _file: &HostFile, block: u64) -> io::Result<Stored> {
        Ok(match self.map.get(block as usize) {
            Some(&entry) if entry < NOWHERE => {
                Stored::At(self.data + u64::from(entry) * (self.block + self.extra) + self.extra)
            }
            _ => Stored::Zero,
        })
    }
}
