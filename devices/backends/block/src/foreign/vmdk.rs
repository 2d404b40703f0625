//! VMware disk images: one sparse file, a stream-optimised one, or a descriptor
//! that names the files of which the disk consists ("Virtual Disk Format 5.0").

use std::collections::HashMap;
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Fields, Foreign, Layout, Readable, Stored, read_table};
use crate::ImageError;
use crate::error::corrupt;
use crate::image::{Extent, ExtentKind, Image};
use crate::lock::Access;
use crate::raw::Raw;
use crate::storage::{HostFile, Storage};

const SECTOR: u64 = 512;
/// A grain table entry of 1 is a grain of zeroes.
const FLAG_ZERO_GRAINS: u32 = 1 << 2;
const FLAG_COMPRESSED: u32 = 1 << 16;
/// Stands for the offset of the grain directory: the header's copy at the end has it.
const AT_END: u64 = u64::MAX;
const MAX_DESCRIPTOR: u64 = 1 << 20;
const MAX_EXTENTS: usize = 4096;
/// Grain tables that are kept.
const MAX_TABLES: usize = 4096;

/// A sparse extent.
pub(crate) struct Sparse {
    len: u64,
    grain: u64,
    entries: u64,
    directory: Vec<u32>,
    zero_grains: bool,
    compressed: bool,
    tables: Mutex<HashMap<u64, Arc<Vec<u32>>>>,
}

impl Sparse {
    /// Reads the header of a sparse extent, and what it says of the descriptor in
    /// the file: offset and length in bytes.
    fn read(file: &HostFile) -> Result<(Self, u64, u64), ImageError> {
        let path = file.path();
        let io = |error| ImageError::io(path, error);
        let damaged = |what: &str| ImageError::damaged(path, what);
        let mut header = [0; SECTOR as usize];
        file.read_at(0, &mut header).map_err(io)?;
        if Fields(&header).le64(56) == AT_END {
            let end = file.len().map_err(io)?;
            file.read_at(end.saturating_sub(1024), &mut header).map_err(io)?;
        }
        let fields = Fields(&header);
        if !header.starts_with(b"KDMV") || !(1..=3).contains(&fields.le32(4)) {
            return Err(damaged("it does not begin as a sparse vmdk extent"));
        }
        let (flags, capacity, grain) = (fields.le32(8), fields.le64(12), fields.le64(20));
        let entries = u64::from(fields.le32(44));
        if !grain.is_power_of_two()
            || !(8..=32768).contains(&grain)
            || !(1..=65536).contains(&entries)
            || capacity > 1 << 33
        {
            return Err(damaged("impossible sizes in its header"));
        }
        let compressed = flags & FLAG_COMPRESSED != 0;
        if compressed && fields.le16(77) != 1 {
            return Err(ImageError::unsupported(path, "a vmdk image with an unknown compression"));
        }
        let tables = capacity.div_ceil(grain * entries);
        let at = fields
            .le64(56)
            .checked_mul(SECTOR)
            .ok_or_else(|| damaged("impossible place of its directory"))?;
        if tables > 1 << 22 {
            return Err(damaged("its directory is too large"));
        }
        let sparse = Self {
            len: capacity * SECTOR,
            grain: grain * SECTOR,
            entries,
            directory: read_table(file, at, tables, u32::from_le_bytes).map_err(io)?,
            zero_grains: flags & FLAG_ZERO_GRAINS != 0,
            compressed,
            tables: Mutex::default(),
        };
        Ok((sparse, fields.le64(28).saturating_mul(SECTOR), fields.le64(36).saturating_mul(SECTOR)))
    }

    fn table(&self, file: &HostFile, index: u64) -> io::Result<Option<Arc<Vec<u32>>>> {
        let at = self.directory.get(index as usize).copied().unwrap_or(0);
        if at == 0 {
            return Ok(None);
        }
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(&index) {
            return Ok(Some(Arc::clone(table)));
        }
        let table = Arc::new(read_table(file, u64::from(at) * SECTOR, self.entries, u32::from_le_bytes)?);
        if tables.len() >= MAX_TABLES {
            tables.clear();
        }
        tables.insert(index, Arc::clone(&table));
        Ok(Some(table))
    }
}

impl Layout for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn block(&self) -> u64 {
        self.grain
    }

    fn locate(&self, file: &HostFile, block: u64) -> io::Result<Stored> {
        let Some(table) = self.table(file, block / self.entries)? else { return Ok(Stored::Zero) };
        let entry = table.get((block % self.entries) as usize).copied().unwrap_or(0);
        if entry == 0 || (entry == 1 && self.zero_grains) {
            return Ok(Stored::Zero);
        }
        let offset = u64::from(entry) * SECTOR;
        if !self.compressed {
            return Ok(Stored::At(offset));
        }
        // In front of the stream: sector of the disk, and bytes of the stream.
        let mut marker = [0; 12];
        file.read_at(offset, &mut marker)?;
        let len = u64::from(Fields(&marker).le32(8));
        if len > 2 * self.grain + 1024 {
            return Err(corrupt("a compressed grain is longer than it can be"));
        }
        Ok(Stored::Packed { offset: offset + 12, len })
    }
}

/// A piece of the disk, from `start` of it.
struct Piece {
    start: u64,
    len: u64,
    /// None for zeroes.
    image: Option<Part>,
}

/// An image, and at which of its bytes it begins to count.
type Part = (Box<dyn Image>, u64);

/// A disk of several files.
struct Pieces {
    pieces: Vec<Piece>,
    len: u64,
}

