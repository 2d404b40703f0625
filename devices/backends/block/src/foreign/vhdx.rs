//! Hyper-V disk images of the second kind ("[MS-VHDX]: Virtual Hard Disk v2 File Format").

use std::io;

use super::{Fields, Layout, MAX_TABLE_BYTES, Stored};
use crate::ImageError;
use crate::storage::{HostFile, Storage};

const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
const REGION_TABLES: [u64; 2] = [192 << 10, 256 << 10];
const REGION_TABLE_BYTES: usize = 64 << 10;

const BAT: u128 = guid(0x2DC2_7766_F623_4200_9D64_115E_9BFD_4A08);
const METADATA: u128 = guid(0x8B7C_A206_4790_4B9A_B8FE_575F_050F_886E);
const FILE_PARAMETERS: u128 = guid(0xCAA1_6737_FA36_4D43_B3B6_33F0_AA44_E76B);
const DISK_SIZE: u128 = guid(0x2FA5_4224_CD1B_4876_B211_5DBE_D83B_F4B8);
const SECTOR_SIZE: u128 = guid(0x8141_BF1D_A96F_4709_BA47_F233_A8FA_AB5F);

const STATE: u64 = 7;
const FULLY_PRESENT: u64 = 6;
const PARTIALLY_PRESENT: u64 = 7;

/// A GUID as written in the specification, as the number that its bytes are in a
/// file, little-endian: the first three of its parts are stored in reverse.
const fn guid(text: u128) -> u128 {
    let b = text.to_be_bytes();
    u128::from_le_bytes([
        b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15],
    ])
}

/// CRC-32C of a structure, its own checksum (at 4) taken as zero.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for (at, byte) in bytes.iter().enumerate() {
        let byte = if (4..8).contains(&at) { 0 } else { *byte };
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { 0x82F6_3B78 } else { 0 };
        }
    }
    !crc
}

fn id(bytes: &[u8], at: usize) -> u128 {
    let fields = Fields(bytes);
    u128::from(fields.le64(at)) | u128::from(fields.le64(at + 8)) << 64
}

pub(crate) struct Vhdx {
    len: u64,
    block: u64,
    /// Blocks between two entries that are about sector bitmaps.
    ratio: u64,
    bat: Vec<u64>,
}

impl Vhdx {
    pub fn read(file: &HostFile) -> Result<Self, ImageError> {
        let path = file.path();
        let io = |error| ImageError::io(path, error);
        let damaged = |what: &str| ImageError::damaged(path, what);
        let read = |at, len: usize| {
            let mut bytes = vec![0; len];
            file.read_at(at, &mut bytes).map(|()| bytes)
        };
        let is_valid = |bytes: &[u8], signature: &[u8]| {
            bytes.starts_with(signature) && Fields(bytes).le32(4) == checksum(bytes)
        };
        let mut newest: Option<Vec<u8>> = None;
        for at in HEADERS {
            let header = read(at, 4096).map_err(io)?;
            let number = |header: &[u8]| Fields(header).le64(8);
            let is_newer = newest.as_ref().is_none_or(|old| number(&header) > number(old));
            if is_valid(&header, b"head") && is_newer {
                newest = Some(header);
            }
        }
        let header = newest.ok_or_else(|| damaged("it has no valid vhdx header"))?;
        if id(&header, 48) != 0 {
            return Err(ImageError::unsupported(
                path,
                format!(
                    "a vhdx image that was not closed, with changes in its log: open it once with the program that \
                     wrote it, or repair it with `qemu-img check -r all {}`",
                    path.display()
                ),
            ));
        }
        let mut regions = None;
        for at in REGION_TABLES {
            let table = read(at, REGION_TABLE_BYTES).map_err(io)?;
            if regions.is_none() && is_valid(&table, b"regi") {
                regions = Some(table);
            }
        }
        let regions = regions.ok_or_else(|| damaged("it has no valid region table"))?;
        let region = |wanted| {
            let count = (Fields(&regions).le32(8) as usize).min(2047);
            (0..count).map(|n| 16 + n * 32).find(|at| id(&regions, *at) == wanted).map(|at| {
                let fields = Fields(&regions);
                (fields.le64(at + 16), u64::from(fields.le32(at + 24)))
            })
        };
        let (metadata_at, _) = region(METADATA).ok_or_else(|| damaged("it has no metadata"))?;
        let (bat_at, bat_len) = region(BAT).ok_or_else(|| damaged("it has no block table"))?;
        let metadata = read(metadata_at, 64 << 10).map_err(io)?;
        let item = |wanted, len| {
            let count = usize::from(Fields(&metadata).le16(10)).min(2047);
            let entry = (0..count).map(|n| 32 + n * 32).find(|at| id(&metadata, *at) == wanted);
            let entry = entry.ok_or_else(|| damaged("a part of its metadata is missing"))?;
            let at = metadata_at.saturating_add(Fields(&metadata).le32(entry + 16).into());
            read(at, len).map_err(io)
        };
        let parameters = item(FILE_PARAMETERS, 8)?;
        let block = u64::from(Fields(&parameters).le32(0));
        if Fields(&parameters).le32(4) & 2 != 0 {
            return Err(ImageError::unsupported(
                path,
                "a differencing vhdx image, which stands on another: merge them with the program that made it",
            ));
        }
        let len = Fields(&item(DISK_SIZE, 8)?).le64(0);
        let sector = u64::from(Fields(&item(SECTOR_SIZE, 4)?).le32(0));
        if !block.is_power_of_two()
            || !(1 << 20..=256 << 20).contains(&block)
            || !matches!(sector, 512 | 4096)
            || len % 512 != 0
            || len > 64 << 40
        {
            return Err(damaged("impossible sizes in its metadata"));
        }
        let ratio = (sector << 23) / block;
        let blocks = len.div_ceil(block);
        let entries = blocks + blocks.saturating_sub(1) / ratio;
        if entries * 8 > bat_len.min(MAX_TABLE_BYTES) {
            return Err(damaged("its block table is too small, or too large to be read here"));
        }
        let bat = read(bat_at, (entries * 8) as usize).map_err(io)?;
        let bat = bat.as_chunks().0.iter().map(|entry| u64::from_le_bytes(*entry)).collect();
        Ok(Self { len, block, ratio, bat })
    }
}

impl Layout for Vhdx {
    fn len(&self) -> u64 {
        self.len
    }

    fn block(&self) -> u64 {
        self.block
    }

    fn locate(&self, _file: &HostFile, block: u64) -> io::Result<Stored> {
        let entry = self.bat.get((block + block / self.ratio) as usize).copied().unwrap_or(0);
        Ok(match entry & STATE {
            // The offset is in MiB, from bit 20: in bytes as it stands.
            FULLY_PRESENT | PARTIALLY_PRESENT => Stored::At(entry & !0xF_FFFF),
            _ => Stored::Zero,
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_crc32c() {
        // RFC 3720, B.4: 32 bytes of zeroes.
        assert_eq!(super::checksum(&[0; 32]), 0x8A91_36AA);
    }
}