/// Opens what `file` is: a sparse extent with the whole disk, or a descriptor.
pub(crate) fn open(file: HostFile, access: Access) -> Result<Box<dyn Image>, ImageError> {
    let path = file.path().to_owned();
    let io = |error| ImageError::io(&path, error);
    let mut magic = [0; 4];
    file.read_at(0, &mut magic).map_err(io)?;
    if &magic != b"KDMV" {
        let len = file.len().map_err(io)?;
        let text = read_descriptor(&file, 0, len)?;
        return Ok(Box::new(open_pieces(&path, &text, access)?));
    }
    let (sparse, at, len) = Sparse::read(&file)?;
    if at != 0 && len != 0 {
        check_parent(&path, &read_descriptor(&file, at, len)?)?;
    }
    Ok(Box::new(Foreign::new(file, sparse)))
}

fn read_descriptor(file: &HostFile, at: u64, len: u64) -> Result<String, ImageError> {
    let mut bytes = vec![0; len.min(MAX_DESCRIPTOR) as usize];
    file.read_at(at, &mut bytes).map_err(|error| ImageError::io(file.path(), error))?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

fn check_parent(path: &Path, descriptor: &str) -> Result<(), ImageError> {
    let parent = descriptor.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim().eq_ignore_ascii_case("parentCID")).then(|| value.trim().to_ascii_lowercase())
    });
    if parent.is_some_and(|parent| parent != "ffffffff") {
        return Err(ImageError::unsupported(
            path,
            "a vmdk snapshot, which stands on another image: merge them with the program that made it",
        ));
    }
    Ok(())
}

fn open_pieces(path: &Path, descriptor: &str, access: Access) -> Result<Pieces, ImageError> {
    check_parent(path, descriptor)?;
    let mut disk = Pieces { pieces: Vec::new(), len: 0 };
    for line in descriptor.lines().map(str::trim) {
        let Some((rights, rest)) = line.split_once(char::is_whitespace) else { continue };
        if !matches!(rights, "RW" | "RDONLY" | "NOACCESS") {
            continue;
        }
        let damaged = || ImageError::damaged(path, format!("its descriptor says `{line}`"));
        let (sectors, rest) = rest.trim().split_once(char::is_whitespace).ok_or_else(damaged)?;
        let sectors: u64 = sectors.parse().ok().filter(|n| *n <= 1 << 40).ok_or_else(damaged)?;
        let (kind, rest) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
        let mut parts = rest.split('"');
        let name = parts.nth(1).unwrap_or_default();
        let offset = parts.next().unwrap_or_default().trim();
        let image = open_piece(path, kind, name, offset, access)?;
        if disk.pieces.len() == MAX_EXTENTS {
            return Err(ImageError::damaged(path, "it consists of too many files"));
        }
        let len = sectors * SECTOR;
        disk.pieces.push(Piece { start: disk.len, len, image });
        disk.len = disk.len.checked_add(len).ok_or_else(damaged)?;
    }
    if disk.pieces.is_empty() {
        return Err(ImageError::damaged(path, "its descriptor names no extent"));
    }
    Ok(disk)
}

fn open_piece(
    path: &Path,
    kind: &str,
    name: &str,
    offset: &str,
    access: Access,
) -> Result<Option<Part>, ImageError> {
    if kind == "ZERO" {
        return Ok(None);
    }
    // A descriptor comes with its files; no other file of the host is its business.
    let mut components = Path::new(name).components();
    if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) {
        return Err(ImageError::unsupported(path, format!("its extent `{name}` is no file beside it")));
    }
    let file = HostFile::open(&path.parent().unwrap_or(Path::new("")).join(name), access)?;
    match kind {
        "FLAT" | "VMFS" => {
            let start = if offset.is_empty() { Some(0) } else { offset.parse::<u64>().ok() };
            let start = start.and_then(|sectors| sectors.checked_mul(SECTOR));
            let start = start
                .ok_or_else(|| ImageError::damaged(path, format!("its extent `{name}` begins nowhere")))?;
            let extent = file.path().to_owned();
            let raw = Raw::new(file, SECTOR, false).map_err(|error| ImageError::io(&extent, error))?;
            Ok(Some((Box::new(raw), start)))
        }
        "SPARSE" => {
            let (sparse, _, _) = Sparse::read(&file)?;
            Ok(Some((Box::new(Foreign::new(file, sparse)), 0)))
        }
        other => Err(ImageError::unsupported(path, format!("its extents are of the kind {other}"))),
    }
}

impl Pieces {
    fn at(&self, offset: u64) -> io::Result<&Piece> {
        let index = self.pieces.partition_point(|piece| piece.start <= offset);
        let piece = index.checked_sub(1).and_then(|index| self.pieces.get(index));
        piece.ok_or_else(|| corrupt("no extent is there"))
    }
}

impl Readable for Pieces {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let piece = self.at(at)?;
            let inside = at - piece.start;
            let count = (piece.len - inside).min((buffer.len() - done) as u64) as usize;
            let part = &mut buffer[done..done + count];
            match &piece.image {
                None => part.fill(0),
                Some((image, start)) => {
                    let from = start.saturating_add(inside);
                    let there = image.len().saturating_sub(from).min(count as u64) as usize;
                    let (stored, behind) = part.split_at_mut(there);
                    behind.fill(0);
                    image.read(from, stored)?;
                }
            }
            done += count;
        }
        Ok(())
    }

    fn extent(&self, offset: u64, len: u64) -> io::Result<Extent> {
        let piece = self.at(offset)?;
        let inside = offset - piece.start;
        let len = len.min(piece.len - inside);
        match &piece.image {
            Some((image, start)) if start.saturating_add(inside) < image.len() => {
                let from = start + inside;
                image.extent(from, len.min(image.len() - from))
            }
            _ => Ok(Extent { kind: ExtentKind::Zero, len }),
        }
    }
}
